"""Parquet files with documents, those too that an older version wrote: a column that one lacks is taken out of its
documents, so that a search finds the same in all of them."""

from collections.abc import Sequence
from typing import Any

from shipper.store.columns import COLUMNS, select_more, text


def select_sealed(connection: Any, files: Sequence[str]) -> list[str]:
    """SELECTs that together give all rows of the files, with every column of `COLUMNS` and `doc`."""
    selects = []
    for names, some in by_lack(connection, files).items():
        rows = f"read_parquet([{', '.join(map(text, some))}], union_by_name=true)"
        selects.append(select_more(rows, names) if names else f"SELECT * FROM {rows}")
    return selects


def by_lack(connection: Any, files: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """The files by the columns that they lack; nearly always there is one key, without any."""
    if not files:
        return {}
    found = connection.execute(f"SELECT file_name, name FROM parquet_schema([{', '.join(map(text, files))}])")
    there: dict[str, set[str]] = {file: set() for file in files}
    for file, name in found.fetchall():
        there[file].add(name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for file, names in there.items():
        groups.setdefault(tuple(name for name in COLUMNS if name not in names), []).append(file)
    return groups
