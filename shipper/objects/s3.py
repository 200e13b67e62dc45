"""Objects in a bucket: AWS, or any server that speaks S3.

Every object carries its SHA-256 in its metadata; every request that stores one sends SHA-256 for the server to check.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipper.clock import Clock, SystemClock, iso
from shipper.objects.arrive import arriving, chunks_of, local, pour, sha256_of
from shipper.objects.keys import checked
from shipper.objects.s3_answers import (
    SHA256,
    SLOW,
    computed_sha256,
    listed,
    moment,
    newest_first,
    stored,
    tagging,
    told_sha256,
    version_of,
)
from shipper.objects.s3_bucket import Bucket
from shipper.objects.s3_errors import NoLocks, NotAllowed, Restoring, Silent, Unsupported
from shipper.objects.s3_parts import LARGEST_COPY_BYTES, Multipart, base64_sha256
from shipper.objects.settings import S3
from shipper.objects.store import Damaged, Exists, Locked, Missing, ObjectError, Stored, Told

ONE_PUT_BYTES = 16 << 20
"""From here on in parts."""
TRIED = "check"


class S3Store:
    """See `ObjectStore`. Nothing is asked before the first call; threads may share it."""

    def __init__(self, bucket: str, prefix: str, settings: S3, clock: Clock | None = None) -> None:
        self.where = f"s3://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket = Bucket(bucket, settings, clock or SystemClock())

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        if_absent: bool = False,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
        told: Told | None = None,
    ) -> Stored:
        full = self._full(key)
        size, sha256 = _measured(source)
        settings = {"Metadata": {SHA256: sha256}, **self._given(storage_class, lock_until, tags)}
        going = _Going(full, source, size, settings, told)
        answer = self._send_first(key, going) if if_absent else self._send(going, {})
        return self._made(Stored(key, size, sha256, version_of(answer), storage_class), lock_until)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        if stop is not None and stop <= start:
            return b""
        full = self._full(key)
        answer = self._bucket.body(full, start, stop)
        return b"" if answer is None else b"".join(self._bucket.pieces(full, answer, start, stop))

    def fetch(self, key: str, target: Path, told: Told | None = None) -> str:
        full = self._full(key)
        answer = self._bucket.body(full) or {}
        with local(target), arriving(target.parent) as (handle, path):
            sha256 = pour(self._bucket.pieces(full, answer), handle, told)
            handle.flush()
            expected = told_sha256(answer)
            if expected not in ("", sha256):
                raise Damaged(
                    f"{self.where}/{key}: its bytes are not those that were stored (SHA-256 {sha256[:12]}…, "
                    f"stored as {expected[:12]}…); find out more with: shipper tier verify"
                )
            path.replace(target)
        return sha256

    def versions(self, key: str) -> list[Stored]:
        full = self._full(key)
        rows = self._rows(full)
        if rows is None:
            one = self.head(key)
            return [] if one is None else [one]
        return [self._version(key, row) for row in rows if "Size" in row]

    def list(self, prefix: str = "") -> Iterator[Stored]:
        for page in self._bucket.pages("list_objects_v2", Prefix=self._prefix + prefix):
            for row in page.get("Contents") or ():
                if not row["Key"].endswith("/"):
                    yield listed(row["Key"].removeprefix(self._prefix), row)

    def head(self, key: str) -> Stored | None:
        try:
            return stored(key, self._headed(self._full(key)))
        except Missing:
            return None

    def copy(
        self,
        source: str,
        target: str,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """Raises `Damaged` when the server counts another SHA-256 of what it copied than was stored."""
        headed = self._headed(self._full(source))
        origin = stored(source, headed)
        settings = self._given(storage_class, lock_until, tags)
        place = {"Bucket": self._bucket.name, "Key": self._full(source)}
        if origin.bytes > LARGEST_COPY_BYTES:
            kept = {"Metadata": headed.get("Metadata", {})}
            answer = self._multipart(self._full(target)).copy(place, origin.bytes, {**kept, **settings})
        else:
            answer = self._copy(place, self._full(target), settings)
        copied = computed_sha256(answer.get("CopyObjectResult", {}))
        if copied and origin.sha256 not in ("", copied):
            raise Damaged(f"{self.where}/{source}: what was copied of it has another SHA-256 than was stored")
        return self._made(Stored(target, origin.bytes, origin.sha256, version_of(answer), storage_class), lock_until)

    def delete(self, key: str) -> None:
        rows = self._rows(self._full(key))
        if rows is None:
            self._delete(key)
            return
        # The oldest first: when one of them can't go, those that hide it stay.
        for row in reversed(rows):
            self._delete(key, VersionId=row["VersionId"])

    def restore(self, key: str, days: int, speed: str = "Standard") -> None:
        full = self._full(key)
        found = stored(key, self._headed(full))
        if found.restoring or (found.readable and found.readable_until is None):
            return
        request = {"Days": days, "GlacierJobParameters": {"Tier": speed}}
        try:
            self._bucket.call("restore_object", Key=full, RestoreRequest=request)
        except Restoring:
            return

    def hold(self, key: str, *, on: bool, version: str = "") -> bool:
        status = {"Status": "ON" if on else "OFF"}
        which = {"VersionId": version} if version else {}
        try:
            self._bucket.call("put_object_legal_hold", Key=self._full(key), LegalHold=status, **which)
        except (NoLocks, Unsupported):
            return False
        return True

    def check(self) -> None:
        next(self.list(), None)
        body = secrets.token_bytes(16)
        self.put(TRIED, body)
        if self.get(TRIED) != body:
            raise Damaged(f"{self.where}: what was written reads differently; ask whoever runs that server")
        try:
            self.delete(TRIED)
        except Locked:
            # Of a bucket that locks everything for a while.
            return

    def _full(self, key: str) -> str:
        return self._prefix + checked(key, self.where)

    def _given(self, storage_class: str, lock_until: float | None, tags: Mapping[str, str] | None) -> dict[str, Any]:
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
                raise ObjectError(f"{self.where}: Google's S3 interface takes no Object Lock; take out `lock: true`")
            given |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": moment(lock_until)}
        return {name: value for name, value in given.items() if value}

    def _send_first(self, key: str, going: "_Going") -> dict[str, Any]:
        """Servers that know no conditions may take no notice of one, so it is looked for first."""
        if self.head(key) is not None:
            raise Exists(f"{self.where}/{key}: something is there already")
        try:
            return self._send(going, {} if self._bucket.google else {"IfNoneMatch": "*"})
        except Unsupported:
            return self._send(going, {})
        except Exists:
            # Ours, when the answer to a first attempt was lost.
            found = self.head(key)
            if found is None or found.sha256 != going.settings["Metadata"][SHA256]:
                raise
            return {"VersionId": found.version}

    def _send(self, going: "_Going", conditions: dict[str, str]) -> dict[str, Any]:
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
            raise Damaged(f"{self.where}: the server has counted another checksum of {going.full} than was sent")
        if going.told is not None:
            going.told(going.size)
        return answer

    def _copy(self, place: dict[str, str], full: str, settings: dict[str, Any]) -> dict[str, Any]:
        directive = {"TaggingDirective": "REPLACE"} if "Tagging" in settings else {}
        # The server counts SHA-256 of the whole of it, whatever it was put as.
        checksum = {} if self._bucket.google else {"ChecksumAlgorithm": "SHA256"}
        arguments = {"CopySource": place, "MetadataDirective": "COPY", **settings, **directive, **checksum}
        answer: dict[str, Any] = self._bucket.call("copy_object", Key=full, **arguments)
        return answer

    def _multipart(self, full: str) -> Multipart:
        return Multipart(self._bucket.call, full, self._bucket.settings.parallel, not self._bucket.google)

    def _made(self, one: Stored, lock_until: float | None) -> Stored:
        """As `head` will describe it. That it is locked is seen, and not believed."""
        storage_class = one.storage_class or "STANDARD"
        made = one._replace(storage_class=storage_class, readable=storage_class not in SLOW)
        if lock_until is None:
            return made
        locked = stored(one.key, self._headed(self._full(one.key))).locked_until
        if locked is None or locked < lock_until:
            raise NoLocks(
                f"{self.where}/{one.key}: is stored, but the server does not say that it is locked; allow "
                "s3:GetObjectRetention, or take a server that knows Object Lock"
            )
        return made._replace(locked_until=locked)

    def _headed(self, full: str, **version: str) -> dict[str, Any]:
        mode = {} if self._bucket.google else {"ChecksumMode": "ENABLED"}
        try:
            answer: dict[str, Any] = self._bucket.call("head_object", Key=full, **mode, **version)
        except (Missing, NotAllowed, Silent):
            # This answer has no words; a listing says whether it is the bucket or the credentials.
            self._bucket.call("list_objects_v2", Prefix=full, MaxKeys=1)
            raise
        return answer

    def _version(self, key: str, row: dict[str, Any]) -> Stored:
        """A listing does not tell what locks a version; of the latest one `head` does."""
        if row.get("IsLatest"):
            return listed(key, row)
        return stored(key, self._headed(self._full(key), VersionId=row["VersionId"]))

    def _rows(self, full: str) -> Sequence[dict[str, Any]] | None:
        """Versions and delete markers of an object, newest first; None: there are no versions in this store."""
        if self._bucket.google:
            return None
        try:
            return newest_first(full, self._bucket.pages("list_object_versions", Prefix=full))
        except Unsupported:
            return None

    def _delete(self, key: str, **version: str) -> None:
        try:
            self._bucket.call("delete_object", Key=self._full(key), **version)
        except (NotAllowed, Locked) as error:
            raise self._lock_of(key, version, str(error)) or error from error
        except Missing:
            return

    def _lock_of(self, key: str, version: dict[str, str], words: str) -> Locked | None:
        """What keeps an object, if it is that."""
        try:
            found = stored(key, self._headed(self._full(key), **version))
        except ObjectError:
            return None
        if found.legal_hold:
            return Locked(f"{self.where}/{key}: is under a legal hold; nobody can delete it")
        if found.locked_until is not None:
            return Locked(f"{self.where}/{key}: is locked until {iso(found.locked_until)}; nobody can delete it before")
        if "object lock" in words.lower():
            return Locked(f"{self.where}/{key}: is protected by Object Lock; nobody can delete it now")
        return None


class _Going(NamedTuple):
    """What is put."""

    full: str
    source: bytes | Path
    size: int
    settings: dict[str, Any]
    told: Told | None


def _measured(source: bytes | Path) -> tuple[int, str]:
    """Length and SHA-256."""
    if isinstance(source, bytes):
        return len(source), sha256_of(source)
    with local(source):
        return source.stat().st_size, sha256_of(source)
