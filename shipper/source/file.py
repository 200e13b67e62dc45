"""One file that is being read: its handle, how far it is read, and the bytes that prove it is still the same file."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, field

from shipper.model import Progress
from shipper.source.content import Content, Plain, node_of, open_content, settled
from shipper.source.cursor import (
    CHECK_BYTES,
    Change,
    Seen,
    change,
    check_length,
    check_of,
    compressed,
    sealed,
    unsealed,
)
from shipper.source.packed import End, Packed, Unfinished


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
    generation: int = 0
    """See `Progress`."""
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
    seal: str = ""
    """What identifies the compressed file that it stands in; empty for one that is not compressed."""
    handle: Content | None = field(default=None, repr=False)

    @classmethod
    def of(cls, progress: Progress) -> "Tracked":
        """A file of an earlier run, not looked at yet."""
        p = progress
        tracked = cls(p.file_id, p.family, p.path, p.device, p.inode, p.offset, size=p.size, done=p.done, lost=p.lost)
        tracked.generation = p.generation
        tracked.claim = progress
        tracked.seal = unsealed(p.check)[1]
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
    def packed(self) -> bool:
        """Whether it was compressed. Its handle may be that of the file from before."""
        return compressed(self.path)

    @property
    def spent(self) -> bool:
        """Whether nothing of it will ever be read, wherever its number puts it among the others."""
        return self.packed and self.done and self.handle is None and not self.unread

    @property
    def pinned(self) -> bool:
        """Whether its handle must be kept: rotated and unread, it can be deleted at any time."""
        return self.handle is not None and (self.away or (self.path != self.family and not self.done))

    def unchanged(self, stat: os.stat_result) -> bool:
        """Whether all that the file holds was read, by what the file system says."""
        return self.as_large(stat) and stat.st_mtime_ns == self.modified and node_of(stat) == self.node

    def as_large(self, stat: os.stat_result) -> bool:
        """Whether the file at `path` has the size that it has when all of it was read."""
        if self.packed:
            return not self.unread and self.seal.startswith(f"{stat.st_size}:")
        return stat.st_size == self.read_at

    def open(self, path: str) -> bool:
        """Opens the file if `path` is it: same inode, same bytes before `read_at`. Raises `OSError`, `Unfinished`."""
        content = self._found(path, self.node)
        if content is not None:
            self._take_up(content)
        return content is not None

    def move_to(self, seen: Seen) -> bool:
        """Goes on in the file that was seen if it is a copy: the same bytes before `read_at`.

        Raises `OSError`, `Unfinished`."""
        content = self._found(seen.path, seen.node)
        if content is None:
            return False
        self.stands_at(seen)
        if isinstance(content, Packed) and self.handle is not None and not self.truncated():
            # What is open is what was compressed, and needs no unpacking.
            content.close()
        else:
            self.close()
            self._take_up(content)
        return True

    def stands_at(self, seen: Seen) -> None:
        """It is what was seen."""
        self.path, self.device, self.inode, self.away = seen.path, seen.device, seen.inode, False

    def _found(self, path: str, node: tuple[int, int]) -> Content | None:
        """The open file at `path`, if it is that inode and holds what was read."""
        try:
            content = open_content(path)
        except FileNotFoundError:
            return None
        with ExitStack() as stack:
            stack.callback(content.close)
            if node_of(content.stat()) != node or not self._is_in(content, moved=node != self.node):
                return None
            stack.pop_all()
        return content

    def _is_in(self, content: Content, *, moved: bool) -> bool:
        """Notes the seal of a compressed file: what it identifies is not unpacked again to be compared."""
        seal = content.seal() if isinstance(content, Packed) else ""
        if seal and seal == self.seal:
            return True
        if not self.read_at and self.handle is None and (moved or self.done):
            return not moved and isinstance(content, Plain) and not content.size()
        if not self.holds(content):
            if isinstance(content, Packed) and content.end is End.SHORT:
                raise Unfinished
            return False
        self.seal = seal
        if self.done and seal:
            self.size = self.read_at + len(content.pread(1, self.read_at))
        return True

    def holds(self, content: Content) -> bool:
        """Whether an open file has, before `read_at`, the bytes that were read there. Raises `OSError`."""
        if self.claim is not None:
            check, at = unsealed(self.claim.check)[0], self.claim.check_at
            length = check_length(check)
        elif isinstance(content, Packed) and isinstance(self.handle, Plain) and not self.truncated():
            # Goes on being read through this handle, so all that it has must be there, too.
            at = self.handle.size()
            length = min(at, CHECK_BYTES)
            check = check_of(self.handle.pread(length, at - length))
        else:
            check, at, length = check_of(self.tail), self.read_at, len(self.tail)
        # The size last: of a compressed file it is known as far as it was unpacked.
        return check_of(content.pread(length, at - length)) == check and content.size() >= at

    def knowable(self) -> bool:
        """Whether there are bytes by which it would be known in another form."""
        return bool(self.read_at or self.seal or (self.handle is not None and self.handle.size()))

    def _take_up(self, content: Content) -> None:
        self.handle, self.modified = content, -1
        if not isinstance(content, Packed):
            self.size = content.size()
            self._settle_claim()
        elif not self.done or self.unread:
            self.size = content.size()
        else:
            self.modified = settled(content.stat())

    def _settle_claim(self) -> None:
        if self.claim is not None:
            self.claim = None
            self.start_at(self.offset)

    def start_at(self, offset: int) -> None:
        """Goes on at a byte of the open file."""
        assert self.handle is not None
        start = max(0, offset - CHECK_BYTES)
        self.offset, self.buffer = offset, b""
        self.tail = self.handle.pread(offset - start, start)
        self.continues = offset > 0 and not self.tail.endswith((b"\n", b"\0"))

    def close(self) -> None:
        """Lets go of the handle."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None

    def read(self, count: int) -> tuple[Change, bytes]:
        """Reads up to `count` bytes behind `read_at`, in one call with the bytes before it, which must be the same."""
        assert self.handle is not None
        stat = self.handle.stat()
        if self.unchanged(stat):
            return Change.SAME, b""
        self._settle_claim()
        if self.limit is not None:
            count = max(0, min(count, self.limit - self.read_at))
        before = len(self.tail)
        found = self.handle.pread(before + count, self.read_at - before)
        size = self.handle.size() if isinstance(self.handle, Packed) else stat.st_size
        verdict = change(self.read_at, size, found[:before] == self.tail)
        if verdict in {Change.SHRUNK, Change.REPLACED}:
            return verdict, b""
        self.size, self.modified = size, settled(stat)
        return verdict, found[before:]

    def ends(self) -> End:
        """How the unpacked bytes end, once all of them were read."""
        packed = self.handle if isinstance(self.handle, Packed) else None
        return packed.end if packed is not None and self.read_at >= packed.reached else End.OPEN

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
            check=sealed(unsealed(self.claim.check)[0] if self.claim else check_of(self.tail), self.seal),
            device=self.device,
            inode=self.inode,
            path=self.path,
            family=self.family,
            size=self.size,
            done=self.done,
            lost=self.lost,
            generation=self.generation,
        )
