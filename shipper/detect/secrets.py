"""Which stretches of a text are secrets: keywords, then RE2, then entropy and allowlists.

The answer never depends on the prefilter: `patterns` only says which raw lines are worth the question.
"""

import copy
import hashlib
import hmac
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.detect.gitleaks import SecretRule, read_rules
from shipper.detect.rule import Problem
from shipper.detect.scan import Expressions, Keywords, refused
from shipper.detect.unescape import encodable, readings
from shipper.model import Doc, Finding

FINGERPRINT_LENGTH = 12
"""Hex digits."""
LINE_LIMIT = 4096
"""Bytes before and behind a match that an allowlist for lines is shown at most."""

_PLACEHOLDER = re.compile(r"\[REDACTED:[\w.-]{1,80}:[0-9a-f]{12}\]")
_NOT_IN_AN_ID = re.compile(r"[^\w.-]", re.ASCII)


class Hit(NamedTuple):
    """A secret in a text: characters `start` to `end` (excluded) hold it. `secret` is how it reads unescaped."""

    rule: SecretRule
    start: int
    end: int
    secret: str


class Leaf(NamedTuple):
    """A text in a record: a value, or a key (then `name` is empty). `name` is the key nearest to a value."""

    path: tuple[str, ...]
    name: str
    text: str
    is_key: bool


class SecretRules:
    """A set of secret rules. Threads may share it."""

    def __init__(
        self, rules: Sequence[SecretRule], problems: Sequence[Problem] = (), notes: Sequence[Problem] = ()
    ) -> None:
        self.rules = tuple(rules)
        self.problems = tuple(problems)
        self.notes = tuple(notes)
        self.patterns: tuple[bytes, ...] = tuple(
            dict.fromkeys(expression for rule in rules for expression in rule.prefilter)
        )
        """Hyperscan expressions for any case: one of them hits every raw line that can hold a secret, unless the line
        holds escapes that hide it."""
        self._key = b""
        self._expressions = Expressions(self.patterns)
        self._keywords = Keywords(self.rules)
        self._of_name = lru_cache(maxsize=4096)(self._keywords.rules_in)

    def keyed(self, key: bytes) -> "SecretRules":
        """The same rules with the key that fingerprints are made with."""
        twin = copy.copy(self)
        twin._key = key
        return twin

    def fingerprint(self, secret: str) -> str:
        """Tells two secrets apart without telling either: keyed, in hex."""
        digest = hmac.new(self._key, secret.encode("utf-8", "replace"), hashlib.sha256)
        return digest.hexdigest()[:FINGERPRINT_LENGTH]

    def placeholder(self, rule_id: str, secret: str) -> str:
        """What stands where the secret stood."""
        return f"[REDACTED:{_NOT_IN_AN_ID.sub('-', rule_id)[:80]}:{self.fingerprint(secret)}]"

    def hits(self, block: bytes) -> list[int]:
        """Where any of `patterns` ends in a block, in bytes, ascending."""
        return self._expressions.ends(block)

    def worth_a_look(self, texts: Iterable[str]) -> bool:
        """False when none of these texts, in any reading, holds a keyword of any rule: then `find` finds nothing."""
        joined = encodable("\n".join(texts))
        return any(self._keywords.rules_in(_masked(reading.text)) for reading in readings(joined))

    def find(self, text: str, name: str = "") -> list[Hit]:
        """The secrets of a text in order, none overlapping; `name` is the key that the text is the value of."""
        hits = []
        for reading in readings(encodable(text)):
            shown = _masked(reading.text)
            for hit in _search(self._keywords.rules_in(shown), shown):
                start, end = reading.back(hit.start, hit.end)
                hits.append(Hit(hit.rule, start, end, hit.secret))
        if name and text:
            hits += self._named(encodable(name), _masked(encodable(text)))
        return _merged(hits) if len(hits) > 1 else hits

    def strike(self, text: str, name: str = "") -> tuple[str, int]:
        """The text with a placeholder for each secret, and how many there were."""
        hits = self.find(text, name)
        if not hits:
            return text, 0
        pieces, done = [], 0
        for hit in hits:
            pieces += [text[done : hit.start], self.placeholder(hit.rule.id, hit.secret)]
            done = hit.end
        return "".join([*pieces, text[done:]]), len(hits)

    def findings(self, record: Doc, line: bytes, row: int) -> list[Finding]:
        """One finding for each secret of a record, at its first place; no field when only the raw line has it."""
        texts = list(leaves(record))
        findings = []
        if self.worth_a_look(text for leaf in texts for text in (leaf.name, leaf.text)):
            first: dict[str, tuple[str, ...]] = {}
            for leaf in texts:
                for hit in self.find(leaf.text, leaf.name):
                    mark = self.fingerprint(hit.secret)
                    if first.setdefault(mark, leaf.path) == leaf.path:
                        findings.append(self._finding(hit, row, mark, leaf))
        return findings or self._in_broken_line(line, row)

    def _in_broken_line(self, line: bytes, row: int) -> list[Finding]:
        """What decoding may have lost of a line that is not JSON."""
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            hits = self.find(line.decode("utf-8", "replace"))
            return [self._finding(hit, row, self.fingerprint(hit.secret), None) for hit in hits]
        return []

    def _finding(self, hit: Hit, row: int, mark: str, leaf: Leaf | None) -> Finding:
        rule = hit.rule
        path = ".".join(self.strike(part)[0] for part in leaf.path) if leaf else None
        span = (hit.start, hit.end) if leaf and not leaf.is_key else None
        return Finding(rule.id, rule.description, rule.level, row, path, span, mark, rule.tags)

    def _named(self, name: str, text: str) -> list[Hit]:
        """What a value is known for by its key: searched as if `key="value"` stood in a text."""
        rules = self._of_name(name)
        if not rules:
            return []
        lead = len(name) + 2
        # Same length, so that spans stay; a quote or backslash in the value must not end it.
        quiet = text.replace('"', "_").replace("\\", "_")
        hits = []
        for hit in _search(rules, f'{name}="{quiet}"'):
            start, end = max(hit.start - lead, 0), min(hit.end - lead, len(text))
            if start < end:
                hits.append(Hit(hit.rule, start, end, text[start:end]))
        return hits


def load_secret_rules(paths: Iterable[Path]) -> SecretRules:
    """The rules of these files, and of every `*.toml` below these folders; what can't be loaded is in `problems`."""
    rules: dict[str, SecretRule] = {}
    problems: list[Problem] = []
    notes: list[Problem] = []
    for path in _files(paths):
        read = read_rules(path)
        problems += read.problems
        notes += read.notes
        for rule in read.rules:
            if rule.id in rules:
                first = rules[rule.id]
                problems.append(Problem(path, rule.line, f"rule {rule.id} is already in {first.path}:{first.line}"))
            elif why := refused(rule.prefilter):
                problems.append(Problem(path, rule.line, f"rule {rule.id}: {why}"))
            else:
                rules[rule.id] = rule
    return SecretRules(tuple(rules.values()), problems, notes)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.toml"))
        else:
            yield path


def leaves(record: Any) -> Iterator[Leaf]:
    """Every key, and every text and number, of a record at any depth, in its order."""
    stack: list[tuple[tuple[str, ...], str, Any]] = [((), "", record)]
    while stack:
        path, name, value = stack.pop()
        if isinstance(value, dict):
            inner = []
            for key, entry in value.items():
                if isinstance(key, str):
                    yield Leaf((*path, key), "", key, True)
                inner.append(((*path, str(key)), str(key), entry))
            stack += reversed(inner)
        elif isinstance(value, list):
            stack += reversed([((*path, str(place)), name, entry) for place, entry in enumerate(value)])
        elif isinstance(value, str):
            yield Leaf(path, name, value, False)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield Leaf(path, name, str(value), False)


def _masked(text: str) -> str:
    """The text with blanks for every placeholder, of the same length: no rule finds anything in blanks."""
    if "[REDACTED:" not in text:
        return text
    return _PLACEHOLDER.sub(lambda found: " " * len(found.group()), text)


def _search(rules: Sequence[SecretRule], text: str) -> Iterator[Hit]:
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


def _merged(hits: list[Hit]) -> list[Hit]:
    """Overlapping hits put together: all that any of them covers, under the name of the most telling one."""
    hits.sort(key=lambda hit: (hit.start, -hit.end))
    merged: list[Hit] = []
    group: list[Hit] = []
    stop = -1
    for hit in hits:
        if hit.start >= stop and group:
            merged.append(_united(group, stop))
            group = []
        stop = max(stop, hit.end) if group else hit.end
        group.append(hit)
    merged.append(_united(group, stop))
    return merged


def _united(group: list[Hit], stop: int) -> Hit:
    best = min(group, key=lambda hit: (hit.rule.generic, hit.start - hit.end))
    return Hit(best.rule, group[0].start, stop, best.secret)
