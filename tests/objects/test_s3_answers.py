"""How an object is described by what S3 says of it."""

import hashlib
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from shipper.objects.s3_answers import moment, newest_first, restore_of, stored, tagging
from shipper.objects.s3_parts import PART_BYTES, composite, parts

CHECKSUM = b64encode(hashlib.sha256(b"x").digest()).decode()
HEX = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (False, None)),
        ('ongoing-request="true"', (True, None)),
        ('ongoing-request="false", expiry-date="Thu, 26 Nov 2026 00:00:00 GMT"', (False, 1795651200.0)),
        ('ongoing-request="false", expiry-date="soon"', (False, None)),
        ("something else", (False, None)),
    ],
)
def test_a_restore(header, expected):
    """Under way, done until then, or none."""
    assert restore_of(header) == expected


@pytest.mark.parametrize(
    ("answer", "readable"),
    [
        ({}, True),
        ({"StorageClass": "GLACIER_IR"}, True),
        ({"StorageClass": "GLACIER"}, False),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, False),
        (
            {
                "StorageClass": "GLACIER",
                "Restore": 'ongoing-request="false", expiry-date="Thu, 26 Nov 2026 00:00:00 GMT"',
            },
            True,
        ),
        ({"StorageClass": "INTELLIGENT_TIERING"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, False),
    ],
)
def test_whether_it_can_be_read(answer, readable):
    """At once."""
    assert stored("a", {"ContentLength": 1, **answer}).readable is readable


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Metadata": {"sha256": "ours"}}, "ours"),
        ({"Metadata": {"sha256": "ours"}, "ChecksumSHA256": CHECKSUM, "ChecksumType": "FULL_OBJECT"}, HEX),
        ({"Metadata": {"sha256": "ours"}, "ChecksumSHA256": f"{CHECKSUM}-2", "ChecksumType": "COMPOSITE"}, "ours"),
        ({"Metadata": {"sha256": "ours"}, "ChecksumSHA256": CHECKSUM}, "ours"),
        ({}, ""),
    ],
)
def test_the_checksum_of_the_whole(answer, expected):
    """The server's own, where that is one of the whole and not of its parts; else what it was stored as."""
    assert stored("a", {"ContentLength": 1, **answer}).sha256 == expected


def test_locks():
    """In seconds since the epoch."""
    when = datetime(2033, 11, 23, tzinfo=UTC)
    found = stored("a", {"ContentLength": 1, "ObjectLockRetainUntilDate": when, "ObjectLockLegalHoldStatus": "ON"})
    assert (found.locked_until, found.legal_hold) == (when.timestamp(), True)


def test_a_lock_never_ends_too_early():
    """Where servers drop the parts of a second."""
    assert moment(1000.2).timestamp() == 1001.0


def test_versions_of_one_key_newest_first():
    """Delete markers too; not those of other keys that begin so."""
    when = [datetime(2026, 11, day, tzinfo=UTC) for day in (21, 22, 23)]
    pages = [
        {"Versions": [{"Key": "a", "LastModified": when[0]}, {"Key": "ab", "LastModified": when[2]}]},
        {"Versions": [{"Key": "a", "LastModified": when[2]}], "DeleteMarkers": [{"Key": "a", "LastModified": when[1]}]},
    ]
    assert [row["LastModified"].day for row in newest_first("a", pages)] == [23, 22, 21]


def test_parts_cover_the_whole():
    """Never more of them than S3 takes."""
    assert [(each.start, each.stop) for each in parts(11, 5)] == [(0, 5), (5, 10), (10, 11)]
    huge = parts(200_000 << 20, PART_BYTES)
    assert (len(huge) <= 10_000, huge[-1].stop) == (True, 200_000 << 20)


def test_the_checksum_of_checksums():
    """As S3 counts it."""
    expected = b64encode(hashlib.sha256(hashlib.sha256(b"x").digest() * 2).digest()).decode()
    assert composite([CHECKSUM, CHECKSUM]) == f"{expected}-2"


def test_tags_are_what_s3_takes():
    """Whatever a dataset is called."""
    assert tagging({"dataset": "back end & ä/1"}) == "dataset=back+end+_+_%2F1"
    assert len(tagging({"n" * 200: "v" * 300})) == 128 + 1 + 256
