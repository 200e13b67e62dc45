"""What S3 says of an object, as `Stored`; pure."""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode

from shipper.objects.store import Stored

SLOW = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that need a restore before they can be read."""
SHA256 = "sha256"
"""The key of our metadata that holds it: what S3 keeps of a multipart upload is a checksum of checksums."""
_ONGOING = re.compile(r'ongoing-request="(true|false)"')
_NO_TAG = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")
_EXPIRES = re.compile(r'expiry-date="([^"]+)"')


def stored(key: str, answer: dict[str, Any]) -> Stored:
    """Of an answer to HeadObject."""
    restoring, until = restore_of(answer.get("Restore") or "")
    storage_class = answer.get("StorageClass") or "STANDARD"
    slow = storage_class in SLOW or bool(answer.get("ArchiveStatus"))
    retained = answer.get("ObjectLockRetainUntilDate")
    return Stored(
        key,
        answer["ContentLength"],
        told_sha256(answer),
        version_of(answer),
        storage_class,
        readable=not slow or until is not None,
        restoring=restoring,
        readable_until=until,
        locked_until=retained.timestamp() if retained else None,
        legal_hold=answer.get("ObjectLockLegalHoldStatus") == "ON",
    )


def told_sha256(answer: dict[str, Any]) -> str:
    """Of the whole object, in hex: what the server has computed of its bytes, else what it was stored as."""
    computed = computed_sha256(answer) if answer.get("ChecksumType") == "FULL_OBJECT" else ""
    return computed or str(answer.get("Metadata", {}).get(SHA256, ""))


def computed_sha256(answer: dict[str, Any]) -> str:
    """By the server, in hex; empty when it tells none, or one of parts."""
    checksum = answer.get("ChecksumSHA256") or ""
    return "" if "-" in checksum or answer.get("ChecksumType") == "COMPOSITE" else b64decode(checksum).hex()


def newest_first(key: str, pages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one key in a listing of versions, delete markers among them."""
    every = [row for page in pages for row in (*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ()))]
    mine = [row for row in every if row["Key"] == key]
    return sorted(mine, key=lambda row: (row.get("LastModified", moment(0)), row.get("IsLatest", False)), reverse=True)


def version_of(answer: dict[str, Any]) -> str:
    version = str(answer.get("VersionId") or "")
    return "" if version == "null" else version


def restore_of(header: str) -> tuple[bool, float | None]:
    """Whether a restore is under way, and until when (seconds since the epoch) a restored copy is there."""
    ongoing, expires = _ONGOING.search(header), _EXPIRES.search(header)
    if ongoing is None or ongoing[1] == "true":
        return ongoing is not None, None
    try:
        when = parsedate_to_datetime(expires[1]) if expires else None
    except ValueError:
        when = None
    return False, when.timestamp() if when else None


def listed(key: str, row: dict[str, Any]) -> Stored:
    """Of a row of a listing, of objects or of versions."""
    storage_class = row.get("StorageClass") or "STANDARD"
    return Stored(
        key, row["Size"], version=version_of(row), storage_class=storage_class, readable=storage_class not in SLOW
    )


def tagging(tags: Mapping[str, str]) -> str:
    """As a header. What S3 takes in no tag becomes `_`."""
    return urlencode({_NO_TAG.sub("_", name)[:128]: _NO_TAG.sub("_", value)[:256] for name, value in tags.items()})


def moment(seconds: float) -> datetime:
    """The next whole second: some servers drop the rest."""
    return datetime.fromtimestamp(ceil(seconds), UTC)
