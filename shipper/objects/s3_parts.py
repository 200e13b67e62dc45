"""Objects that travel in parts: each with its own SHA-256, several at a time, a bounded number of them in memory.

An upload that fails is aborted; one that a kill has left is, by the next upload to the same key.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from shipper.objects.s3_errors import Unsupported
from shipper.objects.store import Damaged, ObjectError, Told

PART_BYTES = 8 << 20
MOST_PARTS = 10_000
COPY_PART_BYTES = 1 << 30
LARGEST_COPY_BYTES = 5 << 30
"""What S3 copies with one request."""

Call = Callable[..., Any]
"""`call(operation, **arguments)`."""

ABORT_WITHIN_S = 2.0
"""So long somebody who wants to end waits for an upload to be given up; the next one to the same key does it too."""


class Part(NamedTuple):
    number: int
    start: int
    stop: int


def parts(size: int, part_bytes: int) -> list[Part]:
    """Larger ones when there would be too many."""
    each = max(part_bytes, -(-size // MOST_PARTS))
    return [Part(number, start, min(start + each, size)) for number, start in enumerate(range(0, size, each), start=1)]


def base64_sha256(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).digest()).decode()


class _Going(NamedTuple):
    """What travels in parts, and how one of them is sent: `send(upload, part)`."""

    parts: list[Part]
    send: Callable[[str, Part], dict[str, Any]]
    told: Told | None


class Multipart(NamedTuple):
    """One object on its way, in parts."""

    call: Call
    key: str
    """With the place's prefix."""
    parallel: int
    checksums: bool
    """Whether the server takes the SHA-256 of a part in a header."""

    def upload(
        self, source: Path, settings: dict[str, Any], conditions: dict[str, str], told: Told | None
    ) -> dict[str, Any]:
        """Sends a file. Raises `Damaged` when the server has counted another checksum."""

        def send(upload: str, part: Part) -> dict[str, Any]:
            body = _read(source, part)
            checksum = base64_sha256(body)
            given = {"ChecksumSHA256": checksum} if self.checksums else {}
            answer = self.call("upload_part", Key=self.key, UploadId=upload, PartNumber=part.number, Body=body, **given)
            return {"PartNumber": part.number, "ETag": answer["ETag"], **given}

        algorithm = {"ChecksumAlgorithm": "SHA256"} if self.checksums else {}
        todo = parts(source.stat().st_size, PART_BYTES)
        going = _Going(todo, send, told)
        answer, sent = self._travel(going, {**settings, **algorithm}, conditions)
        self._compare(answer, [each["ChecksumSHA256"] for each in sent] if self.checksums else [])
        return answer

    def copy(self, source: dict[str, str], size: int, settings: dict[str, Any]) -> dict[str, Any]:
        """Within the store."""

        def send(upload: str, part: Part) -> dict[str, Any]:
            span = f"bytes={part.start}-{part.stop - 1}"
            answer = self.call(
                "upload_part_copy",
                Key=self.key,
                UploadId=upload,
                PartNumber=part.number,
                CopySource=source,
                CopySourceRange=span,
            )["CopyPartResult"]
            return {"PartNumber": part.number, "ETag": answer["ETag"]}

        return self._travel(_Going(parts(size, COPY_PART_BYTES), send, None), settings, {})[0]

    def _travel(
        self, going: "_Going", settings: dict[str, Any], conditions: dict[str, str]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._abort(self._left())
        upload = self.call("create_multipart_upload", Key=self.key, **settings)["UploadId"]
        try:
            sent = self._send_all(going, upload)
            answer = self.call(
                "complete_multipart_upload",
                Key=self.key,
                UploadId=upload,
                MultipartUpload={"Parts": sent},
                **conditions,
            )
        except Exception:
            self._abort([upload])
            raise
        except BaseException:
            # Somebody has pressed Ctrl-C, maybe because this very server does not answer.
            aborting = Thread(target=self._abort, args=([upload],), daemon=True)
            aborting.start()
            aborting.join(ABORT_WITHIN_S)
            raise
        return answer, sent

    def _send_all(self, going: "_Going", upload: str) -> list[dict[str, Any]]:
        pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="s3-part")
        sent, wait = [], True
        try:
            running = {pool.submit(going.send, upload, part): part for part in going.parts}
            for done in as_completed(running):
                sent.append(done.result())
                if going.told is not None:
                    going.told(running[done].stop - running[done].start)
        except BaseException as error:
            wait = isinstance(error, Exception)
            raise
        finally:
            pool.shutdown(wait=wait, cancel_futures=True)
        return sorted(sent, key=lambda each: int(each["PartNumber"]))

    def _left(self) -> Iterator[str]:
        """Uploads to the same key that nobody will finish."""
        try:
            answer = self.call("list_multipart_uploads", Prefix=self.key)
        except Unsupported:
            return
        yield from (row["UploadId"] for row in answer.get("Uploads") or () if row["Key"] == self.key)

    def _abort(self, uploads: Iterable[str]) -> None:
        for upload in uploads:
            try:
                self.call("abort_multipart_upload", Key=self.key, UploadId=upload)
            except ObjectError:
                # What it was aborted for is said instead; the next upload to this key tries again.
                continue

    def _compare(self, answer: dict[str, Any], sent: list[str]) -> None:
        told = answer.get("ChecksumSHA256") or ""
        if told and sent and told != composite(sent):
            raise Damaged(f"{self.key}: the server has counted another checksum than was sent; try again")


def composite(checksums: list[str]) -> str:
    """What S3 makes of the checksums of parts."""
    return f"{base64_sha256(b''.join(map(b64decode, checksums)))}-{len(checksums)}"


def _read(source: Path, part: Part) -> bytes:
    with source.open("rb") as handle:
        handle.seek(part.start)
        data = handle.read(part.stop - part.start)
    if len(data) != part.stop - part.start:
        raise ObjectError(f"{source}: became shorter while it was sent; try again")
    return data
