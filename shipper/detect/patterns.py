"""Patterns from outside, on RE2 alone: linear time, whatever they are."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

Span = tuple[int, int]


class Unsupported(ValueError):
    """A rule asks for what cannot be evaluated here."""


def quote(text: str) -> str:
    """A pattern that matches the text as it is."""
    quoted: str = re2.escape(text)
    return quoted


# Rules repeat each other's patterns, and pySigma compiles each once more.
@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """A pattern compiled by RE2, quietly. Raises `Unsupported` with RE2's reason."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "refused"
        raise Unsupported(f"pattern {pattern!r}: {reason}; only what runs in linear time (RE2) is taken") from error


def joined(patterns: Sequence[str]) -> list[Any]:
    """Patterns as one, when RE2 can hold it."""
    if len(patterns) < 2:
        return [compile_pattern(pattern) for pattern in patterns]
    try:
        return [compile_pattern("|".join(f"(?:{pattern})" for pattern in patterns))]
    except Unsupported:
        return [compile_pattern(pattern) for pattern in patterns]


def found_in(pattern: Any, text: str) -> bool:
    """Whether a pattern matches somewhere in a text; cheaper than `search`, which counts characters."""
    return pattern.search(text.encode("utf-8", "replace")) is not None


def search(pattern: Any, text: str) -> Span | None:
    """The first match, in characters."""
    try:
        found = pattern.search(text)
    except UnicodeEncodeError:  # a lone surrogate
        found = pattern.search(text.encode("utf-8", "replace").decode())
    return found.span() if found else None
