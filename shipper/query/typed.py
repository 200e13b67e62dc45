"""A leaf of the tree → queries on its own field, by the type that the field has in an Elasticsearch index."""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from shipper.elastic.template import LABELS, LONGEST_KEYWORD
from shipper.query.clauses import NONE, Query, all_of, any_of, exists, ignored, interval, matching, term, times
from shipper.query.sql import COLUMNS, NUMBER
from shipper.query.tree import Between, Equals, Exists, Like, Node, Pattern, Wild, Words

MOST_SINGLE_WILDCARDS = 4
"""`?` beside a `*`: every further one doubles the automaton."""
IN_JAVA = r"-?[0-9]+\.[0-9]+E-?[0-9]+"
"""From ten million on, and below a thousandth."""
WHOLE = "long"
BROKEN = ("double", "float", "half_float")
DATES = ("date", "date_nanos")
FLATTENED = "flattened"

_LONG = 2**63
_EXACT = 2**53
"""Whole numbers below are exact in a double."""


class Bounds(NamedTuple):
    """Two queries that an answer lies between; the same one twice where it is exact."""

    over: Query
    under: Query


def on_field(tree: Node, field: str, kind: str) -> Bounds:
    """A leaf on a field of this type; none for a field that an index has not. What is not known of a type is left to
    the predicate."""
    if not kind:
        return Bounds(NONE, NONE)
    there = any_of(exists(field), ignored(field))
    if isinstance(tree, Exists):
        return Bounds(there, there)
    make = _BY_TYPE.get((type(tree), kind))
    return make(tree) if make else Bounds(there, NONE)


def _equal_keyword(tree: Equals) -> Bounds:
    """Java writes some numbers in another way."""
    exact = term(tree.field, tree.text)
    too_long = ignored(tree.field) if 2 * len(tree.text) > LONGEST_KEYWORD else NONE
    by_java: Query = {"regexp": {tree.field: {"value": IN_JAVA, "flags": "NONE"}}}
    is_broken = re.fullmatch(NUMBER, tree.text) and not tree.text.lstrip("+-").isdigit()
    return Bounds(any_of(exact, too_long, by_java if is_broken else NONE), exact)


def _equal_number(tree: Equals) -> Bounds:
    """`5` and `5.0` are one number and two texts."""
    return Bounds(any_of(matching(tree.field, tree.text), ignored(tree.field)), NONE)


def _equal_boolean(tree: Equals) -> Bounds:
    exact = term(tree.field, tree.text) if tree.text in ("true", "false") else NONE
    return Bounds(any_of(exact, ignored(tree.field)), exact)


def _equal_address(tree: Equals) -> Bounds:
    """All spellings of an IPv6 address are one."""
    exact = matching(tree.field, tree.text)
    return Bounds(exact, NONE if ":" in tree.text else exact)


def _equal_label(tree: Equals) -> Bounds:
    """One of a record's own `labels`; of all of them together only that something is there."""
    if tree.field == LABELS or tree.text.startswith("{"):
        return Bounds(exists(LABELS), NONE)
    exact = term(tree.field, tree.text)
    return Bounds(exact, exact)


def _like_keyword(tree: Like) -> Bounds:
    found, exact = _wildcard(tree.field, tree.pattern)
    return Bounds(any_of(found, ignored(tree.field)), found if exact else NONE)


def _words_of_text(tree: Words) -> Bounds:
    """Consecutive words of a text field."""
    field, words = tree.field or "", tree.words
    if len(words) > 1 and all(map(_is_plain, words)):
        text = " ".join(str(word[0]) for word in words)
        exact: Query = {"match_phrase": {field: {"query": text, "analyzer": "whitespace"}}}
        return Bounds(exact, exact)
    found = [_word(field, word) for word in words]
    over = all_of(*(query for query, _ in found))
    return Bounds(over, over if len(found) == 1 and found[0][1] else NONE)


def _words_of_keyword(tree: Words) -> Bounds:
    """A value that holds the letters of the words, in any case."""
    field = tree.field or ""
    letters = [re.sub(r"[^\x00-\x7f]", "?", part) for word in tree.words for part in word if isinstance(part, str)]
    text = f"*{'*'.join(letters)}*" if letters else "*"
    found: Query = {"wildcard": {field: {"value": text, "case_insensitive": True}}}
    return Bounds(any_of(found, ignored(field)), NONE)


def _word(field: str, word: Pattern) -> tuple[Query, bool]:
    """One word of a text field, and whether that is exact."""
    if _is_plain(word):
        return term(field, word[0]), True
    if set(word) == {Wild.MANY} or any(isinstance(part, str) and len(part) > LONGEST_KEYWORD for part in word):
        return exists(field), False
    return _wildcard(field, word)


def _is_plain(word: Pattern) -> bool:
    return len(word) == 1 and isinstance(word[0], str) and len(word[0]) <= LONGEST_KEYWORD


def _wildcard(field: str, pattern: Pattern) -> tuple[Query, bool]:
    """A query for values (or words) of a pattern, and whether that is exact."""
    exact = Wild.MANY not in pattern or pattern.count(Wild.ONE) <= MOST_SINGLE_WILDCARDS
    text = "".join(
        re.sub(r"[\\*?]", r"\\\g<0>", part) if isinstance(part, str) else part.value if exact else "*"
        for part in pattern
    )
    return {"wildcard": {field: {"value": text}}}, exact


def _between_keywords(tree: Between) -> Bounds:
    """In the order of code points; a number may stand there as text."""
    if tree.by == "number":
        return Bounds({"regexp": {tree.field: {"value": NUMBER, "flags": "NONE"}}}, NONE)
    if tree.by != "text":
        return Bounds(any_of(exists(tree.field), ignored(tree.field)), NONE)
    exact = interval(tree.field, tree.low, tree.high, tree.with_low, tree.with_high)
    return Bounds(any_of(exact, ignored(tree.field)), exact)


def _between_longs(tree: Between) -> Bounds:
    """Elasticsearch cuts off what is behind the point before it compares."""
    low, high = _number(tree.low), _number(tree.high)
    if tree.by != "number":
        return Bounds(any_of(exists(tree.field), ignored(tree.field)), NONE)
    if (low is not None and low >= _LONG) or (high is not None and high < -_LONG):
        return Bounds(ignored(tree.field), NONE)
    low = None if low is None or low < -_LONG else low
    high = None if high is None or high >= _LONG else high
    exact = interval(tree.field, low, high, tree.with_low, tree.with_high)
    if tree.field in COLUMNS:
        return Bounds(any_of(exact, ignored(tree.field)), exact)
    ends = [None if end is None else math.trunc(end) for end in (low, high)]
    return Bounds(any_of(interval(tree.field, ends[0], ends[1]), ignored(tree.field)), exact)


def _between_doubles(tree: Between) -> Bounds:
    """Whole numbers beyond 53 bits share a double with their neighbours."""
    if tree.by != "number":
        return Bounds(any_of(exists(tree.field), ignored(tree.field)), NONE)
    low, high = _number(tree.low), _number(tree.high)
    if all(end is None or abs(end) < _EXACT for end in (low, high)):
        exact = interval(tree.field, low, high, tree.with_low, tree.with_high)
        return Bounds(any_of(exact, ignored(tree.field)), exact)
    ends = [None if end is None else float(end) for end in (low, high)]
    return Bounds(any_of(interval(tree.field, ends[0], ends[1]), ignored(tree.field)), NONE)


def _between_times(tree: Between) -> Bounds:
    low, high = _number(tree.low), _number(tree.high)
    first = None if low is None else int(low) + (not tree.with_low)
    behind = None if high is None else int(high) + tree.with_high
    exact = times(tree.field, first, behind)
    return Bounds(any_of(exact, ignored(tree.field)), exact)


def _between_addresses(tree: Between) -> Bounds:
    """An open end is that of IPv4: Elasticsearch has all addresses in one order."""
    low = _address(0 if tree.low is None else tree.low)
    high = _address(2**32 - 1 if tree.high is None else tree.high)
    exact = interval(tree.field, low, high, tree.with_low, tree.with_high)
    return Bounds(exact, exact)


def _address(end: int | float | str) -> str:
    return ".".join(str(int(end) >> shift & 255) for shift in (24, 16, 8, 0))


def _number(end: int | float | str | None) -> int | float | None:
    return None if isinstance(end, str) else end


_BY_TYPE: dict[tuple[type, str], Callable[..., Bounds]] = {
    (Equals, "keyword"): _equal_keyword,
    (Equals, "boolean"): _equal_boolean,
    (Equals, "ip"): _equal_address,
    (Equals, FLATTENED): _equal_label,
    **{(Equals, kind): _equal_number for kind in (WHOLE, *BROKEN)},
    (Like, "keyword"): _like_keyword,
    (Words, "text"): _words_of_text,
    (Words, "keyword"): _words_of_keyword,
    (Between, "keyword"): _between_keywords,
    (Between, WHOLE): _between_longs,
    (Between, "ip"): _between_addresses,
    **{(Between, kind): _between_doubles for kind in BROKEN},
    **{(Between, kind): _between_times for kind in DATES},
}
"""Leaf and Elasticsearch type → what to ask; what is not here is left to the predicate."""
