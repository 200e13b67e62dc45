"""One log file and its rotated siblings `.1`, `.2`, …: found, and kept apart by what they hold.

Identity is device and inode *and* the bytes just before the offset: supervisor gives the new `log` the inode just
freed, and a truncated file may grow past the old offset between two looks. An open handle keeps what was deleted
readable, and its inode from being used again.
"""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from shipper.model import Progress
from shipper.source.batching import Builder
from shipper.source.content import Plain
from shipper.source.cursor import Seen, base_name, in_old_order, names_of
from shipper.source.departed import Departed
from shipper.source.file import Tracked
from shipper.source.handles import Handles
from shipper.source.listing import Folders, Moved
from shipper.source.matching import Matching
from shipper.source.packed import Unfinished

LATE_LOOK_S = 10.0
"""How often rotated files that were read to their end are looked at: a writer may not have let go of one."""


@dataclass(slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    line: int = 1 << 20
    block: int = 1 << 18
    flush_after: float = 30.0


@dataclass(slots=True, eq=False)
class Family:
    """`base` is the path that a pattern matched. A look is `look`, then `accept` once the new files' ids are stored."""

    base: str
    limits: Limits
    folders: Folders
    handles: Handles
    files: list[Tracked] = field(default_factory=list)
    """Oldest first; the last one is the live file."""
    skip_before: float | None = None
    """Files last written before this time (seconds since the epoch) are passed over by the first look."""
    frozen: bool = False
    """`--once`: files seen for the first time from now on are left to the next run."""
    stale: bool = True
    """Something moved: the folder has to be listed again."""
    placed: bool = True
    """The order of `files` is known, so they may be read."""
    busy: bool = True
    """Something of it is not as far as it can be: it takes more than a look at the live file."""
    waits: bool = False
    """A compressed file has to wait until others are read."""
    departed: Departed = field(default_factory=Departed)
    due: float = 0.0
    """Monotonic seconds of the next look."""
    grew_at: float = 0.0
    _found: list[Tracked] | None = None
    _left: list[Tracked] = field(default_factory=list)
    _late_look_at: float = float("-inf")

    def knows(self, known: Iterable[Progress]) -> None:
        """Takes up the files of an earlier run; the first look finds where they are now, and their order."""
        self.files = [Tracked.of(progress) for progress in known]
        self.placed = not self.files

    def quiet(self, now: float) -> bool:
        """Whether nothing happened, told by one look at the live file. Raises `OSError`."""
        if self.stale or self.busy or not self.placed or self.departed or not self.files or self._grew_late(now):
            return False
        last = self.files[-1]
        try:
            return last.unchanged(os.stat(self.base))
        except FileNotFoundError:
            return last.packed and last.path != self.base and self._stands(last)

    def _stands(self, tracked: Tracked) -> bool:
        try:
            return tracked.unchanged(os.stat(tracked.path))
        except FileNotFoundError:
            return False

    def _grew_late(self, now: float) -> bool:
        if now - self._late_look_at < LATE_LOOK_S:
            return False
        self._late_look_at = now
        for tracked in self.files[:-1]:
            try:
                self.stale = self.stale or not tracked.as_large(os.stat(tracked.path))
            except FileNotFoundError:
                self.stale = True
        return self.stale

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> list[Tracked]:
        """Finds what was rotated, truncated, made or removed since the last look; returns the files seen for the
        first time, whose ids have to be stored before anything of them is read.

        Raises `OSError`; then nothing is decided.
        """
        self._found = None
        if not self.stale and self._live_in_place():
            return []
        listing = self.folders.family(self.base, self._outside())
        if listing is None:
            self.stale = True
            return []
        seen = listing.files({tracked.node for tracked in self.files if tracked.packed})
        matching = Matching(
            self.base,
            self.handles,
            left=[tracked for tracked in self.files if not tracked.away],
            held=[tracked for tracked in self.files if tracked.away],
        )
        try:
            matched = matching.known(seen)
        except (Moved, Unfinished):
            self.stale = True
            return []
        self.departed.moved += matching.elsewhere
        new = [] if self.frozen else [self._first_sight(s) for s, t in zip(seen, matched, strict=True) if not t]
        self._number(new)
        fresh = {tracked.path: tracked for tracked in new}
        found = [t or fresh.get(s.path) for s, t in zip(seen, matched, strict=True)]
        self._found, self._left = [tracked for tracked in found if tracked is not None], matching.left
        self.departed.unclaimed = [tracked for tracked in new if tracked.path != self.base]
        return new

    def accept(self) -> None:
        """Makes the last look hold."""
        if self._found is None:
            return
        held = self._settle(self._left)
        held += [tracked for tracked in self.files if tracked.away and tracked not in held and not self._spent(tracked)]
        held.sort(key=self.files.index)
        self.files = in_old_order(self._found, held, self.files)
        for tracked in self.files[:-1]:
            self._keep_open(tracked)
        self._found, self._left, self.skip_before = None, [], None
        self.stale, self.busy, self.placed = False, True, True

    def _live_in_place(self) -> bool:
        if not self.files:
            return False
        live = self.files[-1]
        if not live.read_at or live.packed:
            # What was written since may have been copied and truncated: an empty file shows no trace of it.
            return False
        try:
            found = os.stat(self.base)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == live.node and found.st_size >= live.read_at and not live.away

    def _outside(self) -> list[str]:
        """Where files of the family stand under names that are not a sibling's: rotated by date, for example."""
        return [
            name
            for tracked in self.files
            if not tracked.away and tracked.path != self.base and base_name(tracked.path) != self.base
            for name in names_of(tracked.path)
        ]

    def _first_sight(self, seen: Seen) -> Tracked:
        tracked = Tracked(secrets.token_hex(16), self.base, seen.path, seen.device, seen.inode, size=seen.size)
        if self.skip_before is not None and seen.modified < self.skip_before and tracked.open(seen.path):
            if tracked.packed:
                tracked.size = 0
            else:
                tracked.start_at(tracked.size)
            tracked.done = tracked.packed or seen.path != self.base
            tracked.close()
        return tracked

    def _number(self, new: Iterable[Tracked]) -> None:
        """Says which generation files are that were seen for the first time; they come oldest first."""
        latest = max((tracked.generation for tracked in self.files), default=0)
        for generation, tracked in enumerate(new, latest + 1):
            tracked.generation = generation

    # ── what is gone ──────────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, left: list[Tracked]) -> list[Tracked]:
        """Of files that stand nowhere any more: those of which something can still be read or handed on."""
        held = []
        for tracked in left:
            if tracked.handle is not None and not tracked.truncated():
                tracked.size = tracked.handle.size()
                tracked.done = tracked.done and not tracked.unread
                tracked.away = True
                held.append(tracked)
                continue
            self.departed.count_loss(tracked)
            self.handles.close(tracked)
            if tracked.buffer:
                # The beginning of a line is in memory, its rest may start the new content.
                tracked.away, tracked.size = True, tracked.read_at
                held.append(tracked)
            else:
                self.departed.let_go(tracked)
        return held

    def _spent(self, tracked: Tracked) -> bool:
        if tracked.handle is not None or tracked.buffer:
            return False
        self.departed.let_go(tracked)
        return True

    # ── handles ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _keep_open(self, tracked: Tracked) -> None:
        """A rotated file that is not read to its end is held, so that deleting it loses nothing."""
        if tracked.handle is None and not tracked.away and not tracked.done and tracked.unread:
            try:
                self.reopen(tracked)
            except (OSError, Unfinished):
                # Said when its turn to be read comes.
                return

    def reopen(self, tracked: Tracked) -> bool:
        """Opens a file that may have grown; False when there is nothing to read in it. Raises `OSError`."""
        if tracked.away or (tracked.done and not tracked.unread):
            return False
        if not tracked.open(tracked.path):
            self.stale = True
            return False
        self.handles.used(tracked)
        return True

    def must_wait(self, tracked: Tracked) -> bool:
        """Whether a file would have to be unpacked while as many as may be are."""
        if not tracked.packed or isinstance(tracked.handle, Plain) or not tracked.unread:
            return False
        return not self.handles.may_unpack(tracked)

    def freeze(self) -> None:
        """From now on there is nothing but what stands there now: `--once`."""
        self.frozen = True
        for tracked in self.files:
            tracked.limit = None if tracked.packed else tracked.size

    def bury(self, build: Builder) -> None:
        """Lets the state know what is gone."""
        self.departed.bury(build, self.files[-1] if self.files else None)

    def unfinished(self) -> int:
        """Bytes that are read and wait for their newline."""
        return sum(len(tracked.buffer) for tracked in self.files)

    def lag(self) -> int:
        """Bytes that stand on the disk and are not handed on."""
        return sum(max(0, tracked.size - tracked.offset) for tracked in self.files)
