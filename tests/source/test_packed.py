"""Rotated files that were compressed: read on where they were left, each byte once."""

import gzip
import os
import shutil
import subprocess

import pytest
from backports import zstd

from shipper.source.handles import UNPACKED_AT_ONCE
from shipper.source.packed import Packed
from tests.source.follower import Follower, read_once
from tests.source.packing import FORMS, lost, numbered, pack, read_some, rows, sibling
from tests.source.test_tail import append, rotate


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
