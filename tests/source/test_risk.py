"""When a spool has to take over: something that is not the live file is not read to its end."""

import gzip

import pytest

from shipper.model import Progress
from shipper.source.cursor import Seen, check_of
from shipper.source.listing import Folders
from shipper.source.risk import unread_behind_live, would_be_rotated_away
from shipper.state import State
from tests.source.follower import read_once

BASE = "/log/x.log"


def read(inode, offset, *, done=False):
    return Progress(f"file{inode}", offset, offset, "", 1, inode, BASE, BASE, offset, done)


def at(name, inode, size):
    return Seen(f"/log/{name}", 1, inode, size)


LIVE = at("x.log", 1, 500)


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        ([read(1, 100)], [LIVE], False),
        ([read(1, 100)], [at("x.log.1", 1, 500), at("x.log", 2, 0)], True),
        ([read(1, 500)], [at("x.log.1", 1, 500), at("x.log", 2, 9)], False),
        ([read(1, 500)], [at("x.log.2", 1, 500), at("x.log.1", 2, 9), at("x.log", 3, 0)], True),
        ([read(1, 500)], [at("x.log.2", 1, 500), at("x.log.1", 2, 0), at("x.log", 3, 0)], False),
        ([read(1, 500)], [at("x.log", 2, 9)], True),
        ([read(1, 500, done=True)], [at("x.log", 2, 9)], False),
        ([read(1, 500, done=True)], [at("x.log.1", 1, 600), at("x.log", 2, 9)], True),
        ([read(1, 100)], [], True),
        ([read(1, 100)], [at("x.log.1", 9, 400), LIVE], True),
    ],
    ids=[
        "behind in the live file",
        "behind in a file that was rotated",
        "rotated and read",
        "a file that nobody has seen was rotated",
        "an empty one was",
        "nowhere, maybe not read",
        "nowhere, known to be read",
        "the inode of a file that was read, with more in it",
        "the live file is gone",
        "copied and truncated",
    ],
)
def test_judges_a_family(known, seen, expected):
    """By what is committed and what stands there."""
    assert unread_behind_live(BASE, known, seen, lambda progress, one: True) is expected


def test_an_inode_used_again_is_another_file():
    """Of the same size by chance; the bytes tell."""
    seen = [at("x.log.1", 1, 500), at("x.log", 2, 0)]
    assert unread_behind_live(BASE, [read(1, 500, done=True)], seen, lambda progress, one: False)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(b"one\n")
    return path


def committed(log, offset):
    found, content = log.stat(), log.read_bytes()[:offset]
    return Progress("a", offset, offset, check_of(content), found.st_dev, found.st_ino, str(log), str(log), offset)


def test_on_the_disk(log):
    """A file that was read, rotated; then one that was not."""
    files = [committed(log, 4)]
    said = [would_be_rotated_away(files, Folders())]
    log.rename(f"{log}.1")
    log.write_bytes(b"two\n")
    said.append(would_be_rotated_away(files, Folders()))
    log.with_name("x.log.1").write_bytes(b"oth\n")
    said.append(would_be_rotated_away(files, Folders()))
    assert said == [False, False, True]


def test_other_files_in_the_folder_are_no_siblings(log):
    """Another file's are none either."""
    log.with_name("y.log.1").write_bytes(b"y\n")
    log.with_name("x.log-1").write_bytes(b"z\n")
    assert not would_be_rotated_away([committed(log, 2)], Folders())


def test_a_compressed_sibling_is_read_when_it_was_read_to_its_end(log):
    """It is known without being unpacked."""
    sibling = log.with_name("x.log.1.gz")
    sibling.write_bytes(gzip.compress(b"z\n"))
    before = would_be_rotated_away([committed(log, 2)], Folders())
    state = log.with_name("state")
    read_once(state, log)
    after = State(state / "state.db").files().values()
    assert (before, would_be_rotated_away(after, Folders())) == (True, False)


def test_a_copy_that_is_being_compressed_is_not_waited_for(log):
    """What it is made of is what counts."""
    log.rename(log.with_name("x.log.1"))
    files = [committed(log.with_name("x.log.1"), 4)]
    files[0].family = str(log)
    log.with_name("x.log.1.gz").write_bytes(b"half")
    assert not would_be_rotated_away(files, Folders())


def test_a_source_without_files_has_nothing_to_lose(tmp_path):
    """Standard input waits."""
    assert not would_be_rotated_away([], Folders())
