"""The state: an intent ends with the batch that brings its files, and with no other; threads take turns."""

import sqlite3
import threading
from pathlib import Path

import pytest

from shipper.alerts import alert_batch
from shipper.model import Alert, StateChange
from shipper.state import State
from tests.batches import finished
from tests.source.follower import Follower

OTHER = "e" * 32
ALERT = Alert("a1", "r1", "A rule", "high", {}, 1, "2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z")


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "state.db")
    yield opened
    opened.close()


def files_of(intents):
    return [[file_id for file_id, _, _ in intent["ranges"]] for intent in intents]


def test_the_commit_of_a_batch_ends_its_intent(state):
    """From the committed offset to where the batch ends."""
    batch = finished(b"{}")
    state.commit_intent(batch)
    before = state.intents()
    state.commit(batch)
    assert (before, state.intents()) == ([{"clock": batch.clock, "ranges": [["f" * 32, 0, 10]]}], [])


def test_the_commit_of_other_files_leaves_it(state):
    """Another source's batch came first after a crash, or the alerts that it left in the outbox."""
    state.commit_intent(finished(b"{}"))
    state.commit_intent(finished(b"{}", file_id=OTHER))
    state.commit(finished(b"{}", file_id=OTHER))
    state.commit(alert_batch([(1, ALERT)], 0.0))
    assert files_of(state.intents()) == [["f" * 32]]


def test_a_later_intent_of_the_same_files_takes_its_place(state):
    """The batch is cut anew, so there is one."""
    state.commit_intent(finished(b"{}"))
    state.commit_intent(finished(b"{}", b"{}"))
    assert [intent["ranges"][0][2] for intent in state.intents()] == [20]


def test_each_source_repeats_its_own(tmp_path):
    """Two tailers over one state, both killed between intent and commit."""
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    clocks = []
    for log in logs:
        log.write_bytes(b"no end")
        follower = Follower(tmp_path / "data", log, flush_after_s=5)
        while not (batch := next(follower._batches)).lines:
            follower.clock.advance(5)
        follower.state.commit_intent(batch)
        clocks.append(batch.clock)
        follower.close()
        log.write_bytes(b"no end yet\n")
    again = [next(follower._batches) for log in logs if (follower := Follower(tmp_path / "data", log))]
    assert [(batch.lines, batch.clock) for batch in again] == [([b"no end"], clock) for clock in clocks]


def test_a_thread_waits_for_the_transaction_of_another(state):
    """Several sources store the files that they have found, while the writer commits."""
    with state.transaction() as db:
        other = threading.Thread(target=state.set_meta, args=("key", "of the other"))
        other.start()
        other.join(0.05)
        db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES ('key', 'of the first')")
        within = state.meta("key")
    other.join()
    assert (within, state.meta("key")) == ("of the first", "of the other")


def test_a_commit_that_is_refused_leaves_nothing_open(state):
    """The next transaction works, on the same connection."""
    state.rows("PRAGMA foreign_keys=ON")
    state.rows("CREATE TABLE a(id INTEGER PRIMARY KEY, other REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), state.transaction() as db:
        db.execute("INSERT INTO a VALUES (1, 2)")
    state.set_meta("key", "after")
    assert (state.meta("key"), state.rows("SELECT * FROM a")) == ("after", [])


def test_a_full_disk_is_told_as_it_is(state):
    """Also when SQLite has rolled back by itself; with room again all is stored."""
    pages = state.rows("PRAGMA page_count")[0][0]
    state.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        state.set_meta("key", "x" * 100_000)
    state.rows("PRAGMA max_page_count=10000")
    state.set_meta("key", "stored")
    assert state.meta("key") == "stored"


def test_small_commits_go_on_when_nothing_has_room(state):
    """Neither the file nor the log before it may grow, as on a full disk; the log is written over."""
    state.reserve()
    state.rows(f"PRAGMA max_page_count={state.rows('PRAGMA page_count')[0][0]}")
    log = Path(f"{state.path}-wal").stat().st_size
    for number in range(200):
        state.set_meta(f"file {number}", "x" * 300)
        state.make_room()
    assert (state.meta("file 199"), Path(f"{state.path}-wal").stat().st_size) == ("x" * 300, log)


def test_what_is_reserved_stays_as_it_is_until_it_is_used_up(state):
    """Looking costs next to nothing; then there is as much again."""
    state.reserve()
    size, spare = (state.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count"))
    state.reserve()
    assert (state.rows("PRAGMA page_count")[0][0], spare >= 256) == (size, True)
    state.set_meta("key", "x" * 4096 * (spare - 10))
    state.reserve()
    assert state.rows("PRAGMA freelist_count")[0][0] >= 256


def test_what_an_older_shipper_wrote_gets_the_tables_it_lacks(tmp_path):
    """Also when it is only read: nothing that is stored has to be given up."""
    path = tmp_path / "state.db"
    state = State(path)
    state.set_meta("kept", "yes")
    state.commit(finished(b"{}"))
    state.run(
        StateChange("DROP TABLE archived", ()),
        StateChange("ALTER TABLE files DROP COLUMN generation", ()),
        StateChange("PRAGMA user_version=1", ()),
    )
    state.close()
    reader = State(path, readonly=True)
    assert reader.meta("kept") == "yes"
    assert reader.rows("SELECT * FROM archived") == []
    assert [progress.generation for progress in reader.files().values()] == [0]
    reader.close()
