"""One answer, newest first, over days."""

import pytest

from shipper.clock import ManualClock
from shipper.query.parse import parse
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.state import State
from shipper.store.read import Reader
from shipper.store.segments import Limits, Segments
from tests.search.stored import AT_THE_BOUNDS, BOUNDS, NOW, record, store


def nothing(day, reason):
    """No day may be unreadable."""
    raise AssertionError(f"{day}: {reason}")


def answer(data, query="*", limit=0, since=None, until=None):
    """The documents that a query finds."""
    reader = Reader(data)
    try:
        return list(search([EmbeddedStore(reader)], Question(parse(query), since, until), limit, nothing))
    finally:
        reader.close()


def counted(data, query="*", since=None, until=None):
    """How many a query finds."""
    reader = Reader(data)
    try:
        return count([EmbeddedStore(reader)], Question(parse(query), since, until), nothing)
    finally:
        reader.close()


def store_raw(data, doc):
    """Stores a document that `orjson` would refuse."""
    state = State(data / "state.db")
    segments = Segments(data, state, Limits(), ManualClock(NOW))
    state.run(segments.append("records", "2026.01.01", [doc], "2026-01-01T11:00:00Z", "2026-01-01T11:00:00Z"))
    segments.close()
    state.close()


def test_newest_first_in_any_precision(tmp_path):
    """Times are compared as times, not as text, and the same time by `event.id`."""
    docs = [
        record(0, "2026-01-01T10:00:00Z"),
        record(1, "2026-01-01T10:00:00.25Z"),
        record(2, "2026-01-01T10:00:00.000Z"),
        record(3, "2025-12-31T23:59:59.999999Z"),
        record(4, "2026-01-02T00:00:00Z"),
    ]
    store(tmp_path, *docs)
    assert answer(tmp_path) == [docs[4], docs[1], docs[2], docs[0], docs[3]]


def test_limit_counts_over_days(tmp_path):
    """The newest ones, however they lie in days; 0 is all."""
    docs = [record(number, f"2026-01-0{1 + number // 2}T10:00:00Z") for number in range(5)]
    store(tmp_path, *docs)
    assert answer(tmp_path, limit=2) == [docs[4], docs[3]]
    assert answer(tmp_path, limit=3) == [docs[4], docs[3], docs[2]]
    assert answer(tmp_path, limit=0) == docs[::-1]
    assert answer(tmp_path, limit=9) == docs[::-1]


def test_limit_stops_before_older_days(tmp_path):
    """A day that is not needed is not even opened."""
    store(tmp_path, record(0, "2026-01-01T10:00:00Z"), record(1, "2026-01-02T10:00:00Z"))
    for path in (tmp_path / "hot" / "2026.01.01").iterdir():
        path.write_bytes(b"")
    assert answer(tmp_path, limit=1) == [record(1, "2026-01-02T10:00:00Z")]


@pytest.mark.parametrize(("since", "until", "numbers"), BOUNDS)
def test_since_is_included_and_until_is_not(tmp_path, since, until, numbers):
    """Two intervals that meet have no record in common, and none between them."""
    docs = [record(number, time) for number, time in enumerate(AT_THE_BOUNDS)]
    store(tmp_path, *docs)
    assert answer(tmp_path, since=since, until=until) == [docs[number] for number in numbers]
    assert counted(tmp_path, since=since, until=until) == len(numbers)


def test_count_counts_what_search_finds(tmp_path):
    """Over all days, whatever the limit."""
    store(tmp_path, *(record(number, f"2026-01-0{1 + number}T10:00:00Z") for number in range(5)))
    assert counted(tmp_path, "seq:>1") == 3
    assert counted(tmp_path, "seq:>10") == 0


def test_documents_come_byte_for_byte(tmp_path):
    """Blanks, escapes and number forms of the stored document stay as they are."""
    doc = b'{"@timestamp": "2026-01-01T10:00:00Z",  "n":1.50, "text":"\\u00e9\\/ \xc3\xa9", "event.id":"x"}'
    store(tmp_path, doc)
    assert answer(tmp_path, "n:1.5") == [doc]


def test_malformed_documents_are_found_by_the_query_for_all(tmp_path):
    """What DuckDB can't read is stored, so it is found, last in its day."""
    odd = b'{"@timestamp":"2026-01-01T11:00:00Z","message":"\\ud800","event.id":"x"}'
    reader_friendly = record(1)
    store(tmp_path, reader_friendly)
    store_raw(tmp_path, odd)
    assert answer(tmp_path) == [reader_friendly, odd]
    assert counted(tmp_path) == 2


def test_an_unreadable_day_is_named_and_the_rest_is_answered(tmp_path):
    """Answers what it can and says what it could not read."""
    docs = [record(number, f"2026-01-0{1 + number}T10:00:00Z") for number in range(3)]
    store(tmp_path, *docs)
    for path in (tmp_path / "hot" / "2026.01.02").iterdir():
        path.write_bytes(b"{}")
    told = []
    reader = Reader(tmp_path)
    question = Question(parse("*"))
    stores = [EmbeddedStore(reader)]
    found = list(search(stores, question, 0, lambda day, reason: told.append(day)))
    assert (found, told) == ([docs[2], docs[0]], ["2026.01.02"])
    assert count(stores, question, lambda day, reason: told.append(day)) == 2
    reader.close()
