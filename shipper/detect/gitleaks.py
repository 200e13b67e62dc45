"""Secret rules on disk: TOML in gitleaks' format, plus four keys of our own. Reading a file never fails as a whole.

Of a rule gitleaks knows `id description regex secretGroup entropy keywords tags allowlists path`. Ours are
`level` (default `high`), `generic` (true for a rule that knows a secret by what stands around it: a specific one wins
over it; default: the id starts with `generic`), `prefilter` (Hyperscan expressions, any case, one of which hits every
raw line that can hold such a secret; default: the keywords) and `tests = {match, pass}` (see `examples.py`).

An expression in `prefilter` meets the raw line, in which JSON may have put a backslash before a quote and `\\n` for a
line break: it must allow for both, and must not match a newline.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2

from shipper.detect.rule import Problem, RuleTests
from shipper.detect.rule_lines import RuleLines

LEVELS = ("informational", "low", "medium", "high", "critical")
TARGETS = ("secret", "match", "line")
MAX_PATTERN_MEMORY = 64 << 20
"""Bytes that RE2 may use for one pattern: some public rules need more than its own limit of 8 MiB."""

_RULE_KEYS = {"id", "description", "regex", "secretgroup", "entropy", "keywords", "tags", "allowlist", "allowlists"} | {
    *("path", "level", "generic", "prefilter", "tests")
}
_ALLOW_KEYS = {
    "id",
    "description",
    "condition",
    "regextarget",
    "regexes",
    "stopwords",
    "paths",
    "commits",
    "targetrules",
}
_FILE_KEYS = {"title", "description", "minversion", "rules", "allowlist", "allowlists", "extend"}
_SYNTAX_ERROR_LINE = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class Allowlist:
    """What a rule must not report. With `every`, all of the kinds given have to agree, else one is enough."""

    regexes: tuple[Any, ...]
    stopwords: tuple[str, ...]
    target: str
    """What the regexes look at: `secret`, `match` or `line`."""
    every: bool
    rules: frozenset[str] = frozenset()
    """Ids that a file's own allowlist is limited to; empty: all."""

    def allows(self, secret: str, match: str, line: str) -> bool:
        """True when this is no secret after all."""
        looked_at = {"secret": secret, "match": match, "line": line}[self.target].encode()
        answers = []
        if self.regexes:
            answers.append(any(regex.search(looked_at) for regex in self.regexes))
        if self.stopwords:
            lower = secret.lower()
            answers.append(any(word in lower for word in self.stopwords))
        return bool(answers) and (all(answers) if self.every else any(answers))


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One kind of secret."""

    id: str
    description: str
    level: str
    tags: tuple[str, ...]
    regex: Any
    """Compiled by RE2; meets UTF-8."""
    group: int
    """The group that is the secret; 0: the first one that took part, or the whole match."""
    entropy: float
    """Bits a character; a secret has more. 0: any."""
    keywords: tuple[str, ...]
    """Lower case; one of them stands in every text that holds such a secret. Empty: every text is looked at."""
    allowlists: tuple[Allowlist, ...]
    generic: bool
    prefilter: tuple[bytes, ...]
    path: Path
    line: int
    tests: RuleTests


class Broken(Exception):
    """A rule can't be loaded; `key` is where in it."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.key = key.lower()


def pattern(text: str) -> Any:
    """A pattern compiled by RE2, which takes linear time whatever the text. Raises `re2.error`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    return re2.compile(text, options)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What one file gave."""

    rules: tuple[SecretRule, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    """What was passed over without harm."""


def read_rules(path: Path) -> RuleFile:
    """The rules of one TOML file, each with the file's own allowlists."""
    try:
        text = path.read_text("utf-8")
        table = _lower_keys(tomllib.loads(text))
    except OSError as error:
        return RuleFile((), (Problem(path, 1, f"can't be read: {error.strerror}"),), ())
    except UnicodeDecodeError:
        return RuleFile((), (Problem(path, 1, "is not UTF-8"),), ())
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_ERROR_LINE.search(str(error))
        return RuleFile((), (Problem(path, int(found[1]) if found else 1, f"is not TOML: {error}"),), ())
    return _read_table(path, table, RuleLines(text))


def _read_table(path: Path, table: dict[str, Any], lines: RuleLines) -> RuleFile:
    rules: list[SecretRule] = []
    problems = [Problem(path, lines.of_key(key), f"unknown key {key}") for key in table if key not in _FILE_KEYS]
    notes = []
    if "extend" in table:
        notes.append(Problem(path, lines.of_key("extend"), "[extend] is ignored: give every file by its path"))
    try:
        shared = _allowlists(table)
    except Broken as error:
        shared = ()
        problems.append(Problem(path, lines.of_key(error.key), f"top-level allowlist: {error}"))
    for index, raw in enumerate(_tables(table.get("rules", []))):
        start = lines.of_rule(index)
        if raw.get("path"):
            what = f"{raw.get('id', 'a rule')} is for files of a certain name, which a log line has not: not used"
            notes.append(Problem(path, start, what))
            continue
        try:
            rules.append(_rule(raw, shared, path, start))
        except Broken as error:
            place = lines.in_rule(index, error.key)
            problems.append(Problem(path, place, f"rule {raw.get('id', index + 1)}: {error}"))
    return RuleFile(tuple(rules), tuple(problems), tuple(notes))


def _rule(raw: Mapping[str, Any], shared: Sequence[Allowlist], path: Path, line: int) -> SecretRule:
    for key in raw:
        if key not in _RULE_KEYS:
            raise Broken(f"unknown key {key}", key)
    rule_id = _string(raw, "id")
    if not rule_id:
        raise Broken("has no id: give it one")
    if not _string(raw, "regex"):
        raise Broken("has no regex: give it one")
    regex = _compiled(_string(raw, "regex"), "regex")
    keywords = tuple(word.lower() for word in _strings(raw, "keywords"))
    if not all(keywords):
        keywords = ()  # every text holds the empty one
    mine = tuple(entry for entry in shared if not entry.rules or rule_id in entry.rules)
    return SecretRule(
        id=rule_id,
        description=_string(raw, "description") or rule_id,
        level=_level(raw),
        tags=_strings(raw, "tags"),
        regex=regex,
        group=_group(raw, regex),
        entropy=_number(raw, "entropy"),
        keywords=keywords,
        allowlists=_allowlists(raw) + mine,
        generic=bool(raw.get("generic", rule_id.startswith("generic"))),
        prefilter=_prefilter(raw, keywords),
        path=path,
        line=line,
        tests=_tests(raw),
    )


def _prefilter(raw: Mapping[str, Any], keywords: Sequence[str]) -> tuple[bytes, ...]:
    given = _strings(raw, "prefilter")
    if given:
        return tuple(expression.encode() for expression in given)
    if not keywords:
        return (EVERY_ROW,)
    # JSON may write these characters in another way, so the longest run without one stands for the keyword.
    runs = [max(re.split(r'["\\/\x00-\x1f]|[^\x00-\x7f]', word), key=len) for word in keywords]
    return tuple(re.escape(run).encode() for run in runs) if all(runs) else (EVERY_ROW,)


EVERY_ROW = rb"(?:^|\n)[^\n]{2}"
"""Hits each row once: for a rule that nothing in the raw line announces."""


def _level(raw: Mapping[str, Any]) -> str:
    level = _string(raw, "level") or "high"
    if level not in LEVELS:
        raise Broken(f"level {level} is none of {', '.join(LEVELS)}", "level")
    return level


def _group(raw: Mapping[str, Any], regex: Any) -> int:
    group = raw.get("secretgroup", 0)
    if not isinstance(group, int) or not 0 <= group <= regex.groups:
        raise Broken(f"secretGroup {group} is no group of its regex, which has {regex.groups}", "secretGroup")
    return group


def _number(raw: Mapping[str, Any], key: str) -> float:
    value = raw.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Broken(f"{key} is not a number", key)
    return float(value)


def _tests(raw: Mapping[str, Any]) -> RuleTests:
    tests = raw.get("tests", {})
    if not isinstance(tests, dict) or set(tests) - {"match", "pass"}:
        raise Broken("tests takes match and pass, each a list of texts", "tests")
    return RuleTests(_strings(tests, "match"), _strings(tests, "pass"))


def _allowlists(raw: Mapping[str, Any]) -> tuple[Allowlist, ...]:
    """Of a rule or a file, in the form of today (`[[allowlists]]`) and of old (`[allowlist]`)."""
    entries = [*_tables(raw.get("allowlists", [])), *_tables([raw["allowlist"]] if "allowlist" in raw else [])]
    return tuple(found for found in map(_allowlist, entries) if found.regexes or found.stopwords)


def _allowlist(raw: Mapping[str, Any]) -> Allowlist:
    for key in raw:
        if key not in _ALLOW_KEYS:
            raise Broken(f"unknown key {key} in an allowlist", key)
    condition = (_string(raw, "condition") or "OR").upper()
    if condition not in ("OR", "||", "AND", "&&"):
        raise Broken(f"condition {condition} is neither OR nor AND", "condition")
    target = _string(raw, "regextarget").lower() or "secret"
    if target not in TARGETS:
        raise Broken(f"regexTarget {target} is none of {', '.join(TARGETS)}", "regexTarget")
    every = condition in ("AND", "&&")
    if every and (raw.get("paths") or raw.get("commits")):
        return Allowlist((), (), target, every)  # a log line has no commit and no path to agree with
    return Allowlist(
        regexes=tuple(_compiled(text, "regexes") for text in _strings(raw, "regexes")),
        stopwords=tuple(word.lower() for word in _strings(raw, "stopwords")),
        target=target,
        every=every,
        rules=frozenset(_strings(raw, "targetrules")),
    )


def _compiled(text: str, key: str) -> Any:
    try:
        return pattern(text)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise Broken(f"RE2 refuses the pattern: {why}", key) from None


def _string(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key.lower(), "")
    if not isinstance(value, str):
        raise Broken(f"{key} is not a text", key)
    return value


def _strings(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Broken(f"{key} is not a list of texts", key)
    return tuple(value)


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [entry for entry in value if isinstance(entry, dict)]


def _lower_keys(value: Any) -> Any:
    """gitleaks takes its keys in any case."""
    if isinstance(value, dict):
        return {key.lower(): _lower_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_lower_keys(inner) for inner in value]
    return value
