"""Folders that are still there after a power cut."""

import os
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Makes names in a folder durable: files created, renamed or removed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Makes a file's bytes durable, whoever wrote them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, root: Path) -> None:
    """Creates a folder below `root` (mode 0700), durably, with those in between."""
    if folder == root or folder.is_dir():
        return
    make_folder(folder.parent, root)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def create_file(path: Path, root: Path) -> int:
    """Opens a file below `root` for reading and writing, new if it is not there, durably; returns its handle."""
    while True:
        make_folder(path.parent, root)
        # Whoever deletes the last file of a day removes its folder, maybe right now.
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            break
    try:
        sync_folder(path.parent)
    except OSError:
        os.close(handle)
        raise
    return handle


def leave_folder(folder: Path) -> None:
    """Makes it durable that files in a folder were removed; one that holds nothing any more goes too."""
    with suppress(FileNotFoundError):
        sync_folder(folder)
    with suppress(OSError):
        folder.rmdir()
