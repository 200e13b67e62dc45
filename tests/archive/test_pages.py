"""Documents read by the page, without the others of their file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.archive.pages import KEY, Page, Table, file_of, pages_in, written
from shipper.archive.sort import ALL_OPTIONAL
from shipper.archive.stitch import stitch
from shipper.archive.thrift import read_struct
from shipper.store.columns import text
from shipper.store.read import open_duckdb

OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048, DATA_PAGE_SIZE_LIMIT 4096"


def doc(number):
    return json.dumps({"seq": number, "text": "x" * (number % 700)})


def stitched(folder, docs, options=OPTIONS, parts=3, setting=ALL_OPTIONAL):
    """A file of several parts, each with several row groups and pages."""
    paths = []
    with open_duckdb(folder / "spill", threads=1) as connection:
        connection.execute(setting)
        connection.execute("CREATE TABLE rows (place BIGINT, doc VARCHAR)")
        connection.execute("INSERT INTO rows SELECT unnest(range(?)), unnest(?)", [len(docs), docs])
        for number in range(parts):
            paths.append(folder / f"part{number}")
            low, high = number * len(docs) // parts, (number + 1) * len(docs) // parts
            query = f"SELECT place, doc FROM rows WHERE place >= {low} AND place < {high} ORDER BY place"
            connection.execute(f"COPY ({query}) TO {text(paths[-1])} ({options})")
    stitch(paths, folder / "whole")
    return folder / "whole"


def ask(path, select):
    with open_duckdb(path.parent / "spill", threads=1) as connection:
        return connection.execute(select.format(file=text(path))).fetchall()


def table_of(path):
    """None: the file has none."""
    found = ask(path, f"SELECT value FROM parquet_kv_metadata({{file}}) WHERE key = '{KEY}'")
    if not found:
        return None
    start, length = map(int, found[0][0].split())
    return Table(path.read_bytes()[start : start + length])


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 2**40), st.integers(1, 2**30)), min_size=1, max_size=30))
def test_a_table_says_what_was_written(given_pages):
    """Each row lies in one page."""
    pages, row = [], 0
    for rows, start, size in given_pages:
        pages.append(Page(row, start, size))
        row += rows
    table = Table(written(pages, row))

    assert [table.page(number) for number in range(len(table))] == pages
    assert [table.rows(number) for number in range(len(table))] == [rows for rows, _, _ in given_pages]
    assert [table.page_of(each) for each in range(row)] == [
        number for number, (rows, _, _) in enumerate(given_pages) for _ in range(rows)
    ]


def test_a_page_is_read_alone(tmp_path):
    """In a file of its own, with others or without."""
    docs = [doc(number) for number in range(9000)]
    path = stitched(tmp_path, docs)
    raw, table = path.read_bytes(), table_of(path)
    chosen = [table.page(number) for number in range(0, len(table), 7)]
    counts = [table.rows(number) for number in range(0, len(table), 7)]
    pages = [raw[page.start : page.start + page.bytes] for page in chosen]
    small = tmp_path / "small"
    small.write_bytes(b"".join(file_of([(sum(counts[:5]), pages[:5]), (sum(counts[5:]), pages[5:])])))

    assert len(table) > 100
    assert [each for (each,) in ask(small, "SELECT doc FROM read_parquet({file})")] == [
        each for page, count in zip(chosen, counts, strict=True) for each in docs[page.row : page.row + count]
    ]


def test_the_whole_file_is_read_as_ever(tmp_path):
    """The table is nothing to other readers."""
    docs = [doc(number) for number in range(9000)]

    assert [each for (each,) in ask(stitched(tmp_path, docs), "SELECT doc FROM read_parquet({file})")] == docs


DIFFERENT, SAME = [doc(number) for number in range(9000)], [doc(1)] * 9000


@pytest.mark.parametrize(
    ("docs", "options", "setting"),
    [
        (SAME, OPTIONS, ALL_OPTIONAL),
        (DIFFERENT, OPTIONS.replace("zstd", "snappy"), ALL_OPTIONAL),
        (DIFFERENT, OPTIONS, "SET threads = 1"),
    ],
    ids=["in a dictionary", "packed in another way", "another kind of column"],
)
def test_pages_that_would_be_read_wrongly_are_not_offered(tmp_path, docs, options, setting):
    """All is read then, as ever."""
    path = stitched(tmp_path, docs, options, setting=setting)

    assert table_of(path) is None
    assert ask(path, "SELECT count(doc) FROM read_parquet({file})") == [(9000,)]


def test_a_footer_that_does_not_fit_is_refused(tmp_path):
    """Rather than that documents are mixed up later."""
    path = stitched(tmp_path, [doc(number) for number in range(100)], parts=1)
    raw = path.read_bytes()
    footer, _ = read_struct(raw[-8 - int.from_bytes(raw[-8:-4], "little") : -8])
    group = footer[4][1].items[0]
    about = group[1][1].items[1][3][1]
    about[5] = (about[5][0], 101)

    with pytest.raises(ValueError, match="100 values"):
        pages_in(raw, group, 0)
