"""What a manifest rules out, and what it must not."""

import pytest

from shipper.archive.ledger import Archived
from shipper.archive.manifest import Manifest, Part
from shipper.clock import parse_when
from shipper.query.parse import parse
from shipper.search.possible import may_answer, parts_of
from shipper.search.store import Question

DAY = "2026.01.01"


def part(first="2026-01-01T10:00:00.000000Z", last="2026-01-01T11:00:00.000000Z", rows=10, **levels):
    return Part("k", 1, "s", rows, first, last, "0", levels)


def day(*parts, dataset="backend"):
    return Archived("archive", "warm", dataset, DAY, Manifest("warm", dataset, DAY, parts, "", ""), False, 0.0)


def asked(query="*", since=None, until=None):
    return Question(parse(query), since and parse_when(since, 0.0), until and parse_when(until, 0.0))


@pytest.mark.parametrize(
    ("query", "levels", "expected"),
    [
        ("log.level:error", {"info": 10}, False),
        ("log.level:error", {"info": 9, "error": 1}, True),
        ("log.level:error", {"info": 9}, False),
        ("log.level:error timeout", {"info": 10}, False),
        ("log.level:error OR timeout", {"info": 10}, True),
        ("log.level:(error OR critical)", {"info": 10}, False),
        ("log.level:(error OR critical)", {"info": 9, "critical": 1}, True),
        ("log.level:e*", {"info": 10}, False),
        ("log.level:[a TO f]", {"info": 10}, False),
        ("log.level:*", {}, False),
        ("log.level:*", {"info": 1}, True),
        ("NOT log.level:info", {"info": 10}, True),
        ("level:ERROR", {"info": 10}, True),
        ("log.level:error", {"info": 9, "*": 1}, True),
        ("*", {}, True),
    ],
)
def test_levels(query, levels, expected):
    """A record has one of those that are counted, or none where they are fewer than the records."""
    assert may_answer(asked(query), day(part(**levels))) is expected


@pytest.mark.parametrize(
    ("query", "dataset", "expected"),
    [
        ("event.dataset:audit", "backend", False),
        ("event.dataset:back*", "backend", True),
        ("event.dataset:audit", "_other", True),
        ("event.dataset:*", "", True),
        ("event.dataset:audit", "", False),
        ("timeout", "", True),
    ],
)
def test_datasets(query, dataset, expected):
    """A day has one; those that are too many for a file of their own lie together."""
    assert may_answer(asked(query), day(part(), dataset=dataset)) is expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, True),
        ("2026-01-01", "2026-01-02", True),
        ("2026-01-02", None, False),
        (None, "2026-01-01", False),
        ("2026-01-01T11:00:00Z", None, True),
        ("2026-01-01T11:00:00.000001Z", None, False),
        (None, "2026-01-01T10:00:00Z", False),
        (None, "2026-01-01T10:00:00.000001Z", True),
    ],
)
def test_times(since, until, expected):
    """`since` is included and `until` is not, to the microsecond."""
    assert may_answer(asked("*", since, until), day(part())) is expected


def test_records_without_a_time_are_found_with_the_whole_day_alone():
    """As in the hot store."""
    without = day(part("", ""))
    assert may_answer(asked(), without)
    assert may_answer(asked("*", "2026-01-01", "2026-01-02"), without)
    assert not may_answer(asked("*", "2026-01-01T10:00:00Z"), without)


def test_parts_are_ruled_out_one_by_one():
    """A supplement that can't answer is not fetched; a part that was emptied neither."""
    late = part("2026-01-01T12:00:00.000000Z", "2026-01-01T12:00:00.000000Z")
    assert parts_of(asked("*", "2026-01-01T11:30:00Z"), day(part(), late, part(rows=0))) == [late]
