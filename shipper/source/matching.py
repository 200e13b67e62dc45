"""Which known file each of those is that stand there now: by inode and bytes, or, of a copy and of what was compressed
meanwhile, by the bytes alone."""

from collections.abc import Sequence

from shipper.source.cursor import Seen, compressed
from shipper.source.file import Tracked
from shipper.source.handles import Handles
from shipper.source.listing import still_there

Matched = list[Tracked | None]


class Matching:
    """One look at a family. `left` are the known files that no name was found for yet; `held` those that only a handle
    still has."""

    def __init__(self, base: str, handles: Handles, left: list[Tracked], held: list[Tracked]) -> None:
        self._base = base
        self._handles = handles
        self._held = held
        self.left = left
        self.elsewhere: list[Tracked] = []
        """Files whose bytes are at another inode now."""

    def known(self, seen: Sequence[Seen]) -> Matched:
        """The known file of each that was seen.

        Raises `Moved` when one is not what was seen any more, `Unfinished`, `OSError`.
        """
        matched = [self._by_inode(one) for one in seen]
        nodes = {one.node for one in seen}
        cut = [tracked for tracked in self.left if tracked.node in nodes and tracked.read_at and not tracked.done]
        matched = [t or self._by_bytes(s, cut) for s, t in zip(seen, matched, strict=True)]
        # A file of which nothing was read has no bytes to know it by: its inode may be a copy's by now.
        copies = [s for s, t in zip(seen, matched, strict=True) if t is None and s.path != self._base]
        return [
            known or self._by_inode(one, copies, [t for t in matched[:place] if t is not None])
            for place, (one, known) in enumerate(zip(seen, matched, strict=True))
        ]

    def _by_inode(
        self, seen: Seen, copies: Sequence[Seen] | None = None, older: Sequence[Tracked] = ()
    ) -> Tracked | None:
        """By the inode alone, where there are no bytes to know it by, only with what may be `copies`; `older` are the
        known files that stand before it."""
        # An inode was used again by whatever of it was found last.
        candidates = [one for one in self.left if one.packed == compressed(seen.path)]
        for tracked in sorted(candidates, key=lambda one: -one.generation):
            known = tracked.handle is not None or tracked.read_at > 0 or tracked.seal
            # Nobody truncates what was rotated, so only a live file can have been copied.
            copied = copies if tracked.path == self._base else ()
            may_be = known or (copies is not None and _may_be(tracked, seen, copied or (), older))
            if tracked.node == seen.node and may_be and self._same(tracked, seen):
                self.left.remove(tracked)
                tracked.path = seen.path
                if not tracked.packed:
                    tracked.size = seen.size
                tracked.done = tracked.done and not tracked.unread
                return tracked
        return None

    def _same(self, tracked: Tracked, seen: Seen) -> bool:
        if tracked.handle is not None:
            return not tracked.truncated()
        if tracked.done and seen.path == self._base and not compressed(seen.path):
            # What was rotated away does not come back as the live file: its inode was used again.
            return False
        try:
            same = tracked.open(seen.path)
        except PermissionError:
            # Reading will say so; until it is allowed nothing can be compared.
            return True
        if not same:
            still_there(seen)
        if same and tracked.unread:
            self._handles.used(tracked)
        else:
            tracked.close()
        return same

    def _by_bytes(self, seen: Seen, cut: list[Tracked]) -> Tracked | None:
        """A sibling that holds what a file truncated in place held is its copy (copytruncate); one that was compressed
        or unpacked meanwhile holds what the file held that is nowhere else now."""
        if seen.path == self._base and not compressed(seen.path):
            return None
        if compressed(seen.path):
            candidates = [one for one in (*self.left, *self._held) if one.knowable()]
        else:
            candidates = [one for one in self.left if one in cut or (one.packed and one.read_at)]
        try:
            # First those of which more was read: a few bytes may be the beginning of every file.
            by_evidence = sorted(candidates, key=lambda one: one.read_at, reverse=True)
            copied = next((tracked for tracked in by_evidence if tracked.move_to(seen)), None)
        except PermissionError:
            if not candidates or not compressed(seen.path):
                raise
            # Reading will say so. Until it is allowed the oldest is taken for it, and is compared before it is read.
            copied = candidates[0]
            copied.stands_at(seen)
        if copied is None:
            if candidates:
                still_there(seen)
            return None
        self._handles.used(copied)
        copied.done = copied.done and not copied.unread
        for tracks in (self.left, self._held, cut):
            if copied in tracks:
                tracks.remove(copied)
        self.elsewhere.append(copied)
        return copied


def _may_be(tracked: Tracked, seen: Seen, copies: Sequence[Seen], older: Sequence[Tracked]) -> bool:
    """Whether a file of which nothing was read can be what stands at its inode: not if there is something in what was
    empty when it was finished with, nor if that is shorter, unless one of `copies` may be its copy, or one of the
    `older` files is it: one that was first seen after it, when it was copied and not truncated yet."""
    if tracked.done:
        return not seen.size
    copied = [one.size for one in older if one.generation > tracked.generation]
    return tracked.packed or any(size >= tracked.size for size in (seen.size, *(one.size for one in copies), *copied))
