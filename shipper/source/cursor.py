"""Pure decisions about files: what became of one, whose sibling it is, in which order siblings are read.

Nothing here opens, reads or asks the clock, so that each edge is a line in a test.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import PurePath
from typing import NamedTuple, TypeVar

T = TypeVar("T")

CHECK_BYTES = 1024
"""How many bytes before an offset identify a file."""

PACKED = (".gz", ".zst")
_ROTATED = re.compile(
    r"(?:\.(\d{1,6})|[-.]((?:19|20)\d{2}-?[01]\d-?[0-3]\d(?:[-_T]?\d{1,10}(?:-\d\d){0,2})?))?(\.gz|\.zst)?$", re.ASCII
)
"""What `supervisord` puts behind a name (a number), `logrotate` (also `-20261124`, with or without an hour or seconds)
and Python's `logging` (`.2026-11-24`, `.2026-11-24_03-00-00`)."""


class Seen(NamedTuple):
    """What a look at a path says."""

    path: str
    device: int
    inode: int
    size: int
    modified: float = 0.0
    """Seconds since the epoch."""

    @property
    def node(self) -> tuple[int, int]:
        return self.device, self.inode


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


SEAL = ";"
"""Between a check and, for a compressed file, what identifies it without unpacking."""


def sealed(check: str, seal: str) -> str:
    """A check with a seal, which may be empty."""
    return f"{check}{SEAL}{seal}" if seal else check


def unsealed(check: str) -> tuple[str, str]:
    """A check, and the seal that it carries or nothing."""
    plain, _, seal = check.partition(SEAL)
    return plain, seal


def check_length(check: str) -> int:
    """How many bytes a check covers."""
    return int(check.partition(":")[0]) if check else 0


def rotation_number(name: str) -> int | None:
    """`backend.log.3` → 3, `backend.log.3.gz` → 3, `backend.log` → None."""
    found = _ROTATED.search(name)
    return int(found.group(1)) if found and found.group(1) else None


def rotation_date(name: str) -> str:
    """`backend.log-20261124.gz` → `20261124`; empty for a name without a date."""
    found = _ROTATED.search(name)
    return (found.group(2) or "").replace("-", "") if found else ""


def base_name(name: str) -> str:
    """The name that a rotated sibling had when it was written: `backend.log.3.gz` → `backend.log`."""
    return name[: _found.start()] if (_found := _ROTATED.search(name)) else name


def compressed(name: str) -> bool:
    """Whether a sibling was compressed after its rotation."""
    return name.endswith(PACKED)


def plain_name(name: str) -> str:
    """The name that a compressed file had before: `backend.log.3.gz` → `backend.log.3`."""
    return name.rpartition(".")[0] if compressed(name) else name


def names_of(path: str) -> list[str]:
    """A file's name and those that it may have once it is compressed, or unpacked again."""
    plain = plain_name(path)
    return [plain, *(plain + suffix for suffix in PACKED)]


def is_sibling(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is a rotated sibling of a file that the patterns match, so no source of its own."""
    place = PurePath(path)
    if base_name(place.name) == place.name:
        return False
    base = str(place.with_name(base_name(place.name)))
    return any(fnmatch(base, pattern) for pattern in patterns)


def reading_order(base: str, names: Iterable[str]) -> list[str]:
    """The names that belong to `base`, oldest first: by date, highest number, …, `.1`, the file itself; of two with the
    same number the compressed one, which was rotated before."""
    family = [name for name in names if name == base or base_name(name) == base]
    return sorted(family, key=lambda name: _age(name, base))


def _age(name: str, base: str) -> tuple[bool, bool, str, int, bool]:
    date = rotation_date(name)
    return name == base, not date, date, -(rotation_number(name) or 0), not compressed(name)


def preferred(name: str) -> list[str]:
    """Those names of the same file that are taken instead when they stand there."""
    return [one for one in names_of(name) if one < name] if compressed(name) else []


def in_old_order(found: Sequence[T], held: Sequence[T], before: Sequence[T]) -> list[T]:
    """`found` with each of `held` put where it stood among them in `before`: behind all that were older."""
    result = list(found)
    for item in held:
        older = before[: before.index(item)]
        result.insert(max((result.index(one) + 1 for one in older if one in result), default=0), item)
    return result
