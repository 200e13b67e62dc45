"""Readers beside the writer: only committed rows, whole, whatever happens to the files meanwhile."""

import os
import threading

import pytest

from shipper.clock import ManualClock
from shipper.errors import ShipperError
from shipper.store.columns import COLUMNS
from shipper.store.layout import listed
from shipper.store.read import Reader
from shipper.store.sealer import Sealer
from tests.store.store import NOON, TODAY, YESTERDAY, Store, followed, row, seal_here, stored


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path, seal_rows=2)
    yield opened
    opened.close()


def seal_all(store):
    return Sealer(store.segments, run=seal_here).seal_due()


def test_a_folder_without_data_is_an_error_that_says_how_to_start(tmp_path):
    """And nothing is created there."""
    with pytest.raises(ShipperError, match="nothing has been stored here yet; start with: shipper run"):
        Reader(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_has_all_columns_and_no_row(store):
    """A search over nothing is an answer."""
    with Reader(store.data).connect() as connection:
        assert [each[0] for each in connection.execute("DESCRIBE records").fetchall()] == [*COLUMNS, "doc"]
        assert connection.execute("SELECT count(*) FROM records").fetchall() == [(0,)]


def test_sealed_and_open_segments_are_one_view(store):
    """With typed columns over both."""
    for number in range(5):
        store.commit(row(number, level="INFO" if number % 2 else "ERROR"))
    seal_all(store)

    assert [segment.form for segment in listed(store.state)] == ["parquet", "parquet", "ndjson"]
    assert stored(store.data, query="""SELECT doc FROM records WHERE level = 'INFO'""") == [
        row(1, level="INFO"),
        row(3, level="INFO"),
    ]


def test_alerts_are_apart_from_records(store):
    """The view has the same name, so that one query serves both."""
    store.commit(row(1))
    store.commit(row(2), stream="alerts")

    assert (stored(store.data), stored(store.data, "alerts")) == ([row(1)], [row(2)])


@pytest.mark.parametrize(
    ("since", "until", "numbers"),
    [
        (None, None, [1, 2]),
        (NOON, None, [2]),
        (NOON + 0.9, None, [2]),
        (NOON + 1, None, []),
        (None, NOON - 1, [1]),
        (None, NOON - 86400, [1]),
        (None, NOON - 86401, []),
        (NOON - 86400, NOON, [1, 2]),
    ],
)
def test_only_segments_that_can_overlap_are_read(store, since, until, numbers):
    """To the second; both ends are included."""
    store.commit(row(1), time=YESTERDAY)
    store.commit(row(2), time=TODAY)

    with Reader(store.data).connect("records", since, until) as connection:
        assert sorted(connection.execute("SELECT doc FROM records").fetchall()) == [(row(n).decode(),) for n in numbers]


def test_bytes_behind_the_committed_ones_are_not_seen(store):
    """The writer is in the middle of a row."""
    store.commit(row(1))
    with listed(store.state)[0].path(store.data).open("ab") as file:
        file.write(row(2) + b"\n" + row(3)[:5])

    assert stored(store.data) == followed(store.data) == [row(1)]


def test_a_connection_keeps_its_rows_while_the_segment_is_sealed(store):
    """The lines are unlinked between opening and asking."""
    store.commit(row(1), row(2))
    with Reader(store.data).connect() as connection:
        seal_all(store)
        assert connection.execute("SELECT count(*) FROM records").fetchall() == [(2,)]


def test_a_segment_sealed_between_listing_and_opening_is_listed_again(store, monkeypatch):
    """The first list names a file that is gone."""
    store.commit(row(1), row(2))
    reader = Reader(store.data)
    stale = reader.segments()
    seal_all(store)
    answers = [stale, reader.segments(), stale, reader.segments()]
    monkeypatch.setattr(reader, "segments", lambda *_: answers.pop(0))

    with reader.connect() as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchall() == [(2,)]
    assert reader.new_rows({})[0] == [row(1), row(2)]


@pytest.mark.parametrize("seal", [False, True], ids=["open", "sealed"])
def test_a_segment_that_stays_away_is_an_error(store, seal):
    """One that names it and what to do."""
    store.commit(row(1), row(2))
    if seal:
        seal_all(store)
    listed(store.state)[0].path(store.data).unlink()

    with pytest.raises(ShipperError, match=r"000001\.(ndjson|parquet): listed in state.db but missing; restore"):
        stored(store.data)
    with pytest.raises(ShipperError, match="vanish faster than they can be read"):
        followed(store.data)


def test_a_segment_shorter_than_committed_is_an_error(store):
    """Not an answer that lacks rows."""
    store.commit(row(1))
    os.truncate(listed(store.state)[0].path(store.data), 4)

    with pytest.raises(ShipperError, match=r"000001\.ndjson: 4 bytes, but 10 are committed"):
        stored(store.data)


def test_without_anonymous_memory_the_copy_is_a_file_that_goes(store, monkeypatch):
    """Not every system has it."""
    monkeypatch.delattr(os, "memfd_create")
    store.commit(row(1))
    with Reader(store.data).connect() as connection:
        copies = list((store.data / "tmp").iterdir())
        assert connection.execute("SELECT count(*) FROM records").fetchall() == [(1,)]

    assert len(copies) == 1 and not list((store.data / "tmp").iterdir())


def test_a_sealed_file_of_an_older_version_lacks_columns_and_is_read(store):
    """They are taken out of its documents."""
    import duckdb

    store.commit(row(1, level="INFO"), row(2, level="INFO"))
    seal_all(store)
    path = listed(store.state)[0].path(store.data)
    duckdb.sql(f"COPY (SELECT doc, 'x' AS gone FROM read_parquet('{path}')) TO '{path}.new' (FORMAT parquet)")
    os.rename(f"{path}.new", path)

    assert stored(store.data) == [row(1, level="INFO"), row(2, level="INFO")]
    assert stored(store.data, query="SELECT doc FROM records WHERE level = 'INFO'") == stored(store.data)


def test_a_reader_that_may_not_write_finds_what_it_asks_for(store, monkeypatch):
    """The folder for spilling cannot be made."""
    store.commit(row(1))

    def forbidden(*_, **__):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.mkdir", forbidden)
    assert stored(store.data) == [row(1)]


# ── following ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_following_gives_each_row_once_in_order_through_seals(store):
    """A segment that is sealed between two looks goes on where it was."""
    reader, got = Reader(store.data), []
    seen = reader.mark()
    for number in range(7):
        store.commit(row(number))
        if number % 3 == 0:
            seal_all(store)
        if number % 2:
            rows, seen = reader.new_rows(seen)
            got += rows
    got += reader.new_rows(seen)[0]

    assert got == [row(number) for number in range(7)]


def test_following_goes_on_inside_a_segment_that_was_sealed_meanwhile(tmp_path):
    """Half of its rows had been seen while it was open."""
    store = Store(tmp_path, seal_rows=3)
    store.commit(row(1))
    reader = Reader(tmp_path)
    seen = reader.mark()
    store.commit(row(2), row(3))
    seal_all(store)

    rows, seen = reader.new_rows(seen)
    assert rows == [row(2), row(3)]
    assert reader.new_rows(seen)[0] == []


def test_following_takes_much_in_pieces(tmp_path, monkeypatch):
    """Whole rows each time, also one that is longer than a piece."""
    monkeypatch.setattr("shipper.store.read.PIECE", 64)
    store = Store(tmp_path)
    rows = [row(number) for number in range(20)] + [b'{"a":"' + b"x" * 300 + b'"}', row(21)]
    store.commit(*rows)
    reader, got, seen, calls = Reader(tmp_path), [], {}, 0
    while new := reader.new_rows(seen):
        if not new[0]:
            break
        got, seen, calls = got + new[0], new[1], calls + 1

    assert got == rows and calls > 3


def test_readers_beside_a_busy_writer_see_whole_committed_batches(tmp_path):
    """Searching and following while rows are appended, committed and sealed."""
    store = Store(tmp_path, ManualClock(NOON), seal_rows=200)
    sealer = Sealer(store.segments, every=0.01, run=seal_here)
    reader, followed_rows, counts, seen = Reader(tmp_path), [], [], {}

    def write():
        for batch in range(60):
            store.commit(*(row(batch * 20 + place, text="x" * (batch % 7 * 40)) for place in range(20)))

    writer = threading.Thread(target=write)
    sealer.start()
    writer.start()
    while writer.is_alive() or len(followed_rows) < 1200:
        rows, seen = reader.new_rows(seen)
        followed_rows += rows
        with reader.connect() as connection:
            counts.append(connection.execute("SELECT count(*), count(doc) FROM records").fetchone())
    writer.join()
    sealer.stop()

    assert sorted(followed_rows) == stored(tmp_path) and len(set(followed_rows)) == 1200
    assert all(rows == docs and rows % 20 == 0 for rows, docs in counts)
    assert counts == sorted(counts)
