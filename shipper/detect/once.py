"""Tests of a text that several rules ask about: made once for the same words, answered once for the same text."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from shipper.detect.patterns import Unsupported, compile_pattern, found_in, joined, quote

Test = Callable[[str], bool]

FEW = 8
"""Words up to which looking for one after the other is quicker than a pattern."""


@lru_cache(maxsize=1024)
def contains_any(needles: tuple[str, ...]) -> Test:
    """Does a text contain one of these in any case? They are in lower case."""
    words = tuple(dict.fromkeys(needles))
    pattern = _pattern_of(words) if len(words) > FEW else None

    def test(text: str) -> bool:
        folded = text.lower()
        if pattern is not None and folded.isascii():
            return pattern.search(folded.encode()) is not None
        return any(word in folded for word in words)

    return _answered_once(test)


@lru_cache(maxsize=1024)
def matches_any(patterns: tuple[str, ...]) -> Test:
    """Does one of these RE2 patterns match somewhere in a text? Raises `Unsupported` for one that RE2 refuses."""
    for pattern in patterns:
        compile_pattern(pattern)
    together: list[Any] = []

    def test(text: str) -> bool:
        if not together:  # compiled when first needed: most are not for a long time
            together.extend(joined(patterns))
        return any(found_in(pattern, text) for pattern in together)

    return _answered_once(test)


def _pattern_of(words: tuple[str, ...]) -> Any:
    try:
        return compile_pattern("|".join(map(quote, words)))
    except Unsupported:  # too many for RE2's memory
        return None


def _answered_once(test: Test) -> Test:
    """Rules ask about one record after the other, so the last text is the one to remember."""
    last: tuple[str | None, bool] = (None, False)

    def answer(text: str) -> bool:
        nonlocal last
        known, found = last
        if known is not text:
            found = test(text)
            last = (text, found)
        return found

    return answer
