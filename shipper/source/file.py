"""One file that is being read: its handle, how far it is read, and the bytes that prove it is still the same file."""

import os
import time
from dataclasses import dataclass, field

from shipper.model import Progress
from shipper.source.cursor import CHECK_BYTES, Change, Seen, change, check_length, check_of

SETTLED_NS = 50_000_000
"""A file's time tells that nothing was written since only when it is older than the file system's clock ticks."""


@dataclass(slots=True, eq=False)
class Tracked:
    """A file under its `file_id`, wherever a rotation moved it."""

    file_id: str
    family: str
    path: str
    device: int
    inode: int
    offset: int = 0
    """Start of the first line that has not been handed on."""
    buffer: bytes = b""
    """What was read behind `offset`: the beginning of a line."""
    tail: bytes = b""
    """The last bytes before `read_at`, at most `CHECK_BYTES`."""
    size: int = 0
    done: bool = False
    """A newer file of the family is being read; this one only if it grows after all."""
    lost: int = 0
    """Bytes of the family that were deleted before they could be read."""
    continues: bool = False
    """The next row goes on with one that was cut."""
    away: bool = False
    """It stands at no name that belongs to the family: only the handle, or `buffer`, still has it."""
    grew_at: float = 0.0
    """Monotonic seconds of the last growth."""
    rotated_at: float | None = None
    """Monotonic seconds at which it was found to have been read to its end after a rotation."""
    modified: int = -1
    """`st_mtime_ns` when its bytes were last compared, -1 when that was too soon after a write to mean anything."""
    hole: int = 0
    """The file begins with this many NUL bytes that are no line."""
    limit: int | None = None
    """Read no further than this byte: what came after the start of `--once`, or after an intent."""
    claim: Progress | None = None
    """What an earlier run knew of it; None once its bytes were compared."""
    handle: int | None = field(default=None, repr=False)

    @classmethod
    def of(cls, progress: Progress) -> "Tracked":
        """A file of an earlier run, not looked at yet."""
        p = progress
        tracked = cls(p.file_id, p.family, p.path, p.device, p.inode, p.offset, size=p.size, done=p.done, lost=p.lost)
        tracked.claim = progress
        return tracked

    @property
    def read_at(self) -> int:
        return self.offset + len(self.buffer)

    @property
    def node(self) -> tuple[int, int]:
        return self.device, self.inode

    @property
    def unread(self) -> int:
        """Bytes known to stand behind what was read."""
        return max(0, self.size - self.read_at)

    @property
    def pinned(self) -> bool:
        """Whether its handle must be kept: rotated and unread, it can be deleted at any time."""
        return self.handle is not None and (self.away or (self.path != self.family and not self.done))

    def unchanged(self, stat: os.stat_result) -> bool:
        """Whether all that the file holds was read, by what the file system says."""
        same = stat.st_size == self.read_at and stat.st_mtime_ns == self.modified
        return same and (stat.st_dev, stat.st_ino) == (self.device, self.inode)

    def open(self, path: str) -> bool:
        """Opens the file if `path` is it: same inode, same bytes before `read_at`. Raises `OSError`."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        stat = os.fstat(handle)
        if (stat.st_dev, stat.st_ino) != self.node or not self.holds(handle):
            os.close(handle)
            return False
        self._take_up(handle)
        return True

    def holds(self, handle: int) -> bool:
        """Whether an open file has, before `read_at`, the bytes that were read there. Raises `OSError`."""
        size = os.fstat(handle).st_size
        if self.claim is None:
            before = len(self.tail)
            return size >= self.read_at and os.pread(handle, before, self.read_at - before) == self.tail
        length, at = check_length(self.claim.check), self.claim.check_at
        return size >= at and check_of(os.pread(handle, length, at - length)) == self.claim.check

    def move_to(self, seen: Seen) -> bool:
        """Goes on in the file that was seen if it is a copy: the same bytes before `read_at`. Raises `OSError`."""
        try:
            handle = os.open(seen.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        stat = os.fstat(handle)
        if (stat.st_dev, stat.st_ino) != seen.node or not self.holds(handle):
            os.close(handle)
            return False
        self.close()
        self.path, self.device, self.inode = seen.path, seen.device, seen.inode
        self._take_up(handle)
        return True

    def _take_up(self, handle: int) -> None:
        self.handle = handle
        self.size, self.modified = os.fstat(handle).st_size, -1
        if self.claim is not None:
            self.claim = None
            self.start_at(self.offset)

    def start_at(self, offset: int) -> None:
        """Goes on at a byte of the open file."""
        assert self.handle is not None
        start = max(0, offset - CHECK_BYTES)
        self.offset, self.buffer = offset, b""
        self.tail = os.pread(self.handle, offset - start, start)
        self.continues = offset > 0 and not self.tail.endswith((b"\n", b"\0"))

    def close(self) -> None:
        """Lets go of the handle."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def read(self, count: int) -> tuple[Change, bytes]:
        """Reads up to `count` bytes behind `read_at`, in one call with the bytes before it, which must be the same."""
        assert self.handle is not None
        stat = os.fstat(self.handle)
        if self.unchanged(stat):
            return Change.SAME, b""
        if self.limit is not None:
            count = max(0, min(count, self.limit - self.read_at))
        before = len(self.tail)
        found = os.pread(self.handle, before + count, self.read_at - before)
        verdict = change(self.read_at, stat.st_size, found[:before] == self.tail)
        if verdict in {Change.SHRUNK, Change.REPLACED}:
            return verdict, b""
        self.size = stat.st_size
        # The file system's own clock is meant, so no `Clock`.
        settled = stat.st_mtime_ns < time.time_ns() - SETTLED_NS
        self.modified = stat.st_mtime_ns if settled else -1
        return verdict, found[before:]

    def truncated(self) -> bool:
        """Whether the open file no longer holds what was read of it."""
        return self.handle is not None and not self.holds(self.handle)

    def take(self, data: bytes) -> None:
        """Accounts for bytes that `read` gave."""
        self.buffer = self.buffer + data if self.buffer else data
        self._remember(data)

    def skip(self, data: bytes) -> None:
        """Passes over bytes that are no line."""
        self.offset += len(data)
        self.hole = self.offset
        self._remember(data)

    def _remember(self, data: bytes) -> None:
        self.tail = data[-CHECK_BYTES:] if len(data) >= CHECK_BYTES else (self.tail + data)[-CHECK_BYTES:]

    def advance(self, offset: int) -> None:
        """Hands on everything before `offset`."""
        self.buffer = self.buffer[offset - self.offset :]
        self.offset = offset

    def progress(self) -> Progress:
        """What the commit stores."""
        return Progress(
            file_id=self.file_id,
            offset=self.offset,
            check_at=self.claim.check_at if self.claim else self.read_at,
            check=self.claim.check if self.claim else check_of(self.tail),
            device=self.device,
            inode=self.inode,
            path=self.path,
            family=self.family,
            size=self.size,
            done=self.done,
            lost=self.lost,
        )
