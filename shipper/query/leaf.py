"""A term, phrase, wildcard or interval of a query → the leaf that its field's kind makes of it."""

from typing import NamedTuple

from shipper.query.error import QueryError
from shipper.query.tree import (
    Between,
    Equals,
    Everything,
    Exists,
    Like,
    Node,
    Or,
    Pattern,
    Wild,
    Words,
    kind_of,
)
from shipper.query.values import address, address4, network, number, period
from shipper.query.words import join_literals, words_of

NOT_A_TIME = "write for example 2026-11-23, 2026-11-23T10:00:00Z or *"


class Leaf(NamedTuple):
    """Where a leaf stands in the query, and the field it is about (None: free text)."""

    query: str
    column: int
    field: str | None

    def fail(self, what: str, remedy: str) -> QueryError:
        return QueryError(self.query, self.column, what, remedy)


def leaf(at: Leaf, written: Pattern, *, quoted: bool) -> Node:
    """What a word or phrase asks. Raises `QueryError` for one that can't match by its field's kind."""
    pattern = join_literals(list(written))
    if pattern and not quoted and set(pattern) == {Wild.MANY}:
        return Everything() if at.field is None else Exists(at.field)
    if at.field is None:
        return _words(at, pattern)
    kind = kind_of(at.field)
    if kind == "text":
        return _words(at, pattern)
    if any(isinstance(part, Wild) for part in pattern):
        return _like(at, at.field, kind, pattern)
    text = "".join(map(str, pattern))
    if kind in ("keyword", "any"):
        return _equals(at.field, kind, text)
    return _typed(at, at.field, kind, text)


def interval(at: Leaf, low: str | None, high: str | None, with_low: bool, with_high: bool) -> Node:
    """What `[low TO high]`, `>low` and their like ask; None is an open end. Raises `QueryError`."""
    if at.field is None:
        raise at.fail("an interval without a field", "name one: duration_ms:>500, @timestamp:[2026-01-01 TO *]")
    if low is None and high is None:
        return Exists(at.field)
    kind = kind_of(at.field)
    if kind == "text":
        raise at.fail(f"an interval of {at.field}, which is text", "search it for words")
    if kind == "date":
        return _times(at, low, high, with_low, with_high)
    if kind == "ip":
        bounds = [None if end is None else _address4(at, end) for end in (low, high)]
        return Between(at.field, "ip", bounds[0], bounds[1], with_low, with_high)
    numbers = [None if end is None else number(end) for end in (low, high)]
    wrong = [end for end, found in zip((low, high), numbers, strict=True) if end is not None and found is None]
    if wrong and kind == "number":
        raise _not_a_number(at, at.field, wrong[0])
    if kind == "keyword" or wrong:
        return Between(at.field, "text", low, high, with_low, with_high)
    return Between(at.field, "number", numbers[0], numbers[1], with_low, with_high)


def _words(at: Leaf, pattern: Pattern) -> Node:
    words = words_of(pattern)
    if not words:
        raise at.fail("a text without a word in it", "text is searched by whole words: letters, digits and _")
    return Words(at.field, words)


def _like(at: Leaf, field: str, kind: str, pattern: Pattern) -> Node:
    instead = {
        "number": f"{field} is a number: write {field}:[500 TO 599]",
        "date": f"{field} is a time: write {field}:2026-11 for a month, {field}:[2026-01-01 TO *]",
        "ip": f'{field} is an address: write {field}:"10.0.0.0/8"',
    }
    if kind in instead:
        raise at.fail("a wildcard", instead[kind])
    return Like(field, pattern)


def _equals(field: str, kind: str, text: str) -> Node:
    found = number(text) if kind == "any" else None
    if found is None:
        return Equals(field, text)
    return Or((Equals(field, text), Between(field, "number", found, found)))


def _typed(at: Leaf, field: str, kind: str, text: str) -> Node:
    if kind == "number":
        found = number(text)
        if found is None:
            raise _not_a_number(at, field, text)
        return Between(field, "number", found, found)
    if kind == "date":
        return _times(at, text, text, True, True)
    if "/" in text:
        block = network(text)
        if block is None:
            raise at.fail(f"{text!r} is not an IPv4 network", 'write for example "10.0.0.0/8"')
        return Between(field, "ip", *block)
    canonical = address(text)
    if canonical is None:
        raise at.fail(
            f"{text!r} is not an address, which {field} holds", 'write for example "10.0.0.1" or "10.0.0.0/8"'
        )
    spellings = dict.fromkeys((text, canonical))
    return Or(tuple(Equals(field, spelling) for spelling in spellings))


def _times(at: Leaf, low: str | None, high: str | None, with_low: bool, with_high: bool) -> Node:
    first = None if low is None else _period(at, low)[0 if with_low else 1]
    behind = None if high is None else _period(at, high)[1 if with_high else 0]
    return Between(at.field or "", "date", first, behind, True, False)


def _period(at: Leaf, text: str) -> tuple[int, int]:
    found = period(text)
    if found is None:
        raise at.fail(f"{text!r} is not a time, which {at.field} holds", NOT_A_TIME)
    return found


def _address4(at: Leaf, text: str) -> int:
    found = address4(text)
    if found is None:
        raise at.fail(f"{text!r} is not an IPv4 address", "an interval of addresses takes IPv4 only")
    return found


def _not_a_number(at: Leaf, field: str, text: str) -> QueryError:
    return at.fail(f"{text!r} is not a number, which {field} holds", f"write for example {field}:500 or {field}:>500")
