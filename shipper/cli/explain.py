"""What `shipper rules explain` says about a rule, as lines of text that fit a terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from shipper.detect.gitleaks import SecretRule
from shipper.detect.rule import Correlation, Rule
from shipper.detect.rule_tests import explain

WIDTH = 80
"""Columns."""
LABEL = 12
"""Columns of the label before each value."""

_OPERATORS = {"gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most", "eq": "exactly"}
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def explain_rule(rule: Rule, correlations: Sequence[Correlation]) -> list[str]:
    """Fields, literals, the way it takes, group and suppression of a rule over single records."""
    told = explain(rule)
    counted_by = [found.name for found in correlations if rule.id in found.rules]
    return [
        *_head(rule),
        *_line("fields", ", ".join(told["fields"]) or "any"),
        *_line("fast path", f"no: {told['why']}" if told["why"] else "yes"),
        *_line("woken by", _quoted(told["literals"]) or "every record" if not told["why"] else ""),
        *_line("counted by", ", ".join(counted_by)),
        *_line("alerts", "yes" if rule.alerts else "no, it only feeds what counts it"),
        *_line("group by", (", ".join(rule.group_by) or "nothing: one alert for all") if rule.alerts else ""),
        *_line("suppressed", _suppression(rule.realert) if rule.alerts else ""),
    ]


def explain_correlation(correlation: Correlation, rules: Sequence[Rule]) -> list[str]:
    """What a correlation counts, when it fires, group and suppression."""
    names = {rule.id: rule.name for rule in rules}
    condition = f"{_OPERATORS[correlation.operator]} {correlation.threshold} within {span(correlation.timespan)}"
    groups = [_group(field, correlation.aliases.get(field, {}), names) for field in correlation.group_by]
    return [
        *_head(correlation),
        *_line("counts", ", ".join(names.get(rule, rule) for rule in correlation.rules)),
        *_line("fires at", f"{condition}, by event time"),
        *_line("group by", ", ".join(groups) or "nothing: one alert for all"),
        *_line("suppressed", _suppression(correlation.realert)),
    ]


def explain_secret(rule: SecretRule) -> list[str]:
    """What wakes a secret rule, and what the text has to be."""
    wakes = _quoted(expression.decode("utf-8", "replace") for expression in rule.prefilter)
    return [
        f"{rule.id} ({rule.level})",
        *_line("", rule.description),
        *_line("", f"{rule.path}:{rule.line}"),
        *_line("fields", "every text of the record, keys and values"),
        *_line("woken by", wakes or "every record"),
        *_line("keywords", _quoted(rule.keywords)),
        *_line("entropy", f"more than {rule.entropy:g} bits a character" if rule.entropy else ""),
        *_line("group by", "fingerprint and field: once per secret and place"),
    ]


def span(seconds: float) -> str:
    """A duration as people write it: `10m`, `1h30m`, `0s`."""
    left, text = round(seconds), ""
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _head(rule: Rule | Correlation) -> list[str]:
    return [
        f"{rule.name} ({rule.level})",
        *_line("", rule.title),
        *_line("", f"{rule.path}:{rule.line}"),
        *_line("id", rule.id),
        *_line("tags", ", ".join(rule.tags)),
        *_line("about", rule.description),
    ]


def _line(label: str, text: str) -> list[str]:
    """Nothing for an empty text."""
    indent = " " * (LABEL + 2)
    first = f"  {label:<{LABEL}}" if label else "  "
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f"“{text}”" for text in texts)


def _suppression(realert: float | None) -> str:
    after = span(realert) if realert is not None else "the pipeline's detect.realert"
    return f"the same group is a new alert after {after}"


def _group(field: str, alias: dict[str, str], names: dict[str, str]) -> str:
    if not alias:
        return field
    return " else ".join(f"{used} ({names.get(rule, rule)})" for rule, used in alias.items())
