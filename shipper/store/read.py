"""Reads the store beside its writer: any number of readers, each by the committed list of segments alone.

What a writer has appended but not committed is not seen. A sealed file is read where it lies; of an open one exactly
the committed bytes are copied into anonymous memory, because it may grow, or be sealed and unlinked, meanwhile.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from shipper.archive.ledger import marked_segments
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.state import State
from shipper.store.columns import COLUMNS, csv_lines, no_rows, quoted, select_all, text
from shipper.store.layout import Segment, listed, rewritten
from shipper.store.sealed import select_sealed

ATTEMPTS = 20
"""A segment that is gone was sealed between listing and opening; that this happens 20 times in a row is no accident."""
PIECE = 8 << 20
"""Bytes that `new_rows` reads of one segment at a time."""
UTC = "SET TimeZone = 'UTC'"

Seen = dict[int, tuple[int, int]]
"""Segment number → `(bytes, rows)` that a follower has had of it; the bytes count only while it is open."""


class Snapshot(NamedTuple):
    """Files that hold exactly the committed rows: sealed ones where they lie, open ones copied."""

    sealed: list[str]
    open: list[str]
    longest: int
    """Bytes of the longest line among the open ones."""


class Reader:
    """A reader's view of one data folder.

    What belongs to the archive is not searched here. What comes to belong to it while this reader is open still is: the
    archive may have been asked before.
    """

    def __init__(self, data: Path) -> None:
        """Raises `ShipperError` when nothing has been stored there yet."""
        self.data = data
        self._state = State(data / "state.db", readonly=True)
        self._archived = marked_segments(self._state)
        self._stack = ExitStack()
        self._duckdb: Any = None

    def close(self) -> None:
        self._stack.close()
        self._state.close()

    def segments(
        self, stream: str = "records", since: float | None = None, until: float | None = None
    ) -> list[Segment]:
        """The committed segments that can hold a record between two times (seconds since the epoch, both included)."""
        low, high = ("" if when is None else iso(when) for when in (since, until))
        there = (each for each in listed(self._state, stream) if each.number not in self._archived)
        return [segment for segment in there if segment.overlaps(low, high)]

    @contextmanager
    def connect(self, stream: str = "records", since: float | None = None, until: float | None = None) -> Iterator[Any]:
        """A DuckDB connection with the view `records`: the columns of `columns.COLUMNS`, then `doc`.

        `since` and `until` (seconds since the epoch) only spare reading segments that lie wholly outside: rows are not
        filtered. `doc` may be something that DuckDB takes for malformed JSON (a lone surrogate): extract from it
        within TRY(). Raises `ShipperError` when a committed segment cannot be read.
        """
        with ExitStack() as stack:
            snapshot = self._snapshot(stack, stream, since, until)
            connection = stack.enter_context(closing(self._cursor()))
            connection.execute(f"CREATE TEMP VIEW records AS {view(connection, snapshot)}")
            yield connection

    def _cursor(self) -> Any:
        """A connection with temporary views of its own, to one DuckDB for all days of a search."""
        if self._duckdb is None:
            self._duckdb = self._stack.enter_context(open_duckdb(self.data / "tmp" / f"read-{os.getpid()}"))
        cursor = self._duckdb.cursor()
        cursor.execute(UTC)
        return cursor

    def _snapshot(self, stack: ExitStack, stream: str, since: float | None, until: float | None) -> Snapshot:
        missing: Segment | None = None
        for _ in range(ATTEMPTS):
            with ExitStack() as attempt:
                snapshot = Snapshot([], [], 0)
                try:
                    for missing in self.segments(stream, since, until):
                        snapshot = self._include(attempt, snapshot, missing)
                except FileNotFoundError:
                    continue
                stack.enter_context(attempt.pop_all())
                return snapshot
        assert missing is not None
        raise _gone(self.data, missing)

    def _include(self, stack: ExitStack, snapshot: Snapshot, segment: Segment) -> Snapshot:
        path = segment.path(self.data)
        if segment.form == "parquet":
            path.stat()
            return snapshot._replace(sealed=[*snapshot.sealed, str(path)])
        copy, longest = stack.enter_context(copied(path, segment.bytes, self.data / "tmp"))
        return snapshot._replace(open=[*snapshot.open, copy], longest=max(longest, snapshot.longest))

    # ── following ─────────────────────────────────────────────────────────────────────────────────────────────────

    def mark(self, stream: str = "records") -> Seen:
        """All that is committed now: hand it to `new_rows` to follow from here on."""
        return {segment.number: (segment.bytes, segment.rows) for segment in self._followed(stream)}

    def new_rows(self, seen: Seen, stream: str = "records") -> tuple[list[bytes], Seen]:
        """Documents committed after `seen`, in the order they were stored, and what has been seen with them.

        At most 8 MiB of each segment at a time: call again until there are none. Survives that a segment is sealed.
        """
        for _ in range(ATTEMPTS):
            rows: list[bytes] = []
            now: Seen = {}
            try:
                for segment in self._followed(stream):
                    new, now[segment.number] = self._after(segment, *seen.get(segment.number, (0, 0)))
                    rows += new
            except FileNotFoundError:
                continue
            return rows, now
        raise ShipperError(f"{self.data}: segments vanish faster than they can be read; look with: shipper status")

    def _followed(self, stream: str) -> list[Segment]:
        """Also those of the archive: what a follower has not had yet is new wherever it belongs. Not what took the
        place of others, which it has had."""
        had = rewritten(self._state)
        return [each for each in listed(self._state, stream) if each.number not in had]

    def _after(self, segment: Segment, offset: int, rows: int) -> tuple[list[bytes], tuple[int, int]]:
        if segment.rows <= rows:
            return [], (offset, rows)
        if segment.form == "parquet":
            new = self._sealed_rows(segment, rows)
        else:
            new = _lines(segment.path(self.data), offset, segment.bytes)
        return new, (offset + sum(map(len, new)) + len(new), rows + len(new))

    def _sealed_rows(self, segment: Segment, skip: int) -> list[bytes]:
        path = segment.path(self.data)
        path.stat()
        query = f"SELECT doc FROM read_parquet({text(path)}, file_row_number=true) WHERE file_row_number >= {skip}"
        with open_duckdb(self.data / "tmp" / f"read-{os.getpid()}") as connection:
            found = connection.execute(f"{query} ORDER BY file_row_number LIMIT 10000").fetchall()
        return [row[0].encode() for row in found]


def view(connection: Any, snapshot: Snapshot) -> str:
    """The SELECT behind the view `records`."""
    parts = [no_rows(), *select_sealed(connection, snapshot.sealed)]
    if snapshot.open:
        parts.append(select_all(csv_lines(_texts(snapshot.open), snapshot.longest)))
    names = ", ".join(quoted(name) for name in [*COLUMNS, "doc"])
    return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(parts)})"


@contextmanager
def open_duckdb(spill: Path, memory: str = "", threads: int = 0) -> Iterator[Any]:
    """A DuckDB in memory that loads nothing over the network and spills only into `spill`, a folder of its own."""
    import duckdb  # noqa: PLC0415  (25 MiB and 0.1 s that only searching and sealing need)

    with suppress(OSError):  # a reader without the right to write can search what fits into memory
        spill.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(spill),
        "enable_external_file_cache": False,
    }
    if memory:
        settings["memory_limit"] = memory
    if threads:
        settings["threads"] = threads
    connection = duckdb.connect(config=settings)
    try:
        connection.execute(UTC)
        yield connection
    finally:
        connection.close()


@contextmanager
def copied(path: Path, length: int, scratch: Path) -> Iterator[tuple[str, int]]:
    """The path of a copy of the file's first `length` bytes, and its longest line in bytes.

    Raises `FileNotFoundError` when the file is gone, `ShipperError` when it is shorter.
    """
    with path.open("rb") as source, ExitStack() as stack:
        if hasattr(os, "memfd_create"):
            target = os.memfd_create(path.name)
            stack.callback(os.close, target)
            name = f"/proc/self/fd/{target}"
        else:
            scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            target, name = tempfile.mkstemp(dir=scratch, prefix="read-")
            stack.callback(os.unlink, name)
            stack.callback(os.close, target)
        longest = rest = done = 0
        while done < length:
            piece = source.read(min(1 << 20, length - done))
            if not piece:
                raise ShipperError(f"{path}: {done} bytes, but {length} are committed; restore it from a backup")
            os.write(target, piece)
            done += len(piece)
            cuts = piece.split(b"\n")
            longest = max(longest, rest + len(cuts[0]), *map(len, cuts[1:]))
            rest = len(cuts[-1]) + (rest if len(cuts) == 1 else 0)
        yield name, longest


def _lines(path: Path, offset: int, end: int) -> list[bytes]:
    """Whole lines of a file between two offsets, about `PIECE` bytes of them at most."""
    with path.open("rb") as source:
        source.seek(offset)
        block = source.read(min(PIECE, end - offset))
        if block[-1:] != b"\n" and offset + len(block) < end:
            block += source.readline()
    return block.split(b"\n")[:-1]


def _gone(data: Path, segment: Segment) -> ShipperError:
    return ShipperError(
        f"{segment.path(data)}: listed in state.db but missing; restore it from a backup, "
        "or start once with: shipper run --fresh-state (every file is read again, so records double)"
    )


def _texts(paths: list[str]) -> str:
    return "[" + ", ".join(text(path) for path in paths) + "]"
