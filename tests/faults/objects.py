"""A place for objects that does what a test says: away, slow, lossy, lying. It wraps any `ObjectStore`.

objects = Faulty(FolderStore(tmp_path / "archive"))
objects.unreachable(3)                    # the next three calls; `unreachable(1, "put")`: the next put
objects.lost_acknowledgement("put")       # the next one is done, and says that the store could not be reached
objects.slow(2.0, sleep=clock.sleep)      # every call from now on
objects.short(key)                        # its reads end in the middle, and nobody notices
objects.flips(key)                        # one bit of it comes back otherwise, and nobody notices
objects.rots(key)                         # one bit of it changes where it lies; `head` says what it said before
objects.loses(key)                        # it is gone
objects.says(key, sha256="0" * 64)        # what `put`, `copy` and `head` tell of it, against the truth
objects.restoring(key); objects.restored(key, until)       # can't be read until then
objects.at("copy", act)                   # `act(key)` before each such call: raise there to be killed there
objects.calls                             # [("put", "warm/…"), …], all of them
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shipper.objects.store import NeedsRestore, ObjectStore, Stored, Told, Unreachable

ANY = "any"


class Faulty:
    """See the module's text."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.where = store.where
        self.calls: list[tuple[str, str]] = []
        self._away: dict[str, int] = {}
        self._unheard: dict[str, int] = {}
        self._before: dict[str, Callable[[str], object]] = {}
        self._spoilt: dict[str, Callable[[bytes], bytes]] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._cold: dict[str, dict[str, Any]] = {}
        self._pause: Callable[[], object] = lambda: None

    # ── what is to happen ─────────────────────────────────────────────────────────────────────────────────────────────

    def unreachable(self, times: int = 1, method: str = ANY) -> None:
        self._away[method] = self._away.get(method, 0) + times

    def lost_acknowledgement(self, method: str, times: int = 1) -> None:
        self._unheard[method] = self._unheard.get(method, 0) + times

    def slow(self, seconds: float, sleep: Callable[[float], object]) -> None:
        self._pause = lambda: sleep(seconds)

    def short(self, key: str) -> None:
        self._spoilt[key] = lambda data: data[: len(data) // 2]

    def flips(self, key: str) -> None:
        self._spoilt[key] = flipped

    def rots(self, key: str) -> None:
        before = self.store.head(key)
        assert before is not None
        self.store.put(key, flipped(self.store.get(key)))
        self._told[key] = {"sha256": before.sha256}

    def loses(self, key: str) -> None:
        self.store.delete(key)

    def says(self, key: str, **told: Any) -> None:
        """Fields of `Stored`."""
        self._told[key] = told

    def restoring(self, key: str, *, asked: bool = False) -> None:
        """`asked`: a restore is under way already."""
        self._cold[key] = {"storage_class": "GLACIER", "readable": False, "restoring": asked}

    def restored(self, key: str, until: float) -> None:
        """Seconds since the epoch."""
        self._cold[key] = {"storage_class": "GLACIER", "readable": True, "readable_until": until}

    def at(self, method: str, act: Callable[[str], object]) -> None:
        self._before[method] = act

    def mended(self) -> None:
        """Everything as it should be, from now on; what is lost or rotten stays so."""
        self._away.clear()
        self._unheard.clear()
        self._before.clear()
        self._spoilt.clear()
        self._pause = lambda: None

    # ── an ObjectStore ────────────────────────────────────────────────────────────────────────────────────────────────

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
        self._met("put", key)
        given = {"storage_class": storage_class, "lock_until": lock_until, "tags": tags, "told": told}
        return self._heard("put", key, self.store.put(key, source, if_absent=if_absent, **given))  # type: ignore[arg-type]

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        self._met("get", key)
        self._readable(key)
        if key in self._spoilt:
            return self._spoilt[key](self.store.get(key))[start:stop]
        return self.store.get(key, start, stop)

    def fetch(self, key: str, target: Path, told: Told | None = None) -> str:
        self._met("fetch", key)
        self._readable(key)
        if key not in self._spoilt:
            return self.store.fetch(key, target, told)
        target.write_bytes(self._spoilt[key](self.store.get(key)))
        return hashlib.sha256(target.read_bytes()).hexdigest()

    def versions(self, key: str) -> list[Stored]:
        self._met("versions", key)
        return [self._described(one) for one in self.store.versions(key)]

    def list(self, prefix: str = "") -> Iterator[Stored]:
        self._met("list", prefix)
        return self.store.list(prefix)

    def head(self, key: str) -> Stored | None:
        self._met("head", key)
        found = self.store.head(key)
        return None if found is None else self._described(found)

    def copy(
        self,
        source: str,
        target: str,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        self._met("copy", target)
        self._readable(source)
        copied = self.store.copy(source, target, storage_class=storage_class, lock_until=lock_until, tags=tags)
        return self._heard("copy", target, copied)

    def delete(self, key: str) -> None:
        self._met("delete", key)
        self.store.delete(key)
        self._heard("delete", key, Stored(key, 0))

    def restore(self, key: str, days: int, speed: str = "Standard") -> None:
        self._met("restore", key)
        if key in self._cold:
            self._cold[key] |= {"restoring": not self._cold[key]["readable"]}
            return
        self.store.restore(key, days, speed)

    def hold(self, key: str, *, on: bool, version: str = "") -> bool:
        self._met("hold", key)
        return self.store.hold(key, on=on, version=version)

    def check(self) -> None:
        self._met("check", "")
        self.store.check()

    def _met(self, method: str, key: str) -> None:
        self.calls.append((method, key))
        self._before.get(method, lambda _: None)(key)
        self._pause()
        for name in (method, ANY):
            if self._away.get(name):
                self._away[name] -= 1
                raise Unreachable(f"{self.where}: is away, as it was told to be")

    def _heard(self, method: str, key: str, stored: Stored) -> Stored:
        if self._unheard.get(method):
            self._unheard[method] -= 1
            raise Unreachable(f"{self.where}/{key}: the connection was cut, as it was told to be")
        return self._described(stored)

    def _readable(self, key: str) -> None:
        cold = self._cold.get(key)
        if cold is not None and not cold["readable"]:
            raise NeedsRestore(f"{self.where}/{key}: is of a class that can't be read at once")

    def _described(self, stored: Stored) -> Stored:
        return stored._replace(**self._told.get(stored.key, {}), **self._cold.get(stored.key, {}))


def flipped(data: bytes) -> bytes:
    """With another bit in its middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
