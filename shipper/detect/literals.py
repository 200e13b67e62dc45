"""Literals that a match cannot do without: what lets the prefilter pass a rule by. Pure.

A literal is only worth something when it stands in the raw line byte for byte. So it is cut where JSON may put an
escape or where case folding leaves ASCII, and a text that could be a number on its way in (`1e3` reads as `1000.0`)
is none.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from shipper.detect.rule import Literal, Needs

SHORTEST = 3
"""Characters: shorter runs are in nearly every line."""

ONLY_ESCAPED: Needs = (frozenset(),)
"""Needs of what can only match a record that goes the exact way."""

_WORDS = """
    timestamp level logger message module function line user_id provider model duration_ms exc_info info debug
    warning error critical backend openai anthropic perplexity request response session token tokens login logged auth
    user users http https api chat get post put delete from with and the for true false null none query database
    collection documents provider completion select connection status path limit rate limits milliseconds bytes cache
    timeout event name time text file exception traceback
"""

ORDINARY = frozenset(_WORDS.split())
"""Words of lines that no rule is after. A literal that is part of one tells little."""

# No public way leads to the parsed tree of a pattern. It is only looked at here: RE2 does the matching.
_parser: Any = import_module("re._parser")
_constants: Any = import_module("re._constants")

_CUT = frozenset('"\\/')


def runs(text: str) -> list[str]:
    """The pieces of a text that stand in a raw line as they are."""
    pieces = "".join(char if _plain(char) else "\n" for char in text).split("\n")
    return [piece.lower() for piece in pieces if len(piece) >= SHORTEST and not _like_number(piece)]


def of_texts(texts: Iterable[str]) -> Needs:
    """Needs of a match that holds every one of these texts."""
    found = {run for text in texts for run in runs(text)}
    return best_first([frozenset([Literal(run)]) for run in found])


def of_number(number: float) -> Needs:
    """Needs of a field that equals a number. Lines whose numbers are written otherwise go the exact way."""
    if number != int(number) or number < 0:
        return None
    return (frozenset([Literal(str(int(number)), whole=True)]),)


def of_pattern(pattern: str) -> Needs:
    """Needs of a match of an RE2 pattern; None when Python would read the pattern otherwise than RE2 does."""
    if "[:" in pattern or "\\C" in pattern:
        return None
    try:
        tree = _parser.parse(pattern)
    except Exception:  # RE2 took it, so it is RE2's own syntax
        return None
    return best_first(_of_sequence(list(tree)))


def both(needs: Iterable[Needs]) -> Needs:
    """Needs of a match of all of them."""
    return best_first([literals for need in needs if need is not None for literals in need])


def either(needs: Sequence[Needs]) -> Needs:
    """Needs of a match of any of them: every branch has to bring its own literal."""
    union: set[Literal] = set()
    for need in needs:
        if need is None:
            return None
        union |= need[0]
    return (frozenset(union),)


def best_first(sets: Iterable[frozenset[Literal]]) -> Needs:
    """The sets ordered by how rarely ordinary lines hold one of them; None for no set."""
    ordered = sorted(set(sets), key=lambda literals: (expected_hits(literals), sorted(literals)))
    return tuple(ordered) or None


def expected_hits(literals: Iterable[Literal]) -> float:
    """A guess at how many of a set's literals stand in an ordinary line."""
    return sum(_expected(literal) for literal in literals)


def _expected(literal: Literal) -> float:
    if literal.whole:
        return 0.01
    if any(literal.text.strip() in word for word in ORDINARY):
        return 0.5
    return {3: 0.03, 4: 0.01, 5: 0.004, 6: 0.002}.get(len(literal.text), 0.001)


def _plain(char: str) -> bool:
    return " " <= char < "\x7f" and char not in _CUT


def _like_number(text: str) -> bool:
    return set(text) <= set("0123456789.eE+-") and text.count(".") < 2


def _of_sequence(nodes: Sequence[tuple[Any, Any]]) -> list[frozenset[Literal]]:
    sets: list[frozenset[Literal]] = []
    text = ""
    for kind, value in nodes:
        char = _one_char(kind, value)
        if char is not None:
            text += char
        elif kind is not _constants.AT:  # an anchor takes no room: the run goes on behind it
            sets += [frozenset([Literal(run)]) for run in runs(text)]
            text = ""
            sets += _INNER.get(kind, _nothing)(value)
    return sets + [frozenset([Literal(run)]) for run in runs(text)]


def _one_char(kind: Any, value: Any) -> str | None:
    """The one character, in whatever case, that a node stands for."""
    if kind is _constants.LITERAL:
        return chr(value)
    if kind is _constants.IN and all(inner is _constants.LITERAL for inner, _ in value):
        chars = {chr(code).lower() for _, code in value}
        return chars.pop() if len(chars) == 1 else None
    return None


def _nothing(_: Any) -> list[frozenset[Literal]]:
    return []


def _of_group(value: Any) -> list[frozenset[Literal]]:
    return _of_sequence(list(value[-1]))


def _of_repeat(value: Any) -> list[frozenset[Literal]]:
    least, _, repeated = value
    return _of_sequence(list(repeated)) if least else []


def _of_branch(value: Any) -> list[frozenset[Literal]]:
    need = either([best_first(_of_sequence(list(branch))) for branch in value[1]])
    return list(need or ())


_INNER: dict[Any, Callable[[Any], list[frozenset[Literal]]]] = {
    _constants.SUBPATTERN: _of_group,
    _constants.MAX_REPEAT: _of_repeat,
    _constants.MIN_REPEAT: _of_repeat,
    _constants.BRANCH: _of_branch,
}
