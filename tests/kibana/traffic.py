"""Five weeks of a backend's log, small enough to count by hand. `NOW` is yesterday's noon, so that no time is absurd."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)

DAYS_SEEN = {
    "ann": [34, 33, 27, 4],
    "ben": [34, 33],
    "cid": [34],
    "dee": [8, 7, 1],
    "eve": [3],
}
"""User → days before `NOW` on which a message was sent."""
SESSIONS = {"ann": 14, "dee": 10, "fay": 5, "gus": 1, "hal": 16}
"""User → minutes before `NOW` of the last message; the last one is too long ago to be active."""
PROVIDERS = {"ann": ("openai", "gpt-4.1"), "dee": ("anthropic", "claude"), "ben": ("perplexity", "sonar")}

REQUESTS = {0.5: (40, 4), 20.5: (60, 16)}
"""Hours before `NOW` → requests, and how many of them failed."""
HEALTH = {
    "status": "degraded",
    "version": "2.0.0",
    "platform": "Xionimus AI",
    "timestamp": "2025-10-01T05:08:03.580606+00:00",
    "uptime_seconds": 5,
    "services": {
        "database": {"status": "error", "type": "SQLite", "error": "disk I/O error"},
        "ai_providers": {
            "configured": 0,
            "total": 3,
            "status": {"openai": False, "anthropic": False, "perplexity": False},
        },
    },
    "system": {"memory_used_percent": 26.9, "memory_available_mb": 46891.06},
    "environment": {"debug": True, "log_level": "INFO"},
}


def line(before: timedelta, **fields: Any) -> bytes:
    """A record `before` now."""
    when = (NOW - before).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"timestamp": when, "level": "INFO", "logger": "app.api", **fields}) + b"\n"


def message(before: timedelta, user: str, duration_ms: float = 1000) -> bytes:
    """A message to a model, as the backend of the brief writes it."""
    provider, model = PROVIDERS.get(user, ("openai", "gpt-4.1"))
    about = {"user_id": user, "provider": provider, "model": model, "duration_ms": duration_ms}
    return line(before, message="Message sent", module="chat", function="send_message", line=342, **about)


def request(before: timedelta, status: int) -> bytes:
    return line(before, message="request done", method="GET", path="/api/chat", status_code=status)


def backend() -> bytes:
    """The backend's own log, not in the order of time."""
    sent = [message(timedelta(days=day), user) for user, days in DAYS_SEEN.items() for day in days]
    sent += [message(timedelta(minutes=minutes), user, 1000 * minutes) for user, minutes in SESSIONS.items()]
    asked = [
        request(timedelta(hours=hours, seconds=place), 500 if place < failed else 200)
        for hours, (requests, failed) in REQUESTS.items()
        for place in range(requests)
    ]
    error = {"level": "ERROR", "exc_info": "Traceback (most recent call last):\nZeroDivisionError: division by zero"}
    errors = [
        line(timedelta(minutes=30 + place), message="It broke", module=module, **error)
        for module, times in {"chat": 3, "auth": 1}.items()
        for place in range(times)
    ]
    refused = [
        line(timedelta(minutes=30, seconds=place), level="WARNING", message="Failed login attempt for user root")
        for place in range(7)
    ]
    leaked = line(
        timedelta(minutes=20), message="key is " + "sk-" + "ant-api03-" + "Ab3dE6gH9jKmNpQr" * 5 + "Ab3dE6-1234AA"
    )
    broken = b'{"timestamp": "2026-\n'
    return b"".join([*sent, *asked, *errors, *refused, leaked, broken])


def health() -> bytes:
    """What a source of health answers will make."""
    well = line(timedelta(minutes=5), message="health", health={**HEALTH, "status": "healthy"})
    return well + line(timedelta(minutes=2), message="health", health=HEALTH)


def host() -> bytes:
    """What a source of the machine's figures will make."""
    return b"".join(line(timedelta(minutes=5), message="host", host={"cpu": {"usage": usage}}) for usage in (0.2, 0.4))


def messages_by_day() -> dict[str, set[str]]:
    """UTC day → users that sent a message."""
    ages = [(user, timedelta(days=day)) for user, days in DAYS_SEEN.items() for day in days]
    ages += [(user, timedelta(minutes=minutes)) for user, minutes in SESSIONS.items()]
    found: dict[str, set[str]] = {}
    for user, age in ages:
        found.setdefault((NOW - age).strftime("%Y-%m-%d"), set()).add(user)
    return found
