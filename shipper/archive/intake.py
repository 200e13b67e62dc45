"""Takes in what is to be archived: Parquet is read where it lies, lines become Parquet piece by piece.

What is known of the source is found out here, from the documents as they are read.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from shipper.archive.content import content as of_docs
from shipper.archive.content import joined
from shipper.archive.look import Rows, content, summary
from shipper.archive.parquet import Facts
from shipper.store.columns import csv_lines, select_all, select_more, text
from shipper.store.sealed import by_lack

PIECE = 8 << 20
"""Bytes of lines that are taken in together, unless a single one is longer."""
ROW_GROUP = 8192
"""Small, so that a slice of time is found in the piece without reading all of it."""
OPTIONS = f"FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROW_GROUP}"


class Taken(NamedTuple):
    """Parquet files with all that came in, and what was read."""

    files: list[str]
    facts: Facts


def take(connection: Any, files: Sequence[Path], scratch: Path) -> Taken:
    """Takes in the files; new ones go to `scratch`. Raises `ValueError` when a document gets lost on the way."""
    parquet = [str(file) for file in files if file.suffix == ".parquet"]
    hashes = [content(connection, Rows(parquet))]
    made: list[str] = []
    for piece in chain.from_iterable(pieces(file) for file in files if file.suffix != ".parquet"):
        target = scratch / f"in-{len(made):06d}.parquet"
        hashes.append(_to_parquet(connection, piece, scratch / "lines", target))
        made.append(str(target))
    whole = [*complete(connection, parquet, scratch), *made]
    rows, first, last, levels = summary(connection, Rows(whole))
    return Taken(whole, Facts(rows, first, last, joined(hashes), levels))


def complete(connection: Any, files: Sequence[str], scratch: Path) -> list[str]:
    """Parquet files with all columns: one that an older version wrote is written anew, to `scratch`. What comes out of
    it would else be taken for a file in which those columns are empty."""
    found: list[str] = []
    for names, some in by_lack(connection, files).items():
        for file in some:
            target = scratch / f"old-{len(found):06d}.parquet"
            if names:
                rows = select_more(f"read_parquet({text(file)})", names)
                connection.execute(f"COPY ({rows}) TO {text(target)} ({OPTIONS})")
            found.append(str(target) if names else file)
    return found


def pieces(path: Path) -> Iterator[bytes]:
    """Whole lines of a file, about `PIECE` bytes at a time; the last line may lack its newline."""
    with path.open("rb") as source:
        while block := source.read(PIECE):
            if not block.endswith(b"\n"):
                block += source.readline()
            yield block


def _to_parquet(connection: Any, piece: bytes, lines: Path, target: Path) -> str:
    """Returns the content hash. The quick way takes the documents for well-formed, and fails when they are not."""
    docs = piece.removesuffix(b"\n").split(b"\n")
    lines.write_bytes(piece)
    source = csv_lines(text(lines), max(map(len, docs)), parallel=False)
    for sound in (True, False):
        try:
            query = f"COPY ({select_all(source, sound=sound)}) TO {text(target)} ({OPTIONS})"
            stored = connection.execute(query).fetchone()[0]
            break
        except Exception as error:
            if not sound or "OutOfMemory" in type(error).__name__:
                raise
    if stored != len(docs):
        raise ValueError(f"{len(docs)} lines, but {stored} documents")
    return of_docs(docs)
