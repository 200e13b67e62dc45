"""What the example's endpoints work with."""

from pathlib import Path

import pytest

from shipper.example.health import document, memory, status
from shipper.example.services import RateLimit, Services, Users


def test_a_password_opens_its_own_account_only() -> None:
    """Right password, wrong password, wrong user."""
    users = Users()
    users.add("ada", "countess-1815")
    found = [users.check(*pair) for pair in (("ada", "countess-1815"), ("ada", "x"), ("bob", "countess-1815"))]
    assert found == [True, False, False]


def test_a_name_is_taken_once() -> None:
    """The second to come is refused."""
    users = Users()
    assert [users.add("ada", "one-password"), users.add("ada", "another-one")] == [True, False]


def test_a_search_is_not_sql() -> None:
    """Quotes in a search find nothing but quotes."""
    users = Users()
    users.add("ada", "countess-1815")
    assert (users.search("' OR '1'='1"), users.search("ad")) == ([], ["ada"])


def test_rate_limit_is_a_sliding_window() -> None:
    """Two in ten seconds, for each user."""
    limit = RateLimit(limit=2, seconds=10)
    answers = [limit.allows(user, now) for user, now in (("a", 0), ("a", 1), ("a", 9), ("b", 9), ("a", 10.5))]
    assert answers == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("error", "providers", "expected"),
    [
        (None, {"openai": True, "anthropic": False}, "healthy"),
        (None, {"openai": False}, "limited"),
        ("disk I/O error", {"openai": True}, "degraded"),
    ],
)
def test_status_levels(error: str | None, providers: dict[str, bool], expected: str) -> None:
    """A database error weighs more than providers."""
    assert status(error, providers) == expected


def test_health_has_the_documented_structure() -> None:
    """Every key of the monitoring guide, nothing else."""
    found = document(Services(providers={"openai": True, "anthropic": False, "perplexity": False}), uptime=5.7)
    shape = {key: sorted(value) if isinstance(value, dict) else None for key, value in found.items()}
    assert shape == {
        "status": None,
        "version": None,
        "platform": None,
        "timestamp": None,
        "uptime_seconds": None,
        "services": ["ai_providers", "database"],
        "system": ["memory_available_mb", "memory_used_percent"],
        "environment": ["debug", "log_level"],
    }
    assert found["services"] == {
        "database": {"status": "connected", "type": "SQLite", "error": None},
        "ai_providers": {
            "configured": 1,
            "total": 3,
            "status": {"openai": True, "anthropic": False, "perplexity": False},
        },
    }
    assert found["uptime_seconds"] == 5


def test_memory_is_read_where_there_is_some(tmp_path: Path) -> None:
    """From /proc/meminfo; zeros on a machine without it."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       4096 kB\nMemFree: 100 kB\nMemAvailable:   1024 kB\n")
    assert (memory(meminfo), memory(tmp_path / "missing")) == ((75.0, 1.0), (0.0, 0.0))
