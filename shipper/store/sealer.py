"""Seals segments beside the writer, in a thread with a connection to `state.db` of its own.

Parquet under a temporary name, fsync, rename, fsync of the folder; then the list in `state.db`; then the NDJSON goes.
Killed between any two, the next start finds either form whole and removes the other.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from shipper.clock import Clock
from shipper.errors import LockHeld
from shipper.lock import hold
from shipper.log import say
from shipper.model import StateChange
from shipper.state import State
from shipper.store.disk import sync_folder
from shipper.store.layout import STORED, Segment, ask_to_seal, listed
from shipper.store.recover import recover
from shipper.store.seal import Sealing
from shipper.store.segments import Limits, Segments

Seal = Callable[[Segment, Path, Path], None]
ASKED_ONLY = Limits(seal_bytes=1 << 62, seal_rows=1 << 62, quiet=float("inf"))
"""Nothing is due by itself."""
LOOK_S = 0.25
"""Seconds between two looks for what a running writer has sealed meanwhile."""


class Sealer:
    """Looks every few seconds for a segment that is due, one at a time."""

    def __init__(
        self, segments: Segments, *, every: float = 5.0, patience: float = 60.0, run: Seal | None = None
    ) -> None:
        """`every`: seconds between two looks; `patience`: seconds until the next attempt after one that failed;
        `run`: what seals in the place of the child process."""
        self._segments = segments
        self._child = Sealing()
        self._every = every
        self._patience = patience
        self._run = run or self._child
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._work, name="sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread once the segment in hand is sealed; may be called again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def seal_due(self) -> int:
        """Seals all that is due, in the calling thread; returns how many. Raises `SealError`."""
        with closing(State(self._segments.data / "state.db")) as state, closing(self._child):
            return sum(1 for _ in iter(lambda: self._seal_next(state), False))

    def _work(self) -> None:
        with closing(State(self._segments.data / "state.db")) as state, closing(self._child):
            while not self._stop.is_set():
                self._stop.wait(self._look(state))

    def _look(self, state: State) -> float:
        """Seals one segment, or none; returns the seconds until the next look."""
        try:
            return 0.0 if self._seal_next(state) else self._every
        except Exception as error:  # a thread that ended would seal nothing more, and say nothing
            say("error", "a segment could not be sealed, trying again later", reason=error, seconds=self._patience)
            return self._patience

    def _seal_next(self, state: State) -> bool:
        segment = self._segments.close_next(state)
        if segment is None:
            self._child.close()
            return False
        try:
            publish(segment, self._segments.data, state, self._run)
        except BaseException:
            self._segments.reopen(segment.number)
            raise
        self._segments.forget(segment.number)
        segment.path(self._segments.data).unlink()
        return True


def publish(segment: Segment, data: Path, state: State, run: Seal) -> Segment:
    """Puts the Parquet in the place of a closed segment's NDJSON, whose file is still there afterwards."""
    sealed = segment._replace(form="parquet")
    target = sealed.path(data)
    temporary = target.with_suffix(".parquet.tmp")
    try:
        run(segment, data, temporary)
        size = temporary.stat().st_size
        sync_folder(target.parent)
        temporary.rename(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    sealed = sealed._replace(bytes=size)
    state.run(
        StateChange(
            "UPDATE segments SET form = 'parquet', bytes = ? WHERE number = ? AND form = 'ndjson'",
            (size, segment.number),
        )
    )
    return sealed


def seal_now(
    data: Path,
    state: State,
    clock: Clock,
    wait_s: float,
    *,
    streams: Sequence[str] = STORED,
    day: str = "",
    run: Seal | None = None,
) -> list[Segment]:
    """Seals what is open now, of these streams and, when one is given, of this day (`2026.11.23`); returns those that
    were not sealed in time.

    Where a writer runs it is asked to, and waited for; else it is done here, with the writer's lock. Rows that come
    meanwhile go to new segments. Raises `StateMismatch` as `recover` does, `SealError`.
    """
    asked = {each.number for each in _open(state, streams, day)}
    ask_to_seal(state, asked)
    deadline = clock.monotonic() + wait_s
    while left := [each for each in _open(state, streams, day) if each.number in asked]:
        if not _seal_here(data, state, clock, run):
            if clock.monotonic() >= deadline:
                break
            clock.sleep(LOOK_S)
    return left


def _open(state: State, streams: Sequence[str], day: str) -> list[Segment]:
    return [each for each in listed(state, *streams) if each.form == "ndjson" and day in ("", each.day)]


def _seal_here(data: Path, state: State, clock: Clock, run: Seal | None) -> bool:
    """Whether no writer was at work, so that all that is asked for is sealed."""
    try:
        lock = hold(data, "tail")
    except LockHeld:
        return False
    with closing(lock):
        recover(data, state)
        with closing(Segments(data, state, ASKED_ONLY, clock)) as segments:
            Sealer(segments, run=run).seal_due()
    return True
