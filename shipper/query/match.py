"""The tree → a predicate over one record: what `shipper tail` filters with, and what the SQL is tested against."""

from collections.abc import Callable
from typing import Any

import orjson
import re2

from shipper.fields import value
from shipper.model import Doc
from shipper.query.tree import (
    FREE_TEXT,
    And,
    Between,
    Equals,
    Everything,
    Exists,
    Like,
    Node,
    Not,
    Or,
    Words,
)
from shipper.query.values import address4, number, period
from shipper.query.words import longest_literal, lower, pattern_regex, words_regex

Predicate = Callable[[Doc], bool]
Test = Callable[[str], bool]


def matcher(tree: Node) -> Predicate:
    """The predicate that is true for the records of an answer."""
    match tree:
        case Everything():
            return lambda record: True
        case And(parts):
            every = [matcher(part) for part in parts]
            return lambda record: all(predicate(record) for predicate in every)
        case Or(parts):
            some = [matcher(part) for part in parts]
            return lambda record: any(predicate(record) for predicate in some)
        case Not(part):
            inner = matcher(part)
            return lambda record: not inner(record)
        case Exists(field):
            return lambda record: bool(texts(record, field))
        case Words(where, words):
            return _any_value(
                FREE_TEXT if where is None else (where,), _holds(longest_literal(words), words_regex(words))
            )
        case Equals(field, text):
            return _any_value((field,), lambda found: found == text)
        case Like(field, pattern):
            whole = re2.compile(pattern_regex(pattern))
            return _any_value((field,), lambda found: whole.fullmatch(found) is not None)
        case Between(field):
            return _any_value((field,), _inside(tree))


def texts(record: Doc, field: str) -> list[str]:
    """The values of a field as text: each element of a list, none for `null` and for a missing one."""
    found = value(record, field)
    values = found if isinstance(found, list) else [found]
    return [_text(one) for one in values if one is not None]


def _text(one: Any) -> str:
    return one if isinstance(one, str) else orjson.dumps(one).decode()


def _any_value(fields: tuple[str, ...], test: Test) -> Predicate:
    return lambda record: any(test(text) for field in fields for text in texts(record, field))


def _holds(literal: str, regex: str) -> Test:
    compiled = re2.compile(regex)

    def test(text: str) -> bool:
        lowered = lower(text)
        return literal in lowered and compiled.search(lowered) is not None

    return test


def _inside(tree: Between) -> Test:
    def read(text: str) -> Any:
        match tree.by:
            case "number":
                return number(text)
            case "ip":
                return address4(text)
            case "date":
                found = period(text) if len(text) >= len("2026-01-01") else None
                return found and found[0]
        return text

    def test(text: str) -> bool:
        found, low, high = read(text), tree.low, tree.high
        if found is None:
            return False
        if low is not None and (found < low or (found == low and not tree.with_low)):
            return False
        return high is None or found < high or (found == high and tree.with_high)

    return test
