"""A tailer and its state, driven a look at a time."""

from pathlib import Path

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.model import Batch
from shipper.source.tail import Config, Tail
from shipper.state import State


class Follower:
    """Follows `paths` with positions in `data/state.db`; what it yields is committed unless `commit=False`."""

    def __init__(self, data: Path, *paths: Path | str, once: bool = False, clock: ManualClock | None = None, **config):
        data.mkdir(exist_ok=True)
        self.state = State(data / "state.db")
        self.clock = clock or ManualClock()
        self.context = Context(data, self.state, self.clock, once=once)
        settings = {"watch": False, "poll_s": 0.0001, **config}
        self.tail = Tail(Config(paths=[str(path) for path in paths], **settings), self.context)
        self._batches = iter(self.tail)
        self.rows: list[tuple[str, bytes]] = []
        self.batches: list[Batch] = []

    def look(self, *, commit: bool = True) -> list[bytes]:
        """The lines of one look; the clock moves on by two seconds, so that folders are listed again."""
        self.clock.advance(2.0)
        lines: list[bytes] = []
        while True:
            batch = next(self._batches)
            self.batches.append(batch)
            self.rows += [(batch.event_id(row), line) for row, line in enumerate(batch.lines)]
            lines += batch.lines
            if commit:
                if batch.clocked:
                    self.state.commit_intent(batch)
                self.state.commit(batch)
            if not len(batch) and not batch.progress:
                return lines

    def close(self) -> None:
        self.tail.close()
        self.state.close()


def read_once(data: Path, *paths: Path | str, commit: bool = True, **config) -> list[bytes]:
    """What `--once` reads and, unless told otherwise, commits."""
    follower = Follower(data, *paths, once=True, **config)
    lines: list[bytes] = []
    for batch in follower.tail:
        lines += batch.lines
        if commit:
            follower.state.commit(batch)
    follower.close()
    return lines
