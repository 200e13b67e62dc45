"""What every place for objects keeps: what is put is there, whole, and comes back the same; errors are of a kind and one line."""

import hashlib
import threading

import pytest

from shipper.objects import s3_parts, s3_send
from shipper.objects.folder import FolderStore
from shipper.objects.store import Exists, Missing, ObjectError, Stored

BODY = b"".join(b"%d\n" % number for number in range(2_000))
KEY = "warm/backend/2026.11.23.parquet"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def small_parts(monkeypatch):
    """Files travel in parts from 1 MiB on, the smallest parts that servers take."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1 << 20)
    monkeypatch.setattr(s3_parts, "PART_BYTES", 5 << 20)


@pytest.fixture
def large(tmp_path):
    """A file of three such parts."""
    path = tmp_path / "large"
    path.write_bytes(hashlib.shake_128(b"large").digest(11 << 20))
    return path


def test_what_was_put_comes_back(objects, tmp_path):
    """As bytes, and as a new file, with its SHA-256."""
    objects.put(KEY, BODY)
    target = tmp_path / "fetched"

    assert objects.get(KEY) == BODY
    assert (objects.fetch(KEY, target), target.read_bytes()) == (sha256(BODY), BODY)


def test_a_file_is_put_as_bytes_are(objects, tmp_path):
    """And `told` hears of every byte."""
    source, told = tmp_path / "source", []
    source.write_bytes(BODY)
    stored = objects.put(KEY, source, told=told.append)

    assert (stored.bytes, stored.sha256, sum(told), objects.get(KEY)) == (len(BODY), sha256(BODY), len(BODY), BODY)


def test_a_large_file_travels_in_parts(objects, small_parts, large, tmp_path):
    """And is known by the SHA-256 of the whole."""
    there, back, target = [], [], tmp_path / "fetched"
    expected = sha256(large.read_bytes())
    assert objects.put(KEY, large, told=there.append).sha256 == expected
    head = objects.head(KEY)

    assert (head.bytes, head.sha256) == (large.stat().st_size, expected)
    assert (objects.fetch(KEY, target, told=back.append), target.read_bytes()) == (expected, large.read_bytes())
    assert sum(there) == sum(back) == large.stat().st_size


def test_nothing_is_an_object_too(objects, tmp_path):
    """Of no bytes."""
    objects.put(KEY, b"")

    assert (objects.get(KEY), objects.get(KEY, 0, 10), objects.head(KEY).bytes) == (b"", b"", 0)
    assert objects.fetch(KEY, tmp_path / "fetched") == sha256(b"")


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (5, 25), (7, None), (0, None), (len(BODY) - 3, len(BODY) + 9), (len(BODY), None), (3, 3)],
)
def test_a_range_is_a_slice(objects, start, stop):
    """Also one that goes past the end, or is empty."""
    objects.put(KEY, BODY)
    assert objects.get(KEY, start, stop) == BODY[start:stop]


def test_it_is_described(objects):
    """With what is known of it."""
    stored = objects.put(KEY, BODY, tags={"dataset": "back end", "day": "2026.11.23"})
    expected = Stored(KEY, len(BODY), sha256(BODY))

    assert (stored, objects.head(KEY), objects.head("warm/other")) == (expected, expected, None)


def test_what_is_not_there_is_missing(objects, tmp_path):
    """For whoever wants to read or copy it; deleting it is done."""
    target = tmp_path / "fetched"
    for act in (lambda: objects.get(KEY), lambda: objects.fetch(KEY, target), lambda: objects.copy(KEY, "cold/x")):
        with pytest.raises(Missing, match=KEY):
            act()
    objects.delete(KEY)

    assert (target.exists(), objects.versions(KEY), list(objects.list())) == (False, [], [])
    assert list(tmp_path.glob(".*")) == []


def test_a_put_replaces(objects):
    """What was there is gone."""
    objects.put(KEY, b"first")
    objects.put(KEY, b"second")

    assert (objects.get(KEY), [each.bytes for each in objects.versions(KEY)]) == (b"second", [6])


def test_a_put_if_absent_replaces_nothing(objects):
    """It says that something is there."""
    objects.put("receipts/00000001.json", b"first", if_absent=True)
    with pytest.raises(Exists, match=r"receipts/00000001\.json"):
        objects.put("receipts/00000001.json", b"second", if_absent=True)

    assert objects.get("receipts/00000001.json") == b"first"


def test_one_of_many_at_the_same_time_is_first(objects):
    """The others are told."""
    won, lost = [], []

    def put(number):
        try:
            objects.put(KEY, b"%d" % number, if_absent=True)
            won.append(b"%d" % number)
        except (Exists, ObjectError):
            lost.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ([objects.get(KEY)], len(lost)) == (won, 3)


def test_a_large_put_if_absent_replaces_nothing(objects, small_parts, large):
    """Whatever it is that travels."""
    objects.put(KEY, b"first")
    with pytest.raises(Exists):
        objects.put(KEY, large, if_absent=True)

    assert objects.get(KEY) == b"first"


def test_objects_are_listed_by_key(objects):
    """Those whose key begins so, with their sizes."""
    for number, key in enumerate(["warm/b", "warm/a/2", "cold/x", "warm/a.json", "warm-2/x"]):
        objects.put(key, b"x" * number)

    assert [each.key for each in objects.list()] == ["cold/x", "warm-2/x", "warm/a.json", "warm/a/2", "warm/b"]
    assert [(each.key, each.bytes) for each in objects.list("warm/a")] == [("warm/a.json", 3), ("warm/a/2", 1)]
    assert list(objects.list("nothing")) == []


def test_a_copy_is_the_same(objects):
    """In its bytes and its SHA-256; what was at its place is replaced."""
    objects.put(KEY, BODY)
    objects.put("cold/x", b"before")
    copied = objects.copy(KEY, "cold/x", tags={"tier": "cold"})

    assert (copied.key, copied.bytes, copied.sha256) == ("cold/x", len(BODY), sha256(BODY))
    assert (objects.get("cold/x"), objects.head("cold/x").sha256, objects.get(KEY)) == (BODY, sha256(BODY), BODY)


def test_a_large_copy_is_the_same(objects, small_parts, large, monkeypatch, tmp_path):
    """Where one request can't copy it."""
    monkeypatch.setattr(s3_send, "LARGEST_COPY_BYTES", 1 << 20)
    monkeypatch.setattr(s3_parts, "COPY_PART_BYTES", 6 << 20)
    expected = objects.put(KEY, large).sha256
    objects.copy(KEY, "cold/x")

    assert (objects.head("cold/x").sha256, objects.fetch("cold/x", tmp_path / "fetched")) == (expected, expected)


def test_what_is_deleted_is_gone(objects):
    """And only that."""
    objects.put(KEY, BODY)
    objects.put(f"{KEY}.json", b"beside")
    objects.delete(KEY)

    assert (objects.head(KEY), objects.versions(KEY)) == (None, [])
    assert [each.key for each in objects.list()] == [f"{KEY}.json"]


def test_what_is_readable_needs_no_restore(objects):
    """Asking for one changes nothing."""
    objects.put(KEY, BODY)
    objects.restore(KEY, days=3)

    assert (objects.head(KEY).readable, objects.head(KEY).readable_until) == (True, None)


def test_a_hold_where_there_are_none(objects):
    """It is said."""
    objects.put(KEY, BODY)
    assert (objects.hold(KEY, on=True), objects.head(KEY).legal_hold) == (False, False)


def test_a_lock_where_there_are_none(objects):
    """It is refused, with what to do."""
    with pytest.raises(ObjectError, match="`lock: true`"):
        objects.put(KEY, BODY, lock_until=2_000_000_000.0)


def test_a_check_leaves_nothing(objects):
    """It tries list, put, get and delete."""
    objects.check()
    assert list(objects.list()) == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\\b", "a\0b", ".hidden", "a/", "x" * 901]
)
def test_a_key_that_leads_elsewhere_is_refused(objects, key):
    """By every method."""
    for act in (lambda: objects.put(key, b"x"), lambda: objects.get(key), lambda: objects.delete(key)):
        with pytest.raises(ObjectError, match="is no key"):
            act()


def test_odd_letters_in_a_key(objects):
    """Are its own business."""
    for key in ("warm/ä b+c/2026.11.23 (1).parquet", "warm/%2e%2e/x?y=z&a", "warm/日本"):
        objects.put(key, key.encode())
        assert (objects.get(key), objects.head(key).key) == (key.encode(), key)
    objects.copy("warm/日本", "warm/%2e%2e/x?y=z&a")
    assert objects.get("warm/%2e%2e/x?y=z&a") == "warm/日本".encode()


def test_a_file_that_is_not_there_is_not_put(objects, tmp_path):
    """The error names the file."""
    with pytest.raises(ObjectError, match="gone"):
        objects.put(KEY, tmp_path / "gone")


def test_a_file_that_can_not_be_written_to(objects, tmp_path):
    """The error names the file."""
    objects.put(KEY, BODY)
    with pytest.raises(ObjectError, match="nowhere"):
        objects.fetch(KEY, tmp_path / "nowhere" / "fetched")


def test_where_it_is_has_no_credential(objects):
    """It is shown to people."""
    assert objects.where.startswith("s3://t-") or isinstance(objects, FolderStore)
    assert "tests" not in objects.where.removeprefix("/tmp/pytest-of-")
