"""Where the pages of the documents lie in a part, so that some of them can be read without the others.

A part of ours has a table of them before its footer. Other readers need it for nothing, and we could find the pages
without it, but only by reading all of the footer and of the documents. Pages that were read make a small Parquet file
of their own: nothing is unpacked here.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from shipper.archive.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, Values, read_struct, write_struct

MAGIC = b"PAR1"
KEY = "shipper.doc.pages"
"""In the footer: where the table is in the file and how long, in bytes."""
COLUMN = b"doc"
METADATA = 3
"""Of ColumnChunk."""
PATH, CODEC, VALUES, CHUNK_BYTES, DATA_OFFSET, DICTIONARY_OFFSET = 3, 4, 5, 7, 9, 11
"""Of ColumnMetaData."""
PAGE_KIND, PAGE_BYTES, DATA_PAGE = 1, 3, 5
"""Of PageHeader: the kind (0 is a data page of version 1), its bytes when compressed, and more about it."""
PLAIN, RLE, BYTE_ARRAY, UTF8, OPTIONAL, ZSTD = 0, 3, 6, 0, 1, 6


class Page(NamedTuple):
    """Some documents."""

    row: int
    """The first one, counted from the beginning of the file."""
    start: int
    bytes: int
    """With its header."""


class Table:
    """The pages of a part, by row."""

    def __init__(self, raw: bytes) -> None:
        """Three numbers a page, as `written` makes them, and at the end the number of rows."""
        numbers = array("Q", raw)
        self._rows, self._starts, self._bytes = numbers[::3], numbers[1::3], numbers[2::3]

    def __len__(self) -> int:
        return len(self._starts)

    def page_of(self, row: int) -> int:
        """The number of the page that has a row."""
        return bisect_right(self._rows, row) - 1

    def page(self, number: int) -> Page:
        return Page(self._rows[number], self._starts[number], self._bytes[number])

    def rows(self, number: int) -> int:
        """How many a page has."""
        return self._rows[number + 1] - self._rows[number]


def written(pages: Iterable[Page], rows: int) -> bytes:
    """A table of all pages of a file that has so many rows."""
    return array("Q", [number for page in pages for number in page] + [rows]).tobytes()


def are_alone(schema: Values) -> bool:
    """Whether the documents of a file are a column of the kind that `file_of` makes."""
    kinds = [(each.get(1), each.get(3)) for each in schema.items if each[4][1] == COLUMN]
    return kinds == [((I32, BYTE_ARRAY), (I32, OPTIONAL))]


def pages_in(raw: Any, group: Struct, row: int) -> list[Page] | None:
    """The pages of `doc` in a row group of a file, whose bytes are `raw`; the group begins with this row. None when
    they can't be read one without the other. Raises `ValueError` when there is something else."""
    abouts: list[Struct] = [chunk[METADATA][1] for chunk in group[1][1].items]
    about = next((each for each in abouts if each[PATH][1].items == [COLUMN]), None)
    if about is None or DICTIONARY_OFFSET in about or about[CODEC][1] != ZSTD:
        return None
    at, found, behind = about[DATA_OFFSET][1], [], row
    end = at + about[CHUNK_BYTES][1]
    while at < end:
        header, data = read_struct(raw, at)
        if header[PAGE_KIND][1] != 0:
            return None
        size = data + header[PAGE_BYTES][1] - at
        found.append(Page(behind, at, size))
        behind += header[DATA_PAGE][1][1][1]
        at += size
    if at != end or behind - row != about[VALUES][1]:
        raise ValueError(f"documents: {behind - row} values up to {at}, {about[VALUES][1]} up to {end} were announced")
    return found


def file_of(groups: Iterable[tuple[int, Sequence[bytes]]]) -> Iterator[bytes]:
    """The pieces of a Parquet file that has only `doc`: for each row group its rows and its pages."""
    yield MAGIC
    at, total, described = len(MAGIC), 0, []
    for rows, pages in groups:
        yield from pages
        size = sum(map(len, pages))
        described.append(_group(rows, at, size))
        at, total = at + size, total + rows
    column: Struct = {1: (I32, BYTE_ARRAY), 3: (I32, OPTIONAL), 4: (BINARY, COLUMN), 6: (I32, UTF8)}
    schema = Values(STRUCT, [{4: (BINARY, b"root"), 5: (I32, 1)}, column])
    footer = write_struct(
        {1: (I32, 1), 2: (LIST, schema), 3: (I64, total), 4: (LIST, Values(STRUCT, described))},
    )
    yield footer + len(footer).to_bytes(4, "little") + MAGIC


def _group(rows: int, start: int, size: int) -> Struct:
    about: Struct = {
        1: (I32, BYTE_ARRAY),
        2: (LIST, Values(I32, [PLAIN, RLE])),
        PATH: (LIST, Values(BINARY, [COLUMN])),
        CODEC: (I32, ZSTD),
        VALUES: (I64, rows),
        6: (I64, size),
        CHUNK_BYTES: (I64, size),
        DATA_OFFSET: (I64, start),
    }
    chunk: Struct = {2: (I64, start), METADATA: (STRUCT, about)}
    return {1: (LIST, Values(STRUCT, [chunk])), 2: (I64, size), 3: (I64, rows)}
