"""Requests to one bucket, their errors as one line, and bodies that are taken up where they break off."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from random import SystemRandom
from typing import Any

from shipper.clock import Clock
from shipper.objects import s3_errors
from shipper.objects.arrive import CHUNK_BYTES
from shipper.objects.s3_client import connect, endpoint_of
from shipper.objects.settings import S3
from shipper.objects.store import Damaged, Exists, ObjectError, Unreachable

BODY_ATTEMPTS = 5
"""How often a body may break off without anything new having come."""
_MARKS = {
    "NextContinuationToken": "ContinuationToken",
    "NextKeyMarker": "KeyMarker",
    "NextVersionIdMarker": "VersionIdMarker",
}
"""What a page says of the next one, and how that is asked for."""


class Bucket:
    """One bucket. Keys are whole, with the place's prefix."""

    def __init__(self, name: str, settings: S3, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self._endpoint = endpoint_of(settings)
        self._clock = clock
        self.google = self._endpoint.google
        """No checksum headers, conditions, versions, tags and locks in the ways of AWS."""

    def call(self, operation: str, **arguments: Any) -> Any:
        """The answer. Raises `ObjectError`."""
        with self._said(operation, arguments):
            return getattr(self._client, operation)(Bucket=self.name, **arguments)

    def pages(self, operation: str, **asked: Any) -> Iterator[dict[str, Any]]:
        """All pages of a listing."""
        while True:
            page = self.call(operation, **asked)
            yield page
            following = {ask: page[mark] for mark, ask in _MARKS.items() if page.get(mark)}
            if not page.get("IsTruncated") or not following:
                return
            asked |= following

    def body(self, key: str, start: int = 0, stop: int | None = None, etag: str = "") -> dict[str, Any] | None:
        """An answer with a body; None: the object ends before `start`."""
        span = f"bytes={start}-{'' if stop is None else stop - 1}" if start or stop is not None else ""
        asked = {**({"Range": span} if span else {}), **({"IfMatch": etag} if etag else {})}
        try:
            answer: dict[str, Any] = self.call("get_object", Key=key, **asked)
        except Exists:
            raise Unreachable(f"{self._where(key)}: was replaced while it was read; try again") from None
        except s3_errors.PastTheEnd:
            return None
        if span and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
            raise ObjectError(f"{self._where(key)}: the server does not answer with the range that was asked for")
        return answer

    def pieces(self, key: str, answer: dict[str, Any], start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The body of an answer, whole."""
        left, failures = answer["ContentLength"], 0
        while left:
            try:
                for piece in self._read(key, answer, left):
                    start, left, failures = start + len(piece), left - len(piece), 0
                    yield piece
            except Unreachable:
                failures += 1
                if failures >= BODY_ATTEMPTS:
                    raise
                self._clock.sleep(SystemRandom().uniform(0.5, 1.0) * 2**failures / 4)
                answer = self._again(key, start, stop, answer, left)

    def _read(self, key: str, answer: dict[str, Any], left: int) -> Iterator[bytes]:
        """Raises `Unreachable` where it breaks off."""
        with self._said("get_object", {"Key": key}):
            while left and (piece := answer["Body"].read(min(CHUNK_BYTES, left))):
                left -= len(piece)
                yield piece
        if left:
            raise Unreachable(f"{self._where(key)}: breaks off, {left} bytes are missing")

    def _again(self, key: str, start: int, stop: int | None, before: dict[str, Any], left: int) -> dict[str, Any]:
        answer = self.body(key, start, stop, before["ETag"])
        if answer is None or answer["ContentLength"] != left:
            raise Damaged(f"{self._where(key)}: is not as long as the server said")
        return answer

    def _where(self, key: str) -> str:
        return f"s3://{self.name}/{key}".rstrip("/")

    @cached_property
    def _client(self) -> Any:
        return connect(self._endpoint, self.settings)

    @contextmanager
    def _said(self, operation: str, arguments: dict[str, Any]) -> Iterator[None]:
        """What the server or the library says, as one line."""
        where = self._where(arguments.get("Key") or arguments.get("Prefix") or "")
        secrets = [self.settings.access_key.get_secret_value(), self.settings.secret_key.get_secret_value()]
        try:
            yield
        except Exception as error:
            # Its classes are in a library that is loaded only when a bucket is used.
            if not s3_errors.is_known(error):
                raise
            response = getattr(error, "response", None)
            if isinstance(response, dict) and "Error" in response:
                parsed = s3_errors.parsed(response)
                raise s3_errors.of_answer(where, operation, parsed, secrets, arguments) from error
            silence = s3_errors.Silence(error, self._endpoint.shown, self.settings.timeout_s)
            raise s3_errors.of_silence(where, silence, secrets) from error
