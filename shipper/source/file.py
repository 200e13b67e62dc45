"""One file that is being read: its handle, how far it is read, and the bytes that prove it is still the same file."""

import os
from dataclasses import dataclass, field

from shipper.model import Progress
from shipper.source.cursor import CHECK_BYTES, Change, Seen, change, check_length, check_of


@dataclass(slots=True)
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
    continues: bool = False
    """The next row goes on with one that was cut."""
    grew_at: float = 0.0
    """Monotonic seconds of the last growth."""
    rotated_at: float | None = None
    """Monotonic seconds at which it was found to have been read to its end after a rotation."""
    modified: int = -1
    """`st_mtime_ns` at the last look."""
    skip: int = 0
    """Bytes at the start of `buffer` that are a hole in the file."""
    limit: int | None = None
    """Read no further than this byte: while an intent is being repeated."""
    handle: int | None = field(default=None, repr=False)

    @property
    def read_at(self) -> int:
        return self.offset + len(self.buffer)

    @property
    def has_more(self) -> bool:
        """Whether something is known to stand behind what was read."""
        return self.size > self.read_at

    def open(self, path: str) -> Seen | None:
        """Opens the file at `path` unless a handle is held; None when it is not there any more.

        Raises `OSError` (permission, too many open files).
        """
        if self.handle is None:
            try:
                self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
        seen = os.fstat(self.handle)
        return Seen(path, seen.st_dev, seen.st_ino, seen.st_size)

    def close(self) -> None:
        """Lets go of the handle. What was read and not handed on is read again."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def read(self, count: int) -> tuple[Change, bytes]:
        """Reads up to `count` bytes behind `read_at`, in one call with the bytes before it, which must be the same."""
        assert self.handle is not None
        seen = os.fstat(self.handle)
        unchanged = seen.st_size == self.read_at and seen.st_mtime_ns == self.modified
        self.size, self.modified = seen.st_size, seen.st_mtime_ns
        if unchanged:
            return Change.SAME, b""
        if self.limit is not None:
            count = min(count, self.limit - self.read_at)
        before = len(self.tail)
        found = os.pread(self.handle, before + max(count, 0), self.read_at - before) if count > 0 or before else b""
        verdict = change(self.read_at, self.size, found[:before] == self.tail)
        if verdict is not Change.GROWN:
            return verdict, b""
        return verdict, found[before:]

    def take(self, data: bytes) -> None:
        """Accounts for bytes that `read` gave."""
        self.buffer += data
        self.tail = (self.tail + data)[-CHECK_BYTES:]

    def advance(self, offset: int) -> None:
        """Hands on everything before `offset`."""
        self.buffer = self.buffer[offset - self.offset :]
        self.offset = offset

    def is_at(self, seen: Seen) -> bool:
        """Whether the file that was seen is this one by device and inode."""
        return (self.device, self.inode) == (seen.device, seen.inode)

    def holds(self, path: str) -> bool:
        """Whether the file at `path` has, before `read_at`, the bytes that were read there. Raises `OSError`."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            before = len(self.tail)
            return os.pread(handle, before, self.read_at - before) == self.tail and (
                os.fstat(handle).st_size >= self.read_at
            )
        finally:
            os.close(handle)

    def move_to(self, seen: Seen) -> None:
        """Goes on reading in a copy of the same bytes."""
        self.close()
        self.path, self.device, self.inode, self.size = seen.path, seen.device, seen.inode, seen.size

    def progress(self) -> Progress:
        """What the commit stores."""
        return Progress(
            file_id=self.file_id,
            offset=self.offset,
            check_at=self.read_at,
            check=check_of(self.tail),
            device=self.device,
            inode=self.inode,
            path=self.path,
            family=self.family,
            size=self.size,
            done=self.done,
            lost=self.lost,
        )


def resume(progress: Progress, path: str) -> Tracked | None:
    """The file at `path` from its committed position on, or None when other bytes stand there now.

    The file is left open. Raises `OSError`.
    """
    tracked = Tracked(
        progress.file_id,
        progress.family,
        path,
        progress.device,
        progress.inode,
        offset=progress.offset,
        done=progress.done,
        lost=progress.lost,
        size=progress.size,
    )
    seen = tracked.open(path)
    if seen is None or not same_bytes(tracked.handle, progress, seen.size):
        tracked.close()
        return None
    assert tracked.handle is not None
    start = max(0, progress.offset - CHECK_BYTES)
    tracked.tail = os.pread(tracked.handle, progress.offset - start, start)
    tracked.continues = progress.offset > 0 and not tracked.tail.endswith(b"\n")
    tracked.size = seen.size
    tracked.device, tracked.inode = seen.device, seen.inode
    return tracked


def same_bytes(handle: int | None, progress: Progress, size: int) -> bool:
    """Whether the bytes before `check_at` are those that were read there."""
    if handle is None or size < progress.check_at:
        return False
    length = check_length(progress.check)
    return check_of(os.pread(handle, length, progress.check_at - length)) == progress.check


def holes(data: bytes) -> int:
    """Length of the run of NUL bytes that `data` begins with: the hole that a copytruncate leaves when the writer does
    not append. https://manpages.debian.org/logrotate (copytruncate)"""
    return len(data) - len(data.lstrip(b"\0")) if data[:1] == b"\0" else 0
