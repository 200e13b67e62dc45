"""The writer: what it appends holds with the commit and not before; a failed write leaves nothing."""

import errno
import os

import pytest

from shipper.clock import ManualClock
from shipper.errors import Retry, StateMismatch
from shipper.store import disk
from shipper.store.layout import ask_to_seal, listed, period
from shipper.store.sealer import Sealer
from tests.store.store import NOON, TODAY, YESTERDAY, Store, row, seal_here, stored


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def test_rows_are_there_with_the_commit_and_not_before(store):
    """A reader goes by the committed list."""
    batch = store.append(row(1), row(2))
    before = stored(store.data)
    store.state.commit(batch)

    assert (before, stored(store.data)) == ([], [row(1), row(2)])


def test_an_append_that_was_not_committed_is_undone_by_the_next(store):
    """The batch may come again, or another one."""
    store.commit(row(1))
    store.append(row(2), row(3))
    store.commit(row(4))

    assert stored(store.data) == [row(1), row(4)]


def test_a_batch_whose_changes_are_committed_twice_is_there_once(store):
    """A sink beside this one held, so the whole batch was written again."""
    batch = store.append(row(1))
    batch.changes += store.append(row(1)).changes
    store.state.commit(batch)

    assert stored(store.data) == [row(1)]


def test_a_day_whose_folder_a_mover_removes_right_now_has_one_again(store, monkeypatch):
    """It was empty for the moment between making it and opening a file in it."""
    store.commit(row(1))
    make, removed = disk.make_folder, []

    def made(folder, root):
        make(folder, root)
        if folder.name == "2025.11.22" and not removed:
            removed.append(disk.leave_folder(folder))

    monkeypatch.setattr(disk, "make_folder", made)
    store.commit(row(2), time=YESTERDAY)

    assert (len(removed), stored(store.data)) == (1, [row(1), row(2)])


def test_each_day_and_stream_has_a_file_of_its_own(store):
    """Alerts by the month; one counter for all."""
    store.commit(row(1))
    store.commit(row(2), time=YESTERDAY)
    store.commit(row(3), stream="alerts")

    assert store.files() == [
        "alerts/2025.11/000003.ndjson",
        "hot/2025.11.22/000002.ndjson",
        "hot/2025.11.23/000001.ndjson",
    ]


def test_the_list_says_how_much_and_from_when_to_when(store):
    """Bytes with newlines, rows, first and last time."""
    store.commit(row(1), time="2025-11-23T12:00:00Z")
    store.commit(row(2), row(3), time="2025-11-23T11:00:00.5Z")

    (segment,) = listed(store.state)
    assert segment[4:] == (30, 3, "2025-11-23T11:00:00.5Z", "2025-11-23T12:00:00Z")


def test_a_full_segment_takes_no_more(tmp_path):
    """The next rows open another one."""
    store = Store(tmp_path, seal_rows=2)
    for number in range(3):
        store.commit(row(number))

    assert [segment.rows for segment in listed(store.state)] == [2, 1]


def test_a_segment_that_is_asked_for_is_sealed_and_takes_no_more(store):
    """Whatever else is open stays as it is."""
    store.commit(row(1))
    store.commit(row(2), time=YESTERDAY)
    ask_to_seal(store.state, [1])
    Sealer(store.segments, run=seal_here).seal_due()
    store.commit(row(3))

    assert [(each.number, each.form) for each in listed(store.state)] == [(1, "parquet"), (2, "ndjson"), (3, "ndjson")]


def test_a_segment_that_is_asked_for_waits_for_its_commit(store):
    """A batch that is written again takes the place of what it wrote before, and is there once."""
    store.commit(row(1))
    batch = store.append(row(2))
    ask_to_seal(store.state, [1])
    assert store.segments.close_next(store.state) is None
    batch.changes += store.append(row(2)).changes
    store.state.commit(batch)
    store.commit(row(3))
    Sealer(store.segments, run=seal_here).seal_due()

    assert [(each.number, each.form, each.rows) for each in listed(store.state)] == [
        (1, "parquet", 2),
        (2, "ndjson", 1),
    ]
    assert stored(store.data) == [row(1), row(2), row(3)]


def test_a_day_that_was_sealed_takes_late_rows_in_a_new_segment(store):
    """The number of the sealed one is not used again."""
    store.commit(row(1), time=YESTERDAY)
    os.utime(listed(store.state)[0].path(store.data), (0, 0))
    Sealer(store.segments, run=seal_here).seal_due()
    store.commit(row(2), time=YESTERDAY)

    assert [(segment.number, segment.form) for segment in listed(store.state)] == [(1, "parquet"), (2, "ndjson")]
    assert stored(store.data) == [row(1), row(2)]


def test_no_more_than_sixteen_files_are_open(store):
    """The one used longest ago is closed first, and opened again when needed."""
    for round_ in range(2):
        for day in range(1, 25):
            store.commit(row(round_), time=f"2025-10-{day:02d}T00:00:00Z")

    links = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert sum(link.startswith(str(store.data)) and link.endswith(".ndjson") for link in links) == 16
    assert len(stored(store.data)) == 48


def test_a_full_disk_holds_and_leaves_nothing_half_written(store, monkeypatch):
    """Half of the block was written when the disk was full."""
    store.commit(row(1))
    pwrite = os.pwrite

    def full(file, block, offset):
        if offset > 15:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, block[:5], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(Retry, match=r"000001\.ndjson: No space left on device; nothing of this batch is stored"):
            store.append(row(2), row(3))
    size = listed(store.state)[0].path(store.data).stat().st_size
    store.commit(row(4))

    assert size == 10
    assert stored(store.data) == [row(1), row(4)]


def test_a_disk_that_fails_to_sync_holds(store, monkeypatch):
    """The same rows are written anew, because a failed sync may have dropped their pages."""
    store.commit(row(1))

    def broken(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(Retry, match="Input/output error"):
            store.append(row(2))
    store.commit(row(2))

    assert stored(store.data) == [row(1), row(2)]


def test_a_full_disk_at_the_first_row_of_a_day_holds(store, monkeypatch):
    """The file does not even exist; the number is kept for the next attempt."""

    def full(path, mode=0o777):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", full)
        with pytest.raises(Retry, match="No space left"):
            store.append(row(1))
    store.commit(row(1))

    assert store.files() == ["hot/2025.11.23/000001.ndjson"]


def test_at_the_budget_the_store_holds_and_says_so(tmp_path):
    """Nothing is dropped and nothing is deleted to make room."""
    store = Store(tmp_path, max_bytes=20)
    store.commit(row(1), row(2))

    with pytest.raises(Retry, match=r"the store holds 0 MiB of its budget of 0 MiB; reading waits: raise max_bytes"):
        store.append(row(3))
    assert stored(tmp_path) == [row(1), row(2)]


def test_a_file_cut_off_under_the_writer_stops_it(store):
    """Committed rows are gone: going on would hide it."""
    store.commit(row(1))
    os.truncate(listed(store.state)[0].path(store.data), 3)

    with pytest.raises(StateMismatch, match="3 bytes, but 10 are committed"):
        store.append(row(2))


def test_a_file_that_is_gone_under_the_writer_stops_it(tmp_path):
    """Found when it has to be opened again."""
    store = Store(tmp_path)
    store.commit(row(1))
    store.segments.close()
    listed(store.state)[0].path(tmp_path).unlink()

    with pytest.raises(StateMismatch, match="but it is gone"):
        store.append(row(2))


@pytest.mark.parametrize(
    ("time", "age", "due"),
    [(YESTERDAY, 700, True), (YESTERDAY, 500, False), (TODAY, 7000, False)],
    ids=["over and quiet", "over, rows still come", "today"],
)
def test_a_day_is_sealed_when_it_is_over_and_quiet(tmp_path, time, age, due):
    """Quiet: ten minutes without a row."""
    store = Store(tmp_path, ManualClock(NOON))
    store.commit(row(1), time=time)
    os.utime(listed(store.state)[0].path(tmp_path), (NOON - age, NOON - age))

    assert (store.segments.close_next(store.state) is not None) == due


def quiet_since_yesterday(store):
    """Makes the one segment look as if nothing had come for long."""
    os.utime(listed(store.state)[0].path(store.data), (NOON - 7000, NOON - 7000))


def test_a_segment_with_uncommitted_rows_is_not_sealed(store):
    """Their commit may be on its way, however long it is held."""
    store.commit(row(1), time=YESTERDAY)
    batch = store.append(row(2), time=YESTERDAY)
    quiet_since_yesterday(store)
    waiting = store.segments.close_next(store.state)
    store.state.commit(batch)

    assert waiting is None
    assert store.segments.close_next(store.state).rows == 2


def test_a_segment_that_is_being_sealed_takes_no_rows(store):
    """Late rows of that day open another one."""
    store.commit(row(1), time=YESTERDAY)
    quiet_since_yesterday(store)
    store.segments.close_next(store.state)
    store.commit(row(2), time=YESTERDAY)

    assert [segment.rows for segment in listed(store.state)] == [1, 1]


def test_a_shorter_batch_leaves_nothing_of_the_longer_one_before_it(store):
    """Else the segment would never look committed, and never be sealed."""
    store.append(row(1), row(2), row(3))
    store.commit(row(4))

    assert listed(store.state)[0].path(store.data).read_bytes() == row(4) + b"\n"


def test_a_segment_is_handed_out_for_sealing_once(tmp_path):
    """Until sealing it failed."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))

    assert store.segments.close_next(store.state).number == 1
    assert store.segments.close_next(store.state) is None
    store.segments.reopen(1)
    assert store.segments.close_next(store.state).number == 1


def test_periods_are_days_for_records_and_months_for_alerts():
    """In UTC, as the time itself."""
    assert (period("records", TODAY), period("alerts", TODAY)) == ("2025.11.23", "2025.11")
