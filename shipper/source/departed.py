"""What became of files that are nowhere any more: what of them was lost, and how the state gets to know."""

from dataclasses import dataclass, field

from shipper import log
from shipper.source.batching import Builder
from shipper.source.file import Tracked
from shipper.source.loss import Loss
from shipper.source.packed import Packed


@dataclass(slots=True)
class Departed:
    """Those of one family."""

    gone: list[Tracked] = field(default_factory=list)
    """Files that are nowhere any more, and no batch says so yet."""
    ghosts: list[Tracked] = field(default_factory=list)
    """Files that a batch says are gone; a later one makes them forgotten."""
    moved: list[Tracked] = field(default_factory=list)
    """Files whose bytes are at another inode now, which no batch says yet."""
    unclaimed: list[Tracked] = field(default_factory=list)
    """Siblings that the last look saw for the first time."""
    losses: list[Loss] = field(default_factory=list)
    """Those that nobody was told of yet."""

    def __bool__(self) -> bool:
        """Whether the state has to be told something."""
        return bool(self.gone or self.ghosts or self.moved)

    def let_go(self, tracked: Tracked) -> None:
        """Nothing of this file can be read or handed on any more."""
        tracked.done = True
        self.gone.append(tracked)

    def count_loss(self, tracked: Tracked) -> None:
        """A file vanished before it was read to its end, if it was not."""
        count = tracked.size - tracked.read_at
        if count <= 0 or tracked.done:
            return
        if not tracked.read_at and self._claims(tracked):
            return
        hint = "a compressed file: its size unpacked is an estimate" if tracked.packed else ""
        self._lose(tracked, count, "bytes were gone before they were read", hint)

    def _claims(self, tracked: Tracked) -> bool:
        """Whether a file that was seen for the first time may be this one in another form: of one of which nothing was
        read there are no bytes to know it by."""
        now = next((one for one in self.unclaimed if one.packed or tracked.packed), None)
        if now is not None:
            self.unclaimed.remove(now)
        return now is not None

    def count_damage(self, tracked: Tracked) -> None:
        """Of a compressed file only a part can be unpacked."""
        packed = tracked.handle
        if isinstance(packed, Packed) and not packed.told:
            packed.told = True
            hint = f"{packed.reason}; how much is missing is an estimate"
            self._lose(tracked, packed.missing(), "cannot be unpacked from here on", hint)

    def _lose(self, tracked: Tracked, count: int, what: str, hint: str) -> None:
        self.losses.append(Loss(tracked.path, count, what))
        tracked.lost += count
        log.say("error", what, path=tracked.path, bytes=count, hint=hint)

    def take_losses(self) -> list[Loss]:
        """What was lost since the last call."""
        losses, self.losses = self.losses, []
        return losses

    def bury(self, build: Builder, newest: Tracked | None) -> None:
        """Lets the state know what is gone, in two steps: first that nothing more will come, so that no stage holds
        a row of it back, then, in a later batch, that it may be forgotten. Its loss is passed to the `newest` file."""
        for ghost in [one for one in self.ghosts if newest is not None or not one.lost]:
            self.ghosts.remove(ghost)
            build.forget(ghost)
            if newest is not None and ghost.lost:
                newest.lost += ghost.lost
                build.touch(newest)
        for tracked in (*self.moved, *self.gone):
            build.touch(tracked)
        self.moved = []
        self.ghosts += self.gone
        self.gone = []
