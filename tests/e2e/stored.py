"""What lies in a data folder, read from its files."""

from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from shipper.store.read import Reader


def documents(data: Path, stream: str = "records") -> list[dict[str, Any]]:
    """All stored documents of `records` or `alerts`."""
    with closing(Reader(data)) as reader, reader.connect(stream) as connection:
        return [orjson.loads(row[0]) for row in connection.execute("SELECT doc FROM records").fetchall()]


def segments(data: Path, form: str) -> list[Path]:
    """The files that hold records, `ndjson` or `parquet`."""
    return sorted((data / "hot").glob(f"*/*.{form}"))
