"""A Sigma correlation document → `Correlation`. Only `event_count` now; the other types are named as not supported."""

from collections.abc import Callable
from typing import Any

from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule, SigmaCorrelationType

from shipper.detect.documents import Document, Invalid
from shipper.detect.header import header, key_of_error, reason_of, require
from shipper.detect.rule import Correlation

OPERATORS = ("gt", "gte", "lt", "lte", "eq")

_TYPES = {kind.name.lower() for kind in SigmaCorrelationType}

Resolve = Callable[[str], str | None]
"""A rule's name or id → the id of a loaded rule; None for an unknown one."""


def correlation_from(document: Document, resolve: Resolve) -> Correlation:
    """The correlation of a document. Raises `Invalid`."""
    require(document, "id", "title", "correlation")
    _refuse_other_types(document)
    parsed = _parse(document)
    operator, threshold = _condition(document, parsed)
    return Correlation(
        **header(document, parsed),
        kind="event_count",
        rules=_rules(document, parsed, resolve),
        group_by=tuple(parsed.group_by or ()),
        aliases=_aliases(document, parsed, resolve),
        timespan=float(parsed.timespan.seconds),
        operator=operator,
        threshold=threshold,
    )


def generates(document: Document) -> bool:
    """Whether the rules that a correlation refers to alert on their own as well."""
    return document.data["correlation"].get("generate") is True


def _refuse_other_types(document: Document) -> None:
    found = document.data["correlation"]
    kind = found.get("type") if isinstance(found, dict) else None
    if isinstance(kind, str) and kind in _TYPES - {"event_count"}:
        line = document.line_of("correlation", "type")
        raise Invalid(line, f"correlation type {kind} is not supported yet; there is event_count")


def _parse(document: Document) -> SigmaCorrelationRule:
    try:
        parsed = SigmaCorrelationRule.from_dict(document.data, collect_errors=True)
    except Exception as error:  # pySigma meets foreign YAML: whatever it raises, it is this rule's fault
        raise Invalid(document.line_of("correlation", *_suspect(error)), reason_of(error)) from error
    for found in parsed.errors:
        key = key_of_error(document, found)
        keys = (key,) if key else ("correlation", *_suspect(found))
        raise Invalid(document.line_of(*keys), reason_of(found))
    return parsed


def _suspect(error: Exception) -> tuple[str, ...]:
    """The key inside `correlation` that an error speaks of."""
    text = str(error).lower()
    return next(((key,) for key in ("condition", "timespan", "group-by", "aliases", "type", "rule") if key in text), ())


def _condition(document: Document, parsed: SigmaCorrelationRule) -> tuple[str, int]:
    condition = parsed.condition
    line = document.line_of("correlation", "condition")
    if not isinstance(condition, SigmaCorrelationCondition):
        raise Invalid(line, "an event_count is compared with a number, for example {gt: 5}")
    operator = condition.op.name.lower()
    if operator not in OPERATORS:
        raise Invalid(line, f"condition {operator} is not supported; there is {', '.join(OPERATORS)}")
    if not isinstance(condition.count, int):
        raise Invalid(line, f"an event_count is compared with a whole number, not {condition.count}")
    return operator, condition.count


def _rules(document: Document, parsed: SigmaCorrelationRule, resolve: Resolve) -> tuple[str, ...]:
    found = []
    for index, reference in enumerate(parsed.rules or ()):
        line = document.line_of("correlation", "rules", index)
        found.append(_resolved(line, reference.reference, resolve))
    return tuple(found)


def _aliases(document: Document, parsed: SigmaCorrelationRule, resolve: Resolve) -> dict[str, dict[str, str]]:
    line = document.line_of("correlation", "aliases")
    return {
        name: {_resolved(line, ref.reference, resolve): field for ref, field in alias.mapping.items()}
        for name, alias in parsed.aliases.aliases.items()
    }


def _resolved(line: int, reference: Any, resolve: Resolve) -> str:
    rule_id = resolve(str(reference))
    if rule_id is None:
        raise Invalid(line, f"{reference!r} is neither the name nor the id of a rule that was loaded")
    return rule_id
