"""Killed anywhere, started again: exactly the committed rows; a list that does not fit the files is refused."""

import itertools
import os
import shutil
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from shipper.archive.ledger import Move, begin_move, chain, holds, mark_segments, marked_segments, moves, save_chain
from shipper.build import plan
from shipper.config import default_pipeline
from shipper.errors import LockHeld, ShipperError, StateMismatch
from shipper.lock import hold
from shipper.model import StateChange
from shipper.run import run_pipeline
from shipper.state import State
from shipper.store.layout import REWRITTEN, listed, next_number
from shipper.store.recover import fresh_state, recover
from shipper.store.seal import write_parquet
from shipper.store.sealer import Sealer
from shipper.tier.acts import note_of
from shipper.tier.audit import audit, pending_acts
from shipper.tier.erase_archive import OLD_KEYS
from shipper.tier.hold import OURS
from shipper.tiering import LAST
from tests.batches import FILE_ID
from tests.store.store import TODAY, YESTERDAY, Store, followed, row, seal_here, stored

BATCHES = [
    ((row(1), row(2)), {"start": 0, "time": YESTERDAY}),
    ((row(3),), {"start": 20, "time": TODAY}),
    ((row(4), row(5)), {"start": 30, "time": YESTERDAY}),
]
ROWS = [row(number) for number in range(1, 6)]
STEPS = ("open", "pwrite", "ftruncate", "fsync", "rename", "unlink", "mkdir")


def work(data, sealed):
    """Commits what is not committed yet, then seals: as a run does it from its start to its end."""
    store = Store(data, seal_rows=4)
    done = sum(progress.offset for progress in store.state.files().values())
    for rows, how in BATCHES:
        if how["start"] >= done:
            store.commit(*rows, **how)

    def run(segment, folder, target):
        shutil.copy(sealed, target)

    Sealer(store.segments, run=run).seal_due()


def killed_at(step, act):
    """Runs `act` in a child that dies before its n-th change to a file; returns whether it died."""
    pid = os.fork()
    if pid == 0:
        left = [step]

        def dying(name, real):
            def call(*args, **named):
                if left[0] == 0:
                    if name == "pwrite":
                        real(args[0], args[1][: len(args[1]) // 2], args[2])
                    os._exit(9)
                left[0] -= 1
                return real(*args, **named)

            return call

        try:
            for name in STEPS:
                setattr(os, name, dying(name, getattr(os, name)))
            State.run = dying("run", State.run)
            State.commit = dying("commit", State.commit)
            act()
            os._exit(0)
        finally:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_at_any_step_of_append_commit_and_seal_nothing_is_lost_or_twice(tmp_path):
    """Whole batches are there after the kill, all rows once after the next run."""
    lines = tmp_path / "lines"
    lines.write_bytes(b"".join(each + b"\n" for each in (*BATCHES[0][0], *BATCHES[2][0])))
    sealed = tmp_path / "sealed"
    write_parquet(lines, lines.stat().st_size, 4, sealed, tmp_path)
    for step in itertools.count():
        data = tmp_path / str(step)
        data.mkdir()
        if not killed_at(step, partial(work, data, sealed)):
            break
        assert not (data / "state.db").exists() or followed(data) in ([], ROWS[:2], ROWS[:3], ROWS)
        work(data, sealed)
        assert followed(data) == ROWS
        assert sorted(path.suffix for path in data.glob("hot/*/*")) == [".ndjson", ".parquet"]
    assert step > 25


@pytest.fixture
def data(tmp_path):
    """A closed store with one row of today and two of yesterday."""
    store = Store(tmp_path)
    store.commit(row(1), row(2), time=YESTERDAY)
    store.commit(row(3), start=20)
    store.close()
    return tmp_path


def refused(data):
    """The error of a start, which has changed nothing."""
    before = _listing(data)
    with pytest.raises(StateMismatch) as caught:
        recover(data, State(data / "state.db"))
    assert _listing(data) == before
    return str(caught.value)


def _listing(data):
    return {path: path.read_bytes() for path in data.glob("*/*/*")}


def test_a_tail_that_was_never_committed_is_cut_off(data):
    """Also a torn one."""
    with (data / "hot/2025.11.23/000002.ndjson").open("ab") as file:
        file.write(row(9) + b"\n" + row(10)[:4])
    recover(data, State(data / "state.db"))

    assert (data / "hot/2025.11.23/000002.ndjson").read_bytes() == row(3) + b"\n"


def test_left_overs_of_a_crash_are_removed(data):
    """A file whose number was given away but never committed, and a seal half done."""
    State(data / "state.db").set_meta("next_segment", "4")
    (data / "hot/2025.11.23/000003.ndjson").write_bytes(b"x")
    (data / "hot/2025.11.23/000002.parquet").write_bytes(b"x")
    (data / "hot/2025.11.23/000002.parquet.tmp").write_bytes(b"x")
    (data / "hot/2025.11.23/notes.txt").write_bytes(b"not ours")
    recover(data, State(data / "state.db"))

    assert sorted(path.name for path in data.glob("hot/*/*")) == ["000001.ndjson", "000002.ndjson", "notes.txt"]


def test_a_lost_state_is_refused(data):
    """The message names the way out, and what it costs."""
    (data / "state.db").unlink()

    error = refused(data)
    assert "000001.ndjson: stored data that" in error
    assert "--fresh-state" in error and "there twice" in error


def test_a_state_older_than_the_data_is_refused(data):
    """A segment has a number that this state has never given."""
    (data / "hot/2025.11.24").mkdir()
    (data / "hot/2025.11.24/000003.ndjson").write_bytes(b"{}\n")

    assert "000003.ndjson: stored data that" in refused(data)


def test_a_missing_segment_is_refused(data):
    """Named with its path."""
    (data / "hot/2025.11.23/000002.ndjson").unlink()

    assert "000002.ndjson: listed in state.db, but missing" in refused(data)


def test_a_day_that_a_mover_deletes_meanwhile_is_missed_by_nobody(data, monkeypatch):
    """Between the look at the list and the look at the files."""

    def deleted_behind_the_list(state, *streams):
        found = listed(state, *streams)
        state.run(StateChange("DELETE FROM segments WHERE number = ?", (2,)))
        (data / "hot/2025.11.23/000002.ndjson").unlink()
        return found

    monkeypatch.setattr("shipper.store.recover.listed", deleted_behind_the_list)
    with closing(State(data / "state.db")) as state:
        recover(data, state)
        assert [segment.number for segment in listed(state)] == [1]


def test_a_day_that_a_mover_deletes_while_its_folder_is_looked_for_is_no_error(data, monkeypatch):
    """Its folder was listed, and is gone when it is opened."""
    gone = data / "hot/2025.11.23"
    real = Path.iterdir

    def deleted_first(folder):
        if folder == gone and folder.exists():
            with closing(State(data / "state.db")) as state:
                state.run(StateChange("DELETE FROM segments WHERE number = ?", (2,)))
            shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", deleted_first)
    with closing(State(data / "state.db")) as state:
        recover(data, state)
        assert [segment.number for segment in listed(state)] == [1]


def test_a_segment_shorter_than_committed_is_refused(data):
    """Rows are gone."""
    os.truncate(data / "hot/2025.11.23/000002.ndjson", 4)

    assert "000002.ndjson: 4 bytes, but state.db lists 10" in refused(data)


def test_fresh_state_keeps_the_stored_data(data):
    """It is searched as before, and new rows get new numbers."""
    (data / "state.db").unlink()
    fresh_state(data)
    store = Store(data)
    store.commit(row(4))

    assert stored(data) == [row(1), row(2), row(3), row(4)]
    assert store.state.files()[FILE_ID].offset == 10


def test_fresh_state_adopts_sealed_segments_and_alerts(tmp_path):
    """Both forms of one segment, as a crash leaves them, count once."""
    store = Store(tmp_path, seal_rows=2)
    store.commit(row(1), row(2), time=YESTERDAY)
    store.commit(row(3), stream="alerts")
    keep = (tmp_path / "hot/2025.11.22/000001.ndjson").read_bytes()
    Sealer(store.segments, run=seal_here).seal_due()
    (tmp_path / "hot/2025.11.22/000001.ndjson").write_bytes(keep)
    fresh_state(tmp_path)
    recover(tmp_path, State(tmp_path / "state.db"))

    assert (stored(tmp_path), stored(tmp_path, "alerts")) == ([row(1), row(2)], [row(3)])
    assert store.files() == ["alerts/2025.11/000002.ndjson", "hot/2025.11.22/000001.parquet"]


def test_fresh_state_keeps_the_old_state_beside_the_new(data):
    """It may hold a quarantine."""
    fresh_state(data)
    fresh_state(data)

    assert sorted(path.name for path in data.glob("state.db.old-?")) == ["state.db.old-1", "state.db.old-2"]
    assert len(listed(State(data / "state.db.old-1", readonly=True))) == 2


def test_fresh_state_keeps_what_is_known_of_the_archive_and_of_holds(data):
    """Days that are archived are not archived again, and no number is given twice."""
    with closing(State(data / "state.db")) as state:
        state.set_meta("next_segment", "9")
        begin_move(
            state, Move("archive", "2025.11.22", "", "hot", "warm", "old", detail={"point": {"segments": [8]}}), 5
        )
        state.run(
            *mark_segments([1, 7], 0.0),
            save_chain("archive", 3, "abc"),
            StateChange("INSERT INTO holds VALUES (1,'*','','','court','me',5.0,NULL,'')", ()),
        )
    fresh_state(data)
    with closing(State(data / "state.db")) as state:
        assert marked_segments(state) == {1}
        assert [move.detail for move in moves(state)] == [{"point": {"segments": [8]}}]
        assert (chain(state, "archive"), [hold.reason for hold in holds(state)]) == ((3, "abc"), ["court"])
        assert next_number(state) == 9
    assert stored(data) == [row(3)]


def test_fresh_state_keeps_what_was_cut_short(data):
    """A receipt that is written already would be somebody else's, and nobody would delete what was erased."""
    noted = dict.fromkeys((note_of("s3://b/p"), OLD_KEYS, OURS, REWRITTEN, LAST, "sinks", "erasing 4711"), "[]")
    with closing(State(data / "state.db")) as state:
        for key in noted:
            state.set_meta(key, "[]")
        state.set_meta("rest_asked", "somebody")
        state.run(audit("erased", "3 records were erased", 5.0))
    fresh_state(data)
    with closing(State(data / "state.db")) as state:
        kept = {row["key"]: row["value"] for row in state.rows("SELECT * FROM meta")}
        assert kept == {**noted, "next_segment": kept["next_segment"]}
        assert [act["message"] for _, act in pending_acts(state, 9)] == ["3 records were erased"]


def test_fresh_state_waits_for_nobody_who_moves(data):
    """A mover has the old state open, and would go on with it."""
    with closing(hold(data, "move")), pytest.raises(LockHeld):
        run_pipeline(plan(default_pipeline(), {}), data, once=True, fresh_state=True)
    assert not list(data.glob("state.db.old-*"))


def test_fresh_state_does_without_a_state_that_cannot_be_read(data, capsys):
    """It says what is not known any more."""
    for suffix in ("-wal", "-shm"):
        (data / f"state.db{suffix}").unlink(missing_ok=True)
    (data / "state.db").write_bytes(b"no database at all" * 1000)
    fresh_state(data)

    assert stored(data) == [row(1), row(2), row(3)]
    assert "what was archived and what is on hold is not known any more" in capsys.readouterr().err


def test_fresh_state_cuts_a_torn_line(data):
    """Only whole rows are adopted."""
    with (data / "hot/2025.11.23/000002.ndjson").open("ab") as file:
        file.write(row(10)[:4])
    fresh_state(data)
    recover(data, State(data / "state.db"))

    assert stored(data) == [row(1), row(2), row(3)]


def test_fresh_state_names_a_segment_that_cannot_be_read(data):
    """And leaves the old state in its place."""
    (data / "hot/2025.11.23/000002.parquet").write_bytes(b"not Parquet at all")

    with pytest.raises(ShipperError, match=r"000002\.parquet: cannot be read as Parquet .* move it out of"):
        fresh_state(data)
    assert not list(data.glob("state.db.old*"))


def test_spill_folders_of_dead_processes_go_and_others_stay(data):
    """They are named after the process."""
    for name in (f"read-{os.getpid()}", "seal-999999999"):
        (data / "tmp" / name).mkdir(parents=True)
        (data / "tmp" / name / "inner").mkdir()
        (data / "tmp" / name / "inner" / "spill").write_bytes(b"x")
    recover(data, State(data / "state.db"))

    assert [path.name for path in (data / "tmp").iterdir()] == [f"read-{os.getpid()}"]
