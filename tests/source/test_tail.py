"""The tailer against real files: growth, rotation of each kind, truncation, restarts."""

import os
import shutil

import pytest

from shipper.errors import UsageError
from tests.source.follower import Follower, read_once


def rotate(log, keep=3):
    """As supervisor does it: the oldest goes, the others move up, a new file begins."""
    for number in range(keep, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        newer = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.unlink()
        if newer.exists():
            newer.rename(older)
    log.touch()


def append(log, text):
    with log.open("ab") as file:
        file.write(text)


def test_reads_a_file_from_its_beginning_and_goes_on_as_it_grows(data, log):
    """Growth is read without the lines before it."""
    log.write_bytes(b"one\ntwo\n")
    follower = Follower(data, log)
    assert follower.look() == [b"one", b"two"]
    append(log, b"three\n")
    assert follower.look() == [b"three"]


def test_keeps_a_line_without_its_end_until_the_end_comes(data, log):
    """A partial line is one row once it is whole, over any number of looks."""
    follower = Follower(data, log)
    for piece in (b'{"a"', b":", b"1", b"}"):
        append(log, piece)
        assert follower.look() == []
    append(log, b"\n")
    assert follower.look() == [b'{"a":1}']


def test_a_second_run_reads_nothing_again(data, log):
    """Positions are committed with the rows."""
    log.write_bytes(b"one\ntwo\n")
    assert read_once(data, log) == [b"one", b"two"]
    assert read_once(data, log) == []
    append(log, b"three\n")
    assert read_once(data, log) == [b"three"]


def test_what_was_not_committed_is_read_again_under_the_same_id(data, log):
    """A crash between reading and commit repeats the rows with the ids that they had."""
    log.write_bytes(b"one\ntwo\n")
    first = Follower(data, log)
    first.look(commit=False)
    first.close()
    second = Follower(data, log)
    second.look()
    assert second.rows == first.rows


def test_once_leaves_an_unfinished_last_line_alone(data, log):
    """It is read by a later run, when its end is there."""
    log.write_bytes(b"one\ntw")
    assert read_once(data, log) == [b"one"]
    append(log, b"o\n")
    assert read_once(data, log) == [b"two"]


def test_follows_a_rename_rotation(data, log):
    """What was written just before the rotation is read before the new file."""
    log.write_bytes(b"1\n")
    follower = Follower(data, log)
    follower.look()
    append(log, b"2\n")
    rotate(log)
    append(log, b"3\n")
    assert follower.look() == [b"2", b"3"]


def test_reads_rotations_of_its_downtime_oldest_first(data, log):
    """Three rotations while nobody looked."""
    log.write_bytes(b"1\n")
    read_once(data, log)
    for number in (2, 3, 4):
        append(log, b"%d\n" % number)
        rotate(log)
    append(log, b"5\n")
    assert read_once(data, log) == [b"2", b"3", b"4", b"5"]


def test_a_first_start_reads_the_siblings_too(data, log):
    """`.2`, then `.1`, then the file, none as a source of its own even when a glob matches them."""
    for number in (1, 2, 3):
        append(log, b"%d\n" % number)
        if number < 3:
            rotate(log)
    assert read_once(data, log.parent / "backend.*.log*") == [b"1", b"2", b"3"]


def test_stitches_a_line_that_a_rotation_cut(data, log):
    """The head stands at the end of `.1`, the rest at the start of the new file: one row, two byte ranges."""
    follower = Follower(data, log)
    append(log, b'{"n":1}\n{"n"')
    assert follower.look() == [b'{"n":1}']
    rotate(log)
    append(log, b':2}\n{"n":3}\n')
    assert follower.look() == [b'{"n":2}', b'{"n":3}']
    batch = next(batch for batch in follower.batches if batch.stitched)
    assert [stop - start for _, start, stop in batch.position(0).ranges] == [4, 4]


def test_stitches_a_cut_of_its_downtime_and_over_two_rotations(data, log):
    """The middle file holds nothing but the middle of the line."""
    append(log, b'{"n":1}\n{"te')
    assert read_once(data, log) == [b'{"n":1}']
    rotate(log)
    append(log, b"xt")
    rotate(log)
    append(log, b'":2}\n{"n":3}\n')
    assert read_once(data, log) == [b'{"text":2}', b'{"n":3}']
    assert read_once(data, log) == []


def test_does_not_stitch_a_whole_record_to_an_unfinished_one(data, log):
    """The writer died in the middle of a line; the next file begins with a record of its own."""
    follower = Follower(data, log)
    append(log, b'{"n":1')
    follower.look()
    rotate(log)
    append(log, b'{"n":2}\n')
    assert follower.look() == [b'{"n":1', b'{"n":2}']
    assert follower.batches[-2].odd[0].startswith("cut")


def test_a_line_over_the_limit_that_a_rotation_cut_says_so_on_both_sides(data, log):
    """Too long to be put together: each piece tells redaction on which side it was cut."""
    follower = Follower(data, log, max_line=256)
    append(log, b"a" * 600)
    rotate(log)
    append(log, b"a" * 300 + b"\nnext\n")
    assert [len(line) for line in follower.look()] == [256, 256, 88, 256, 44, 4]
    why = [follower.batches[-2].odd.get(row, "").partition(":")[0] for row in range(6)]
    assert why == ["cut", "cut, continued", "cut, continued", "cut, continued", "continued", ""]


def test_truncation_in_place_begins_a_new_file(data, log):
    """`backups=0`: the same inode, from its beginning, under a new id."""
    log.write_bytes(b"one\ntwo\n")
    follower = Follower(data, log)
    follower.look()
    log.write_bytes(b"three\n")
    assert follower.look() == [b"three"]
    assert len({event_id.partition("-")[0] for event_id, _ in follower.rows}) == 2


def test_truncation_that_grew_past_the_old_offset_is_seen_by_its_bytes(data, log):
    """Between two looks, and while stopped, even with the same first line."""
    log.write_bytes(b"first\nold\n")
    follower = Follower(data, log)
    follower.look()
    log.write_bytes(b"first\nnew\nand more of it\n")
    assert follower.look() == [b"first", b"new", b"and more of it"]
    follower.close()
    log.write_bytes(b"first\nquite another file, and a longer one than before\n")
    assert read_once(data, log) == [b"first", b"quite another file, and a longer one than before"]


def test_a_line_cut_by_a_truncation_in_place_is_stitched(data, log):
    """Its head is still in memory."""
    follower = Follower(data, log)
    append(log, b'{"n":1}\n{"n"')
    follower.look()
    log.write_bytes(b":2}\n")
    assert follower.look() == [b'{"n":2}']


def test_an_inode_used_again_is_another_file(data, log):
    """Deleted and made anew while stopped, longer than the old offset."""
    log.write_bytes(b"one\n")
    read_once(data, log)
    inode = log.stat().st_ino
    log.unlink()
    log.write_bytes(b"two, which is longer\n")
    assert read_once(data, log) == [b"two, which is longer"], log.stat().st_ino == inode


def test_copytruncate_reads_the_rest_from_the_copy(data, log):
    """The copy is known by its bytes; what was read is not read again."""
    log.write_bytes(b"one\n")
    follower = Follower(data, log)
    follower.look()
    append(log, b"two\n")
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)
    append(log, b"three\n")
    assert follower.look() == [b"two", b"three"]


def test_the_hole_of_a_copytruncate_is_skipped(data, log):
    """A writer without O_APPEND leaves NULs up to its old offset."""
    log.write_bytes(b"x" * 2000 + b"\n")
    follower = Follower(data, log)
    follower.look()
    os.truncate(log, 0)
    with log.open("r+b") as file:
        file.seek(2001)
        file.write(b"behind the hole\n")
    assert follower.look() == [b"behind the hole"]


def test_a_deleted_file_is_read_to_its_end(data, log):
    """The open handle still holds it."""
    log.write_bytes(b"one\n")
    follower = Follower(data, log)
    follower.look()
    append(log, b"two\n")
    log.unlink()
    assert follower.look() == [b"two"]


def test_what_is_gone_before_it_could_be_read_is_counted(data, log):
    """In bytes: the beginning of a line that nobody had committed."""
    log.write_bytes(b"one\ntw")
    assert read_once(data, log) == [b"one"]
    log.unlink()
    log.write_bytes(b"another\n")
    later = Follower(data, log)
    assert later.look() == [b"another"]
    assert later.context.metrics.lost_bytes == 2


def test_two_files_with_the_same_content_are_two_files(data, log):
    """Neither the first bytes nor the size make an identity."""
    other = log.with_name("backend.err.log")
    for path in (log, other):
        path.write_bytes(b"same\n" * 1000)
    assert len(read_once(data, log.parent / "backend.*.log")) == 2000


def test_the_same_content_after_a_rotation_is_read(data, log):
    """A new file that repeats the rotated one to the byte is no copy of it."""
    log.write_bytes(b"same\n" * 10)
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"same\n" * 10)
    assert follower.look() == [b"same"] * 10


def test_a_line_without_an_end_is_final_after_a_quiet_time(data, log):
    """What comes after all is a row of its own, and nothing is emitted twice, also after a restart."""
    follower = Follower(data, log, flush_after_s=5)
    append(log, b"no end")
    assert follower.look() == []
    follower.clock.advance(5)
    assert follower.look() == [b"no end"]
    append(log, b" yet\nnext\n")
    assert follower.look() == [b" yet", b"next"]
    assert follower.batches[-2].odd[0].startswith("continued")
    follower.close()
    assert read_once(data, log) == []


def test_a_quiet_flush_that_crashed_before_its_commit_is_cut_the_same_way(data, log):
    """The intent was committed: the bytes that came meanwhile stay out of the row."""
    first = Follower(data, log, flush_after_s=5)
    append(log, b"one\nno end")
    first.look()
    first.clock.advance(5)
    while not (batch := next(first._batches)).lines:
        first.clock.advance(5)
    first.state.commit_intent(batch)
    first.close()
    append(log, b" yet\n")
    second = Follower(data, log, flush_after_s=5)
    lines = second.look() + second.look()
    assert lines == [b"no end", b" yet"]
    assert second.batches[0].clock == batch.clock
    assert second.rows[0][0] == batch.event_id(0)


def test_an_over_long_line_is_cut_the_same_way_whatever_the_reads_were(data, log):
    """Every 256 bytes from its beginning; nothing is lost."""
    log.write_bytes(b"a" * 600 + b"\nb\n")
    rows = read_once(data, log, max_line=256)
    assert [len(row) for row in rows] == [256, 256, 88, 1]
    follower = Follower(data.with_name("other"), log, max_line=256)
    assert follower.look() == rows


def test_start_end_reads_only_what_comes(data, log):
    """And says so in the configuration, not by default."""
    log.write_bytes(b"old\n")
    follower = Follower(data, log, start="end")
    assert follower.look() == []
    append(log, b"new\n")
    assert follower.look() == [b"new"]


def test_a_start_time_that_is_no_time_is_refused(data, log):
    """With what is accepted."""
    with pytest.raises(UsageError):
        Follower(data, log, start="yesterdayish")


def test_new_files_and_folders_are_taken_up(data, tmp_path):
    """A folder that appears later is looked into."""
    follower = Follower(data, tmp_path / "later" / "backend.*.log")
    assert follower.look() == []
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "backend.out.log").write_bytes(b"one\n")
    assert follower.look() == [b"one"]


def test_a_file_that_may_not_be_read_is_named_once_and_taken_up_later(data, log, capsys, monkeypatch):
    """With the command that would allow it."""
    log.write_bytes(b"one\n")
    real, closed = os.open, True

    def refuse(path, *rest, **more):
        if closed and str(path) == str(log):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    follower = Follower(data, log)
    assert follower.look() == follower.look() == []
    closed = False
    assert follower.look() == [b"one"]
    complaints = [line for line in capsys.readouterr().err.splitlines() if "cannot be read" in line]
    assert len(complaints) == 1
    assert "setfacl" in complaints[0]
