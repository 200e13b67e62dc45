"""One Sigma value → a test of one JSON scalar.

Text compares without case: `str.lower()` on both sides. Numbers and booleans count as their JSON text where a rule has
a string; a string counts as a number where it is that number's own text, or where a rule compares (`gt`). Patterns run
on RE2 alone.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from shipper.detect.literals import Claims, either, of_number, of_pattern, of_texts
from shipper.detect.once import contains_any, matches_any
from shipper.detect.patterns import Span, Unsupported, compile_pattern, quote, search


class Item(NamedTuple):
    """A test of one scalar. `span` is None for a text that does not pass."""

    test: Callable[[Any], bool]
    span: Callable[[str], Span | None]
    texts: Claims = ()
    """What is known where the scalar stands in the raw line as text."""
    number: Claims = ()
    """What is known where the scalar stands in the raw line as a number."""
    needle: str | None = None
    """In lower case, when the test is nothing but: does the text contain it?"""
    pattern: str | None = None
    """RE2's, when the test is nothing but: does it match somewhere in the text?"""
    cost: int = 2
    """About how long it takes, against the others."""


PATTERN_COST = 20


def any_item(items: Sequence[Item]) -> Item:
    """The test that any of the items passes: the scalar is read and folded once, and patterns become one."""
    needles = tuple(each.needle for each in items if each.needle is not None)
    patterns = tuple(each.pattern for each in items if each.pattern is not None)
    tests = [contains_any(needles)] if needles else []
    tests += [matches_any(patterns)] if patterns else []
    others = [each.test for each in items if each.needle is None and each.pattern is None]

    def test(scalar: Any) -> bool:
        text = scalar if type(scalar) is str else text_of(scalar)
        if text is not None:
            for passes in tests:
                if passes(text):
                    return True
        return any(other(scalar) for other in others)

    def span(text: str) -> Span | None:
        return next((found for each in items if (found := each.span(text))), None)

    texts, numbers = either([each.texts for each in items]), either([each.number for each in items])
    return Item(test, span, texts, numbers, cost=max(each.cost for each in items))


def item(value: SigmaType) -> Item:
    """The test for a value. Raises `Unsupported`."""
    for kind, build in _BUILDERS:
        if isinstance(value, kind):
            return build(value)
    raise Unsupported(f"{type(value).__name__.removeprefix('Sigma')} values are not supported yet")


def text_of(scalar: Any) -> str | None:
    """A JSON scalar as text; None for null, lists and objects."""
    if isinstance(scalar, str):
        return scalar
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    return repr(scalar) if isinstance(scalar, int | float) else None


def number_of(scalar: Any) -> float | None:
    """A JSON number, or a string that reads as one; None for anything else."""
    if isinstance(scalar, bool):
        return None
    if isinstance(scalar, int | float):
        return scalar
    if not isinstance(scalar, str) or not scalar.isascii() or "_" in scalar:
        return None
    try:
        return float(scalar)
    except ValueError:
        return None


def no_span(_: str) -> Span | None:
    return None


def _as_is(text: str) -> str:
    return text


def string(value: SigmaString, *, within: bool = False) -> Item:
    """The test for a string with wildcards. `within`: it may stand anywhere in the scalar, as keywords do."""
    parts = list(value.s)
    for part in parts:
        if isinstance(part, Placeholder):
            raise Unsupported(f"placeholder %{part.name}% (modifier expand): nothing to put there")
    fold = _as_is if isinstance(value, SigmaCasedString) else str.lower
    starts_open = within or parts[:1] == [SpecialChars.WILDCARD_MULTI]
    ends_open = within or parts[-1:] == [SpecialChars.WILDCARD_MULTI]
    middle = _trimmed(parts)
    if all(isinstance(part, str) for part in middle):
        find = _plain_finder(fold("".join(map(str, middle))), starts_open, ends_open)
    else:
        find = _wildcard_finder(middle, fold, starts_open, ends_open)
    texts = of_texts(part for part in middle if isinstance(part, str))
    tested = _of_finder(find, fold, texts)
    if not (starts_open or ends_open):
        return tested._replace(number=_of_digits(middle))
    plain = starts_open and ends_open and fold is not _as_is and all(isinstance(part, str) for part in middle)
    return tested._replace(needle=fold("".join(map(str, middle))), cost=1) if plain else tested


def _of_digits(parts: list[Any]) -> Claims:
    """Claims of a whole number that a rule writes in quotes."""
    text = "".join(map(str, parts))
    return of_number(int(text)) if text.isascii() and text.isdecimal() and str(int(text)) == text else ()


def _trimmed(parts: list[Any]) -> list[Any]:
    start, stop = 0, len(parts)
    while start < stop and parts[start] is SpecialChars.WILDCARD_MULTI:
        start += 1
    while stop > start and parts[stop - 1] is SpecialChars.WILDCARD_MULTI:
        stop -= 1
    return parts[start:stop]


def _plain_finder(needle: str, starts_open: bool, ends_open: bool) -> Callable[[str], Span | None]:
    size = len(needle)

    def anywhere(text: str) -> Span | None:
        at = text.find(needle)
        return (at, at + size) if at >= 0 else None

    def at_start(text: str) -> Span | None:
        return (0, size) if text.startswith(needle) else None

    def at_end(text: str) -> Span | None:
        return (len(text) - size, len(text)) if text.endswith(needle) else None

    def whole(text: str) -> Span | None:
        return (0, size) if text == needle else None

    return {(True, True): anywhere, (False, True): at_start, (True, False): at_end, (False, False): whole}[
        starts_open, ends_open
    ]


def _wildcard_finder(
    middle: list[Any], fold: Callable[[str], str], starts_open: bool, ends_open: bool
) -> Callable[[str], Span | None]:
    wild = {SpecialChars.WILDCARD_MULTI: ".*?", SpecialChars.WILDCARD_SINGLE: "."}
    body = "".join(quote(fold(part)) if isinstance(part, str) else wild[part] for part in middle)
    start = "" if starts_open else r"\A"
    end = "" if ends_open else r"\z"
    pattern = compile_pattern(f"(?s){start}{body}{end}")
    return lambda text: search(pattern, text)


def _of_finder(find: Callable[[str], Span | None], fold: Callable[[str], str], texts: Claims) -> Item:
    def test(scalar: Any) -> bool:
        text = text_of(scalar)
        return text is not None and find(fold(text)) is not None

    def span(text: str) -> Span | None:
        folded = fold(text)
        found = find(folded)
        return found if found is None or len(folded) == len(text) else _unfolded(text, found)

    return Item(test, span, texts)


def _unfolded(text: str, span: Span) -> Span:
    """A span of `text.lower()` in characters of the text: one character may be two in lower case (`İ`)."""
    origins = [at for at, char in enumerate(text) for _ in char.lower()] + [len(text)]
    start, stop = span
    return origins[start], origins[stop - 1] + 1 if stop > start else origins[start]


def _regex(value: SigmaRegularExpression) -> Item:
    if value.contains_placeholder():
        raise Unsupported("placeholders in a pattern (modifier expand): nothing to put there")
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    source = (f"(?{flags})" if flags else "") + str(value.regexp)
    pattern, matches = compile_pattern(source), matches_any((source,))

    def test(scalar: Any) -> bool:
        text = scalar if type(scalar) is str else text_of(scalar)
        return text is not None and matches(text)

    return Item(test, lambda text: search(pattern, text), of_pattern(source), pattern=source, cost=PATTERN_COST)


def _number(value: SigmaNumber) -> Item:
    number = value.number
    own_text = str(number)

    def test(scalar: Any) -> bool:
        return scalar == own_text if isinstance(scalar, str) else number_of(scalar) == number

    return Item(test, no_span, number=of_number(number))


def _bool(value: SigmaBool) -> Item:
    wanted = "true" if value.boolean else "false"
    return Item(lambda scalar: (text_of(scalar) or "").lower() == wanted, no_span)


def _null(_: SigmaNull) -> Item:
    return Item(lambda scalar: scalar is None, no_span)


_COMPARE: dict[CompareOperators, Callable[[float, float], bool]] = {
    CompareOperators.LT: lambda found, limit: found < limit,
    CompareOperators.LTE: lambda found, limit: found <= limit,
    CompareOperators.GT: lambda found, limit: found > limit,
    CompareOperators.GTE: lambda found, limit: found >= limit,
    CompareOperators.NEQ: lambda found, limit: found != limit,
}


def _compare(value: SigmaCompareExpression) -> Item:
    limit, holds = value.number.number, _COMPARE[value.op]

    def test(scalar: Any) -> bool:
        found = number_of(scalar)
        return found is not None and holds(found, limit)

    return Item(test, no_span)


def _cidr(value: SigmaCIDRExpression) -> Item:
    network = value.network

    def test(scalar: Any) -> bool:
        if not isinstance(scalar, str):
            return False
        try:
            address = ip_address(scalar.strip())
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return address in network or (mapped is not None and mapped in network)

    return Item(test, lambda text: (0, len(text)) if test(text) else None)


def _timestamp_part(value: SigmaTimestampPart) -> Item:
    raise Unsupported(f"the modifier {value.timestamp_part.name.lower()} is not supported yet")


_BUILDERS: tuple[tuple[type[SigmaType], Callable[[Any], Item]], ...] = (
    (SigmaString, string),
    (SigmaRegularExpression, _regex),
    (SigmaTimestampPart, _timestamp_part),
    (SigmaNumber, _number),
    (SigmaBool, _bool),
    (SigmaNull, _null),
    (SigmaCompareExpression, _compare),
    (SigmaCIDRExpression, _cidr),
)
