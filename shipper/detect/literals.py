"""Literals that a match cannot do without: what lets the prefilter pass a rule by. Pure.

A literal is only worth something when it stands in the raw line byte for byte. So it is cut where JSON may put an
escape or where case folding leaves ASCII, and a text that could be a number on its way in (`1e3` reads as `1000.0`)
is none.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from shipper.detect.rule import Literal, Needs

SHORTEST = 3
"""Characters: a search for shorter runs finds one in nearly every line. They still tell something about a line."""

Claims = tuple[frozenset[Literal], ...]
"""What the raw line of every match holds: one literal, of any length, of each set. Sets that can be searched for come
first, then those that ordinary lines rarely hold. Empty: nothing is known."""

ONLY_ESCAPED: Claims = (frozenset(),)
"""Claims of what can only match a record that goes the exact way."""

WEAK = 2.0
"""Expected hits from which on a set tells nothing."""

_WORDS = """
    timestamp level logger message module function line user_id provider model duration_ms exc_info info debug
    warning error critical backend openai anthropic perplexity request response session token tokens login logged auth
    user users http https api chat get post put delete from with and the for true false null none query database
    collection documents provider completion select connection status path limit rate limits milliseconds bytes cache
    timeout event name time text file exception traceback
"""

ORDINARY = "\n".join(_WORDS.split())
"""Words of lines that no rule is after. A literal that is part of one tells little."""

# No public way leads to the parsed tree of a pattern. It is only looked at here: RE2 does the matching.
_parser: Any = import_module("re._parser")
_constants: Any = import_module("re._constants")

_CUT = frozenset('"\\/')
_RARE = frozenset("=<>()*#;|&@!?%`^$~'-")


def runs(text: str) -> list[str]:
    """The pieces of a text that stand in a raw line as they are."""
    pieces = "".join(char if _plain(char) else "\n" for char in text).split("\n")
    return [piece.lower() for piece in pieces if piece and not _like_number(piece)]


def of_texts(texts: Iterable[str]) -> Claims:
    """Claims of a match that holds every one of these texts."""
    return best_first([frozenset([Literal(run)]) for text in texts for run in runs(text)])


def of_number(number: float) -> Claims:
    """Claims of a field that equals a number. Lines whose numbers are written otherwise go the exact way."""
    if number != int(number) or number < 0:
        return ()
    return (frozenset([Literal(str(int(number)), whole=True)]),)


# A rule asks for the same patterns in several fields.
@lru_cache(maxsize=1024)
def of_pattern(pattern: str) -> Claims:
    """Claims of a match of an RE2 pattern; none when Python would read the pattern otherwise than RE2 does."""
    if "[:" in pattern or "\\C" in pattern:
        return ()
    try:
        tree = _parser.parse(pattern)
    except Exception:  # RE2 took it, so it is RE2's own syntax
        return ()
    return best_first(_of_sequence(list(tree)))


def both(claims: Iterable[Claims]) -> Claims:
    """Claims of a match of all of them."""
    return best_first([literals for each in claims for literals in each])


def either(claims: Sequence[Claims]) -> Claims:
    """Claims of a match of any of them: every branch has to bring its own literal."""
    if not all(claims):
        return ()
    sought = _least(frozenset().union(*map(_with_companions, claims)))
    rare = frozenset(Literal(*literal[:2]) for each in claims for literal in min(each, key=expected_hits))
    same = {literal[:2] for literal in sought} == {literal[:2] for literal in rare}
    return best_first([sought] if same else [sought, rare])


def needs_of(claims: Claims) -> Needs:
    """What the prefilter can use of it."""
    sought = [literals for literals in claims if _worth_searching(literals)]
    return (_least(_with_companions(claims)), *sought[1:]) if sought else None


def _least(literals: frozenset[Literal]) -> frozenset[Literal]:
    """Without literals that ask for more than another one of the same text."""
    alike: dict[tuple[str, bool], list[set[tuple[str, ...]]]] = {}
    for literal in literals:
        alike.setdefault(literal[:2], []).append(set(literal.also))
    return frozenset(
        literal for literal in literals if not any(other < set(literal.also) for other in alike[literal[:2]])
    )


def best_first(sets: Iterable[frozenset[Literal]]) -> Claims:
    """The sets that tell something, in order."""
    useful = (each for each in set(sets) if _worth_searching(each) or expected_hits(each) < WEAK)
    return tuple(sorted(useful, key=lambda each: (not _worth_searching(each), expected_hits(each), sorted(each))))


def _with_companions(claims: Claims) -> frozenset[Literal]:
    """The first set; each of its literals knows what the other sets say."""
    first, *others = claims
    clauses = {_shortest(literal.text for literal in each) for each in others if expected_hits(each) < WEAK}
    return frozenset(
        literal._replace(also=tuple(sorted({*literal.also, *(each for each in clauses if _adds(each, literal))})))
        for literal in first
    )


def _shortest(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts that hold no other one of them: one of these stands wherever one of all does."""
    every = set(texts)
    return tuple(sorted(text for text in every if not any(other in text for other in every - {text})))


def _adds(clause: tuple[str, ...], literal: Literal) -> bool:
    return not any(text in literal.text for text in clause)


def _worth_searching(literals: Iterable[Literal]) -> bool:
    return all(literal.whole or len(literal.text) >= SHORTEST for literal in literals)


def expected_hits(literals: Iterable[Literal]) -> float:
    """A guess at how many of a set's literals stand in an ordinary line."""
    return sum(_expected(literal) for literal in literals)


def _expected(literal: Literal) -> float:
    text = literal.text
    if literal.whole:
        return 0.01
    if len(text) < SHORTEST:
        marks = sum(char in _RARE for char in text)
        return (1.0, 0.05, 0.005)[marks]
    if text.strip() in ORDINARY:
        return 0.5
    return {3: 0.03, 4: 0.01, 5: 0.004, 6: 0.002}.get(len(text), 0.001)


def _plain(char: str) -> bool:
    return " " <= char < "\x7f" and char not in _CUT


def _like_number(text: str) -> bool:
    return set(text) <= set("0123456789.eE+-") and text.count(".") < 2 and "--" not in text


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
    return list(either([best_first(_of_sequence(list(branch))) for branch in value[1]]))


def _of_class(value: Any) -> list[frozenset[Literal]]:
    """A few characters, one of which stands there."""
    chars = {chr(code).lower() if kind is _constants.LITERAL else "" for kind, code in value}
    return [frozenset(map(Literal, chars))] if all(runs(char) == [char] for char in chars) else []


_INNER: dict[Any, Callable[[Any], list[frozenset[Literal]]]] = {
    _constants.SUBPATTERN: _of_group,
    _constants.MAX_REPEAT: _of_repeat,
    _constants.MIN_REPEAT: _of_repeat,
    _constants.BRANCH: _of_branch,
    _constants.IN: _of_class,
}
