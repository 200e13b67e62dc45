"""Pure decisions about lines: where they end, which belong together, where an over-long one is cut."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import orjson

NO_END = "no newline came"
CONTINUED = "continued: goes on with the row before it"


class Cut(NamedTuple):
    """Whole lines of a piece of a file, and what is left."""

    lines: list[bytes]
    offsets: list[int]
    odd: dict[int, str]
    rest: int
    """Offset of the first byte that is in none of the lines."""
    continues: bool
    """The next line of this file goes on with one that was cut."""


def cut_lines(data: bytes, start: int, limit: int, continues: bool = False) -> Cut:
    """Cuts `data`, which starts at byte `start` of its file, into lines without their newlines.

    A line longer than `limit` bytes is cut every `limit` bytes from its beginning, whatever the reads were, so a second
    reading gives the same rows.
    """
    lines = data.split(b"\n")
    unended = lines.pop()
    offsets = offsets_of(lines, start)
    rest = start + len(data) - len(unended)
    odd: dict[int, str] = {0: CONTINUED} if continues and lines else {}
    continues = continues and not lines
    if len(data) <= limit or (len(unended) <= limit and max(map(len, lines), default=0) <= limit):
        return Cut(lines, offsets, odd, rest, continues)
    pieces = [*zip(lines, offsets, strict=True)]
    return _cut_long(pieces, (unended, rest), limit, bool(odd) or continues)


def offsets_of(lines: Sequence[bytes], start: int) -> list[int]:
    """Where each line starts, one newline between them."""
    offsets = list(accumulate([len(line) + 1 for line in lines], initial=start))
    offsets.pop()
    return offsets


def _cut_long(pieces: list[tuple[bytes, int]], unended: tuple[bytes, int], limit: int, continues: bool) -> Cut:
    tail, tail_at = unended
    out: list[bytes] = []
    places: list[int] = []
    odd: dict[int, str] = {}

    def piece(text: bytes, at: int, more: bool) -> None:
        nonlocal continues
        if more:
            odd[len(out)] = f"cut{', continued' if continues else ''}: the line is longer than {limit} bytes"
        elif continues:
            odd[len(out)] = CONTINUED
        continues = more
        out.append(text)
        places.append(at)

    for line, at in pieces:
        cuts = range(0, max(len(line), 1), limit)
        for cut in cuts:
            piece(line[cut : cut + limit], at + cut, cut != cuts[-1])
    while len(tail) > limit:
        piece(tail[:limit], tail_at, True)
        tail, tail_at = tail[limit:], tail_at + limit
    return Cut(out, places, odd, tail_at, continues)


def stitches(head: bytes, rest: bytes) -> bool:
    """Whether `rest`, the first line of the next file, goes on with `head`, the end of the rotated one.

    Supervisor cuts wherever its chunk ends. A rest that is a whole JSON object on its own starts a new line, unless
    the two together are one.
    """
    if not head or _is_object(head + rest):
        return bool(head)
    return not _is_object(rest)


def _is_object(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def hole_length(data: bytes) -> int:
    """Length of the run of NUL bytes that `data` begins with: a copytruncate leaves one when the writer does not
    append."""
    return len(data) - len(data.lstrip(b"\0")) if data[:1] == b"\0" else 0
