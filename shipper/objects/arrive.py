"""Files that have their name only when they are whole."""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shipper.objects.store import ObjectError, Told

CHUNK_BYTES = 1 << 20
TEMPORARY = ".part"


@contextmanager
def arriving(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file of a name of its own, and its path; whoever wants to keep it renames it. Nothing else is left of it.

    It is locked while it is written: that is how `sweep` knows one that a kill has left.
    """
    path = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
    handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
    try:
        with handle:
            with contextlib.suppress(OSError):  # Some network folders know no locks.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield handle, path
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what a kill has left of files that were arriving in a folder."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError), path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


def pour(chunks: Iterable[bytes], handle: BinaryIO, told: Told | None = None) -> str:
    """Writes all chunks; returns their SHA-256 in hex."""
    digest = hashlib.sha256()
    for chunk in chunks:
        handle.write(chunk)
        digest.update(chunk)
        if told is not None:
            told(len(chunk))
    return digest.hexdigest()


def chunks_of(source: bytes | Path) -> Iterator[bytes]:
    """The bytes, or a file's, in pieces. Raises `ObjectError` that names the file."""
    if isinstance(source, bytes):
        yield source
        return
    with local(source), source.open("rb") as handle:
        while chunk := handle.read(CHUNK_BYTES):
            yield chunk


def sha256_of(source: bytes | Path) -> str:
    """In hex."""
    digest = hashlib.sha256()
    for chunk in chunks_of(source):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def local(path: Path) -> Iterator[None]:
    """What the system says of a file of this machine, as one line."""
    try:
        yield
    except OSError as error:
        advice = "; make room on that disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise ObjectError(f"{path}: {error.strerror or type(error).__name__}{advice}") from error
