"""One process at a time: a lock on a file in the data folder that names its holder and goes with the process."""

import fcntl
import os
from pathlib import Path
from typing import IO

from shipper.errors import LockHeld, ShipperError


def hold(data: Path, name: str) -> IO[str]:
    """Takes the lock `name` (`tail` or `move`) of a data folder until the file is closed or the process ends.

    Raises `LockHeld` with the holder when another process has it.
    """
    path = data / f"{name}.lock"
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise ShipperError(
            f"{path}: cannot be opened ({error.strerror}); give a folder you may write to: --data DIR"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = file.read().strip() or "another process"
        file.close()
        raise LockHeld(
            f"{data}: in use by {holder}; stop that one first, or give another folder: --data DIR"
        ) from error
    file.seek(0)
    file.truncate()
    file.write(f"shipper (process {os.getpid()})")
    file.flush()
    return file


def make_data_folder(data: Path) -> None:
    """Makes the data folder, readable by its owner alone. Raises `ShipperError`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ShipperError(f"{data}: cannot be made ({error.strerror}); give another folder: --data DIR") from error


def held_by(data: Path, name: str) -> str:
    """Who holds the lock, empty when nobody does. Does not wait and does not take it for longer than the look."""
    path = data / f"{name}.lock"
    try:
        file = path.open("r")
    except OSError:
        return ""
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read().strip() or "another process"
    return ""
