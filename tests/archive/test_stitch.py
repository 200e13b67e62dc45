"""Parquet files one behind the other: every reader finds all rows, by any column, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.archive.stitch import stitch
from shipper.archive.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Values,
    read_struct,
    write_struct,
)
from shipper.store.columns import text
from shipper.store.read import open_duckdb

STRUCTS = st.recursive(
    st.dictionaries(
        st.integers(1, 40),
        st.sampled_from([(TRUE, None), (FALSE, None), (BYTE, b"\x07"), (DOUBLE, b"12345678")])
        | st.tuples(st.sampled_from([I16, I32, I64]), st.integers(-(2**63), 2**63 - 1))
        | st.tuples(st.just(BINARY), st.binary(max_size=200))
        | st.tuples(st.just(LIST), st.lists(st.integers(), max_size=20).map(lambda items: Values(I64, items))),
    ),
    lambda inner: st.dictionaries(
        st.integers(1, 40),
        st.tuples(st.just(STRUCT), inner)
        | st.tuples(st.just(LIST), st.lists(inner, max_size=3).map(lambda items: Values(STRUCT, items))),
    ),
    max_leaves=5,
)


def write(path, select, rows=100):
    """A Parquet file of DuckDB."""
    with open_duckdb(path.parent / "spill", threads=1) as connection:
        connection.execute(f"COPY ({select}) TO {text(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})")
    return path


def ask(path, select):
    """What DuckDB finds in one."""
    with open_duckdb(path.parent / "spill", threads=1) as connection:
        return connection.execute(select.format(file=text(path))).fetchall()


def part(tmp_path, number, count=5000):
    """Rows with a number, a word of few, and a text of its own."""
    start = number * count
    select = (
        f"SELECT i, 'user' || (i // 1000) AS word, md5(i::VARCHAR) AS hash FROM range({start}, {start + count}) t(i)"
    )
    return write(tmp_path / f"part{number}", select, 2048)


@given(STRUCTS)
def test_what_is_written_is_read_again(struct):
    """Fields may come in any order."""
    raw = write_struct(struct)

    assert read_struct(raw) == (struct, len(raw))


def test_a_footer_comes_back_byte_for_byte(tmp_path):
    """As DuckDB writes it, with statistics and Bloom filters."""
    raw = part(tmp_path, 0).read_bytes()
    footer = raw[-8 - int.from_bytes(raw[-8:-4], "little") : -8]

    assert write_struct(read_struct(footer)[0]) == footer


def test_all_rows_of_all_parts_are_there_in_order(tmp_path):
    """And the parts are gone."""
    whole = tmp_path / "whole"
    stitch([part(tmp_path, number) for number in range(3)], whole)

    assert ask(whole, "SELECT i FROM {file}".replace("{file}", "read_parquet({file})")) == [
        (number,) for number in range(15000)
    ]
    assert list(tmp_path.iterdir()) == [whole]


def test_readers_may_leave_out_row_groups(tmp_path):
    """By their statistics, and by the Bloom filters that moved with them."""
    whole = tmp_path / "whole"
    stitch([part(tmp_path, number) for number in range(3)], whole)
    found = ask(whole, "SELECT count(*) FROM read_parquet({file}) WHERE word = 'user7'")
    excluded = ask(
        whole, "SELECT row_group_id, bloom_filter_excludes FROM parquet_bloom_probe({file}, 'word', 'user7')"
    )

    assert found == [(1000,)]
    assert [group for group, excludes in excluded if not excludes] == [3, 4]
    assert len(excluded) == 9


def test_one_part_is_a_whole(tmp_path):
    """With the same rows."""
    stitch([part(tmp_path, 0)], tmp_path / "whole")

    assert ask(tmp_path / "whole", "SELECT count(*), max(i) FROM read_parquet({file})") == [(5000, 4999)]


def test_parts_with_other_columns_are_refused(tmp_path):
    """They would be read as something else."""
    parts = [part(tmp_path, 0), write(tmp_path / "other", "SELECT 1 AS i")]
    with pytest.raises(ValueError, match="other columns than the parts before"):
        stitch(parts, tmp_path / "whole")


@pytest.mark.parametrize("raw", [b"PAR1 too short", b"PAR1" + b"x" * 50, b"\xff" * 4 + b"\xff\xff\xff\x7fPAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, raw):
    """With its name."""
    (tmp_path / "part").write_bytes(raw)
    with pytest.raises(ValueError, match="part: not Parquet"):
        stitch([tmp_path / "part"], tmp_path / "whole")
