"""From what stands in a pipeline file to an object store."""

import re
from pathlib import Path

from shipper.errors import UsageError
from shipper.objects.folder import FolderStore
from shipper.objects.s3 import S3Store
from shipper.objects.settings import S3
from shipper.objects.store import ObjectStore

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
"""Google's may be longer than those of S3, and have an underscore."""
_PREFIX = re.compile(r"(?:[^\x00-\x1f\x7f/\\]+(?:/[^\x00-\x1f\x7f/\\]+)*)?")


def is_bucket(place: str) -> bool:
    """Or else it is a folder."""
    return place.startswith(SCHEME)


def bucket_of(place: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`. Raises `UsageError`."""
    bucket, _, prefix = place.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix) or len(prefix.encode("utf-8", "replace")) > 100:
        raise UsageError(f"{place!r} is no place in a bucket; write for example s3://my-bucket/xionimus")
    return bucket, prefix


def open_place(place: str, data: Path, s3: S3) -> ObjectStore:
    """`s3://bucket/prefix`, or a folder; a relative one is below the data folder. Nothing is asked of it yet.

    Raises `UsageError` for what is neither.
    """
    if is_bucket(place):
        return S3Store(*bucket_of(place), s3)
    if not place.strip() or "://" in place:
        raise UsageError(f"{place!r} is no place; write a folder, or s3://bucket/prefix")
    folder = Path(place)
    if folder.is_absolute():
        return FolderStore(folder)
    if ".." in folder.parts:
        raise UsageError(f"{place!r} leads out of the data folder; write the whole path")
    return FolderStore(data / folder, data)
