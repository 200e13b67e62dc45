"""Archived objects as files for DuckDB: `shipper://SHA256` reads a part through the cache.

Load this module only where an object has to be fetched: it takes fsspec, which is optional.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import local
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from shipper.archive.ranges import Ranges
from shipper.errors import ShipperError

PROTOCOL = "shipper"
NEVER_CHANGED = datetime(2000, 1, 1, tzinfo=UTC)
"""A part never changes, and DuckDB asks."""


class PartFile(AbstractBufferedFile):  # type: ignore[misc]
    """One opened part. DuckDB knows which bytes it wants, so nothing is read ahead here.

    Its threads share a file: each has a place of its own in it, or one would read where another has just gone.
    """

    def __init__(self, *arguments: Any, **how: Any) -> None:
        self._at = local()
        super().__init__(*arguments, **how)

    @property
    def loc(self) -> int:
        """Where this thread is."""
        return getattr(self._at, "place", 0)

    @loc.setter
    def loc(self, place: int) -> None:
        self._at.place = place

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.read(self.path, start, end)  # type: ignore[no-any-return]


class PartSystem(AbstractFileSystem):  # type: ignore[misc]
    """Parts by their SHA-256."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, parts: Mapping[str, Ranges]) -> None:
        super().__init__()
        self._parts = parts
        self.failure: tuple[str, ShipperError] | None = None
        """Of which part a read failed, and why."""

    def read(self, path: str, start: int, end: int) -> bytes:
        try:
            return self._parts[path].read(start, end)
        except ShipperError as error:
            self.failure = path, error
            raise OSError(str(error)) from error

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        name = self._strip_protocol(path)
        return {"name": name, "size": self._parts[name].part.bytes, "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        return [self.info(path)] if detail else [self._strip_protocol(path)]

    def glob(self, path: str, **_: Any) -> list[str]:
        return [self._strip_protocol(path)]

    def modified(self, _path: str) -> datetime:
        return NEVER_CHANGED

    def _open(self, path: str, mode: str = "rb", **_: Any) -> PartFile:
        name = self._strip_protocol(path)
        return PartFile(self, name, mode, cache_type="none", size=self._parts[name].part.bytes)


def url_of(sha256: str) -> str:
    """How DuckDB is told of a part."""
    return f"{PROTOCOL}://{sha256}"


@contextmanager
def registered(connection: Any, parts: Mapping[str, Ranges]) -> Iterator[PartSystem]:
    """Lets a DuckDB read these parts, and those that are added later."""
    system = PartSystem(parts)
    connection.register_filesystem(system)
    try:
        yield system
    finally:
        # Left to the end of the process, it would be told as a leak.
        connection.unregister_filesystem(PROTOCOL)
