"""One log file and its rotated siblings `.1`, `.2`, …: found, kept apart by what they hold, read oldest first.

Identity is device and inode *and* the bytes just before the offset: supervisor gives the new `log` the inode just
freed, and a truncated file may grow past the old offset between two looks. An open handle keeps what was deleted
readable.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from shipper import log
from shipper.model import Progress
from shipper.source.batching import Builder
from shipper.source.cursor import Change, Seen, compressed, cut_lines, reading_order, stitches
from shipper.source.file import Tracked, holes, resume

HOLE_BYTES = 512
"""A run of NULs at the start of a line that is at least this long is a hole in the file, not a line."""
LATE_WRITER_S = 10.0
"""How long a rotated file that was read to its end is watched for a writer that has not let go of it."""


@dataclass(slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    line: int = 1 << 20
    block: int = 1 << 19
    flush_after: float = 30.0


@dataclass(slots=True)
class Family:
    """`base` is the path that a pattern matched."""

    base: str
    limits: Limits
    files: list[Tracked] = field(default_factory=list)
    """Oldest first; the last one is the live file."""
    lost: int = 0
    """Bytes deleted before they could be read."""
    stale: bool = True
    """Something moved: the folder has to be listed again."""

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def restore(self, known: Iterable[Progress]) -> list[Progress]:
        """Takes up the files of an earlier run where they are now; returns those that are gone."""
        seen = self._list()
        missing: list[Progress] = []
        taken: set[str] = set()
        for progress in known:
            at = [s for s in seen if (s.device, s.inode) == (progress.device, progress.inode)]
            copies = [s for s in seen if progress.check and s.path != self.base and s not in at]
            tracked = next((t for s in at + copies if s.path not in taken and (t := resume(progress, s.path))), None)
            if tracked is None:
                missing.append(progress)
                continue
            place = next(s for s in seen if s.path == tracked.path)
            tracked.device, tracked.inode = place.device, place.inode
            taken.add(tracked.path)
            self.files.append(tracked)
        order = [s.path for s in seen]
        self.files.sort(key=lambda tracked: order.index(tracked.path))
        for progress in missing:
            self._count_loss(progress.path, progress.size - progress.offset)
        return missing

    def look(self, adopt: Callable[[list[Tracked]], None], *, from_end: bool = False) -> list[Tracked]:
        """Finds what was rotated, truncated, made or removed since the last look; returns the files that are gone.

        `adopt` stores files seen for the first time before anything of them is read: their id has to survive.
        """
        if not self.stale and self._live_in_place():
            return []
        seen = self._list()
        left = list(self.files)
        found = [self._match(s, left) for s in seen]
        found = [t or (self._copy(s, left) if s.path != self.base else None) for t, s in zip(found, seen, strict=True)]
        still_held, gone = self._settle(left)
        new: list[Tracked] = []
        for place, tracked in enumerate(found):
            if tracked is None:
                new.append(self._first_sight(seen[place], from_end))
                found[place] = new[-1]
        self.files = still_held + [tracked for tracked in found if tracked is not None]
        adopt(new)
        self.stale = False
        return gone

    def _live_in_place(self) -> bool:
        if not self.files:
            return False
        live = self.files[-1]
        try:
            found = os.stat(self.base)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (live.device, live.inode) and found.st_size >= live.read_at

    def _list(self) -> list[Seen]:
        """What stands on the disk, oldest first."""
        base = Path(self.base)
        pattern = re.compile(re.escape(base.name) + r"(\.\d{1,6}(\.gz|\.zst)?)?")
        try:
            names = [entry.name for entry in os.scandir(base.parent) if pattern.fullmatch(entry.name)]
        except OSError:
            return []
        found = []
        for name in reading_order(base.name, names):
            try:
                stat = os.stat(base.parent / name)
            except OSError:
                continue
            if not compressed(name):
                found.append(Seen(str(base.parent / name), stat.st_dev, stat.st_ino, stat.st_size))
        return found

    @staticmethod
    def _match(seen: Seen, left: list[Tracked]) -> Tracked | None:
        for tracked in left:
            if tracked.is_at(seen) and tracked.holds(seen.path):
                left.remove(tracked)
                tracked.path, tracked.size = seen.path, seen.size
                return tracked
        return None

    @staticmethod
    def _copy(seen: Seen, left: list[Tracked]) -> Tracked | None:
        """A numbered file that holds what a truncated or vanished one held is its copy (copytruncate)."""
        for tracked in left:
            if tracked.tail and seen.size >= tracked.read_at and tracked.holds(seen.path):
                left.remove(tracked)
                tracked.move_to(seen)
                return tracked
        return None

    def _first_sight(self, seen: Seen, from_end: bool) -> Tracked:
        tracked = Tracked(secrets.token_hex(16), self.base, seen.path, seen.device, seen.inode, size=seen.size)
        if from_end:
            tracked.offset = seen.size
            tracked.done = seen.path != self.base
        return tracked

    def _settle(self, left: list[Tracked]) -> tuple[list[Tracked], list[Tracked]]:
        """Of files that stand nowhere any more: those that can still be read, and those that are gone."""
        held, gone = [], []
        for tracked in left:
            if tracked.handle is not None and _unlinked(tracked):
                if not tracked.done:
                    held.append(tracked)
                    continue
            elif tracked.buffer:
                # Truncated in place: the beginning of a line is in memory, its rest may start the new content.
                self._count_loss(tracked.path, tracked.size - tracked.read_at)
                tracked.close()
                tracked.size = tracked.read_at
                held.append(tracked)
                continue
            elif not tracked.done:
                self._count_loss(tracked.path, tracked.size - tracked.read_at)
                tracked.lost = max(0, tracked.size - tracked.read_at)
            tracked.close()
            gone.append(tracked)
        return held, gone

    def _count_loss(self, path: str, count: int) -> None:
        if count > 0:
            self.lost += count
            log.say("error", "bytes were deleted before they could be read", path=path, bytes=count)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, build: Builder, budget: int, now: float) -> bool:
        """Hands on whole lines, oldest file first, up to about `budget` bytes; True when it stopped for the budget.

        Raises `OSError` when a file may not be opened.
        """
        head: list[Tracked] = []
        for tracked in list(self.files):
            newer = tracked is not self.files[-1]
            if head and tracked.offset > 0:
                head = []
            budget -= self._read_file(tracked, build, budget, now, hold=bool(head))
            if budget <= 0:
                return True
            if head and not self._join(head, tracked, build, newer):
                if not newer:
                    return False
                head.append(tracked)
                continue
            if head:
                head = []
                budget -= self._read_file(tracked, build, budget, now)
                if budget <= 0:
                    return True
            if newer and tracked.buffer:
                head = [tracked]
            elif newer:
                self._finish(tracked, build, now)
        return False

    def _read_file(self, tracked: Tracked, build: Builder, budget: int, now: float, hold: bool = False) -> int:
        """Reads a file to its end or the budget; `hold` keeps its lines back, because the first one may go on with
        the file before. Returns the bytes read."""
        if tracked.handle is None and (tracked.done or not self._reopen(tracked)):
            return 0
        spent = 0
        if not hold:
            self._hand_on(tracked, build)
        while spent < budget:
            verdict, data = tracked.read(self.limits.block)
            if verdict is not Change.GROWN:
                self.stale = self.stale or verdict in {Change.SHRUNK, Change.REPLACED}
                break
            if not data:
                break
            spent += len(data)
            tracked.grew_at = now
            self._skip_hole(tracked, data)
            tracked.take(data)
            if hold:
                if b"\n" in tracked.buffer or len(tracked.buffer) > self.limits.line:
                    break
            else:
                self._hand_on(tracked, build)
        return spent

    def _reopen(self, tracked: Tracked) -> bool:
        if tracked.size == tracked.read_at and tracked.buffer and tracked not in self.files[-1:]:
            return False
        seen = tracked.open(tracked.path)
        if seen is None or not tracked.is_at(seen):
            tracked.close()
            self.stale = True
            return False
        return True

    @staticmethod
    def _skip_hole(tracked: Tracked, data: bytes) -> None:
        hole = holes(data) if not tracked.buffer else 0
        if hole >= HOLE_BYTES:
            tracked.skip = hole

    def _hand_on(self, tracked: Tracked, build: Builder) -> None:
        if not tracked.buffer:
            return
        if tracked.skip:
            log.say("warning", "skipped a hole of NUL bytes", path=tracked.path, bytes=tracked.skip)
            tracked.advance(tracked.offset + tracked.skip)
            tracked.skip = 0
        cut = cut_lines(tracked.buffer, tracked.offset, self.limits.line, tracked.continues)
        if cut.lines:
            build.add(tracked, cut)
            tracked.advance(cut.rest)
            tracked.continues = cut.continues

    def _join(self, head: list[Tracked], tracked: Tracked, build: Builder, newer: bool) -> bool:
        """Puts a line together that a rotation cut; False while its rest is not there."""
        start = b"".join(part.buffer for part in head)
        stop = tracked.buffer.find(b"\n")
        if stop < 0 and len(start) + len(tracked.buffer) <= self.limits.line:
            return False
        rest = tracked.buffer[: max(stop, 0)]
        if stop >= 0 and len(start) + stop <= self.limits.line and stitches(start, rest):
            build.add_stitched(head, tracked, start + rest, stop + 1)
            tracked.advance(tracked.offset + stop + 1)
        else:
            build.add_unfinished(head, start, "the file was rotated before the line ended")
            tracked.continues = stop < 0 or stitches(start, rest)
        for part in head:
            part.advance(part.read_at)
            part.continues = False
            part.done = True
        return True

    def _finish(self, tracked: Tracked, build: Builder, now: float) -> None:
        """A rotated file that was read to its end."""
        if tracked.rotated_at is None:
            tracked.rotated_at = now
        if not tracked.done:
            tracked.done = True
            build.touch(tracked)
        if now - tracked.rotated_at > LATE_WRITER_S:
            tracked.close()

    def flush_quiet(self, build: Builder, now: float) -> bool:
        """Hands on a line without an end that nobody has gone on with for `flush_after`; True when there was one."""
        for tracked in self.files:
            if tracked.buffer and now - tracked.grew_at >= self.limits.flush_after:
                reason = f"no newline came for {self.limits.flush_after:g} s"
                build.add_unfinished([tracked], tracked.buffer, reason)
                tracked.advance(tracked.read_at)
                tracked.continues = True
                return True
        return False

    def unfinished(self) -> int:
        """Bytes that are read and wait for their newline."""
        return sum(len(tracked.buffer) for tracked in self.files)

    def lag(self) -> int:
        """Bytes that stand on the disk and are not handed on."""
        return sum(max(0, tracked.size - tracked.offset) for tracked in self.files)


def _unlinked(tracked: Tracked) -> bool:
    assert tracked.handle is not None
    return os.fstat(tracked.handle).st_nlink == 0
