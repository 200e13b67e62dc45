"""Pure decisions of the tailer: what became of a file, in which order siblings are read, which lines belong together.

Nothing here opens, reads or asks the clock, so that each edge is a line in a test.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import PurePath
from typing import NamedTuple

import orjson

CHECK_BYTES = 1024
"""How many bytes before an offset identify a file."""

_ROTATED = re.compile(r"\.(\d{1,6})(\.gz|\.zst)?$")


class Seen(NamedTuple):
    """What a look at a path says."""

    path: str
    device: int
    inode: int
    size: int


class Change(Enum):
    """What became of a file since it was last read."""

    SAME = "same"
    GROWN = "grown"
    SHRUNK = "shrunk"
    """Truncated: what it holds now is a new file in the same inode."""
    REPLACED = "replaced"
    """The inode holds other bytes before the offset: truncated and grown again, or used anew."""
    GONE = "gone"


def change(read_at: int, size: int | None, same_bytes: bool) -> Change:
    """Judges a file by how far it was read, its size now (None: it is nowhere), and whether the bytes before that
    offset are still the same."""
    if size is None:
        return Change.GONE
    if size < read_at:
        return Change.SHRUNK
    if not same_bytes:
        return Change.REPLACED
    return Change.GROWN if size > read_at else Change.SAME


def check_of(tail: bytes) -> str:
    """Identifies a file by the bytes just before an offset: `LENGTH:HASH`, empty at offset 0."""
    return f"{len(tail)}:{blake2b(tail, digest_size=16).hexdigest()}" if tail else ""


def check_length(check: str) -> int:
    """How many bytes a check covers."""
    return int(check.partition(":")[0]) if check else 0


def rotation_number(name: str) -> int | None:
    """`backend.log.3` → 3, `backend.log.3.gz` → 3, `backend.log` → None."""
    found = _ROTATED.search(name)
    return int(found.group(1)) if found else None


def base_name(name: str) -> str:
    """The name that a rotated sibling had when it was written: `backend.log.3.gz` → `backend.log`."""
    return _ROTATED.sub("", name)


def compressed(name: str) -> bool:
    """Whether a sibling was compressed after its rotation."""
    return name.endswith((".gz", ".zst"))


def is_sibling(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is a rotated sibling of a file that the patterns match, so no source of its own."""
    place = PurePath(path)
    if rotation_number(place.name) is None:
        return False
    base = str(place.with_name(base_name(place.name)))
    return any(fnmatch(base, pattern) for pattern in patterns)


def reading_order(base: str, names: Iterable[str]) -> list[str]:
    """The names that belong to `base`, oldest first: highest number, …, `.1`, the file itself."""
    family = [name for name in names if name == base or base_name(name) == base]
    return sorted(family, key=lambda name: -(rotation_number(name) or 0))


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
    newline = data.rfind(b"\n")
    lines = data[:newline].split(b"\n") if newline >= 0 else []
    offsets = offsets_of(lines, start)
    rest = start + newline + 1
    odd: dict[int, str] = {0: "continued: goes on with the row before it"} if continues and lines else {}
    continues = continues and not lines
    if len(data) <= limit or (len(data) - newline - 1 <= limit and max(map(len, lines), default=0) <= limit):
        return Cut(lines, offsets, odd, rest, continues)
    pieces = [*zip(lines, offsets, strict=True)]
    return _cut_long(pieces, (data[newline + 1 :], rest), limit, bool(odd) or continues)


def offsets_of(lines: Sequence[bytes], start: int) -> list[int]:
    """Where each line starts, one newline between them."""
    offsets = []
    for line in lines:
        offsets.append(start)
        start += len(line) + 1
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
            odd[len(out)] = "continued: goes on with the row before it"
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
