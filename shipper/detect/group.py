"""What puts evidence together: the group of a finding, as an alert shows it.

Values come out of log lines: secrets in them are struck first, then they are cut, so no half of a secret is left.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import orjson

from shipper.detect.rule import Correlation, Rule
from shipper.fields import value
from shipper.model import Doc, Finding

Scrub = Callable[[str], str]

MAX_VALUE = 256
"""Characters of a group's value; a longer one is cut, and a hash of all of it keeps it apart from others."""

REMEMBERED = 20_000
"""Values of groups that are known to hold no secret."""


def remembering(scrub: Scrub) -> Scrub:
    """The same, quicker: the texts without a secret that came last are known. None that has one is kept."""
    clean: set[str] = set()

    def scrubbed(text: str) -> str:
        if text in clean:
            return text
        struck = scrub(text)
        if struck == text and len(text) <= MAX_VALUE:
            if len(clean) >= REMEMBERED:
                clean.clear()
            clean.add(text)
        return struck

    return scrubbed


def group_of_rule(rule: Rule, record: Doc, scrub: Scrub) -> dict[str, str]:
    """Field → value of the rule's `group-by` fields that the record has."""
    found = {field: _text(value(record, field), scrub) for field in rule.group_by}
    return {field: text for field, text in found.items() if text is not None}


def group_of_secret(finding: Finding, scrub: Scrub) -> dict[str, str]:
    """Fingerprint and place: a secret is told once for each place where it leaks."""
    place = _text(finding.field, scrub)
    return {"fingerprint": finding.fingerprint or "", **({"field": place} if place else {})}


def group_of_correlation(rule: Correlation, rule_id: str, record: Doc, scrub: Scrub) -> dict[str, str] | None:
    """Field that was really used → value, for an event that the rule `rule_id` found.

    None when one is missing: such an event belongs to no group.
    """
    group: dict[str, str] = {}
    for name in rule.group_by:
        field: str | None = name
        if name in rule.aliases:
            field = rule.aliases[name].get(rule_id)
        text = _text(value(record, field), scrub) if field else None
        if field is None or text is None:
            return None
        group[field] = text
    return group


def values_key(group: dict[str, str]) -> str:
    """What a correlation tells groups apart by: the values alone, since aliases give one thing several names."""
    return orjson.dumps(list(group.values())).decode()


def items_key(group: dict[str, str]) -> str:
    """What other rules tell groups apart by: names and values, since a name may be missing."""
    return orjson.dumps(list(group.items())).decode()


def evidence_id(parts: Iterable[str]) -> str:
    """16 hex digits that identify an alert by its rule, group and first evidence record."""
    return blake2b("\x00".join(parts).encode(), digest_size=8).hexdigest()


def _text(found: Any, scrub: Scrub) -> str | None:
    if found is None or found in ("", [], {}):
        return None
    text = found if isinstance(found, str) else orjson.dumps(found, default=str).decode()
    text = scrub(text).encode("utf-8", "replace").decode()
    if len(text) > MAX_VALUE:
        text = f"{text[:MAX_VALUE]}…{blake2b(text.encode(), digest_size=4).hexdigest()}"
    return text
