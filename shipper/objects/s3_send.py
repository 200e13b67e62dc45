"""Requests that make an object: whole, in parts, as a copy of another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shipper.objects.arrive import chunks_of, local, sha256_of
from shipper.objects.s3_answers import moment, tagging
from shipper.objects.s3_bucket import Bucket
from shipper.objects.s3_parts import LARGEST_COPY_BYTES, Multipart, base64_sha256
from shipper.objects.store import Damaged, ObjectError, Told

ONE_PUT_BYTES = 16 << 20
"""From here on in parts."""


class Going(NamedTuple):
    """What is put."""

    full: str
    source: bytes | Path
    size: int
    settings: dict[str, Any]
    told: Told | None


class Sending:
    """To one bucket; `where` is what its place is called in errors."""

    def __init__(self, bucket: Bucket, where: str) -> None:
        self._bucket, self._where = bucket, where

    def given(self, storage_class: str, lock_until: float | None, tags: Mapping[str, str] | None) -> dict[str, Any]:
        """Arguments of every request that makes an object."""
        own = self._bucket.settings
        given: dict[str, Any] = {
            "StorageClass": storage_class,
            "ServerSideEncryption": own.encryption,
            "SSEKMSKeyId": own.kms_key,
            "Tagging": "" if self._bucket.google else tagging(tags or {}),
        }
        if lock_until is not None:
            if self._bucket.google:
                raise ObjectError(f"{self._where}: Google's S3 interface takes no Object Lock; take out `lock: true`")
            given |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": moment(lock_until)}
        return {name: value for name, value in given.items() if value}

    def send(self, going: Going, conditions: dict[str, str]) -> dict[str, Any]:
        if isinstance(going.source, Path) and going.size > ONE_PUT_BYTES:
            with local(going.source):
                multipart = self._multipart(going.full)
                return multipart.upload(going.source, going.settings, conditions, going.told)
        body = b"".join(chunks_of(going.source))
        sent = "" if self._bucket.google else base64_sha256(body)
        checksum = {"ChecksumSHA256": sent} if sent else {}
        # With a lock S3 wants to be told also what kind of checksum comes, which others refuse.
        kind = {"ChecksumAlgorithm": "SHA256"} if "ObjectLockMode" in going.settings else {}
        arguments = {**going.settings, **conditions, **checksum, **kind}
        answer: dict[str, Any] = self._bucket.call("put_object", Key=going.full, Body=body, **arguments)
        if sent and answer.get("ChecksumSHA256", sent) != sent:
            raise Damaged(f"{self._where}: the server has counted another checksum of {going.full} than was sent")
        if going.told is not None:
            going.told(going.size)
        return answer

    def copy(
        self, source: str, target: str, size: int, metadata: Mapping[str, str], settings: dict[str, Any]
    ) -> dict[str, Any]:
        place = {"Bucket": self._bucket.name, "Key": source}
        if size > LARGEST_COPY_BYTES:
            return self._multipart(target).copy(place, size, {"Metadata": metadata, **settings})
        directive = {"TaggingDirective": "REPLACE"} if "Tagging" in settings else {}
        # The server counts SHA-256 of the whole of it, whatever it was put as.
        checksum = {} if self._bucket.google else {"ChecksumAlgorithm": "SHA256"}
        arguments = {"CopySource": place, "MetadataDirective": "COPY", **settings, **directive, **checksum}
        answer: dict[str, Any] = self._bucket.call("copy_object", Key=target, **arguments)
        return answer

    def _multipart(self, full: str) -> Multipart:
        return Multipart(self._bucket.call, full, self._bucket.settings.parallel, not self._bucket.google)


def measured(source: bytes | Path) -> tuple[int, str]:
    """Length and SHA-256."""
    if isinstance(source, bytes):
        return len(source), sha256_of(source)
    with local(source):
        return source.stat().st_size, sha256_of(source)
