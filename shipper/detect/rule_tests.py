"""A rule's own evidence, run; and what a rule looks at, told."""

from collections.abc import Callable
from typing import Any

from shipper.detect.rule import Needs, Rule
from shipper.model import Doc

SHOWN = 120
"""Characters of an input that a message repeats."""


def check_rule(rule: Rule, to_record: Callable[[Any], Doc]) -> list[str]:
    """What is wrong with a rule by its own tests, one line each. `to_record` makes a whole record of a raw line (text)
    or of original fields (a mapping)."""
    return [
        *_wrong(rule, "match", rule.tests.match, True, to_record),
        *_wrong(rule, "pass", rule.tests.passes, False, to_record),
    ]


def _wrong(rule: Rule, kind: str, inputs: tuple[Any, ...], wanted: bool, to_record: Callable[[Any], Doc]) -> list[str]:
    said = "does not match" if wanted else "matches"
    return [
        f"{rule.path}:{rule.line}: {rule.title}: tests.{kind}[{index}] {said}: {_shown(given)}"
        for index, given in enumerate(inputs)
        if rule.matches(to_record(given)) is not wanted
    ]


def _shown(given: Any) -> str:
    text = given if isinstance(given, str) else repr(given)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def explain(rule: Rule) -> dict[str, Any]:
    """What a rule looks at: `{"id", "name", "title", "level", "path", "line", "fields", "fast_path", "literals",
    "why", "alerts", "group_by", "realert"}`; `literals` wake the rule, `why` says what keeps it off the fast path."""
    return {
        "id": rule.id,
        "name": rule.name,
        "title": rule.title,
        "level": rule.level,
        "path": str(rule.path),
        "line": rule.line,
        "fields": list(rule.fields),
        "fast_path": rule.needs is not None,
        "literals": _literals(rule.needs),
        "why": _why(rule.needs),
        "alerts": rule.alerts,
        "group_by": list(rule.group_by),
        "realert": rule.realert,
    }


def _literals(needs: Needs) -> list[str]:
    return sorted({literal.text for literal in needs[0]}) if needs else []


def _why(needs: Needs) -> str | None:
    if needs is None:
        return "not every way to match needs a literal of 3 characters in a field that stands verbatim in the line"
    if not needs[0]:
        return "only lines with an escape (%XX, entities, \\uXXXX) can match, and those go the exact way"
    return None
