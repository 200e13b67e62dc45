"""What every place for objects can do: a folder, a bucket of any S3 server. Keys are paths with `/`, below the place.

No method leaves half an object behind: a key holds what was put, whole, or what it held before. Errors say what to do.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from shipper.errors import ShipperError

Told = Callable[[int], None]
"""Called with the number of bytes that have just come through."""


class ObjectError(ShipperError):
    """An object store refused or could not be reached: what, where, what to do."""


class Unreachable(ObjectError):
    """The store does not answer, or says that it can't now: trying again later may help."""


class Missing(ObjectError):
    """There is no such object (any more)."""


class Exists(ObjectError):
    """`if_absent` was asked for, and something is there."""


class Locked(ObjectError):
    """The object is protected (retention, legal hold): nobody may delete or replace it now."""


class NeedsRestore(ObjectError):
    """The object's class can't be read at once: ask with `restore`, or wait when that was done."""


class Damaged(ObjectError):
    """What came back has not the checksum or length that it went with."""


class Stored(NamedTuple):
    """An object as its store describes it."""

    key: str
    bytes: int
    sha256: str = ""
    """Hex, of the whole object, as it was put; empty where the store does not keep it."""
    version: str = ""
    """Empty in a store without versions."""
    storage_class: str = "STANDARD"
    readable: bool = True
    """False: the class needs a restore first."""
    restoring: bool = False
    readable_until: float | None = None
    """When a restored copy goes again, in seconds since the epoch; None where that does not apply."""
    locked_until: float | None = None
    legal_hold: bool = False


class ObjectStore(Protocol):
    """Every method raises `ObjectError`: `Unreachable` when trying again may help."""

    where: str
    """`s3://bucket/prefix`, `/var/lib/shipper/archive`: never with a credential."""

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
        """Stores bytes, or a file's. `storage_class` empty: the store's own. `lock_until`: nobody may delete it before.

        Raises `Exists`, `Locked`, `Damaged`.
        """

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes from `start` to `stop` (excluded; None: the end). Raises `Missing`, `NeedsRestore`."""

    def fetch(self, key: str, target: Path, told: Told | None = None) -> str:
        """The whole object into a new file that appears when it is whole; returns its SHA-256 in hex, computed on the
        way. Raises `Missing`, `NeedsRestore`, `Damaged`."""

    def versions(self, key: str) -> list[Stored]:
        """All versions that still exist, newest first; of a store without versions the object itself."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """All objects whose key begins so, by key. Of these only key and bytes are sure."""

    def head(self, key: str) -> Stored | None:
        """All that is known of an object; None: there is none."""

    def copy(
        self,
        source: str,
        target: str,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """Within the store, without the bytes coming here. Raises `Missing`, `NeedsRestore`, `Exists` never: what is at
        `target` is replaced."""

    def delete(self, key: str) -> None:
        """With all its versions; one that is not there is as good as deleted. Raises `Locked`."""

    def restore(self, key: str, days: int, speed: str = "Standard") -> None:
        """Asks that an object of a class that can't be read at once becomes readable for so many days; nothing happens
        to one that is readable. `speed`: `Expedited`, `Standard`, `Bulk`."""

    def hold(self, key: str, *, on: bool, version: str = "") -> bool:
        """Puts a legal hold on an object, or takes it off: on the version that is there now, or on the one that is
        given. False where the store knows no such thing."""

    def check(self) -> None:
        """Tries what a run will need (list, put, get, delete of a small object). Raises with the action needed."""
