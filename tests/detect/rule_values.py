"""Rules as values, for tests that need no rule file."""

from pathlib import Path
from typing import Any

from shipper.detect.rule import Correlation, Place, Rule, RuleTests
from shipper.model import Doc


def a_rule(rule_id: str = "login", **changes: Any) -> Rule:
    """A rule that matches every record whose message holds its id."""
    values: dict[str, Any] = {
        "id": rule_id,
        "name": rule_id,
        "title": f"Title of {rule_id}",
        "level": "medium",
        "tags": ("attack.t1110",),
        "description": "",
        "path": Path("rule.yml"),
        "line": 1,
        "matches": lambda record: rule_id in str(record.get("message", "")),
        "place": _nowhere,
        "needs": None,
    }
    return Rule(**{**values, **changes})


def _nowhere(_: Doc) -> Place:
    return Place(None, None)


def a_correlation(**changes: Any) -> Correlation:
    """More than five findings of the rule `login` in ten minutes, by source.ip."""
    values: dict[str, Any] = {
        "id": "guessing",
        "name": "guessing",
        "title": "Guessing",
        "level": "high",
        "tags": ("attack.t1110",),
        "description": "Block them.",
        "path": Path("guessing.yml"),
        "line": 1,
        "kind": "event_count",
        "rules": ("login",),
        "group_by": ("source.ip",),
        "aliases": {},
        "timespan": 600.0,
        "operator": "gt",
        "threshold": 5,
        "tests": RuleTests(),
    }
    return Correlation(**{**values, **changes})
