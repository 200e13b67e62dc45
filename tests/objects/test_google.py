"""Google's S3-compatible interface, as its documentation has it: what is asked of it, and a day's life over it."""

import hashlib

import pytest

from shipper.objects import s3_parts, s3_send
from shipper.objects.s3 import S3Store
from shipper.objects.settings import S3
from shipper.objects.store import Exists, ObjectError
from shipper.tier.policy import GOOGLE_CLASSES
from tests.objects.google import CLASSES, HOST, Google
from tests.tier.world import World, at, day

BODY = hashlib.shake_128(b"body").digest(300_000)
SETTINGS = S3(endpoint=f"https://{HOST}", access_key="tests", secret_key="tests")


@pytest.fixture(params=["x-amz-", "x-goog-"])
def google(request):
    """Its documentation does not say whether an answer calls metadata and class as they were asked for, or its own way."""
    made = Google(request.param)
    yield made
    assert made.refused == []


@pytest.fixture
def store(google):
    made = S3Store("our-archive", "xionimus", SETTINGS)
    with google.answering(made):
        yield made


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1 << 16)
    monkeypatch.setattr(s3_parts, "PART_BYTES", 1 << 17)


def test_its_classes_are_known():
    assert set(GOOGLE_CLASSES) == CLASSES


@pytest.mark.usefixtures("small_parts")
def test_objects_come_and_go(store, google, tmp_path):
    """Whole, in parts, as copies, by ranges: no header of a checksum, a condition, a tag, and all that is sent is signed."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(BODY)
    store.check()
    store.put("a", b"x", if_absent=True, tags={"a": "b"}, storage_class="NEARLINE")
    store.put("b", source, storage_class="COLDLINE", tags={"a": "b"})
    store.copy("b", "c", storage_class="ARCHIVE", tags={"a": "b"})

    assert store.fetch("c", target) == hashlib.sha256(BODY).hexdigest()
    assert (target.read_bytes(), store.get("b", 10, 20)) == (BODY, BODY[10:20])
    assert [(each.key, each.bytes, each.storage_class, each.readable) for each in store.list()] == [
        ("a", 1, "NEARLINE", True),
        ("b", len(BODY), "COLDLINE", True),
        ("c", len(BODY), "ARCHIVE", True),
    ]
    for key in "abc":
        store.delete(key)
    assert (google.objects, google.uploads, list(store.list())) == ({}, {}, [])


def test_what_is_there_is_not_put_again(store):
    """Looked for before; there are no conditions."""
    store.put("receipts/1", b"ours", if_absent=True)
    with pytest.raises(Exists):
        store.put("receipts/1", b"theirs", if_absent=True)


def test_there_are_no_locks(store, google):
    """None is asked for: where an unknown question is not heard, what it brings would replace the object."""
    store.put("a", b"x")
    with pytest.raises(ObjectError, match="takes no Object Lock"):
        store.put("b", b"x", lock_until=1.0)
    before = len(google.asked)

    assert (store.hold("a", on=True), store.hold("a", on=False), len(google.asked)) == (False, False, before)


@pytest.mark.usefixtures("_no_power_cut")
def test_a_day_goes_through_all_tiers(store, google, tmp_path):
    """Proven by what is read back."""
    policy = {
        "warm": {"until": "30d", "storage_class": "NEARLINE"},
        "cold": {"until": "365d", "storage_class": "COLDLINE"},
    }
    world = World(tmp_path, lambda _: store, now=at(8), **policy)
    world.store(day(0), 1, 2, 3)
    seen = []
    for number, report in world.on(8, 9, 31, 32, 366):
        if number == 32:
            world.store(day(0), 4)
        kept = {kept.storage_class for key, kept in google.objects.items() if key.endswith(".parquet")}
        seen.append((world.tiers_of(day(0)), kept, report.failed))

    assert seen == [
        (["warm"], {"NEARLINE"}, []),
        (["warm"], {"NEARLINE"}, []),
        (["cold", "warm"], {"NEARLINE", "COLDLINE"}, []),
        (["cold"], {"COLDLINE"}, []),
        ([], set(), []),
    ]


@pytest.fixture
def _no_power_cut(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
