"""What rotation and writers do to files, one case a test: those that `test_tail` and `test_trouble` don't have."""

import os
import shutil

import pytest

from shipper.source.handles import OPEN_FILES
from tests.source.follower import Follower, read_once
from tests.source.test_tail import append, rotate

MANY = 10_000


def texts(*numbers):
    return [b"%d" % number for number in numbers]


@pytest.mark.parametrize("once", [True, False])
def test_a_cascade_of_ten_while_stopped_is_read_in_order(data, log, once):
    """`.10` first; none twice."""
    append(log, b"0\n")
    read_once(data, log)
    for number in range(1, 11):
        rotate(log, keep=10)
        append(log, b"%d\n" % number)

    assert log.with_name(f"{log.name}.10").read_bytes() == b"0\n"
    assert (read_once(data, log) if once else Follower(data, log).look()) == texts(*range(1, 11))


def test_the_copy_of_a_copytruncate_that_matches_the_pattern_is_no_file_of_its_own(data, log):
    """What the copy holds beyond what was read is read there, once."""
    pattern = log.parent / "backend.*"
    append(log, b"1\n2\n")
    follower = Follower(data, pattern)
    assert follower.look() == texts(1, 2)
    append(log, b"3\n")
    shutil.copy(log, log.with_name("backend.out.log-20261124"))
    os.truncate(log, 0)
    append(log, b"4\n")

    assert sorted(follower.look() + follower.look()) == texts(3, 4)
    follower.close()
    assert read_once(data, pattern) == []


@pytest.mark.parametrize("dates", [("-20261122", "-20261123"), (".2026-11-22", ".2026-11-23_03-00-00")])
def test_files_rotated_to_a_date_are_read_oldest_first(data, log, dates):
    """They belong to the file whose name they had, also where the pattern does not match theirs."""
    for number, date in enumerate(dates):
        log.with_name(log.name + date).write_bytes(b"%d\n" % number)
    append(log, b"2\n")
    assert read_once(data, log) == texts(0, 1, 2)


def test_files_of_a_day_each_are_no_siblings(data, log):
    """The last one is written to; nothing was ever renamed."""
    for day in ("20261122", "20261123"):
        append(log.with_name(f"backend.out.log-{day}"), b"1\n")
    follower = Follower(data, log.parent / "backend.*")
    assert follower.look() == texts(1, 1)
    append(log.with_name("backend.out.log-20261123"), b"2\n")
    assert follower.look() == texts(2)


def test_a_truncated_file_with_the_same_first_line_is_read_from_its_beginning(data, log):
    """It grew past the old offset while nobody looked."""
    append(log, b"begin\n1\n2\n")
    read_once(data, log)
    os.truncate(log, 0)
    append(log, b"begin\n3\n4 and more\n")
    assert read_once(data, log) == [b"begin", b"3", b"4 and more"]


def test_two_files_that_begin_with_the_same_4096_bytes_are_two(data, log):
    """Also when one is renamed to the other's sibling while stopped."""
    head = b"x" * 4095 + b"\n"
    other = log.with_name("backend.err.log")
    append(log, head + b"1\n")
    append(other, head + b"2\n")
    assert sorted(read_once(data, log.parent / "backend.*.log")) == sorted([head[:-1], b"1", head[:-1], b"2"])

    log.rename(log.with_name(f"{log.name}.1"))
    append(log, head + b"3\n")
    append(other, b"4\n")
    assert sorted(read_once(data, log.parent / "backend.*.log")) == sorted([head[:-1], b"3", b"4"])


def test_a_file_may_grow_from_nothing_byte_by_byte(data, log):
    """Looked at and restarted at every byte."""
    log.touch()
    lines = []
    for byte in b"ab\n\ncd\n":
        lines += read_once(data, log)
        append(log, bytes([byte]))
    assert lines + read_once(data, log) == [b"ab", b"", b"cd"]


def test_a_character_may_be_split_over_two_reads_and_two_files(data, log):
    """UTF-8 is decoded by the line."""
    text = '{"message":"Grüße 🙂"}'.encode()
    lines = []
    follower = Follower(data, log)
    for byte in text:
        append(log, bytes([byte]))
        lines += follower.look()
        if byte == text[15]:  # inside of ü
            rotate(log)
    append(log, b"\n")
    assert lines + follower.look() == [text]


def test_a_flushed_last_line_is_never_read_again_when_its_rest_comes(data, log):
    """The rest is a row of its own, over a restart too."""
    append(log, b"1\nhead")
    first = Follower(data, log, flush_after_s=5.0)
    assert first.look() == [b"1"]
    first.clock.advance(10.0)
    assert first.look() == [b"head"]
    first.close()

    second = Follower(data, log, flush_after_s=5.0)
    assert second.look() == []
    append(log, b" and rest\n2\n")
    assert second.look() == [b" and rest", b"2"]
    assert second.batches[-2].odd[0].startswith("continued")


@pytest.mark.parametrize("leap", [-86_400.0, 86_400.0])
def test_the_clock_may_leap(data, log, leap):
    """Back and forth, between looks and in a restart: no line is lost or read twice."""
    append(log, b"1\n")
    follower = Follower(data, log)
    lines = follower.look()
    for number in (2, 3):
        follower.clock.advance(leap if number == 2 else -leap)
        append(log, b"%d\n" % number)
        lines += follower.look()
        rotate(log)
    follower.close()
    append(log, b"4\n")
    assert lines + read_once(data, log) == texts(1, 2, 3, 4)


def test_ten_thousand_quiet_files_take_few_handles(data, log):
    """Each that grows is read again, and from where it was."""
    for number in range(MANY):
        (log.parent / f"backend.{number:05d}.log").write_bytes(b"%d\n" % number)
    follower = Follower(data, log.parent / "backend.*.log")
    lines = follower.look()
    assert (len(lines), len(os.listdir("/proc/self/fd")) < 2 * OPEN_FILES) == (MANY, True)

    follower.clock.advance(3600.0)
    for number in range(0, MANY, 1000):
        append(log.parent / f"backend.{number:05d}.log", b"more\n")
    assert follower.look() == [b"more"] * 10
    follower.close()
