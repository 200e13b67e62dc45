"""Which stretches of a text are secrets: keywords, then RE2, then entropy and allowlists.

The answer never depends on the prefilter: `patterns` only says which raw lines are worth the question.
"""

import copy
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import hyperscan
import orjson

from shipper.detect.files import files_below
from shipper.detect.find import Hit, search
from shipper.detect.gitleaks import SecretRule, read_rules
from shipper.detect.leaves import Leaf, leaves
from shipper.detect.rule import Problem
from shipper.detect.scan import Expressions, Keywords, refused
from shipper.detect.unescape import encodable, readings
from shipper.model import Doc, Finding

FINGERPRINT_LENGTH = 12
"""Hex digits."""
KEYS = 4096
"""Keys of records that are remembered: most records have the same ones."""

_PLACEHOLDER = re.compile(r"\[REDACTED:[\w.-]{1,80}:[0-9a-f]{12}\]")
_HIDING = re.compile(rb"%[0-9a-fA-F]{2}|&(?:\#|[A-Za-z]{2,4};)|\\[ux]|\[REDACTED:")
"""Escapes that hide a secret from `patterns`; JSON's own escape of a quote or a line end does not."""
_NOT_IN_AN_ID = re.compile(r"[^\w.-]", re.ASCII)


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
        self._of_name = lru_cache(maxsize=KEYS)(self._keywords.rules_in)
        self._clean_keys: set[str] = set()

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

    def worth_a_look(self, value: Any) -> bool:
        """False when a record, or a value of any shape, holds no secret: none of `patterns` hits it as a raw line."""
        try:
            line = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:  # numbers and nesting beyond orjson
            return True
        return not line.isascii() or _HIDING.search(line) is not None or bool(self.hits(line))

    def find(self, text: str, name: str = "") -> list[Hit]:
        """The secrets of a text in order, none overlapping; `name` is the key that the text is the value of."""
        if _has_one_reading(text):
            rules = self._keywords.rules_in(text)
            hits = list(search(rules, text)) if rules else []
        else:
            hits = list(self._in_readings(text))
        if name and text:
            hits += self._named(encodable(name), text)
        return _merged(hits) if len(hits) > 1 else hits

    def find_in_key(self, key: str) -> list[Hit]:
        """The secrets of a record's key."""
        if key in self._clean_keys:
            return []
        hits = self.find(key)
        if not hits and len(self._clean_keys) < KEYS:
            self._clean_keys.add(key)
        return hits

    def _in_readings(self, text: str) -> Iterator[Hit]:
        for reading in readings(encodable(text)):
            shown = _masked(reading.text)
            for hit in search(self._keywords.rules_in(shown), shown):
                start, end = reading.back(hit.start, hit.end)
                yield Hit(hit.rule, start, end, hit.secret)

    def strike(self, text: str, name: str = "") -> tuple[str, int]:
        """The text with a placeholder for each secret, and how many there were."""
        return self._struck(text, self.find(text, name))

    def strike_key(self, key: str) -> tuple[str, int]:
        """A record's key with a placeholder for each secret, and how many there were."""
        return self._struck(key, self.find_in_key(key))

    def _struck(self, text: str, hits: Sequence[Hit]) -> tuple[str, int]:
        if not hits:
            return text, 0
        pieces, done = [], 0
        for hit in hits:
            pieces += [text[done : hit.start], self.placeholder(hit.rule.id, hit.secret)]
            done = hit.end
        return "".join([*pieces, text[done:]]), len(hits)

    def findings(self, record: Doc, line: bytes, row: int) -> list[Finding]:
        """One finding for each secret of a record, at its first place; no field when only the raw line has it."""
        worth = self.worth_a_look(record)
        found = [(leaf, hit) for leaf in leaves(record) for hit in self._in_leaf(leaf)] if worth else []
        findings = []
        first: dict[str, tuple[str, ...]] = {}
        for leaf, hit in found:
            mark = self.fingerprint(hit.secret)
            if first.setdefault(mark, leaf.path) == leaf.path:
                findings.append(self._finding(hit, row, mark, leaf))
        return findings or self._in_broken_line(line, row)

    def _in_leaf(self, leaf: Leaf) -> list[Hit]:
        return self.find_in_key(leaf.text) if leaf.is_key else self.find(leaf.text, leaf.name)

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
        text = _masked(encodable(text))
        # Same length, so that spans stay; a quote or backslash in the value must not end it.
        quiet = text.replace('"', "_").replace("\\", "_")
        hits = []
        for hit in search(rules, f'{name}="{quiet}"'):
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
            else:
                rules[rule.id] = rule
    try:
        return SecretRules(tuple(rules.values()), problems, notes)
    except hyperscan.error:  # one of them, and only now it matters which
        reasons = [(rule, refused(rule.prefilter)) for rule in rules.values()]
        problems += [Problem(rule.path, rule.line, f"rule {rule.id}: {why}") for rule, why in reasons if why]
        return SecretRules([rule for rule, why in reasons if not why], problems, notes)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in files_below(path) if file.suffix == ".toml")
        else:
            yield path


def _has_one_reading(text: str) -> bool:
    """Nothing to replace, undo or blank: most texts."""
    return text.isascii() and "%" not in text and "\\" not in text and "&" not in text and "[REDACTED:" not in text


def _masked(text: str) -> str:
    """The text with blanks for every placeholder, of the same length: no rule finds anything in blanks."""
    if "[REDACTED:" not in text:
        return text
    return _PLACEHOLDER.sub(lambda found: " " * len(found.group()), text)


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
