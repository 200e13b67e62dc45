"""An open file's bytes as they are read: those on the disk, or what a compressed file holds."""

import os
import time

from shipper.source.cursor import compressed
from shipper.source.packed import Packed

SETTLED_NS = 50_000_000
"""A file's time tells that nothing was written since only when it is older than the file system's clock ticks."""


class Plain:
    """A file that is read as it is."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def stat(self) -> os.stat_result:
        return os.fstat(self._handle)

    def size(self) -> int:
        """Bytes."""
        return self.stat().st_size

    def pread(self, count: int, at: int) -> bytes:
        """Raises `OSError`."""
        return os.pread(self._handle, count, at)

    def close(self) -> None:
        os.close(self._handle)


Content = Plain | Packed


def open_content(path: str) -> Content:
    """Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    return Packed(handle, path) if compressed(path) else Plain(handle)


def node_of(stat: os.stat_result) -> tuple[int, int]:
    """What the file system knows a file by."""
    return stat.st_dev, stat.st_ino


def settled(stat: os.stat_result) -> int:
    """`st_mtime_ns`, or -1 when it is too young to tell of every write."""
    # The file system's own clock is meant, so no `Clock`.
    return stat.st_mtime_ns if stat.st_mtime_ns < time.time_ns() - SETTLED_NS else -1
