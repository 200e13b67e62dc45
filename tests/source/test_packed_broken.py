"""Compressed files that are not whole, damaged, or may not be opened."""

import gzip
import os

import pytest

from shipper.source import packed
from tests.source.follower import Follower, read_once
from tests.source.packing import FORMS, lost, numbered, pack, rows, sibling
from tests.source.test_tail import append, rotate


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
