"""Objects in a folder: the archive of the embedded default, or a disk or share that is mounted.

A put is written beside, made durable and renamed. There are no versions, classes, tags or locks in a folder.
"""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from shipper.objects.arrive import CHUNK_BYTES, TEMPORARY, arriving, chunks_of, local, pour, sweep
from shipper.objects.keys import checked
from shipper.objects.store import Exists, Missing, ObjectError, Stored, Told, Unreachable
from shipper.store.disk import make_folder, sync_folder

INCOMING = ".incoming"
"""Where objects are written until they are whole; no key begins with a dot."""
TRIED = "check"
_LATER = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOLCK, errno.EHOSTDOWN, errno.ENOTCONN}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class FolderStore:
    """See `ObjectStore`. The folder is made with the first put; what lies above `root` (by default above the folder)
    has to be there, so that a disk that is not mounted is seen."""

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.where = str(folder)
        self._folder = folder
        self._root = root or folder.parent
        self._swept = False

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
        """A class and tags mean nothing in a folder."""
        target = self._path(key)
        self._refuse_lock(lock_until)
        with self._said(key), arriving(self._incoming()) as (handle, path):
            sha256 = pour(chunks_of(source), handle, told)
            handle.flush()
            os.fsync(handle.fileno())
            size = handle.tell()
            make_folder(target.parent, self._folder)
            (_link if if_absent else os.replace)(path, target)
            sync_folder(target.parent)
        return Stored(key, size, sha256)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        with self._said(key), self._path(key).open("rb") as handle:
            handle.seek(start)
            return handle.read() if stop is None else handle.read(max(0, stop - start))

    def fetch(self, key: str, target: Path, told: Told | None = None) -> str:
        with local(target), arriving(target.parent) as (handle, arrived):
            sha256 = pour(self._chunks(key), handle, told)
            handle.flush()
            arrived.replace(target)
        return sha256

    def versions(self, key: str) -> list[Stored]:
        found = self.head(key)
        return [] if found is None else [found]

    def list(self, prefix: str = "") -> Iterator[Stored]:
        if not self._is_there():
            return
        with self._said(prefix):
            found = sorted(self._walk(prefix), key=lambda each: each[0].encode())
        yield from (Stored(key, size) for key, size in found)

    def head(self, key: str) -> Stored | None:
        """Reads it all: no checksum is kept beside a file, it is computed from the bytes that are there now."""
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self._chunks(key):
                digest.update(chunk)
                size += len(chunk)
        except Missing:
            return None
        return Stored(key, size, digest.hexdigest())

    def copy(
        self,
        source: str,
        target: str,
        *,
        storage_class: str = "",
        lock_until: float | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        path = self._path(source)
        with self._said(source):
            path.open("rb").close()
        return self.put(target, path, lock_until=lock_until)

    def delete(self, key: str) -> None:
        path = self._path(key)
        if not self._is_there():
            return
        with self._said(key):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)

    def restore(self, key: str, days: int, speed: str = "Standard") -> None:
        """Everything in a folder is readable."""

    def hold(self, key: str, *, on: bool, version: str = "") -> bool:
        return False

    def check(self) -> None:
        self.put(TRIED, b"shipper")
        next(self.list(), None)
        if self.get(TRIED) != b"shipper":
            raise ObjectError(f"{self.where}: what was written reads differently; look after that disk")
        self.delete(TRIED)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key, self.where)

    def _chunks(self, key: str) -> Iterator[bytes]:
        path = self._path(key)
        with self._said(key), path.open("rb") as handle:
            while chunk := handle.read(CHUNK_BYTES):
                yield chunk

    def _is_there(self) -> bool:
        """False: nothing was put yet. Raises `Unreachable` when that can't be told."""
        if self._folder.is_dir():
            return True
        if self._root.is_dir() and not self._folder.exists():
            return False
        raise self._gone()

    def _incoming(self) -> Path:
        self._is_there()
        folder = self._folder / INCOMING
        make_folder(folder, self._root)
        if not self._swept:
            sweep(folder)
            self._swept = True
        return folder

    def _walk(self, prefix: str) -> Iterator[tuple[str, int]]:
        for folder, names, files in os.walk(self._folder, onerror=_raise):
            names[:] = [name for name in names if not name.startswith(".")]
            for name in files:
                path = Path(folder, name)
                key = path.relative_to(self._folder).as_posix()
                if key.startswith(prefix) and not name.endswith(TEMPORARY):
                    yield key, path.stat().st_size

    def _refuse_lock(self, lock_until: float | None) -> None:
        if lock_until is not None:
            raise ObjectError(
                f"{self.where}: a folder can't lock an object; write an s3:// place, or take out `lock: true`"
            )

    @contextmanager
    def _said(self, key: str) -> Iterator[None]:
        """What the system says, as one line."""
        try:
            yield
        except OSError as error:
            raise self._error(key, error) from error

    def _error(self, key: str, error: OSError) -> ObjectError:
        what = f"{self.where}/{key}" if key else self.where
        reason = error.strerror or type(error).__name__
        if isinstance(error, FileExistsError):
            return Exists(f"{what}: something is there already")
        if isinstance(error, NotADirectoryError) and not self._folder.is_dir():
            return self._gone()
        if isinstance(error, FileNotFoundError) and not self._folder.is_dir():
            missing = Missing(f"{what}: there is no such object, and no archive yet")
            return missing if self._root.is_dir() else self._gone()
        if isinstance(error, (FileNotFoundError, IsADirectoryError)):
            return Missing(f"{what}: there is no such object")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ObjectError(f"{self.where}: no room for {key} ({reason}); make room on that disk")
        if error.errno in _REFUSED:
            return ObjectError(f"{what}: {reason}; let the user who runs shipper read and write there")
        if error.errno in _LATER:
            return Unreachable(f"{what}: {reason}; look after that disk, or what is mounted there")
        return ObjectError(f"{what}: {reason}")

    def _gone(self) -> ObjectError:
        if self._folder.exists():
            return ObjectError(f"{self.where}: is no folder; write another place")
        return Unreachable(f"{self.where}: the folder {self._root} is not there; make it, or mount what belongs there")


def _link(path: Path, target: Path) -> None:
    """Raises `FileExistsError` also when two do it at the same time."""
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(path, target)


def _raise(error: OSError) -> NoReturn:
    raise error
