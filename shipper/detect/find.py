"""One secret rule on one text: RE2, then entropy and allowlists."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from shipper.detect.gitleaks import SecretRule

LINE_LIMIT = 4096
"""Bytes before and behind a match that an allowlist for lines is shown at most."""


class Hit(NamedTuple):
    """A secret in a text: characters `start` to `end` (excluded) hold it. `secret` is how it reads unescaped."""

    rule: SecretRule
    start: int
    end: int
    secret: str


def search(rules: Sequence[SecretRule], text: str) -> Iterator[Hit]:
    """What some rules find in a text, rule by rule."""
    if not rules:
        return
    data = text.encode()
    plain = len(data) == len(text)
    for rule in rules:
        seen = chars = 0
        for (start, end), match in _spans(rule, data):
            secret = data[start:end].decode("utf-8", "replace")
            if not secret.strip() or not _accepted(rule, secret, data, match):
                continue
            if plain:
                yield Hit(rule, start, end, secret)
                continue
            chars += len(data[seen:start].decode("utf-8", "replace"))
            seen = start
            yield Hit(rule, chars, chars + len(secret), secret)


def _spans(rule: SecretRule, data: bytes) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The secret and the whole match of every match, in bytes. The next one may begin right behind a secret: what a
    pattern takes behind it (a quote, a blank) may be the beginning of another."""
    place, size = 0, len(data)
    while place <= size and (found := rule.regex.search(data, place)):
        match = found.span()
        secret = found.span(rule.group) if rule.group else _first_group(found, rule.regex.groups)
        if secret[0] >= 0:
            yield secret, match
        place = max(secret[1], place + 1) if secret[1] > match[0] else max(match[1], place + 1)


def _first_group(found: Any, groups: int) -> tuple[int, int]:
    for group in range(1, groups + 1):
        start, end = found.span(group)
        if end > start >= 0:
            return start, end
    whole: tuple[int, int] = found.span()
    return whole


def _accepted(rule: SecretRule, secret: str, data: bytes, match: tuple[int, int]) -> bool:
    if rule.entropy and entropy(secret) <= rule.entropy:
        return False
    if not rule.allowlists:
        return True
    whole = data[match[0] : match[1]].decode("utf-8", "replace")
    line = _line(data, match).decode("utf-8", "replace")
    return not any(entry.allows(secret, whole, line) for entry in rule.allowlists)


def _line(data: bytes, match: tuple[int, int]) -> bytes:
    low, high = max(match[0] - LINE_LIMIT, 0), match[1] + LINE_LIMIT
    start = data.rfind(b"\n", low, match[0]) + 1 or low
    stop = data.find(b"\n", match[1], high)
    return data[start : stop if stop >= 0 else high]


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())
