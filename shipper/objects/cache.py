"""Pieces of archived objects on the disk, so that what was fetched once is not fetched again. Bounded; any number of
processes share it; a piece that is not what was put is as good as none.

An object is known by its SHA-256, so a piece is never out of date: what replaces an object has another one.
"""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from zlib import crc32

GIB = 1 << 30
DIGEST = 4
"""Bytes before each piece that tell whether it is whole. Against accidents, so that quick matters more than long: a
search may look at thousands."""
GONE = ".gone"
"""End of the name of a mark: nothing of this object is kept again, also not by who was fetching it meanwhile."""
MARKS_KEPT_S = 30 * 86_400.0
"""Nobody who was fetching it is still at it then."""
WHOLE = "whole"
"""Name of a mark: all pieces together had the object's SHA-256."""
LOOK_EVERY = 64 << 20
"""Bytes put by this process after which it looks how large all is: others put pieces as well."""


class BlockCache:
    """Pieces of objects in a folder, by a number: where they begin.

    A folder that can't be written to (a full disk, no right) keeps nothing.
    """

    def __init__(self, folder: Path, max_bytes: int = GIB) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._unseen = min(LOOK_EVERY, max_bytes)

    def get(self, sha256: str, number: int) -> bytes | None:
        """None: not there, or not what was put."""
        path = f"{self.folder}/{sha256}/{_name(number)}"
        try:
            with open(path, "rb", buffering=0) as file:
                raw = file.readall()
            block = raw[DIGEST:]
            if _digest(sha256, number, block) != raw[:DIGEST]:
                os.unlink(path)
                return None
            os.utime(path)
        except OSError:
            return None
        return block

    def put(self, sha256: str, number: int, block: bytes) -> None:
        """Keeps a piece; the least used ones go when there are too many."""
        path = self._path(sha256, number)
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            begun = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
            try:
                with os.fdopen(os.open(begun, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(_digest(sha256, number, block) + block)
                begun.rename(path)
            finally:
                begun.unlink(missing_ok=True)
            # After the rename: `purge` makes its mark before it looks for pieces.
            if self._mark(sha256).exists():
                rmtree(path.parent, ignore_errors=True)
        self._count(len(block))

    def held(self, sha256: str) -> set[int]:
        """Numbers of the pieces that are there."""
        with suppress(OSError):
            return {int(name) for name in os.listdir(self.folder / sha256) if name.isdecimal()}
        return set()

    def was_whole(self, sha256: str) -> bool:
        """Whether all pieces together were compared with the object's SHA-256."""
        return (self.folder / sha256 / WHOLE).exists()

    def note_whole(self, sha256: str) -> None:
        with suppress(OSError):
            (self.folder / sha256 / WHOLE).touch(mode=0o600)

    def forget(self, sha256: str) -> None:
        """Removes the pieces of an object; they may come again."""
        rmtree(self.folder / sha256, ignore_errors=True)

    def _path(self, sha256: str, number: int) -> Path:
        return self.folder / sha256 / _name(number)

    def _mark(self, sha256: str) -> Path:
        return self.folder / f"{sha256}{GONE}"

    # ── staying small ─────────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, more: int) -> None:
        with self._lock:
            self._unseen += more
            if self._unseen < min(LOOK_EVERY, self._max_bytes // 4):
                return
            self._unseen = 0
        self._shrink()

    def _shrink(self) -> None:
        """Removes what was not used for the longest time, until nine tenths of the limit are left."""
        files = _files(self.folder)
        used = sum(size for _, size, _ in files)
        if used <= self._max_bytes:
            return
        for _, size, path in sorted(files):
            with suppress(OSError):
                os.unlink(path)
            used -= size
            if used <= self._max_bytes * 0.9:
                return


def purge(folder: Path, sha256s: Iterable[str]) -> None:
    """Removes all pieces of these objects for good: they are gone, or something was erased from them. `folder` is the
    cache's."""
    if not folder.exists():
        return
    for mark in folder.glob(f"*{GONE}"):
        with suppress(OSError):
            if mark.stat().st_mtime < time.time() - MARKS_KEPT_S:
                mark.unlink()
    for sha256 in sha256s:
        (folder / f"{sha256}{GONE}").touch(mode=0o600)
        rmtree(folder / sha256, ignore_errors=True)


def _files(folder: Path) -> list[tuple[float, int, str]]:
    """Last use, bytes and path of all pieces."""
    found = []
    with suppress(OSError):
        for inner in [entry.path for entry in os.scandir(folder) if entry.is_dir()]:
            with suppress(OSError):
                for entry in os.scandir(inner):
                    about = entry.stat()
                    found.append((about.st_mtime, about.st_size, entry.path))
                if not os.listdir(inner):
                    os.rmdir(inner)
    return found


def _name(number: int) -> str:
    return f"{number:012d}"


def _digest(sha256: str, number: int, block: bytes) -> bytes:
    """Of a piece in its place."""
    return crc32(block, crc32(f"{sha256}-{number}".encode())).to_bytes(DIGEST)
