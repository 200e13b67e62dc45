"""Compressed log files: read on where their plain form was left, or from the beginning, each byte once."""

import gzip
import os
import shutil
import subprocess
import zlib

import pytest
from backports import zstd

from shipper.source import packed
from shipper.source.handles import OPEN_FILES, UNPACKED_AT_ONCE
from shipper.source.packed import End, Packed
from shipper.state import State
from tests.source.follower import Follower, read_once
from tests.source.test_tail import append, rotate

FORMS = {"gz": gzip.compress, "zst": zstd.compress}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "backend.out.log"


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def pack(path, form="gz"):
    """As the tools do it: the new file is whole before the old one goes."""
    target = path.with_name(f"{path.name}.{form}")
    target.write_bytes(FORMS[form](path.read_bytes()))
    path.unlink()
    return target


def sibling(log, number):
    return log.with_name(f"{log.name}.{number}")


def numbered(first, last):
    return b"".join(b'{"n":%d}\n' % number for number in range(first, last))


def rows(first, last):
    return [b'{"n":%d}' % number for number in range(first, last)]


def lost(data):
    state = State(data / "state.db")
    count = sum(progress.lost for progress in state.files().values())
    state.close()
    return count


def read_some(data, log, **config):
    """One block, committed, then no more: as if stopped in the middle."""
    follower = Follower(data, log, block=4096, **config)
    follower.clock.advance(2)
    batch = next(follower._batches)
    follower.state.commit(batch)
    follower.close()
    return batch.lines


# ── rotated, then compressed ──────────────────────────────────────────────────────────────────────────────────────────


def test_goes_on_inside_a_file_that_was_half_read_and_compressed_while_stopped(data, log, form):
    """Under the id that it had, whatever its number is by then."""
    append(log, numbered(0, 2000))
    first = read_some(data, log)
    rotate(log)
    pack(sibling(log, 1), form).rename(sibling(log, f"2.{form}"))
    append(log, numbered(2000, 2010))
    second = Follower(data, log)
    assert first + second.look() == rows(0, 2010)
    assert 0 < len(first) < 2000
    assert len({event_id.split("-")[0] for event_id, _ in second.rows}) == 2
    assert second.context.metrics.lost_bytes == 0


def test_goes_on_inside_a_file_that_is_compressed_while_it_is_read(data, log, form):
    """What is open is read on; after a restart the compressed file is."""
    append(log, numbered(0, 5000))
    rotate(log)
    append(log, numbered(5000, 5010))
    follower = Follower(data, log, block=4096)
    lines = []
    for step in range(3):
        follower.clock.advance(2)
        batch = next(follower._batches)
        follower.state.commit(batch)
        lines += batch.lines
        if step == 1:
            pack(sibling(log, 1), form)
    assert 0 < len(lines) < 5000
    follower.close()
    assert lines + read_once(data, log) == rows(0, 5010)
    assert lost(data) == 0


@pytest.mark.parametrize("running", [True, False])
def test_a_file_that_was_read_to_its_end_is_not_read_again_once_compressed(data, log, form, running):
    """Whether somebody looked on or not, whatever number it gets, over any number of restarts."""
    append(log, numbered(0, 100))
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"new\n")
    assert follower.look() == [b"new"]
    if not running:
        follower.close()
    target = pack(sibling(log, 1), form)
    if running:
        assert [line for _ in range(9) for line in follower.look()] == []
        follower.close()
    for number in (2, 7):
        target = target.rename(sibling(log, f"{number}.{form}"))
        assert read_once(data, log) == []
    assert lost(data) == 0


def test_what_is_known_by_its_seal_is_not_unpacked_at_every_start(data, log, form, monkeypatch):
    """A folder of old logs would cost minutes each time."""
    append(log, numbered(0, 100))
    rotate(log)
    pack(sibling(log, 1), form)
    append(log, b"new\n")
    assert len(read_once(data, log)) == 101
    monkeypatch.setattr(Packed, "_unpack", lambda self: pytest.fail("unpacked"))
    assert read_once(data, log) == []


def test_goes_on_in_whatever_form_the_file_has_by_now(data, log):
    """gzip, then zstd, then plain again: half read each time."""
    append(log, numbered(0, 3000))
    rotate(log)
    append(log, b"new\n")
    gz = pack(sibling(log, 1), "gz")
    lines = read_some(data, log)
    sibling(log, 1).write_bytes(gzip.decompress(gz.read_bytes()))
    gz.unlink()
    zst = pack(sibling(log, 1), "zst")
    lines += read_some(data, log)
    sibling(log, 1).write_bytes(zstd.decompress(zst.read_bytes()))
    zst.unlink()
    lines += read_some(data, log)
    assert len(lines) < 2000
    assert lines + read_once(data, log) == [*rows(0, 3000), b"new"]
    assert lost(data) == 0


def test_a_compressed_file_is_none_while_it_is_being_written(data, log, form):
    """What it is made of still stands there."""
    append(log, numbered(0, 100))
    rotate(log)
    follower = Follower(data, log)
    assert follower.look() == rows(0, 100)
    whole = FORMS[form](sibling(log, 1).read_bytes())
    target = sibling(log, f"1.{form}")
    for size in (0, 10, len(whole) - 1, len(whole)):
        target.write_bytes(whole[:size])
        assert follower.look() == []
    sibling(log, 1).unlink()
    assert [line for _ in range(9) for line in follower.look()] == []
    assert follower.context.metrics.lost_bytes == 0


@pytest.mark.parametrize("running", [True, False])
def test_a_compressed_file_stays_where_it_is_while_others_are_rotated_past_it(data, log, form, running):
    """supervisord moves `.1` and `.2` on, and knows nothing of `.2.gz`."""
    follower = Follower(data, log)
    for number in range(4):
        append(log, b"%d\n" % number)
        when = 1e9 + number
        os.utime(log, (when, when))
        assert follower.look() == [b"%d" % number]
        if not running:
            follower.close()
        rotate(log)
        if number == 1:
            modified = sibling(log, 2).stat().st_mtime
            os.utime(pack(sibling(log, 2), form), (modified, modified))
        if not running:
            follower = Follower(data, log)
        assert follower.look() == []
    assert sibling(log, 2).exists() and sibling(log, f"2.{form}").exists()
    assert follower.context.metrics.lost_bytes == 0
    sibling(log, 2).unlink()
    assert [line for _ in range(6) for line in follower.look()] == []


def test_a_first_start_reads_what_was_compressed_before_others_got_its_number(data, log, form):
    """By its time; a copy that somebody kept beside the file is not read."""
    for number in range(3):
        path = sibling(log, 1 + number)
        path.write_bytes(b"%d\n" % number)
        pack(path, form)
        os.utime(sibling(log, f"{1 + number}.{form}"), (1e9, 1e9))
    sibling(log, 2).write_bytes(b"newer\n")
    os.utime(sibling(log, 2), (1e9 + 9, 1e9 + 9))
    sibling(log, 3).write_bytes(b"2\n")
    os.utime(sibling(log, 3), (1e9, 1e9))
    assert sorted(read_once(data, log)) == [b"0", b"1", b"2", b"newer"]


@pytest.mark.parametrize("command", [["gzip", "-9"], ["zstd", "-9", "-q", "--rm"]], ids=["gzip", "zstd"])
def test_looks_on_while_a_tool_compresses(data, log, command):
    """Whatever the tool does in between, and with other files rotated past it."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    random = numbered(0, 40_000).replace(b"}", b',"x":"%s"}' % os.urandom(20).hex().encode())
    append(log, random)
    rotate(log)
    follower = Follower(data, log, block=1 << 16)
    with subprocess.Popen([*command, sibling(log, 1)]) as tool:
        while tool.poll() is None:
            follower.look()
    for _ in range(3):
        append(log, b"new\n")
        follower.look()
    lines = [line for _, line in follower.rows]
    assert lines == [*random.split(), *[b"new"] * 3]
    assert not sibling(log, 1).exists()
    follower.close()
    assert read_once(data, log) == []
    assert lost(data) == 0


def test_a_time_that_lost_its_fraction_makes_no_second_file(data, log, form):
    """Some tools hand on whole seconds; both stand there for a moment."""
    append(log, numbered(0, 100))
    rotate(log)
    plain, target = sibling(log, 1), sibling(log, f"1.{form}")
    os.utime(plain, (1e9 + 0.9, 1e9 + 0.9))
    follower = Follower(data, log)
    assert follower.look() == rows(0, 100)
    target.write_bytes(FORMS[form](plain.read_bytes()))
    os.utime(target, (1e9, 1e9))
    assert follower.look() == []
    plain.unlink()
    assert [line for _ in range(4) for line in follower.look()] == []


def test_a_line_is_put_together_past_a_compressed_file_between_its_halves(data, log, form):
    """An old one that kept the number that the second half has now."""
    append(log, b"old\n")
    assert read_once(data, log) == [b"old"]
    rotate(log)
    rotate(log)
    os.utime(pack(sibling(log, 2), form), (1e9, 1e9))
    assert read_once(data, log) == []
    append(log, b'{"n"')
    rotate(log)
    append(log, b":0}\n" + numbered(1, 9))
    rotate(log)
    rotate(log)
    assert sibling(log, 2).exists() and sibling(log, 3).exists()
    assert read_once(data, log) == rows(0, 9)


def test_what_is_not_whole_is_not_compared(data, log, form):
    """The plain file is gone before the other is written: it is neither another file nor lost."""
    append(log, os.urandom(3000).hex().encode() + b"\n")
    rotate(log)
    append(log, b"1\n")
    assert len(read_once(data, log)) == 2
    content = sibling(log, 1).read_bytes()
    sibling(log, 1).unlink()
    whole = FORMS[form](content)
    follower = Follower(data, log)
    for size in (0, 20, len(whole) // 2, len(whole)):
        sibling(log, f"1.{form}").write_bytes(whole[:size])
        assert follower.look() == []
    append(log, b"2\n")
    assert follower.look() == [b"2"]
    assert follower.context.metrics.lost_bytes == 0


def test_with_once_what_cannot_be_told_apart_is_left_to_the_next_run(data, log, capsys):
    """It says so."""
    append(log, numbered(0, 500))
    rotate(log)
    append(log, b"1\n")
    assert len(read_once(data, log)) == 501
    whole = gzip.compress(sibling(log, 1).read_bytes())
    sibling(log, 1).unlink()
    sibling(log, "1.gz").write_bytes(whole[:99])
    append(log, b"2\n")
    assert read_once(data, log) == []
    assert capsys.readouterr().err.count("left alone") == 1
    sibling(log, "1.gz").write_bytes(whole)
    assert read_once(data, log) == [b"2"]


def test_what_only_begins_alike_is_another_file(data, log, form):
    """One is held by its handle, the other was compressed; both go on differently."""
    append(log, b"starting\n")
    follower = Follower(data, log)
    follower.look()
    append(log, numbered(0, 10))
    log.unlink()
    sibling(log, 1).write_bytes(b"starting\n" + numbered(20, 40))
    pack(sibling(log, 1), form)
    log.touch()
    lines = [line for _ in range(3) for line in follower.look()]
    assert sorted(lines) == sorted([*rows(0, 10), b"starting", *rows(20, 40)])


def test_a_line_that_a_rotation_cut_is_put_together_over_a_compressed_file(data, log, form):
    """Its head stands at the end of the archive, its rest in the live file."""
    append(log, numbered(0, 50) + b'{"n"')
    follower = Follower(data, log)
    follower.look()
    follower.close()
    rotate(log)
    pack(sibling(log, 1), form)
    append(log, b":50}\n" + numbered(51, 60))
    assert read_once(data, log) == rows(50, 60)


def test_a_line_may_go_on_over_any_number_of_compressed_files(data, log, form):
    """Empty ones: none waits for another that waits for it."""
    append(log, b'{"n"')
    for _ in range(UNPACKED_AT_ONCE + 3):
        rotate(log, keep=20)
        for number in range(19, 0, -1):
            if sibling(log, f"{number}.{form}").exists():
                sibling(log, f"{number}.{form}").rename(sibling(log, f"{number + 1}.{form}"))
        pack(sibling(log, 1), form)
    append(log, b":0}\n")
    assert read_once(data, log) == [b'{"n":0}']


def test_what_was_not_committed_is_read_again_under_the_same_id(data, log, form):
    """The ids are those of the unpacked bytes."""
    append(log, numbered(0, 100))
    rotate(log)
    pack(sibling(log, 1), form)
    first = Follower(data, log)
    first.look(commit=False)
    first.close()
    second = Follower(data, log)
    second.look()
    assert second.rows == first.rows
    assert [int(event_id.split("-")[1]) for event_id, _ in second.rows[:3]] == [0, 8, 16]


def test_two_files_with_the_same_beginning_are_told_apart(data, log):
    """One was read as far as they are alike; both are compressed at once."""
    append(log, b"starting\n" + numbered(0, 500))
    rotate(log)
    append(log, b"starting\n")
    assert len(read_once(data, log)) == 502
    append(log, numbered(500, 900))
    rotate(log)
    for number in (1, 2):
        pack(sibling(log, number))
    append(log, b"new\n")
    assert read_once(data, log) == [*rows(500, 900), b"new"]


# ── first seen compressed ─────────────────────────────────────────────────────────────────────────────────────────────


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


# ── a source of its own ───────────────────────────────────────────────────────────────────────────────────────────────


def backfill(folder, count, form="gz", each=100):
    folder.mkdir()
    for number in range(count):
        path = folder / f"app-{number:03}.log.{form}"
        path.write_bytes(FORMS[form](numbered(number * each, number * each + each)))


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


# ── not whole ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_still_being_written_is_waited_for(data, tmp_path, form):
    """An upload, for example: each line once."""
    whole = FORMS[form](os.urandom(3000).hex().encode() + b"\n" + numbered(0, 1000))
    path = tmp_path / f"old.log.{form}"
    path.touch()
    follower = Follower(data, path)
    for size in (0, 5, len(whole) // 2, len(whole) - 1, len(whole)):
        append(path, whole[path.stat().st_size : size])
        follower.look()
    assert [line for _, line in follower.rows][1:] == rows(0, 1000)
    assert follower.context.metrics.lost_bytes == 0


@pytest.fixture
def given_up_at_once(monkeypatch):
    """No file is waited for that is not whole."""
    monkeypatch.setattr(packed, "STILL_S", 0.0)


@pytest.mark.usefixtures("given_up_at_once")
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(data, log, form, capsys):
    """After a while nobody will go on; it is named once, what is missing is counted, the next file is read."""
    whole = FORMS[form](b"".join(b"%s\n" % os.urandom(20).hex().encode() for _ in range(20_000)))
    sibling(log, f"1.{form}").write_bytes(whole[:-100])
    append(log, b"new\n")
    follower = Follower(data, log)
    lines = [line for _ in range(8) for line in follower.look()]
    assert (len(lines) > 15_000, lines[-1]) == (True, b"new")
    follower.close()
    assert read_once(data, log) == []
    said = capsys.readouterr().err
    assert (said.count("cannot be unpacked"), "it ends in the middle" in said) == (1, True)
    assert lost(data) == follower.context.metrics.lost_bytes > 0


def test_with_once_a_file_that_is_being_written_is_left_to_the_next_run(data, tmp_path, capsys):
    """It says so."""
    path = tmp_path / "old.log.gz"
    whole = gzip.compress(numbered(0, 100))
    path.write_bytes(whole[:-4])
    first = read_once(data, path)
    assert "is not complete" in capsys.readouterr().err
    path.write_bytes(whole)
    assert first + read_once(data, path) == rows(0, 100)


def test_a_damaged_file_is_named_once_and_ends(data, log, capsys):
    """Members before the damage are read, and the next file."""
    broken = bytearray(gzip.compress(numbered(100, 5000)))
    broken[-6] ^= 1
    sibling(log, "1.gz").write_bytes(gzip.compress(numbered(0, 100)) + broken)
    append(log, b"new\n")
    follower = Follower(data, log)
    lines = [line for _ in range(5) for line in follower.look()]
    assert (lines[:100], lines[-1]) == (rows(0, 100), b"new")
    follower.close()
    assert read_once(data, log) == []
    assert capsys.readouterr().err.count("cannot be unpacked") == 1
    assert lost(data) > 0


@pytest.mark.parametrize("content", [b"plain text\n", b"\x1f\x8b\n\n\n", b"\x28\xb5\n\n\n\n\n", b"\0" * 100])
@pytest.mark.usefixtures("given_up_at_once")
def test_what_is_no_archive_is_not_read(data, log, form, content, capsys):
    """Never as text; counted as lost."""
    sibling(log, f"1.{form}").write_bytes(content)
    append(log, b"new\n")
    assert (read_once(data, log), read_once(data, log)) == ([b"new"], [])
    assert (lost(data) > 0, capsys.readouterr().err.count("cannot be unpacked")) == (True, 1)


def test_a_compressed_file_that_may_not_be_read_is_read_when_it_may(data, log, monkeypatch, capsys):
    """Named once, with the command that allows it."""
    append(log, b"1\n")
    rotate(log)
    target = pack(sibling(log, 1))
    append(log, b"2\n")
    real = os.open

    def refuse(path, *rest, **more):
        if str(path) == str(target):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    follower = Follower(data, log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert follower.look() + follower.look() == [b"2"]
    assert follower.look() == [b"1"]
    assert capsys.readouterr().err.count("setfacl") == 1


@pytest.mark.parametrize("running", [True, False])
def test_one_that_may_not_be_compared_holds_nothing_up_and_is_not_begun_anew(data, log, monkeypatch, running):
    """It was read before it was compressed, by somebody who keeps it for himself."""
    append(log, numbered(0, 10))
    follower = Follower(data, log)
    follower.look()
    rotate(log)
    append(log, b"1\n")
    lines = follower.look()
    if not running:
        follower.close()
    target = pack(sibling(log, 1))
    append(log, b"2\n")
    real = os.open

    def refuse(path, *rest, **more):
        if str(path) == str(target):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    if not running:
        follower = Follower(data, log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        lines += follower.look() + follower.look()
    assert lines + follower.look() == [b"1", b"2"]
    assert follower.context.metrics.lost_bytes == 0


# ── unpacking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def opened(path, content):
    path.write_bytes(content)
    return Packed(os.open(path, os.O_RDONLY), path.name)


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    """Either that there may be."""
    if request.param == "zlib":
        monkeypatch.setattr(packed, "GZIP", zlib)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("padding", [b"", b"\0" * 700])
def test_unpacks_any_number_of_members(tmp_path, padding):
    """As `cat` and `pigz` make them, on a tape even."""
    parts = [os.urandom(size).hex().encode() for size in (0, 1, 100_000, 0, 70_000)]
    file = opened(tmp_path / "x.gz", b"".join(map(gzip.compress, parts)) + padding)
    assert file.pread(1 << 20, 0) == b"".join(parts)
    assert (file.end, file.size()) == (End.WHOLE, len(b"".join(parts)))


def test_unpacks_any_number_of_frames(tmp_path):
    """Frames that are to be skipped among them."""
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    parts = [os.urandom(size).hex().encode() for size in (1, 300_000, 7)]
    file = opened(tmp_path / "x.zst", skipped + b"".join(map(zstd.compress, parts)) + skipped)
    assert file.pread(1 << 20, 0) == b"".join(parts)
    assert file.end is End.WHOLE


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["x.gz", "x.zst"])
def test_reads_from_anywhere(tmp_path, name):
    """Forwards and back."""
    whole = os.urandom(200_000).hex().encode()
    file = opened(tmp_path / name, FORMS[name[2:]](whole))
    places = [(10, 5), (100_000, 70_000), (0, 10), (399_990, 100), (399_000, 1000), (400_000, 10), (900_000, 3), (1, 1)]
    assert [file.pread(count, at) for at, count in places] == [whole[at : at + count] for at, count in places]


@pytest.mark.usefixtures("library")
def test_a_wrong_checksum_is_damage(tmp_path):
    """Also when every byte can be unpacked."""
    content = bytearray(gzip.compress(numbered(0, 100_000)))
    content[-8] ^= 1
    file = opened(tmp_path / "x.gz", bytes(content))
    file.pread(1 << 22, 0)
    assert (file.end, file.missing() > 0) == (End.BROKEN, True)


def test_a_small_file_that_unpacks_to_a_huge_one_takes_little_memory(tmp_path):
    """It is taken a piece at a time."""
    file = opened(tmp_path / "x.zst", zstd.compress(b"x" * 100_000_000))
    assert (len(file.pread(1000, 90_000_000)), len(file._kept) < 1 << 18) == (1000, True)
