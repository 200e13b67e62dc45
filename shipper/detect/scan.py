"""Hyperscan for the secret rules: which rules a text is worth trying, and where a block of rows is worth a look."""

import threading
from collections.abc import Sequence

import hyperscan

from shipper.detect.gitleaks import SecretRule
from shipper.detect.hyper import ONCE, compiled


class Keywords:
    """Rules by the keywords in a text."""

    def __init__(self, rules: Sequence[SecretRule]) -> None:
        self._rules = rules
        self._always = frozenset(place for place, rule in enumerate(rules) if not rule.keywords)
        self._places: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            for word in rule.keywords:
                self._places.setdefault(word, []).append(place)
        self._by_id = list(self._places.values())
        words = [word.encode() for word in self._places]
        self._database = compiled(words, ONCE, literal=True) if words else None
        # One scratch space belongs to a database: two scans at once would be refused.
        self._lock = threading.Lock()

    def rules_in(self, text: str) -> tuple[SecretRule, ...]:
        """The rules, in their order, that the text has a keyword of, and those that have none."""
        words: list[int] = []
        if self._database is not None:
            with self._lock:
                self._database.scan(text.encode(), lambda word, _start, _end, _flags, _: words.append(word))
        if not words and not self._always:
            return ()
        places = self._always.union(*(self._by_id[word] for word in words))
        return tuple(self._rules[place] for place in sorted(places))


class Expressions:
    """Where any of several expressions ends."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._database = compiled(patterns) if patterns else None
        self._lock = threading.Lock()

    def ends(self, block: bytes) -> list[int]:
        """Offsets behind the last byte of each match, ascending."""
        ends: list[int] = []
        if self._database is not None and block:
            with self._lock:
                self._database.scan(block, lambda _id, _start, end, _flags, _: ends.append(end))
        return ends


def refused(patterns: Sequence[bytes]) -> str:
    """Why Hyperscan takes one of these expressions not; empty when it takes them all."""
    for pattern in patterns:
        try:
            compiled([pattern])
        except hyperscan.error as error:
            return f"Hyperscan refuses the prefilter {pattern.decode()}: {error}"
    return ""
