"""Objects in a bucket: AWS, or any server that speaks S3.

Every object carries its SHA-256 in its metadata; every request that stores one sends SHA-256 for the server to check.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipper.clock import Clock, SystemClock, iso
from shipper.objects.arrive import arriving, local, pour
from shipper.objects.keys import checked
from shipper.objects.s3_answers import (
    SHA256,
    SLOW,
    computed_sha256,
    listed,
    newest_first,
    stored,
    told_sha256,
    version_of,
)
from shipper.objects.s3_bucket import Bucket
from shipper.objects.s3_errors import NoLocks, NotAllowed, Restoring, Silent, Unsupported
from shipper.objects.s3_send import Going, Sending, measured
from shipper.objects.settings import S3
from shipper.objects.store import Damaged, Exists, Locked, Missing, ObjectError, Stored, Told

TRIED = "check"


class S3Store:
    """See `ObjectStore`. Nothing is asked before the first call; threads may share it."""

    def __init__(self, bucket: str, prefix: str, settings: S3, clock: Clock | None = None) -> None:
        self.where = f"s3://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket = Bucket(bucket, settings, clock or SystemClock())
        self._sending = Sending(self._bucket, self.where)

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
        size, sha256 = measured(source)
        settings = {"Metadata": {SHA256: sha256}, **self._sending.given(storage_class, lock_until, tags)}
        going = Going(full, source, size, settings, told)
        answer = self._send_first(key, going) if if_absent else self._sending.send(going, {})
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
        settings = self._sending.given(storage_class, lock_until, tags)
        metadata = headed.get("Metadata", {})
        answer = self._sending.copy(self._full(source), self._full(target), origin.bytes, metadata, settings)
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
        if self._bucket.google:
            # It has none, and may take what is sent for the object itself.
            return False
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

    def _send_first(self, key: str, going: Going) -> dict[str, Any]:
        """Servers that know no conditions may take no notice of one, so it is looked for first."""
        if self.head(key) is not None:
            raise Exists(f"{self.where}/{key}: something is there already")
        try:
            return self._sending.send(going, {} if self._bucket.google else {"IfNoneMatch": "*"})
        except Unsupported:
            return self._sending.send(going, {})
        except Exists:
            # Ours, when the answer to a first attempt was lost.
            found = self.head(key)
            if found is None or found.sha256 != going.settings["Metadata"][SHA256]:
                raise
            return {"VersionId": found.version}

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
