"""Writes the store: appends rows to one open segment a stream and day; they hold with the commit and not before.

The committed list in `state.db` is the only truth. What a file holds beyond its committed length was written by an
attempt that was never committed: the next append overwrites it, and a start cuts it off.
"""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from shipper.clock import Clock, SystemClock, iso
from shipper.errors import Retry, StateMismatch
from shipper.model import StateChange
from shipper.state import State
from shipper.store.disk import create_file
from shipper.store.layout import (
    STORED,
    Segment,
    asked_to_seal,
    bytes_of,
    is_listed,
    last_open,
    listed,
    period,
    reserve_number,
)

MIB = 1 << 20
OPEN_FILES = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is sealed, and how large all of them may get."""

    seal_bytes: int = 64 * MIB
    """Committed bytes from which on an open segment takes no more rows."""
    seal_rows: int = 250_000
    quiet: float = 600.0
    """Seconds without an append after which a day that is over is sealed."""
    max_bytes: int = 10 << 30
    """Committed bytes of all segments of `streams` together."""
    streams: tuple[str, ...] = STORED
    """The streams of this writer; another one may write others in the same folder."""
    what: str = "store"
    remedy: str = "raise max_bytes of the embedded sink"
    """What a person can do when `max_bytes` are used up."""


class Segments:
    """The one writer of some streams of a data folder. Appends come from one thread; `Sealer` may work beside it."""

    def __init__(self, data: Path, state: State, limits: Limits | None = None, clock: Clock | None = None) -> None:
        """Takes over the folder as `recover.recover` left it: call that first."""
        self.data = data
        self.limits = limits or Limits()
        self._state = state
        self._clock = clock or SystemClock()
        self._files: OrderedDict[int, int] = OrderedDict()
        self._reserved: dict[tuple[str, str], int] = {}
        self._closed: set[int] = set()
        self._asked: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def append(self, stream: str, day: str, rows: list[bytes], first: str, last: str) -> StateChange:
        """Writes rows (JSON objects without newlines) durably; they are stored once the returned change is committed.

        `day` as `layout.period` gives it, `first` and `last` the lowest and highest `@timestamp`. An append that was
        not committed is undone by the next one to the same day, so the same batch may simply come again. Raises
        `Retry`, with nothing stored, when the disk or the budget is full or the disk fails.
        """
        block = b"\n".join([*rows, b""])
        self._check_budget(len(block))
        with self._lock:
            old = self._current(stream, day)
            self._write(old, block)
        new = old._replace(
            bytes=old.bytes + len(block),
            rows=old.rows + len(rows),
            first=min(old.first or first, first),
            last=max(old.last, last),
        )
        return StateChange("INSERT OR REPLACE INTO segments VALUES (?,?,?,?,?,?,?,?)", tuple(new))

    def close(self) -> None:
        """Closes the files; may be called again."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])

    def refresh(self) -> None:
        """Somebody else has rewritten files while this writer was at rest: lets go of all that is known of them."""
        self.close()
        with self._lock:
            self._reserved.clear()
            self._closed.clear()

    # ── sealing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def close_next(self, state: State) -> Segment | None:
        """The next segment to seal, which takes no row from now on: full, of a day that is over and quiet, or asked
        for (see `layout.SEAL_ASKED`).

        `state` is the calling thread's own. One with rows that are not committed yet is left for later.
        """
        with self._lock:
            self._asked = asked_to_seal(state)
            for segment in listed(state, *self.limits.streams):
                if segment.form == "ndjson" and segment.number not in self._closed and self._is_due(segment):
                    self._closed.add(segment.number)
                    return segment
        return None

    def reopen(self, number: int) -> None:
        """Sealing failed: it may be chosen again."""
        with self._lock:
            self._closed.discard(number)

    def forget(self, number: int) -> None:
        """It is sealed, or gone from the list: lets go of the open file."""
        with self._lock:
            self._closed.discard(number)
            self._drop(number)
            # Otherwise a number that is no longer listed would be given to the next segment.
            self._reserved = {key: given for key, given in self._reserved.items() if given != number}

    def _is_due(self, segment: Segment) -> bool:
        try:
            found = segment.path(self.data).stat()
        except FileNotFoundError:
            return False
        if found.st_size != segment.bytes:
            return False
        if segment.number in self._asked:
            return True
        now = self._clock.now()
        over = segment.day < period(segment.stream, iso(now))
        return self._is_full(segment) or (over and now - found.st_mtime >= self.limits.quiet)

    def _is_full(self, segment: Segment) -> bool:
        return segment.bytes >= self.limits.seal_bytes or segment.rows >= self.limits.seal_rows

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_budget(self, more: int) -> None:
        used = bytes_of(self._state, self.limits.streams)
        if used + more > self.limits.max_bytes:
            budget = f"{used / MIB:.0f} MiB of its budget of {self.limits.max_bytes / MIB:.0f} MiB"
            raise Retry(
                f"{self.data}: the {self.limits.what} holds {budget}; reading waits: {self.limits.remedy}", after=10.0
            )

    def _current(self, stream: str, day: str) -> Segment:
        """The segment that takes the next rows, as committed; a new one has no bytes."""
        found = last_open(self._state, stream, day)
        if found and self._takes_rows(found):
            return found
        number = self._reserved.get((stream, day))
        if number is None or is_listed(self._state, number):
            number = self._reserved[stream, day] = reserve_number(self._state)
        return Segment(number, stream, day, "ndjson", 0, 0, "", "")

    def _takes_rows(self, segment: Segment) -> bool:
        if segment.number in self._closed or self._is_full(segment):
            return False
        # Of an append that is not committed yet the change may still be, so what comes now has to take its place.
        return segment.number not in self._asked or _size(segment.path(self.data)) != segment.bytes

    def _write(self, segment: Segment, block: bytes) -> None:
        path = segment.path(self.data)
        try:
            file = self._file(segment, path)
            size = os.fstat(file).st_size
            if size < segment.bytes:
                raise StateMismatch(
                    f"{path}: {size} bytes, but {segment.bytes} are committed; restore it from a backup"
                )
            if size > segment.bytes:
                os.ftruncate(file, segment.bytes)
            _write_all(file, block, segment.bytes)
            os.fsync(file)
        except FileNotFoundError as error:
            raise StateMismatch(
                f"{path}: {segment.bytes} bytes are committed, but it is gone; stop and restore it"
            ) from error
        except OSError as error:
            self._undo(segment)
            raise Retry(
                f"{path}: {error.strerror}; nothing of this batch is stored, trying again", after=5.0
            ) from error

    def _undo(self, segment: Segment) -> None:
        """Gives the space back, so that a full disk is no fuller than before; what cannot be undone now is undone
        by the next append or start."""
        if segment.number in self._files:
            try:
                os.ftruncate(self._files[segment.number], segment.bytes)
            except OSError:
                pass
            finally:
                self._drop(segment.number)

    def _file(self, segment: Segment, path: Path) -> int:
        if segment.number in self._files:
            self._files.move_to_end(segment.number)
            return self._files[segment.number]
        while len(self._files) >= OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        file = create_file(path, self.data) if segment.bytes == 0 else os.open(path, os.O_RDWR)
        self._files[segment.number] = file
        return file

    def _drop(self, number: int) -> None:
        file = self._files.pop(number, None)
        if file is not None:
            os.close(file)


def _write_all(file: int, block: bytes, offset: int) -> None:
    """One write; more only when the system takes less than all."""
    done = os.pwrite(file, block, offset)
    while done < len(block):
        done += os.pwrite(file, memoryview(block)[done:], offset + done)


def _size(path: Path) -> int:
    """In bytes; -1 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
