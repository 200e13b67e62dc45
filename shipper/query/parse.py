"""Lucene's query syntax → the tree of `tree.py`.

Fields `level:ERROR`, dotted names, phrases `"…"`, wildcards `*` and `?`, intervals `[a TO b]`, `{a TO b}` and mixed,
open with `*`, `>`, `>=`, `<`, `<=`, `AND OR NOT && || !`, `+`, `-`, groups, groups of one field's
values `level:(ERROR OR WARNING)`, free text, `field:*` for "is there", `*` or nothing for all, `\\` before a
special character.
NOT binds tighter than AND, AND tighter than OR; a space means AND; `+` changes nothing, `-` is NOT.
"""

import threading
from typing import Any

from luqum import parser as luqum
from luqum import tree as lucene
from luqum.exceptions import ParseError

from shipper.query.error import QueryError
from shipper.query.explain import explain
from shipper.query.leaf import Leaf, interval, leaf
from shipper.query.scan import scan
from shipper.query.tree import And, Everything, Exists, Node, Not, Or, Pattern, Wild

MAX_DEPTH = 100
MAX_NAMES = 8
"""Dotted parts of a field name."""

_luqum_is_not_thread_safe = threading.Lock()


def parse(query: str) -> Node:
    """The tree of a query. Raises `QueryError`, which knows the place."""
    tokens = scan(query)
    if not tokens:
        return Everything()
    return _Builder(query).node(_parse(query, tokens), None, 0)


def _parse(query: str, tokens: list[Any]) -> Any:
    taken = 0

    def next_token() -> Any:
        nonlocal taken
        taken += 1
        return tokens[taken - 1] if taken <= len(tokens) else None

    with _luqum_is_not_thread_safe:
        try:
            return luqum.parser.parse(None, lexer=luqum.lexer.clone(), tokenfunc=next_token)
        except ParseError:
            raise explain(query, tokens, min(taken - 1, len(tokens))) from None


class _Builder:
    """luqum's tree → ours, for one query."""

    def __init__(self, query: str) -> None:
        self.query = query

    def fail(self, item: Any, what: str, remedy: str) -> QueryError:
        return QueryError(self.query, item.pos or 0, what, remedy)

    def node(self, item: Any, field: str | None, depth: int) -> Node:
        """`field` is the one whose group this stands in."""
        if depth > MAX_DEPTH:
            raise self.fail(item, "nesting too deep", f"use at most {MAX_DEPTH} levels")
        match item:
            case lucene.AndOperation():
                return And(tuple(self.node(part, field, depth + 1) for part in item.children))
            case lucene.OrOperation():
                return Or(tuple(self.node(part, field, depth + 1) for part in item.children))
            case lucene.Not() | lucene.Prohibit():
                return Not(self.node(item.a, field, depth + 1))
            case lucene.Plus():
                return self.node(item.a, field, depth + 1)
            case lucene.Group() | lucene.FieldGroup():
                return self.node(item.expr, field, depth + 1)
            case lucene.SearchField():
                return self.search_field(item, field, depth)
            case _:
                return self.leaf(item, field)

    def search_field(self, item: Any, outer: str | None, depth: int) -> Node:
        if outer is not None:
            raise self.fail(item, "a field inside a field", 'a value with ":" goes in quotes')
        if isinstance(item.expr, lucene.Not | lucene.Prohibit | lucene.Plus):
            raise self.fail(
                item.expr, "an operator between field and value", f"put it before the field: NOT {item.name}:…"
            )
        if item.name == "_exists_" and isinstance(item.expr, lucene.Term):
            return Exists(self.field_name(item.expr.value, item.expr))
        if item.name == "*" and isinstance(item.expr, lucene.Word) and item.expr.value == "*":
            return Everything()
        return self.node(item.expr, self.field_name(item.name, item), depth + 1)

    def field_name(self, written: str, item: Any) -> str:
        pattern = unescape(written.strip('"'))
        if any(isinstance(part, Wild) for part in pattern):
            raise self.fail(item, "a wildcard in a field name", "name one field; for any text leave the field out")
        name = str(pattern[0]) if pattern else ""
        if name.count(".") >= MAX_NAMES:
            raise self.fail(item, "a field name with too many parts", f"at most {MAX_NAMES} are possible")
        return name

    def leaf(self, item: Any, field: str | None) -> Node:
        match item:
            case lucene.Word() | lucene.Phrase():
                return leaf(Leaf(self.query, item.pos, field), value_of(item), quoted=isinstance(item, lucene.Phrase))
            case lucene.Range():
                low, high = bound(item.low), bound(item.high)
                return interval(Leaf(self.query, item.pos, field), low, high, item.include_low, item.include_high)
            case lucene.From():
                return interval(Leaf(self.query, item.pos, field), bound(item.a), None, item.include, True)
            case lucene.To():
                return interval(Leaf(self.query, item.pos, field), None, bound(item.a), True, item.include)
        raise self.fail(item, "something that search doesn't know", "see: shipper search --help")


def value_of(item: Any) -> Pattern:
    """A word with its wildcards, or a phrase, in which `*` and `?` are plain characters."""
    if isinstance(item, lucene.Phrase):
        return tuple(str(part.value) if isinstance(part, Wild) else part for part in unescape(item.value[1:-1]))
    return unescape(item.value)


def bound(item: Any) -> str | None:
    """A bound of an interval; None is open."""
    if isinstance(item, lucene.Prohibit):
        return f"-{bound(item.a) or ''}"
    pattern = value_of(item)
    if pattern == (Wild.MANY,):
        return None
    return "".join(part if isinstance(part, str) else str(part.value) for part in pattern)


def unescape(text: str) -> Pattern:
    """Takes the backslashes away, and tells wildcards from characters that only look like them."""
    pieces: list[str | Wild] = []
    literal: list[str] = []
    characters = iter(text)
    for character in characters:
        if character in "*?":
            pieces += ["".join(literal)] if literal else []
            literal = []
            pieces.append(Wild(character))
        else:
            literal.append(next(characters, "\\") if character == "\\" else character)
    return (*pieces, *(["".join(literal)] if literal else []))
