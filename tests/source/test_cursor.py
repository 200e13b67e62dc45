"""The tailer's decisions, each edge a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.source.cursor import Change, change, is_sibling, reading_order
from shipper.source.lines import cut_lines, stitches


@pytest.mark.parametrize(
    ("read_at", "size", "same", "expected"),
    [
        (10, 10, True, Change.SAME),
        (10, 11, True, Change.GROWN),
        (10, 9, True, Change.SHRUNK),
        (10, 0, False, Change.SHRUNK),
        (10, 11, False, Change.REPLACED),
        (10, 10, False, Change.REPLACED),
        (0, 0, True, Change.SAME),
        (10, None, True, Change.GONE),
    ],
)
def test_judges_a_file_by_size_and_bytes(read_at, size, same, expected):
    """Size alone does not tell a truncated file that grew again."""
    assert change(read_at, size, same) == expected


def test_reads_siblings_from_the_highest_number_down():
    """`.10` is older than `.9`, whatever the alphabet says."""
    names = ["b.log", "b.log.1", "b.log.10", "b.log.9", "b.log.2.gz", "c.log.1", "b.log.old"]
    assert reading_order("b.log", names) == ["b.log.10", "b.log.9", "b.log.2.gz", "b.log.1", "b.log"]


def test_reads_dated_siblings_from_the_oldest_on():
    """A number is not a date, a date that is none is part of the name."""
    dated = ["b.log-20261122", "b.log-20261123.gz", "b.log-2026112403", "b.log-20261124-1795478400"]
    names = ["b.log", "b.log.2", *reversed(dated), "b.log-20269999", "b.log.20261"]
    assert reading_order("b.log", names) == [*dated, "b.log.20261", "b.log.2", "b.log"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/l/b.log", False), ("/l/b.log.1", True), ("/l/b.log.3.gz", True), ("/l/b.1", False), ("/l/b.1.log", False)],
)
def test_a_numbered_file_is_a_sibling_only_of_a_file_that_matches(path, expected):
    """`*.log*` matches both, and only one is a source."""
    assert is_sibling(path, ["/l/*.log*"]) is expected


@pytest.mark.parametrize(
    ("head", "rest", "expected"),
    [
        (b'{"a"', b":1}", True),
        (b'{"a":1', b'{"b":2}', False),
        (b'{"a":', b'{"b":2}}', True),
        (b"plain te", b"xt", True),
        (b"", b"anything", False),
        (b'{"a":"', b"broken", True),
    ],
)
def test_stitches_what_belongs_together(head, rest, expected):
    """A whole object starts a line of its own, unless the two together are one."""
    assert stitches(head, rest) is expected


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6), st.integers(3, 50))
def test_the_rows_do_not_depend_on_the_reads(data, cuts, limit):
    """Whatever the reads were, the same rows at the same offsets; no byte but newlines is lost."""
    whole = cut_lines(data, 0, limit)
    rows, offsets, buffer, start, continues = [], [], b"", 0, False
    places = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    last = 0
    for place in places:
        buffer, last = buffer + data[last:place], place
        cut = cut_lines(buffer, start, limit, continues)
        rows, offsets = rows + cut.lines, offsets + cut.offsets
        buffer, start, continues = buffer[cut.rest - start :], cut.rest, cut.continues if cut.lines else continues
    assert (rows, offsets, start) == (whole.lines, whole.offsets, whole.rest)
    assert all(data[at : at + len(row)] == row for row, at in zip(rows, offsets, strict=True))
    assert b"".join(rows) + data[start:].replace(b"\n", b"") == data.replace(b"\n", b"")
