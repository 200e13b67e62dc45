"""The tailer when looking itself goes wrong: folders that cannot be listed, names that move meanwhile, lost inodes."""

import errno
import os
import shutil
import sqlite3
import threading
import time

import pytest

from shipper.source import listing
from shipper.source.handles import OPEN_FILES
from shipper.state import State
from tests.source.follower import Follower, read_once
from tests.source.test_tail import append, rotate


def lost(data):
    state = State(data / "state.db")
    count = sum(progress.lost for progress in state.files().values())
    state.close()
    return count


# ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_listed_makes_no_file_gone(data, log, monkeypatch, number):
    """Too many open files for a moment: nothing is read again afterwards."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    append(log, b"2\n")
    rotate(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
        follower.look()
    append(log, b"3\n")
    assert follower.look()[-1:] == [b"3"]
    assert [line for _, line in follower.rows] == [b"1", b"2", b"3"]
    assert follower.context.metrics.lost_bytes == 0


def test_a_rotation_between_listing_and_looking_hides_no_file(data, log, monkeypatch):
    """`.1` was `log` when the folder was listed, and is `.2` when it is looked at."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"2\n")
    real, moves = os.scandir, [1, 1]

    def scandir(path):
        names = real(path)
        entries = list(names)
        if moves:
            moves.pop()
            rotate(log, keep=9)
            append(log, b"3\n")
        return _Entries(entries)

    monkeypatch.setattr(listing.os, "scandir", scandir)
    follower.look()
    follower.look()
    assert [line for _, line in follower.rows] == [b"1", b"2", b"3", b"3"]
    assert follower.context.metrics.lost_bytes == 0


@pytest.mark.parametrize("moves", [1, 2, 9])
@pytest.mark.parametrize("grown", [b"", b"3\n"], ids=["as it was", "grown"])
def test_a_rotation_between_looking_and_comparing_hides_no_file(data, log, monkeypatch, moves, grown):
    """What stood at a name when it was looked at stands at the next one when it is opened there."""
    for line in (b"0\n", b"1\n"):
        append(log, line)
        rotate(log, keep=20)
    append(log, b"2\n")
    follower = Follower(data, log)
    follower.look()
    real, left = listing.Folders.family, [True] * moves

    def family(*arguments):
        found = real(*arguments)
        if left:
            left.pop()
            rotate(log, keep=20)
            append(log, b"new\n")
        return found

    append(log, grown)
    rotate(log, keep=20)
    monkeypatch.setattr(listing.Folders, "family", family)
    for _ in range(moves + 2):
        follower.look()
    expected = [b"0", b"1", b"2", *grown.split(), *[b"new"] * moves]
    assert [line for _, line in follower.rows] == expected
    assert (follower.context.metrics.lost_bytes, lost(data)) == (0, 0)


class _Entries(list):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_folders_and_pipes_are_no_siblings(data, log):
    """Opening a pipe would wait for ever."""
    append(log, b"1\n")
    log.with_name(f"{log.name}.1").mkdir()
    os.mkfifo(log.with_name(f"{log.name}.2"))
    log.with_name("backend.dir.log").mkdir()
    assert read_once(data, log.parent / "backend.*.log") == [b"1"]


def test_a_file_that_may_not_be_opened_after_a_restart_is_not_begun_anew(data, log, monkeypatch):
    """It goes on where it was when that is allowed again, under the id that it had."""
    append(log, b"1\n")
    first = Follower(data, log)
    first.look()
    first.close()
    append(log, b"2\n")
    real = os.open

    def refuse(path, *rest, **more):
        if str(path) == str(log):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    second = Follower(data, log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert second.look() == []
    assert second.look() == [b"2"]
    assert second.rows[0][0].split("-")[0] == first.rows[0][0].split("-")[0]


def test_a_sibling_that_may_not_be_read_does_not_hold_up_the_others(data, log, monkeypatch, capsys):
    """It is named once."""
    append(log, b"1\n")
    rotate(log)
    append(log, b"2\n")
    real = os.open

    def refuse(path, *rest, **more):
        if str(path).endswith(".1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    follower = Follower(data, log)
    assert follower.look() == [b"2"]
    append(log, b"3\n")
    assert follower.look() == [b"3"]
    assert capsys.readouterr().err.count("cannot be read") == 1
    monkeypatch.undo()
    assert follower.look() == [b"1"]


def test_a_full_disk_holds_back_new_files_only_until_there_is_room(data, log, monkeypatch, capsys):
    """An id that is not stored must not be used; the run goes on."""
    append(log, b"1\n")
    follower = Follower(data, log)
    real = follower.state.transaction

    def full():
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(State, "transaction", lambda self: full())
    batches = follower.tail.__iter__()
    assert len(next(batches)) == 0
    monkeypatch.undo()
    assert real is not None
    follower.clock.advance(2)
    assert next(batches).lines == [b"1"]
    assert capsys.readouterr().err.count("new files wait") == 1


def full_for(times):
    """A `State.transaction` that fails so many times."""
    real, left = State.transaction, iter(range(times))

    def transaction(self):
        if next(left, None) is not None:
            raise sqlite3.OperationalError("database or disk is full")
        return real(self)

    return transaction


def test_with_once_a_full_disk_is_waited_for(data, log, monkeypatch, capsys):
    """It does not end with a file unread, as if there were none; and it says so once."""
    append(log, b"1\n")
    follower = Follower(data, log, once=True)
    monkeypatch.setattr(State, "transaction", full_for(3))
    assert [line for batch in follower.tail for line in batch.lines] == [b"1"]
    assert capsys.readouterr().err.count("new files wait") == 1


def test_with_once_it_can_be_stopped_while_the_disk_is_full(data, log, monkeypatch):
    """Nothing is read of a file whose id is not stored."""
    append(log, b"1\n")
    follower = Follower(data, log, once=True, poll_s=3600)
    monkeypatch.setattr(State, "transaction", full_for(1_000))
    threading.Timer(0.05, follower.tail.stop).start()
    assert [line for batch in follower.tail for line in batch.lines] == []
    monkeypatch.undo()
    follower.close()
    assert read_once(data, log) == [b"1"]


# ── losses ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_loss_is_counted_once_over_any_number_of_restarts(data, log):
    """And stays in the state after the file it happened to is forgotten."""
    append(log, b"1\ntwo")
    assert read_once(data, log) == [b"1"]
    log.unlink()
    append(log, b"3\n")
    for _ in range(3):
        follower = Follower(data, log)
        follower.look()
        follower.look()
        follower.close()
        assert lost(data) == 3
    read_once(data, log)
    assert lost(data) == 3


def test_a_loss_stays_known_while_no_file_is_there(data, log):
    """It is passed on to the next live file."""
    append(log, b"1\ntwo")
    read_once(data, log)
    log.unlink()
    for _ in range(2):
        follower = Follower(data, log)
        follower.look()
        follower.look()
        follower.close()
        assert lost(data) == 3
    append(log, b"4\n")
    assert read_once(data, log) == [b"4"]
    assert lost(data) == 3


def test_a_truncated_file_that_grew_larger_is_no_loss(data, log):
    """What the new content is longer by was never part of the old one."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    log.write_bytes(b"2\n" * 100)
    assert follower.look() == [b"2"] * 100
    assert follower.context.metrics.lost_bytes == 0


def test_a_batch_that_waits_for_its_sink_does_not_bring_a_forgotten_file_back(data, log):
    """Forgetting goes through the same queue."""
    append(log, b"1\n")
    rotate(log, keep=1)
    append(log, b"2\n")
    follower = Follower(data, log)
    waiting = []
    follower.clock.advance(2)
    waiting += [next(follower._batches), next(follower._batches)]
    log.with_name(f"{log.name}.1").unlink()
    for _ in range(4):
        follower.clock.advance(20)
        waiting.append(next(follower._batches))
    for batch in waiting:
        follower.state.commit(batch)
    assert [progress.path for progress in follower.state.files().values()] == [str(log)]


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stopped", [True, False])
def test_a_file_rotated_to_a_name_that_matches_too_is_not_read_again(data, log, stopped):
    """Rotation by date, inside the glob; what was not read yet is read under the new name."""
    append(log, b"1\n")
    follower = Follower(data, log.parent / "backend.*")
    assert follower.look() == [b"1"]
    if stopped:
        follower.close()
    append(log, b"2\n")
    log.rename(log.with_name(f"{log.name}-20261123"))
    append(log, b"3\n")
    if stopped:
        follower = Follower(data, log.parent / "backend.*")
    assert follower.look() == [b"2", b"3"]
    assert follower.look() == []
    follower.close()
    assert read_once(data, log.parent / "backend.*") == []


def test_a_second_name_of_a_file_is_not_a_second_file(data, log):
    """A symbolic link and a hard link beside it."""
    append(log, b"1\n")
    log.with_name("backend.a.log").symlink_to(log)
    os.link(log, log.with_name("backend.z.log"))
    assert read_once(data, log.parent / "backend.*.log", log) == [b"1"]
    append(log, b"2\n")
    assert read_once(data, log.parent / "backend.*.log", log) == [b"2"]


def test_names_that_come_and_go_do_not_add_up(data, log):
    """With a process id in them, for example."""
    follower = Follower(data, log.parent / "*.log")
    for number in range(3):
        path = log.with_name(f"{number}.log")
        append(path, b"1\n")
        follower.look()
        path.unlink()
        for _ in range(8):
            follower.clock.advance(300)
            follower.look()
    assert list(follower.tail._families) == []
    assert follower.state.files() == {}


def test_a_symbolic_link_that_is_swapped_is_followed_to_its_new_end(data, log):
    """What the old end still got is read first."""
    old, new = log.with_name("one"), log.with_name("two")
    append(old, b"1\n")
    log.symlink_to(old)
    follower = Follower(data, log)
    assert follower.look() == [b"1"]
    append(old, b"2\n")
    append(new, b"3\n")
    log.unlink()
    log.symlink_to(new)
    assert follower.look() == [b"2", b"3"]


def test_siblings_without_a_live_file_are_read(data, log):
    """For moments `log` does not exist; `--once` may come just then."""
    append(log, b"1\n")
    log.rename(log.with_name(f"{log.name}.1"))
    assert read_once(data, log.parent / "backend.*.log") == [b"1"]
    append(log, b"2\n")
    assert read_once(data, log.parent / "backend.*.log") == [b"2"]


# ── siblings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rotated_files_whose_turn_did_not_come_are_held(data, log):
    """They are deleted while the oldest is being read; their handles still have them."""
    for number in (1, 2, 3):
        append(log, b"%d" % number * 5000 + b"\n")
        rotate(log)
    follower = Follower(data, log, block=4096)
    follower.clock.advance(2)
    assert [line[:1] for line in next(follower._batches).lines] == [b"1"]
    for number in (1, 2, 3):
        log.with_name(f"{log.name}.{number}").unlink()
    assert [line[:1] for line in follower.look()] == [b"2", b"3"]


def test_a_writer_that_did_not_let_go_of_a_rotated_file_is_heard_after_all(data, log):
    """Long after the file was read to its end and closed."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"2\n")
    for _ in range(40):
        follower.look()
    append(log.with_name(f"{log.name}.1"), b"late\n")
    assert [line for _ in range(8) for line in follower.look()] == [b"late"]


def test_an_unfinished_line_of_a_late_writer_is_not_kept_for_ever(data, log):
    """The next file was begun, so nothing will go on with it."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"2\n")
    assert follower.look() == [b"2"]
    append(log.with_name(f"{log.name}.1"), b"late")
    assert [line for _ in range(10) for line in follower.look()] == [b"late"]


def test_once_reads_nothing_that_was_rotated_in_behind_it(data, log):
    """A rotation during the run: neither a line cut at the present size nor the new file."""
    append(log, b'{"n":1}\n{"te')
    follower = Follower(data, log, once=True)
    lines = []
    batches = iter(follower.tail)
    lines += next(batches).lines
    append(log, b'xt":2}\n')
    rotate(log)
    append(log, b'{"n":3}\n')
    lines += [line for batch in batches for line in batch.lines]
    assert lines == [b'{"n":1}']


def test_start_end_is_about_what_stood_there_at_the_start(data, log):
    """A live file that vanishes for a moment comes back as a new one, which is read."""
    append(log, b"old\n")
    follower = Follower(data, log.parent / "backend.*.log", start="end")
    follower.look()
    log.unlink()
    for _ in range(10):
        follower.look()
    append(log, b"new\n")
    append(log.with_name("backend.err.log"), b"another\n")
    assert sorted(follower.look()) == [b"another", b"new"]


def test_start_end_in_the_middle_of_a_line_says_that_it_goes_on(data, log):
    """And knows the file by the bytes before."""
    append(log, b"old\nhal")
    follower = Follower(data, log, start="end")
    follower.look()
    append(log, b"f\n")
    assert follower.look() == [b"f"]
    assert follower.batches[-2].odd[0].startswith("continued")


def test_a_start_time_passes_over_files_written_before_it(data, log):
    """Each sibling by its own time; what they get afterwards is read."""
    append(log, b"1\n")
    rotate(log)
    append(log, b"2\n")
    os.utime(log.with_name(f"{log.name}.1"), (1e9, 1e9))
    assert read_once(data, log, start="2010-01-01") == [b"2"]


# ── bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hole_may_be_longer_than_a_read(data, log):
    """And end anywhere in one."""
    for size in (511, 512, 4096, 10_000):
        log.write_bytes(b"\0" * size + b"behind\n")
        rows = read_once(data.with_name(f"data{size}"), log, block=4096)
        assert rows == ([b"\0" * 511 + b"behind"] if size == 511 else [b"behind"])


def test_a_hole_is_no_part_of_a_stitched_line(data, log):
    """The head is in memory, the rest stands behind the hole."""
    append(log, b'{"n"')
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    log.write_bytes(b"\0" * 2000 + b":1}\n")
    assert follower.look() == [b'{"n":1}']


def test_other_bytes_of_the_same_size_at_the_same_time_are_seen(data, log):
    """File systems count time in ticks of some milliseconds."""
    append(log, b"1\n")
    # So young that it may be the tick of another write, however long the look takes.
    when = time.time_ns() + 60_000_000_000
    os.utime(log, ns=(when, when))
    follower = Follower(data, log)
    follower.look()
    log.write_bytes(b"2\n")
    os.utime(log, ns=(when, when))
    assert follower.look() == [b"2"]


def test_a_copy_made_before_a_restart_is_known_by_its_bytes(data, log):
    """Only while the truncated file is still there; a sibling with the same beginning is not a copy."""
    append(log, b"same\n")
    read_once(data, log)
    append(log, b"2\n")
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)
    assert read_once(data, log) == [b"2"]
    log.unlink()
    append(log.with_name(f"{log.name}.1"), b"3\n")
    assert read_once(data, log) == [b"3"]


def test_a_large_file_is_read_in_blocks(data, log):
    """`--once` never holds more of it."""
    append(log, (b"x" * 99 + b"\n") * 2000)
    follower = Follower(data, log, once=True, block=8192)
    assert max(sum(map(len, batch.lines)) for batch in follower.tail) <= 8192


def test_quiet_files_are_closed_and_opened_again_without_loss(data, tmp_path):
    """At most so many are open, whatever matches."""
    logs = [tmp_path / f"{number}.log" for number in range(OPEN_FILES + 20)]
    for path in logs:
        append(path, b"1\npart")
    follower = Follower(data, tmp_path / "*.log")
    assert follower.look() == [b"1"] * len(logs)
    assert len(follower.tail._handles) <= OPEN_FILES
    for path in logs:
        append(path, b"ly\n")
    assert follower.look() == [b"partly"] * len(logs)
    follower.clock.advance(1000)
    for _ in range(3):
        follower.look()
    assert len(follower.tail._handles) == 0


def test_a_closed_file_whose_inode_was_used_again_is_a_new_file(data, log):
    """Removed and made anew while no handle held the inode."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    follower.clock.advance(1000)
    follower.look()
    log.unlink()
    append(log, b"2, which is longer\n")
    assert follower.look() == [b"2, which is longer"]
