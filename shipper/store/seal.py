"""Seals a segment: one DuckDB statement turns its NDJSON into Parquet with typed columns and the whole document.

It runs in a child process (`python -m shipper.store.seal`), because DuckDB takes about 100 MiB for it: what the child
took is given back when it ends, and a seal that runs out of memory takes nobody along. One child seals one segment
after another for as long as there are any due: starting it costs as much CPU as sealing 20,000 rows.
"""

import json
import os
from pathlib import Path
from typing import Any

from shipper.errors import ShipperError
from shipper.store.child import Child, serve
from shipper.store.columns import csv_lines, select_all, text
from shipper.store.disk import sync_file
from shipper.store.layout import Segment
from shipper.store.read import open_duckdb

MEMORY = ("50MB", "200MB", "800MB")
"""DuckDB's limit at the first attempt and after each one that failed for want of memory (rows of several MiB)."""
LINE = 2 << 20
"""Bytes of a line that the first attempt makes room for, so that not every file is searched for its longest one."""
ROW_GROUP = 8192
"""Rows of a Parquet row group: what a search reads at least, and what sealing keeps in memory."""
DONE = "sealed"
"""The answer when all went well; else it is the reason."""


class SealError(ShipperError):
    """A segment could not be sealed; it stays as it is and can be read."""


class Sealing:
    """The child that seals, started when the first segment comes; call `close` when there is none left for now."""

    def __init__(self) -> None:
        self.child = Child("shipper.store.seal")

    def __call__(self, segment: Segment, data: Path, target: Path) -> None:
        """Writes a segment's Parquet to `target`, durably; `SealError` says why not."""
        job = (str(segment.path(data)), segment.bytes, segment.rows, str(target), str(data / "tmp"))
        *said, answer = self.child.ask(json.dumps(job))
        if answer != DONE:
            code = self.close()
            reason = answer or (said[-1] if said else f"exit code {code}")
            raise SealError(
                f"{segment.path(data)}: not sealed ({reason}); it stays as it is and is searched all the same"
            )

    def close(self) -> int:
        """Ends the child and returns its exit code; may be called again, and the next segment starts another."""
        return self.child.close()


def write_parquet(source: Path, length: int, rows: int, target: Path, spill: Path) -> None:
    """The child's work. `length` is in bytes and has to be the whole file; `SealError` when that is not so, or when
    the Parquet read back does not have the same rows and as many bytes."""
    found = source.stat().st_size
    if found != length:
        raise SealError(f"{source}: {found} bytes, but {length} are committed")
    for exact, memory in ((False, MEMORY[0]), *((True, each) for each in MEMORY)):
        try:
            with open_duckdb(spill / f"seal-{os.getpid()}", memory, threads=1) as connection:
                _copy(connection, source, target, exact)
                _check(connection, target, length, rows)
            break
        except Exception as error:
            if exact and ("OutOfMemory" not in type(error).__name__ or memory == MEMORY[-1]):
                raise
    target.chmod(0o600)
    sync_file(target)


def _copy(connection: Any, source: Path, target: Path, exact: bool) -> None:
    """The quick way takes the documents for well-formed and no longer than `LINE`, and fails when they are not."""
    lines = csv_lines(text(source), longest_line(source) if exact else LINE, parallel=False)
    options = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP}"
    connection.execute(f"COPY ({select_all(lines, sound=not exact)}) TO {text(target)} ({options})")


def _check(connection: Any, target: Path, length: int, rows: int) -> None:
    query = f"SELECT count(doc), coalesce(sum(strlen(doc)), 0) + count(doc) FROM read_parquet({text(target)})"
    got = connection.execute(query).fetchone()
    if got != (rows, length):
        raise SealError(f"{target}: {got[0]} rows and {got[1]} bytes read back, expected {rows} and {length}")


def longest_line(path: Path) -> int:
    """Bytes of the longest line without its newline."""
    longest = rest = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            cuts = piece.split(b"\n")
            longest = max(longest, rest + len(cuts[0]), *map(len, cuts[1:]))
            rest = len(cuts[-1]) + (rest if len(cuts) == 1 else 0)
    return max(longest, rest)


def answer(job: str) -> str:
    """To a job as JSON, `[source, length, rows, target, spill]`: `DONE`, or why not."""
    source, length, rows, target, spill = json.loads(job)
    try:
        write_parquet(Path(source), length, rows, Path(target), Path(spill))
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return DONE


if __name__ == "__main__":
    serve(answer)
