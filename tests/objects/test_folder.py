"""A folder as a place: what a kill leaves, disks that are not there, and what the system says, as one line."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.objects.folder import INCOMING, FolderStore
from shipper.objects.store import Exists, Missing, ObjectError, Unreachable

KEY = "warm/backend/2026.11.23.parquet"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "archive"


def killed_while_writing(folder: Path) -> None:
    """A put of another process, which is gone in the middle of it."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom shipper.objects.folder import FolderStore\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "store.put('a', bytes(3 << 20), told=lambda _: os._exit(9))\n"
    )
    path = folder / "source"
    path.parent.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert done.returncode == 9


def test_what_a_kill_left_is_no_object_and_goes(folder):
    """With the next put of another process."""
    killed_while_writing(folder)
    left = list((folder / INCOMING).iterdir())
    store = FolderStore(folder)
    assert (len(left), list(store.list()), store.head("a")) == (1, [], None)
    store.put("b", b"x")

    assert (list((folder / INCOMING).iterdir()), [each.key for each in store.list()]) == ([], ["b"])


def test_what_somebody_writes_right_now_stays(folder):
    """It is locked."""
    others = []

    def look(_):
        FolderStore(folder).put("b", b"x")
        others.append(list((folder / INCOMING).iterdir()))

    assert FolderStore(folder).put("a", b"1", told=look).bytes == 1
    assert [len(each) for each in others] == [1]


def test_a_put_that_fails_leaves_what_was_there(folder):
    """Whole, and nothing beside it."""
    store = FolderStore(folder)
    store.put(KEY, b"before")

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ObjectError, match=f"no room for {re.escape(KEY)} .*make room on that disk"):
        store.put(KEY, b"after", told=fail)

    assert (store.get(KEY), list((folder / INCOMING).iterdir())) == (b"before", [])


@pytest.mark.parametrize(
    ("number", "kind", "what"),
    [
        (errno.EDQUOT, ObjectError, "make room on that disk"),
        (errno.EACCES, ObjectError, "let the user who runs shipper read and write there"),
        (errno.EROFS, ObjectError, "let the user who runs shipper read and write there"),
        (errno.EIO, Unreachable, "look after that disk"),
        (errno.ESTALE, Unreachable, "what is mounted there"),
        (errno.EINVAL, ObjectError, "Invalid argument"),
    ],
)
def test_what_the_system_says_is_one_line(folder, number, kind, what):
    """With the place, and what to do."""

    def fail(_):
        raise OSError(number, os.strerror(number))

    with pytest.raises(ObjectError, match=what) as raised:
        FolderStore(folder).put(KEY, b"x", told=fail)

    assert (type(raised.value), str(raised.value).startswith(str(folder))) == (kind, True)
    assert "\n" not in str(raised.value)


def test_a_disk_that_is_not_mounted_is_not_made(tmp_path):
    """Nothing counts as absent, or as deleted, there."""
    store = FolderStore(tmp_path / "mnt" / "archive")
    acts = [lambda: store.put(KEY, b"x"), lambda: store.delete(KEY), lambda: list(store.list()), store.check]
    for act in (*acts, lambda: store.head(KEY), lambda: store.get(KEY)):
        with pytest.raises(Unreachable, match="mnt is not there; make it, or mount what belongs there"):
            act()

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_nothing_was_put_into_is_empty(folder):
    """And no error: there is no archive yet."""
    store = FolderStore(folder)
    store.delete(KEY)
    assert (list(store.list()), store.head(KEY), folder.exists()) == ([], None, False)
    with pytest.raises(Missing, match="no archive yet"):
        store.get(KEY)


def test_a_file_in_the_place_of_the_folder(folder):
    """Is named."""
    folder.write_bytes(b"")
    for act in (lambda: FolderStore(folder).put(KEY, b"x"), lambda: list(FolderStore(folder).list())):
        with pytest.raises(ObjectError, match="archive: is no folder"):
            act()


def test_a_flipped_byte_is_seen(folder):
    """No checksum is kept beside a file: it is that of the bytes that are there now."""
    store = FolderStore(folder)
    stored = store.put(KEY, b"0123")
    (folder / KEY).write_bytes(b"0133")

    assert store.head(KEY).sha256 != stored.sha256


def test_nobody_else_may_read_it(folder):
    """Neither folders nor files."""
    FolderStore(folder).put(KEY, b"x")
    modes = {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}
    assert modes == {0}


def test_a_disk_without_hard_links_replaces_nothing_either(folder, monkeypatch):
    """Such as one of a camera."""

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store = FolderStore(folder)
    store.put(KEY, b"first", if_absent=True)
    with pytest.raises(Exists):
        store.put(KEY, b"second", if_absent=True)

    assert store.get(KEY) == b"first"


def test_a_check_says_what_fails(folder, monkeypatch):
    """Here a disk that reads differently."""
    store = FolderStore(folder)
    monkeypatch.setattr(store, "get", lambda _: b"other")
    with pytest.raises(ObjectError, match="what was written reads differently"):
        store.check()
