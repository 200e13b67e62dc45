"""A day of the data folder is taken in whole sealed segments; what comes later lies in others."""

import shutil
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.archive.ledger import mark_segments
from shipper.cli.status import collect
from shipper.clock import ManualClock, SystemClock
from shipper.context import Context
from shipper.errors import Retry, ShipperError
from shipper.lock import hold
from shipper.sink.embedded import EmbeddedSink
from shipper.state import State
from shipper.store import sealer
from shipper.store.layout import asked_to_seal, listed
from shipper.store.read import Reader, open_duckdb
from shipper.store.recover import recover
from shipper.store.segments import Limits
from shipper.tier.embedded import EmbeddedHot
from shipper.tier.hot import HotDay
from shipper.writer import Writer
from tests.batches import finished
from tests.store.store import NOON, TODAY, YESTERDAY, Store, row, seal_here, stored
from tests.store.test_recover import killed_at

DAY, NEXT = "2025.11.22", "2025.11.23"


def record(number, time=YESTERDAY):
    """A document with a time."""
    return f'{{"@timestamp":"{time}","seq":{number}}}'.encode()


@pytest.fixture
def store(tmp_path):
    """A closed store with two records of yesterday and one of today, none of them sealed."""
    found = Store(tmp_path)
    found.commit(record(1), record(2, "2025-11-22T12:00:00.1234567Z"), time=YESTERDAY)
    found.commit(record(3, TODAY), start=20)
    found.close()
    return tmp_path


@pytest.fixture
def hot(store):
    """The mover's view of it, while no writer runs."""
    state = State(store / "state.db")
    yield EmbeddedHot(store, state, ManualClock(), wait_s=0.0)
    state.close()


def lines(taken):
    """All documents of its files."""
    files = ", ".join(f"'{path}'" for path in taken.files)
    if not files:
        return []
    with tempfile.TemporaryDirectory() as spill, open_duckdb(Path(spill)) as connection:
        found = connection.execute(f"SELECT doc FROM read_parquet([{files}])").fetchall()
    return sorted(doc.encode() for (doc,) in found)


def test_a_day_is_sealed_and_taken_while_no_writer_runs(hot, store):
    """Of other days nothing is touched."""
    taken = hot.take(DAY, None, store)

    assert lines(taken) == [record(2, "2025-11-22T12:00:00.1234567Z"), record(1)]
    assert taken.point == {"segments": [1]}
    assert taken[2:] == (2, "2025-11-22T12:00:00.000000Z", "2025-11-22T12:00:00.123456Z")
    assert [each.form for each in listed(State(store / "state.db"))] == ["parquet", "ndjson"]


def test_days_are_listed_with_their_sizes(hot, store):
    """Oldest first, without what belongs to the archive."""
    size = len(record(3, TODAY)) + 1
    assert [(day.day, day.rows) for day in hot.days()] == [(DAY, 2), (NEXT, 1)]
    point = hot.take(DAY, None, store).point
    State(store / "state.db").run(*mark_segments(point["segments"], 0.0))

    assert list(hot.days()) == [HotDay(NEXT, 1, size)]


def test_what_comes_behind_a_point_is_late_and_taken_alone(hot, store):
    """Points grow."""
    first = hot.take(DAY, None, store)
    later = Store(store)
    later.commit(record(4), time=YESTERDAY, start=30)
    later.close()
    assert hot.late(DAY, first.point) == 1
    second = hot.take(DAY, first.point, store)

    assert (lines(second), second.rows, second.point) == ([record(4)], 1, {"segments": [1, 3]})
    assert (hot.late(DAY, second.point), hot.take(DAY, second.point, store).files) == (0, [])


def test_a_day_that_is_not_there_has_nothing(hot, store):
    """Asked anything."""
    hot.block("2020.01.01")
    hot.release("2020.01.01")
    hot.delete("2020.01.01", {"segments": []})

    assert hot.take("2020.01.01", None, store) == ({"segments": []}, [], 0, "", "")
    assert hot.late("2020.01.01", {"segments": []}) == 0


def test_deleting_leaves_what_came_later(hot, store):
    """And other days."""
    point = hot.take(DAY, None, store).point
    later = Store(store)
    later.commit(record(4), time=YESTERDAY, start=30)
    later.close()
    hot.delete(DAY, point)
    hot.delete(DAY, point)

    assert stored(store) == [record(4), record(3, TODAY)]
    assert [path.name for path in sorted(store.glob("hot/*/*"))] == ["000003.ndjson", "000002.ndjson"]


def test_the_folder_of_a_deleted_day_goes_too(hot, store):
    """Years of them would be looked through at every start; one that a kill has left goes at the next start."""
    hot.delete(DAY, hot.take(DAY, None, store).point)
    (store / "hot" / "2025.11.20").mkdir()
    assert [path.name for path in sorted((store / "hot").iterdir())] == ["2025.11.20", NEXT]
    recover(store, State(store / "state.db"))

    assert [path.name for path in (store / "hot").iterdir()] == [NEXT]


def test_killed_anywhere_a_deletion_is_finished_by_the_next(store, tmp_path):
    """All is there, or only what was not to be deleted."""
    with closing(State(store / "state.db")) as state:
        point = EmbeddedHot(store, state, ManualClock(), wait_s=0.0).take(DAY, None, store).point
        state.run(*mark_segments(point["segments"], 0.0))

    def delete(data):
        with closing(State(data / "state.db")) as state:
            EmbeddedHot(data, state).delete(DAY, point)

    for step in range(100):
        data = tmp_path / f"killed-{step}"
        shutil.copytree(store, data, ignore=shutil.ignore_patterns("killed-*"))
        if not killed_at(step, lambda data=data: delete(data)):
            break
        recover(data, State(data / "state.db"))
        assert stored(data) == [record(3, TODAY)]
        delete(data)
        assert [path.name for path in data.glob("hot/*/*")] == ["000002.ndjson"]
    assert step > 2


def test_what_belongs_to_the_archive_is_not_searched_but_counted(hot, store):
    """`status` shows it apart, and the budget of the sink has it still."""
    point = hot.take(DAY, None, store).point
    before = collect(store, State(store / "state.db"))["stored"]["records"]["rows"]
    State(store / "state.db").run(*mark_segments(point["segments"], 0.0))
    found = collect(store, State(store / "state.db"))

    assert stored(store) == [record(3, TODAY)]
    assert (before, found["stored"]["records"]["rows"], found["in_grace"]["rows"]) == (3, 1, 2)
    full = Store(store, max_bytes=found["stored"]["records"]["bytes"] + found["in_grace"]["bytes"] + 3)
    with pytest.raises(Retry, match="of its budget"):
        full.append(row(9))


def test_a_reader_goes_on_with_what_was_marked_meanwhile(hot, store):
    """The archive may have been asked before it had the day."""
    reader = Reader(store)
    State(store / "state.db").run(*mark_segments([1], 0.0))

    assert [each.number for each in reader.segments()] == [1, 2]
    assert [each.number for each in Reader(store).segments()] == [2]


def test_a_segment_that_is_damaged_is_named(hot, store):
    """It stays where it is."""
    (taken,) = hot.take(DAY, None, store).files
    taken.write_bytes(b"PAR1" + bytes(taken.stat().st_size - 8) + b"PAR1")

    with pytest.raises(ShipperError, match=r"2025\.11\.22: cannot be read .*; restore it from a backup"):
        hot.take(DAY, None, store)


def test_a_segment_with_fewer_records_than_listed_is_named(hot, store):
    """Whatever took them."""
    hot.take(DAY, None, store)
    with closing(State(store / "state.db")) as state, state.transaction() as db:
        db.execute("UPDATE segments SET rows = 3 WHERE number = 1")

    with pytest.raises(ShipperError, match=r"holds 2 records, but state\.db lists 3"):
        hot.take(DAY, None, store)


def test_a_writer_that_does_not_seal_is_not_waited_for_for_ever(hot, store):
    """It may be a run with other sinks: the day stays where it is."""
    with (
        closing(hold(store, "tail")),
        pytest.raises(ShipperError, match=r"000001\.ndjson: its writer has not sealed it within 0 s"),
    ):
        hot.take(DAY, None, store)
    with closing(State(store / "state.db", readonly=True)) as state:
        assert asked_to_seal(state) == {1}


class Running:
    """A run's writer over a data folder, with a sealer that looks often."""

    def __init__(self, data, monkeypatch):
        start = sealer.Sealer.__init__
        often = {"every": 0.01, "run": seal_here}
        monkeypatch.setattr(sealer.Sealer, "__init__", lambda self, segments, run=None: start(self, segments, **often))
        self.lock = hold(data, "tail")
        context = Context(data, State(data / "state.db"), ManualClock(NOON))
        self.sink = EmbeddedSink(data, Limits(), context.clock)
        self.writer = Writer([self.sink], context)
        self.writer.start()
        self.sent = 0

    def send(self, *rows, time=YESTERDAY):
        self.writer.put(finished(*rows, start=10 * self.sent, time=time))
        self.sent += len(rows)

    def close(self):
        self.writer.finish()
        self.sink.close()
        self.lock.close()


def test_a_running_writer_seals_what_it_is_asked_for(tmp_path, monkeypatch):
    """While it goes on writing to the same day, every record of it is taken once."""
    State(tmp_path / "state.db").close()
    running = Running(tmp_path, monkeypatch)
    takes, done = [], threading.Event()

    def write():
        for number in range(200):
            running.send(record(number))
        done.set()

    thread = threading.Thread(target=write)
    with closing(State(tmp_path / "state.db")) as state:
        hot = EmbeddedHot(tmp_path, state, SystemClock())
        thread.start()
        while not done.is_set():
            if list(hot.days()):
                takes.append(hot.take(DAY, takes[-1].point if takes else None, tmp_path))
        thread.join()
        running.close()
        takes.append(hot.take(DAY, takes[-1].point if takes else None, tmp_path))

    assert sorted(line for taken in takes for line in lines(taken)) == sorted(map(record, range(200)))


ACTS = st.lists(st.sampled_from(["append", "fail", "seal", "take", "mark", "delete", "restart"]), max_size=15)


@settings(max_examples=15, deadline=None)
@given(acts=ACTS)
def test_taken_and_late_are_always_all_of_it(acts):
    """Whatever is done in whatever order, by one writer after the other: each row is in the files of one take, or
    late."""
    with tempfile.TemporaryDirectory() as folder:
        Life(Path(folder)).live(acts)


class Life:
    """A day of a data folder: what was appended is either taken or late."""

    def __init__(self, data):
        self.data, self.store = data, Store(data)
        self.hot = EmbeddedHot(data, self.store.state, ManualClock(), wait_s=0.0)
        self.appended, self.taken = 0, []
        self.point = None

    def live(self, acts):
        for act in acts:
            getattr(self, f"do_{act}")()
            late = self.hot.late(DAY, self.point or {"segments": []})
            assert len(self.taken) + late == self.appended
        self.do_take()
        assert self.taken == [record(number) for number in range(self.appended)]
        self.store.close()

    def do_append(self):
        self.store.commit(record(self.appended), time=YESTERDAY, start=10 * self.appended)
        self.appended += 1

    def do_fail(self):
        """Written, and never committed: as the disk was full for the commit."""
        self.store.append(record(self.appended), time=YESTERDAY, start=10 * self.appended)

    def do_seal(self):
        sealer.seal_now(self.data, self.store.state, ManualClock(), 0.0, run=seal_here)
        self.do_restart()

    def do_take(self):
        sealer.seal_now(self.data, self.store.state, ManualClock(), 0.0, run=seal_here)
        taken = self.hot.take(DAY, self.point, self.data)
        self.taken = sorted([*self.taken, *lines(taken)], key=lambda line: int(line.rpartition(b":")[2][:-1]))
        self.point = taken.point
        self.do_restart()

    def do_mark(self):
        self.store.state.run(*mark_segments((self.point or {"segments": []})["segments"], 0.0))

    def do_delete(self):
        self.hot.delete(DAY, self.point or {"segments": []})

    def do_restart(self):
        """Another one sealed, with the writer's lock: so no writer was there meanwhile."""
        self.store.close()
        self.store = Store(self.data)
        self.hot = EmbeddedHot(self.data, self.store.state, ManualClock(), wait_s=0.0)
