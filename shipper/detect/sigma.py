"""Sigma YAML → rules. pySigma parses, `predicate` compiles; what cannot be loaded becomes a `Problem`, the rest loads.

Beside Sigma's own keys a rule may have `tests: {match: […], pass: […]}` and `alert: {group-by: […], realert: 1h}`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RE2RegexEngine, RegexPattern
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetection

from shipper.detect.correlation_rule import correlation_from, generates
from shipper.detect.documents import Document, Invalid, read_documents, rule_files
from shipper.detect.header import group_by, header, key_of_error, reason_of, require
from shipper.detect.literals import needs_of
from shipper.detect.patterns import Unsupported, compile_pattern
from shipper.detect.predicate import Node, any_of, compile_condition
from shipper.detect.rule import Correlation, Place, Problem, Rule, Ruleset
from shipper.model import Doc


def load_rules(paths: Sequence[Path]) -> Ruleset:
    """All rules of the files and folders, and a problem for each that cannot be loaded."""
    documents, problems = _read(paths)
    rules: dict[str, Rule] = {}
    for document in documents:
        if "correlation" not in document.data:
            try:
                rule = rule_from(document)
                rules[rule.id] = rule
            except Invalid as error:
                problems.append(Problem(document.path, error.line, str(error)))
    correlations: list[Correlation] = []
    for document in documents:
        if "correlation" in document.data:
            try:
                correlations.append(_correlation(document, rules))
            except Invalid as error:
                problems.append(Problem(document.path, error.line, str(error)))
    return Ruleset(tuple(rules.values()), tuple(correlations), tuple(problems))


def rule_from(document: Document) -> Rule:
    """The rule of a document. Raises `Invalid`."""
    for key in ("filter", "action"):
        if key in document.data:
            raise Invalid(document.line_of(key), f"{key} documents are not supported yet")
    require(document, "id", "title", "detection")
    parsed = _parse(document)
    condition = _compile(document, parsed)
    return Rule(
        **header(document, parsed),
        matches=condition.matches,
        place=_placer(condition),
        needs=needs_of(condition.claims),
        group_by=group_by(document),
        fields=condition.fields,
    )


class _QuietRE2(RE2RegexEngine):
    """RE2 without its own words on stderr."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        compiled: RegexPattern = compile_pattern(pattern)
        return compiled


_POLICY = SigmaPolicy(regex_engine=_QuietRE2())


def _parse(document: Document) -> SigmaRule:
    # Sigma asks for a log source, but here is only one: a rule without it means every record.
    data = {"logsource": {"category": "application"}, **document.data}
    try:
        parsed = SigmaRule.from_dict(data, collect_errors=True, policy=_POLICY)
    except Exception as error:  # pySigma meets foreign YAML: whatever it raises, it is this rule's fault
        raise _fault(document, error) from error
    for found in parsed.errors:
        key = key_of_error(document, found)
        raise Invalid(document.line_of(key), reason_of(found)) if key else _fault(document, found)
    return parsed


def _compile(document: Document, parsed: SigmaRule) -> Node:
    try:
        conditions = [compile_condition(condition.parsed) for condition in parsed.detection.parsed_condition]
    except Exception as error:  # likewise: conditions are parsed here
        raise _fault(document, error) from error
    return conditions[0] if len(conditions) == 1 else any_of(conditions)


def _fault(document: Document, error: Exception) -> Invalid:
    """What is wrong with a detection, and where: the first item that fails on its own, else the condition."""
    detection = document.data["detection"]
    for keys, definition in _items(detection) if isinstance(detection, dict) else ():
        found = _item_fault(definition)
        if found:
            return Invalid(document.line_of("detection", *keys), _reason(found))
    return Invalid(document.line_of("detection", "condition"), _reason(error))


def _item_fault(definition: Any) -> Exception | None:
    try:
        nothing: Any = None
        compile_condition(SigmaDetection.from_definition(definition, policy=_POLICY).postprocess(nothing))
    except Exception as error:  # the same foreign YAML, piece by piece
        return error
    return None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Unsupported) else reason_of(error)


def _items(detection: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The smallest parts of a detection that mean something alone, with the keys that lead to them."""
    for name, definition in detection.items():
        if name != "condition":
            yield from _parts((name,), definition)


def _parts(keys: tuple[str | int, ...], definition: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(definition, dict) and definition:
        for key, value in definition.items():
            yield (*keys, key), {key: value}
    elif isinstance(definition, list) and definition:
        for index, inner in enumerate(definition):
            yield from _parts((*keys, index), inner)
    else:
        yield keys, definition


def _placer(condition: Node) -> Any:
    def place(record: Doc) -> Place:
        return condition.place(record) or Place(None, None)

    return place


def _read(paths: Sequence[Path]) -> tuple[list[Document], list[Problem]]:
    documents: list[Document] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, str], Document] = {}
    for found in _documents(paths):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        twice = _taken(found, seen)
        if twice:
            problems.append(twice)
        else:
            documents.append(found)
    return documents, problems


def _documents(paths: Sequence[Path]) -> Iterator[Document | Problem]:
    for file in rule_files(paths):
        if isinstance(file, Problem):
            yield file
        else:
            yield from read_documents(file)


def _taken(document: Document, seen: dict[tuple[str, str], Document]) -> Problem | None:
    """A problem when another document has this one's id or name; else remembers both."""
    marks = [(key, str(document.data[key]).lower()) for key in ("id", "name") if document.data.get(key)]
    for mark in marks:
        if mark in seen:
            other, key = seen[mark], mark[0]
            where = f"{other.path}:{other.line_of(key)}"
            return Problem(document.path, document.line_of(key), f"the {key} {mark[1]} is taken by {where}")
    seen.update((mark, document) for mark in marks)
    return None


def _correlation(document: Document, rules: dict[str, Rule]) -> Correlation:
    """Loads a correlation, and silences the rules that only feed it. Raises `Invalid`."""
    known = _references(rules.values())
    correlation = correlation_from(document, lambda reference: known.get(reference.lower()))
    if not generates(document):
        for rule_id in correlation.rules:
            rules[rule_id] = replace(rules[rule_id], alerts=False)
    return correlation


def _references(rules: Iterable[Rule]) -> dict[str, str]:
    return {reference.lower(): rule.id for rule in rules for reference in (rule.name, rule.id)}
