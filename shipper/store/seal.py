"""Seals a segment: one DuckDB statement turns its NDJSON into Parquet with typed columns and the whole document.

It runs in a child process (`python -m shipper.store.seal`), because DuckDB takes over 100 MiB for it: what the child
took is given back when it ends, and a seal that runs out of memory takes nobody along.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from shipper.errors import ShipperError
from shipper.store.columns import csv_lines, select_all, text
from shipper.store.disk import sync_file
from shipper.store.layout import Segment
from shipper.store.read import open_duckdb

MEMORY = ("50MB", "200MB", "800MB")
"""DuckDB's limit at the first attempt and after each one that failed for want of memory (rows of several MiB)."""
ROW_GROUP = 8192
"""Rows of a Parquet row group: what a search reads at least, and what sealing keeps in memory."""


class SealError(ShipperError):
    """A segment could not be sealed; it stays as it is and can be read."""


def seal(segment: Segment, data: Path, target: Path) -> None:
    """Writes a segment's Parquet to `target`, durably, in a child process; `SealError` says why not."""
    job = [str(segment.path(data)), str(segment.bytes), str(segment.rows), str(target), str(data / "tmp")]
    with subprocess.Popen(
        [sys.executable, "-m", "shipper.store.seal", *job],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stderr is not None
        said = child.stderr.read().decode(errors="replace").strip()
        child.wait()
    if child.returncode != 0:
        reason = said.splitlines()[-1] if said else f"exit code {child.returncode}"
        raise SealError(f"{segment.path(data)}: not sealed ({reason}); it stays as it is and is searched all the same")


def write_parquet(source: Path, length: int, rows: int, target: Path, spill: Path) -> None:
    """The child's work. `length` is in bytes and has to be the whole file; `SealError` when that is not so, or when
    the Parquet read back does not have the same rows and as many bytes."""
    found = source.stat().st_size
    if found != length:
        raise SealError(f"{source}: {found} bytes, but {length} are committed")
    for memory in MEMORY:
        try:
            with open_duckdb(spill / f"seal-{os.getpid()}", memory, threads=1) as connection:
                _copy(connection, source, target)
                _check(connection, target, length, rows)
            break
        except Exception as error:
            if "OutOfMemory" not in type(error).__name__ or memory == MEMORY[-1]:
                raise
    target.chmod(0o600)
    sync_file(target)


def _copy(connection: Any, source: Path, target: Path) -> None:
    lines = csv_lines(text(source), longest_line(source))
    options = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP}"
    connection.execute(f"COPY ({select_all(lines)}) TO {text(target)} ({options})")


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


def _end_with_parent() -> None:
    """The parent holds the other end of stdin: when it is gone, by whatever death, so are we."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main(arguments: list[str]) -> int:
    """`SOURCE LENGTH ROWS TARGET SPILL`; 0, or 1 with one line on stderr."""
    source, length, rows, target, spill = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(10)
    try:
        write_parquet(Path(source), int(length), int(rows), Path(target), Path(spill))
    except Exception as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
