"""Our own log: stderr, one line an event, JSON when stderr is not a terminal.

`say("warning", "file vanished before it was read", path=…, bytes=…)`. Every text passes `scrub`, so that a secret in a
path, a rule or a foreign error message does not come out here.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson

from shipper.clock import SystemClock, iso

LEVELS = ("debug", "info", "warning", "error")

_lock = threading.Lock()
_clock = SystemClock()
_threshold = LEVELS.index("info")


def _as_is(text: str) -> str:
    return text


_scrub: Callable[[str], str] = _as_is


def scrub_with(scrub: Callable[[str], str]) -> None:
    """From now on every text passes `scrub` before it is printed."""
    global _scrub
    _scrub = scrub


def quieter(level: str) -> None:
    """Prints nothing below `level` (one of `LEVELS`)."""
    global _threshold
    _threshold = LEVELS.index(level)


def scrub(text: str) -> str:
    """The text without anything that the loaded rules know as a secret."""
    return _scrub(text)


def say(level: str, message: str, **fields: Any) -> None:
    """One event, one line."""
    if LEVELS.index(level) < _threshold:
        return
    fields = {
        name: _scrub(str(value)) if isinstance(value, str | Exception) else value for name, value in fields.items()
    }
    message = _scrub(message)
    if sys.stderr.isatty():
        rest = " ".join(f"{name}={value}" for name, value in fields.items())
        line = f"{iso(_clock.now())[11:19]} {level:<7} {message}" + (f"  {rest}" if rest else "")
    else:
        event = {"@timestamp": iso(_clock.now()), "log.level": level, "message": message, **fields}
        line = orjson.dumps(event, default=str).decode()
    with _lock:
        print(line, file=sys.stderr, flush=True)
