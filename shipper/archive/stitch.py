"""Puts Parquet files one behind the other into one, as they are: no value is decoded.

The row groups of the parts stay byte for byte; the new footer lists all of them, each moved by as much as lies before
it. Writing them anew would cost as much again as sorting them did.
"""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipper.archive.pages import KEY, MAGIC, METADATA, Page, are_alone, pages_in, written
from shipper.archive.thrift import BINARY, I64, LIST, STRUCT, Struct, Values, read_struct, write_struct

SCHEMA, ROWS, GROUPS, PAIRS = 2, 3, 4, 5
"""Of FileMetaData."""
COLUMNS, GROUP_ROWS, GROUP_OFFSET, ORDINAL = 1, 3, 5, 7
"""Of RowGroup."""
CHUNK_OFFSET, INDEXES = 2, (4, 5, 6, 7)
"""Of ColumnChunk; the indexes of pages are optional, hold offsets of their own, and are left out."""
OFFSETS = (9, 10, 11, 14)
"""Of ColumnMetaData: data pages, index page, dictionary, bloom filter."""


def stitch(parts: Sequence[Path], target: Path) -> None:
    """Writes a new file of at least one part; all have the same columns. A part is deleted when it is in. Raises
    `ValueError` for one that is no Parquet of that kind."""
    whole: Struct = {}
    pages: list[Page] | None = []
    with target.open("wb") as out:
        out.write(MAGIC)
        for part in parts:
            with part.open("rb") as file:
                footer, length = _footer(file)
                pages = _with_pages(pages, file, footer, whole[ROWS][1] if whole else 0, out.tell() - len(MAGIC))
                _add(whole, footer, out.tell() - len(MAGIC), part)
                file.seek(len(MAGIC))
                _copy(file, out, length - len(MAGIC))
            part.unlink()
        if pages:
            _write_table(out, whole, written(pages, whole[ROWS][1]))
        raw = write_struct(dict(sorted(whole.items())))
        out.write(raw + len(raw).to_bytes(4, "little") + MAGIC)


def _footer(file: Any) -> tuple[Struct, int]:
    """A file's metadata, and where it begins."""
    size = file.seek(-8, os.SEEK_END) + 8
    length = int.from_bytes(file.read(4), "little")
    if file.read(4) != MAGIC or length > size - 12:
        raise ValueError(f"{file.name}: not Parquet")
    file.seek(size - 8 - length)
    return read_struct(file.read(length))[0], size - 8 - length


def _copy(file: Any, out: Any, length: int) -> None:
    while length and (block := file.read(min(length, 1 << 20))):
        out.write(block)
        length -= len(block)


def _add(whole: Struct, footer: Struct, shift: int, part: Path) -> None:
    """Appends the row groups of a part to the metadata of the whole file."""
    if whole and whole[SCHEMA] != footer[SCHEMA]:
        raise ValueError(f"{part}: other columns than the parts before")
    groups: Values = footer[GROUPS][1]
    for group in groups.items:
        _move(group, shift)
    if not whole:
        whole.update(footer)
        return
    rows = whole[ROWS][1] + footer[ROWS][1]
    together = Values(STRUCT, [*whole[GROUPS][1].items, *groups.items])
    whole |= {ROWS: (I64, rows), GROUPS: (whole[GROUPS][0], together)}


def _with_pages(known: list[Page] | None, file: Any, footer: Struct, row: int, shift: int) -> list[Page] | None:
    """And those of a part that begins with this row; None when some can't be read alone."""
    if not are_alone(footer[SCHEMA][1]):
        return None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        for group in footer[GROUPS][1].items:
            found = pages_in(raw, group, row)
            if known is None or found is None:
                return None
            known += [page._replace(start=page.start + shift) for page in found]
            row += group[GROUP_ROWS][1]
    return known


def _write_table(out: Any, whole: Struct, table: bytes) -> None:
    where: Struct = {1: (BINARY, KEY.encode()), 2: (BINARY, f"{out.tell()} {len(table)}".encode())}
    out.write(table)
    pairs = whole[PAIRS][1].items if PAIRS in whole else []
    whole[PAIRS] = (LIST, Values(STRUCT, [*pairs, where]))


def _move(group: Struct, shift: int) -> None:
    _shift(group, (GROUP_OFFSET,), shift)
    # Optional, 16 bits, and only right in a file of its own.
    group.pop(ORDINAL, None)
    for chunk in group[COLUMNS][1].items:
        _shift(chunk, (CHUNK_OFFSET,), shift)
        _shift(chunk[METADATA][1], OFFSETS, shift)
        for index in INDEXES:
            chunk.pop(index, None)


def _shift(struct: Struct, fields: Sequence[int], shift: int) -> None:
    for field in fields:
        if field in struct:
            kind, value = struct[field]
            # 0 means that there is none.
            struct[field] = (kind, value + shift if value else 0)
