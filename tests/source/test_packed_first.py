"""Compressed files that are seen for the first time: as siblings, and as a source of their own."""

import gzip
import os

import pytest

from shipper.source.handles import OPEN_FILES, UNPACKED_AT_ONCE
from shipper.source.packed import Packed
from tests.source.follower import Follower, read_once
from tests.source.packing import FORMS, backfill, lost, numbered, pack, read_some, rows, sibling
from tests.source.test_tail import append, rotate


def test_a_first_start_reads_compressed_siblings_too_oldest_first(data, log):
    """In order with the plain ones, whichever compressed them."""
    for number in range(5):
        append(log, numbered(number * 10, number * 10 + 10))
        if number < 4:
            rotate(log, keep=9)
    pack(sibling(log, 4), "gz")
    pack(sibling(log, 3), "zst")
    pack(sibling(log, 1), "gz")
    assert read_once(data, log.parent / "backend.*.log*") == rows(0, 50)
    assert read_once(data, log.parent / "backend.*.log*") == []


def test_only_compressed_files_stand_there(data, log):
    """The live one is missing for a moment, then comes."""
    append(log, numbered(0, 10))
    rotate(log)
    log.unlink()
    pack(sibling(log, 1))
    follower = Follower(data, log)
    assert follower.look() == rows(0, 10)
    append(log, b"new\n")
    assert [line for _ in range(6) for line in follower.look()] == [b"new"]


def test_start_passes_over_old_compressed_files(data, log):
    """By the time that they were written."""
    for number in (1, 2):
        append(log, b"%d\n" % number)
        rotate(log)
    for number in (1, 2):
        pack(sibling(log, number))
    os.utime(sibling(log, "2.gz"), (1e9, 1e9))
    append(log, b"3\n")
    assert read_once(data, log, start="2010-01-01") == [b"2", b"3"]
    assert read_once(data, log, start="2010-01-01") == []


def test_a_compressed_file_is_held_until_its_turn_comes(data, log, form):
    """It is deleted before; nothing is lost."""
    for number in range(3):
        append(log, numbered(number * 1000, number * 1000 + 1000))
        rotate(log)
    for number in (1, 2, 3):
        pack(sibling(log, number), form)
    follower = Follower(data, log, block=4096)
    follower.clock.advance(2)
    first = next(follower._batches)
    follower.state.commit(first)
    for number in (1, 2, 3):
        sibling(log, f"{number}.{form}").unlink()
    assert first.lines + follower.look() == rows(0, 3000)
    assert follower.context.metrics.lost_bytes == 0


def test_a_compressed_file_that_goes_unread_is_counted_by_what_it_says_of_itself(data, log, form, capsys):
    """How much it held nobody can tell for sure."""
    append(log, numbered(0, 1000))
    size = log.stat().st_size
    rotate(log)
    pack(sibling(log, 1), form)
    lines = read_some(data, log)
    sibling(log, f"1.{form}").unlink()
    read_once(data, log)
    assert lost(data) == size - sum(len(line) + 1 for line in lines)
    assert "its size unpacked is an estimate" in capsys.readouterr().err


@pytest.mark.parametrize("before", ["", "gz"])
def test_one_of_which_nothing_was_read_is_no_loss_when_it_is_compressed(data, log, form, before):
    """There are no bytes to know it by, and all of it is read."""
    append(log, numbered(0, 10))
    rotate(log)
    if before:
        pack(sibling(log, 1), before)
    first = Follower(data, log)
    first.look(commit=False)
    first.close()
    if before:
        sibling(log, 1).write_bytes(gzip.decompress(sibling(log, f"1.{before}").read_bytes()))
        sibling(log, f"1.{before}").unlink()
    pack(sibling(log, 1), form)
    assert read_once(data, log) == rows(0, 10)
    assert lost(data) == 0


# ── a source of its own ──────────────────────────────────────────────────────────────────────────────────────────────


def test_old_logs_are_read_once(data, tmp_path, form):
    """A folder of them is a source like any other."""
    backfill(tmp_path / "old", 3, form)
    pattern = tmp_path / "old" / f"*.{form}"
    assert read_once(data, pattern) == rows(0, 300)
    assert read_once(data, pattern) == []
    (tmp_path / "old" / f"app-9.log.{form}").write_bytes(FORMS[form](numbered(300, 310)))
    assert read_once(data, pattern) == rows(300, 310)


def test_a_pattern_that_means_the_plain_name_means_the_compressed_one(data, tmp_path):
    """`old/*` and `old/app*`, for example."""
    backfill(tmp_path / "old", 2)
    assert read_once(data, tmp_path / "old" / "*") == rows(0, 200)
    assert read_once(data, tmp_path / "old" / "*") == []


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("each", [1000, 440], ids=["large", "little more than a block"])
def test_many_old_logs_are_unpacked_a_few_at_a_time(data, tmp_path, once, each, monkeypatch):
    """And no more files are open than may be; none is begun anew."""
    count = OPEN_FILES + 10
    backfill(tmp_path / "old", count, each=each)
    unpacked = []
    monkeypatch.setattr(Packed, "_unpack", lambda self, real=Packed._unpack: (unpacked.append(self), real(self))[1])
    follower = Follower(data, tmp_path / "old" / "*.gz", once=once, block=4096)
    lines, most = [], 0
    for batch in follower.tail:
        follower.state.commit(batch)
        lines += batch.lines
        most = max(most, len(follower.tail._handles._unpacking))
        assert len(follower.tail._handles) <= OPEN_FILES
        if len(lines) == each * count:
            follower.tail.stop()
    assert sorted(lines) == sorted(rows(0, each * count))
    assert (len(set(unpacked)), most) == (count, UNPACKED_AT_ONCE)


def test_other_content_under_the_same_name_is_another_file(data, tmp_path):
    """Written anew, with another inode or in place."""
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(numbered(0, 100)))
    assert read_once(data, path) == rows(0, 100)
    path.write_bytes(gzip.compress(numbered(200, 310)))
    assert read_once(data, path) == rows(200, 310)
    path.rename(tmp_path / "away")
    path.write_bytes(gzip.compress(numbered(400, 500)))
    assert read_once(data, path) == rows(400, 500)


def test_other_content_is_read_also_where_the_first_was_passed_over(data, tmp_path):
    """Its inode may be the same."""
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(numbered(0, 10)))
    assert read_once(data, path, start="end") == []
    path.write_bytes(gzip.compress(numbered(10, 30)))
    assert read_once(data, path) == rows(10, 30)


def test_files_that_may_not_be_opened_keep_no_other_waiting(data, tmp_path, monkeypatch):
    """More of them than are unpacked at a time."""
    backfill(tmp_path / "old", UNPACKED_AT_ONCE + 3)
    real = os.open

    def refuse(path, *rest, **more):
        if str(path).endswith(".gz") and not str(path).endswith(f"{UNPACKED_AT_ONCE + 2}.log.gz"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert len(read_once(data, tmp_path / "old" / "*.gz")) == 100


def test_the_last_line_of_an_old_log_needs_no_end(data, tmp_path, form):
    """Nobody will go on with it."""
    path = tmp_path / f"old.log.{form}"
    path.write_bytes(FORMS[form](b"1\n2"))
    follower = Follower(data, path)
    assert follower.look() == [b"1", b"2"]
    follower.close()
    assert read_once(data, path) == []


@pytest.mark.parametrize("content", [b"1\n2", b"1\n" * 50_000 + b"2"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_last_line_that_may_be_stored_is_cut_the_same_way_after_a_crash(data, tmp_path, content, damaged):
    """It was intended, and its batch was never committed."""
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(content) + b"damage" * 9 * damaged)
    first = Follower(data, path, block=4096)
    while True:
        first.clock.advance(2)
        batch = next(first._batches)
        if batch.clocked:
            first.state.commit_intent(batch)
            break
        first.state.commit(batch)
    first.close()
    second = Follower(data, path, block=4096)
    second.look()
    again = next(one for one in second.batches if len(one))
    assert (again.lines, again.event_id(0), again.odd) == (batch.lines, batch.event_id(0), batch.odd)
    assert len({event_id for event_id, _ in second.rows}) == len(second.rows) == len(batch.lines)
    assert bool(lost(data)) == damaged


def test_a_dated_file_that_is_compressed_later_is_not_read_again(data, log):
    """Its name matches the pattern in both forms."""
    append(log, b"1\n")
    follower = Follower(data, log.parent / "backend.*")
    follower.look()
    dated = log.rename(f"{log}-20261123")
    append(log, b"2\n")
    assert follower.look() == [b"2"]
    pack(dated)
    assert [line for _ in range(6) for line in follower.look()] == []
    follower.close()
    assert read_once(data, log.parent / "backend.*") == []
    assert lost(data) == 0
