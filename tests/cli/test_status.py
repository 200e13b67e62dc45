"""`shipper status`: lag of every file, what is stored, who runs."""

import orjson
from click.testing import CliRunner

from shipper.archive.ledger import mark_segments
from shipper.cli.main import cli
from shipper.cli.sizes import human_bytes, human_seconds
from shipper.clock import ManualClock
from shipper.lock import hold
from shipper.state import State, save_status
from shipper.store.waiting import Waiting
from tests.batches import finished
from tests.source.follower import read_once
from tests.store.store import YESTERDAY, Store, row


def status(data, *more):
    return CliRunner().invoke(cli, ["status", "--data", str(data), *more])


def stored(data, log):
    """A file of thirty bytes, twenty of which are committed."""
    log.write_bytes(b"x" * 30)
    state, found = State(data / "state.db"), log.stat()
    batch = finished(b"{}", b"{}")
    (progress,) = batch.progress.values()
    progress.path, progress.device, progress.inode, progress.size = str(log), found.st_dev, found.st_ino, 20
    state.commit(batch)
    state.close()


def test_shows_the_lag_of_a_file_in_bytes(tmp_path):
    """From the file as it is now, whether something runs or not."""
    stored(tmp_path, tmp_path / "x.log")
    found = orjson.loads(status(tmp_path, "--format", "json").stdout)
    (entry,) = found["files"]
    assert (entry["size"], entry["committed"], entry["lag_bytes"], found["running"]) == (30, 20, 10, "")


def test_a_file_that_was_replaced_does_not_lag_by_the_new_one(tmp_path):
    """Another inode is another file."""
    stored(tmp_path, tmp_path / "x.log")
    (tmp_path / "y.log").write_bytes(b"y" * 99)
    (tmp_path / "y.log").rename(tmp_path / "x.log")
    (entry,) = orjson.loads(status(tmp_path, "--format", "json").stdout)["files"]
    assert entry["lag_bytes"] == 0


def test_a_run_says_how_far_it_has_read(tmp_path):
    """Ahead of what is stored; what a run said that is over counts for nothing."""
    stored(tmp_path, tmp_path / "x.log")
    state = State(tmp_path / "state.db")
    (file_id,) = state.files()
    state.run(save_status("run", {"read": {file_id: 27}}))
    state.close()

    def read():
        (entry,) = orjson.loads(status(tmp_path, "--format", "json").stdout)["files"]
        return entry["read"], entry["committed"]

    assert read() == (20, 20)
    with hold(tmp_path, "tail"):
        assert read() == (27, 20)


def test_a_file_says_which_generation_it_is(tmp_path):
    """Of those that stood under its name one after the other."""
    log = tmp_path / "x.log"
    for text in (b"one\n", b"two\n", b"three\n"):
        if log.exists():
            log.rename(tmp_path / "x.log.1")
        log.write_bytes(text)
        read_once(tmp_path / "data", log)

    found = orjson.loads(status(tmp_path / "data", "--format", "json").stdout)["files"]
    assert [(entry["generation"], entry["done"]) for entry in found][:2] == [(3, False), (2, True)]


def test_the_worst_files_come_first_within_eighty_columns(tmp_path):
    """And no more of them than a person reads."""
    state = State(tmp_path / "state.db")
    for number in range(30):
        batch = finished(b"{}", file_id=f"{number:032x}")
        (progress,) = batch.progress.values()
        progress.path, progress.size = (
            f"/var/log/supervisor/a-program-with-a-long-name-{number:02d}.out.log",
            123_456_789 * number,
        )
        progress.lost = 5_000_000_000 if number == 3 else 0
        state.commit(batch)
    state.close()
    shown = status(tmp_path).stdout.splitlines()
    table = shown[shown.index(next(line for line in shown if line.startswith("file"))) :]

    assert ("name-03.out.log" in table[1], table[1].split()[-2:]) == (True, ["4.7", "GiB"])
    assert ("name-29.out.log" in table[2], "10 more files that lag less" in table[21]) == (True, True)
    assert max(map(len, shown)) <= 80
    assert not [line for line in table[1:21] if "out.log" not in line]


def test_names_the_process_that_runs(tmp_path):
    """By the lock, not by what was written some time."""
    stored(tmp_path, tmp_path / "x.log")
    with hold(tmp_path, "tail"):
        assert "running (shipper (process" in status(tmp_path).stdout
    assert "not running" in status(tmp_path).stdout


def test_shows_apart_what_is_archived_and_waits_to_be_deleted(tmp_path):
    """It takes room still."""
    store = Store(tmp_path)
    store.commit(row(1), time=YESTERDAY)
    store.commit(row(2), start=10)
    store.state.run(*mark_segments([1], 0.0))
    store.close()
    shown = status(tmp_path).stdout

    assert "records: 1 in 1 segments, 10 B, 2025.11.23\n" in shown
    assert "archived: 1 in 1 segments wait to be deleted, 10 B\n" in shown


def test_a_folder_where_nothing_was_stored_is_one_line(tmp_path):
    """And exit 1 in the command."""
    result = status(tmp_path / "nowhere")
    assert "nothing has been stored here yet" in str(result.exception)


def test_sizes_read_well():
    """Binary units for bytes, growing ones for time."""
    assert [human_bytes(count) for count in (0, 1023, 1536, 5 << 30)] == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
    assert [human_seconds(count) for count in (5, 90, 5400, 172800)] == ["5 s", "1.5 min", "1.5 h", "2.0 d"]


def test_shows_what_waits_for_a_sink_and_does_not_count_it_as_stored(tmp_path):
    """Spooled and parked, with the oldest time."""
    waiting, batch = Waiting(tmp_path, 1 << 20, ManualClock()), finished(b'{"n":1}', b'{"n":2}')
    waiting.state.run(*waiting.spool(batch, [0, 1]), *waiting.park(batch, [1]))
    waiting.close()
    found = orjson.loads(status(tmp_path, "--format", "json").stdout)
    oldest = "2026-11-20T10:00:00Z"
    assert found["spool"] == {
        "spooled": {"segments": 1, "rows": 2, "bytes": 16, "oldest": oldest},
        "parked": {"segments": 1, "rows": 1, "bytes": 8, "oldest": oldest},
    }
    assert found["stored"] == {}
    assert "spooled: 2 wait for their sink, 16 B" in status(tmp_path).stdout


def test_shows_who_holds_and_since_when(tmp_path):
    """As long as the run lives."""
    state = State(tmp_path / "state.db")
    state.run(save_status("run", {"holding": "sink: [down]", "holding_since": 1_700_000_000.0}))
    state.close()
    with hold(tmp_path, "tail"):
        found = orjson.loads(status(tmp_path, "--format", "json").stdout)
        shown = status(tmp_path).stdout
    assert (found["holding"], found["holding_since"]) == ("sink: [down]", "2023-11-14T22:13:20.000Z")
    assert "holding since 2023-11-14T22:13:20.000Z: sink: [down]" in " ".join(shown.split())


def test_says_where_records_go(tmp_path):
    """By the note of the last run; nothing of a folder from before there was one."""
    stored(tmp_path, tmp_path / "x.log")
    before = orjson.loads(status(tmp_path, "--format", "json").stdout)
    state = State(tmp_path / "state.db")
    state.set_meta("sinks", '{"pipeline": "/etc/shipper/[mine].yml", "sinks": ["embedded", "elasticsearch"]}')
    state.close()
    found = orjson.loads(status(tmp_path, "--format", "json").stdout)
    assert [(each["sinks"], each["pipeline"]) for each in (before, found)] == [
        ([], None),
        (["embedded", "elasticsearch"], "/etc/shipper/[mine].yml"),
    ]
    assert "records went to embedded, elasticsearch, by /etc/shipper/[mine].yml" in status(tmp_path).stdout
    with hold(tmp_path, "tail"):
        assert "records go to embedded, elasticsearch" in status(tmp_path).stdout
