"""The faulty place for objects itself does what a test asks of it."""

import pytest

from shipper.clock import ManualClock
from shipper.objects.folder import FolderStore
from shipper.objects.store import NeedsRestore, Unreachable
from tests.faults.objects import Faulty, flipped


@pytest.fixture
def objects(tmp_path):
    """One object is there."""
    faulty = Faulty(FolderStore(tmp_path / "archive"))
    faulty.store.put("a", b"0123456789")
    return faulty


def test_it_is_away_as_often_as_it_was_said(objects):
    """For all, or for one method."""
    objects.unreachable(1)
    objects.unreachable(1, "put")
    with pytest.raises(Unreachable):
        objects.head("a")
    with pytest.raises(Unreachable):
        objects.put("b", b"x")

    assert (objects.put("b", b"x").bytes, objects.calls) == (1, [("head", "a"), ("put", "b"), ("put", "b")])


def test_what_was_done_is_not_heard(objects):
    """It is there all the same."""
    objects.lost_acknowledgement("put")
    with pytest.raises(Unreachable):
        objects.put("b", b"x")

    assert objects.get("b") == b"x"


def test_reads_are_spoilt_and_nobody_notices(objects, tmp_path):
    """Short, or with another bit."""
    objects.short("a")
    digest = objects.fetch("a", tmp_path / "short")
    objects.flips("a")

    assert (objects.get("a"), (tmp_path / "short").read_bytes()) == (b"01234\x346789", b"01234")
    assert (digest == objects.head("a").sha256, objects.get("a", 4, 6)) == (False, b"4\x34")


def test_it_rots_where_it_lies(objects):
    """And is described as before."""
    before = objects.head("a")
    objects.rots("a")
    objects.mended()

    assert (objects.head("a"), objects.get("a")) == (before, flipped(b"0123456789"))


def test_it_is_gone(objects):
    """As if somebody had deleted it."""
    objects.loses("a")
    assert objects.head("a") is None


def test_it_lies(objects):
    """Of a checksum, to whoever asks."""
    objects.says("a", sha256="0" * 64)
    assert (objects.head("a").sha256, objects.put("a", b"").sha256) == ("0" * 64, "0" * 64)


def test_it_has_to_be_restored_first(objects):
    """Which takes until the test says so."""
    objects.restoring("a")
    objects.restore("a", 3)
    with pytest.raises(NeedsRestore):
        objects.get("a")
    head = objects.head("a")
    objects.restored("a", until=7.0)

    assert (head.readable, head.restoring, objects.get("a")) == (False, True, b"0123456789")
    assert objects.head("a").readable_until == 7.0


def test_it_is_slow(objects):
    """By the clock of the test."""
    clock = ManualClock(0.0)
    objects.slow(2.0, clock.sleep)
    objects.head("a")
    assert clock.now() == 2.0


def test_something_happens_before(objects):
    """Such as being killed."""

    def kill(key):
        raise KeyboardInterrupt(key)

    objects.at("delete", kill)
    with pytest.raises(KeyboardInterrupt, match="a"):
        objects.delete("a")

    assert objects.head("a") is not None
