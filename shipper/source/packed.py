"""What a file compressed by gzip or zstd holds, unpacked from front to back: nothing of it is ever written anywhere.

A position in it counts unpacked bytes. Going back begins anew at the front, going on costs what lies between.
"""

import os
import sys
import time
import zlib
from enum import Enum
from typing import Any, Protocol

from shipper.source.cursor import CHECK_BYTES, check_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _gzip_library() -> Any:
    """The one that is several times as fast where the extra `elasticsearch` is installed."""
    try:
        from isal import isal_zlib  # noqa: PLC0415
    except ImportError:
        return zlib
    return isal_zlib


PACKED_BYTES = 1 << 16
UNPACKED_BYTES = 1 << 17
"""Taken in, and given out, at a time: a small file may unpack to a huge one."""
WINDOW_LOG = 27
"""`zstd --long` asks for 128 MiB of memory; files that ask for more are refused."""
CUT_OFF = "it ends in the middle"
GZIP_AND_HEADER = 31
STILL_S = 60.0
"""An unfinished file that nobody has touched for so long stays so. Its own time is meant, so no `Clock`."""
LARGEST_RATIO = 1032
"""Deflate packs no better, so a trailer that tells of more is not one."""
GZIP = _gzip_library()
ERRORS: tuple[type[Exception], ...] = (zlib.error, GZIP.error, zstd.ZstdError)


class End(Enum):
    """How the unpacked bytes end."""

    OPEN = "open"
    """Not reached yet."""
    WHOLE = "whole"
    """Behind a whole member (gzip) or frame (zstd), checksum and all."""
    SHORT = "short"
    """In the middle of one, where the file ends: it is being written."""
    BROKEN = "broken"
    """Where the bytes cannot be unpacked, a checksum is wrong, or nobody went on writing for `STILL_S`."""


class Unfinished(Exception):
    """A compressed file ends before it can be told which one it is: it is being written, look again."""


class _Unpacker(Protocol):
    """One member or frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's unpacking in the words of the other libraries."""

    def __init__(self) -> None:
        self._member = GZIP.decompressobj(GZIP_AND_HEADER)

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return bytes(self._member.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._member.decompress(self._member.unconsumed_tail + data, max_length))


def _zstd() -> _Unpacker:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})


class Packed:
    """An open compressed file (`name` ends in `.gz` or `.zst`)."""

    def __init__(self, handle: int, name: str) -> None:
        self._handle = handle
        self._gzip = name.endswith(".gz")
        self._expected = self._told_size()
        self._begin()

    def _begin(self) -> None:
        self.end = End.OPEN
        self.reason = ""
        """Why it cannot be unpacked."""
        self.told = False
        """Its damage is known to who reads it."""
        self._unpacker: _Unpacker | None = None
        self._members = 0
        self._taken = 0
        self._waiting = b""
        self._kept = b""
        self._at = self._given = 0

    def stat(self) -> os.stat_result:
        """Of the compressed file."""
        return os.fstat(self._handle)

    def seal(self) -> str:
        """Identifies the compressed file: `SIZE:LENGTH:HASH`, its last bytes with their checksum among them."""
        size = self.stat().st_size
        start = max(0, size - CHECK_BYTES)
        return f"{size}:{check_of(os.pread(self._handle, size - start, start))}"

    def size(self) -> int:
        """Unpacked bytes; before the end is reached as many as it tells of, and always more than were read."""
        if self.end in {End.WHOLE, End.BROKEN}:
            return self._at
        return max(self._given + 1, self._at, 0 if self.end is End.SHORT else self._expected)

    @property
    def reached(self) -> int:
        """Unpacked bytes so far."""
        return self._at

    def missing(self) -> int:
        """Bytes that cannot be unpacked, estimated: by what the file says of itself, or compressed ones; at least 1."""
        # A file that was cut off lacks the trailer in which gzip says it.
        told = 0 if self._gzip and self.reason == CUT_OFF else self._expected - self._at
        compressed = self.stat().st_size - self._taken + len(self._waiting)
        return max(told, compressed, 1)

    def pread(self, count: int, at: int) -> bytes:
        """Up to `count` unpacked bytes from `at` on; those before are not kept. Raises `OSError`."""
        if at < self._at - len(self._kept):
            self._begin()
        while self._at < at + count and (data := self._unpack()) is not None:
            self._at += len(data)
            self._kept = self._kept + data if self._at > at else b""
        first = self._at - len(self._kept)
        self._kept = self._kept[at - first :]
        self._given = min(at + count, self._at)
        return self._kept[:count]

    def _unpack(self) -> bytes | None:
        """Some more bytes (none is no end); None when there are none now."""
        if self.end in {End.WHOLE, End.BROKEN}:
            return None
        if (self._unpacker is None or self._unpacker.needs_input) and not self._take_in():
            self._judge_end()
            return None
        self.end = End.OPEN
        data, self._waiting = self._waiting, b""
        try:
            unpacker = self._unpacker or (_Gzip() if self._gzip else _zstd())
            unpacked = unpacker.decompress(data, UNPACKED_BYTES)
        except ERRORS as error:
            self._waiting, self.end, self.reason = data, End.BROKEN, str(error)
            return None
        self._unpacker = None if unpacker.eof else unpacker
        if unpacker.eof:
            self._members += 1
            self._waiting = self._without_padding(unpacker.unused_data)
        return unpacked

    def _judge_end(self) -> None:
        if self._unpacker is None and self._members:
            self.end = End.WHOLE
        elif time.time() - self.stat().st_ctime < STILL_S:
            self.end = End.SHORT
        else:
            self.end, self.reason = End.BROKEN, CUT_OFF

    def _take_in(self) -> bool:
        """Whether there are compressed bytes to go on with."""
        while not self._waiting:
            data = os.pread(self._handle, PACKED_BYTES, self._taken)
            if not data:
                return False
            self._taken += len(data)
            self._waiting = self._without_padding(data)
        return True

    def _without_padding(self, data: bytes) -> bytes:
        """A tape or a block device puts NULs behind the last member."""
        between = self._unpacker is None and self._members
        return data.lstrip(b"\0") if self._gzip and between else data

    def _told_size(self) -> int:
        """Unpacked bytes by what the file says of itself: gzip of its last member, zstd of its first frame."""
        size = self.stat().st_size
        if self._gzip:
            told = int.from_bytes(os.pread(self._handle, 4, size - 4), "little") if size > 18 else 0
            return told if told <= LARGEST_RATIO * size else size
        try:
            return zstd.get_frame_info(os.pread(self._handle, 32, 0)).decompressed_size or size
        except zstd.ZstdError:
            return size

    def close(self) -> None:
        os.close(self._handle)
