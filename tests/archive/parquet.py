"""Days to export, and a look into what came of it, for tests."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson

from shipper.archive import export as child
from shipper.archive.parquet import Export, Facts, Written
from shipper.store.columns import text
from shipper.store.read import open_duckdb

NOON = "2026-11-23T12:00:00Z"


def doc(number: int, time: str | None = NOON, **fields: object) -> bytes:
    """A stored record."""
    known = {} if time is None else {"@timestamp": time}
    return orjson.dumps({**known, "event.id": f"f-{number:06d}", **fields})


def ndjson(path: Path, docs: Sequence[bytes]) -> Path:
    """A file of lines."""
    path.write_bytes(b"".join(each + b"\n" for each in docs))
    return path


def exported(folder: Path, *files: Path, apart: Sequence[str] = ()) -> Export:
    """What the child does, in this process: quicker, the same work."""
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    job = {"do": "export", "files": [str(file) for file in files], "scratch": str(scratch), "apart": [*apart]}
    told = child.done(job)
    written = [Written(dataset, Path(path), Facts(*facts)) for dataset, path, facts in told["written"]]
    return Export(Facts(*told["source"]), written)


def whole(folder: Path, docs: Sequence[bytes], apart: Sequence[str] = ()) -> Export:
    """The export of one file of lines."""
    folder.mkdir(exist_ok=True)
    return exported(folder, ndjson(folder / "lines.ndjson", docs), apart=apart)


def column(path: Path, select: str = "doc") -> list[object]:
    """One column of a Parquet file, in the order of the file."""
    with open_duckdb(path.parent / "look", threads=1) as connection:
        return [row[0] for row in connection.execute(f"SELECT {select} FROM read_parquet({text(path)})").fetchall()]


def docs_of(path: Path) -> list[bytes]:
    """The documents, in the order of the file."""
    return [str(each).encode() for each in column(path)]


def place_of_documents(path: Path) -> tuple[int, int]:
    """Offset and length of the first row group's documents in the file."""
    with open_duckdb(path.parent / "look", threads=1) as connection:
        query = f"SELECT data_page_offset, total_compressed_size FROM parquet_metadata({text(path)})"
        found: tuple[int, int] = connection.execute(f"{query} WHERE path_in_schema = 'doc'").fetchone()
    return found
