"""A text as it reads once its escapes are undone, and the way back from there to the place in the original.

Undone in one pass: `%41`, a backslash before a quote, slash or letter as in JSON and Python, `\\u0041`, `\\x41`,
`&#65;` and the common named entities. `readings` goes on until nothing changes, at most `DEPTH` times: a JSON document
in a string of another, an address encoded twice.
"""

import html
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

DEPTH = 3

_ESCAPE = re.compile(
    r"%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f])+"
    r"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
    r"|\\[\"'\\/bfnrt]"
    r"|&\#[0-9]{1,7};|&\#[xX][0-9A-Fa-f]{1,6};|&(?:quot|amp|lt|gt|apos|nbsp);"
)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with every lone surrogate replaced, of the same length: what can be written as UTF-8."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a text. `back` gives the span in the text as it really stands."""

    text: str
    back: Callable[[int, int], tuple[int, int]]


@dataclass(slots=True)
class _Steps:
    """Stretches of the new text and of the old one: where each begins, and whether it was copied."""

    new: "array[int]" = field(default_factory=lambda: array("q"))
    old: "array[int]" = field(default_factory=lambda: array("q"))
    copied: bytearray = field(default_factory=bytearray)

    def add(self, new: int, old: int, copied: bool) -> None:
        self.new.append(new)
        self.old.append(old)
        self.copied.append(copied)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span of the old text that the span of the new one comes from; escapes are taken whole."""
        first = bisect_right(self.new, start) - 1
        last = max(bisect_left(self.new, end) - 1, first)
        begin = self.old[first] + (start - self.new[first] if self.copied[first] else 0)
        stop = self.old[last] + end - self.new[last] if self.copied[last] else self.old[last + 1]
        return begin, stop


def readings(text: str) -> Iterator[Reading]:
    """The text as it stands, then with its escapes undone once, twice, … as long as that changes it."""
    way: Callable[[int, int], tuple[int, int]] = _same
    yield Reading(text, way)
    for _ in range(DEPTH):
        if "%" not in text and "\\" not in text and "&" not in text:
            return
        undone = _undo(text)
        if undone is None:
            return
        text, steps = undone
        way = _through(steps, way)
        yield Reading(text, way)


def _same(start: int, end: int) -> tuple[int, int]:
    return start, end


def _through(steps: _Steps, further: Callable[[int, int], tuple[int, int]]) -> Callable[[int, int], tuple[int, int]]:
    return lambda start, end: further(*steps.back(start, end))


def _undo(text: str) -> tuple[str, _Steps] | None:
    """The text with its escapes undone once; None when it has none."""
    pieces: list[str] = []
    steps = _Steps()
    size = done = 0
    for found in _ESCAPE.finditer(text):
        start, end = found.span()
        if start > done:
            pieces.append(text[done:start])
            steps.add(size, done, True)
            size += start - done
        plain = _plain(found.group())
        pieces.append(plain)
        steps.add(size, start, False)
        size += len(plain)
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    steps.add(size, done, True)
    return encodable("".join(pieces)), steps


def _plain(escape: str) -> str:
    """What one escape stands for: at least one character."""
    if escape[0] == "%":
        return bytes.fromhex(escape.replace("%", "")).decode("utf-8", "replace")
    if escape[0] == "&":
        return html.unescape(escape) or "\ufffd"
    kind = escape[1]
    if kind == "u" and len(escape) == 12:
        high, low = int(escape[2:6], 16), int(escape[8:], 16)
        return chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))
    if kind in "ux":
        return chr(int(escape[2:], 16))
    return _LETTERS.get(kind, kind)
