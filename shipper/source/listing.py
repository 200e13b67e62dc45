"""What stands on the disk: a family's files, from a listing that no rotation passed through."""

import errno
import os
import stat
import time
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from shipper.source.content import SETTLED_NS
from shipper.source.cursor import Seen, base_name, preferred, reading_order

ATTEMPTS = 6
COARSE_S = 2.0
"""Times that are handed on may lose as much: some tools and file systems count whole seconds, or two."""
NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

Stamp = tuple[int, int, int]


class Moved(Exception):
    """A rotation passed between a look and what it was for: nothing can be told of it, look again."""


class Listing(NamedTuple):
    """Oldest first."""

    seen: list[Seen]
    copies: frozenset[str] = frozenset()
    """Paths of compressed files that what they are made of stands beside: they are being written, or were kept."""

    def files(self, known: Container[tuple[int, int]]) -> list[Seen]:
        """Without copies, but for those whose node is `known`: they were none when they were first seen."""
        return [one for one in self.seen if one.path not in self.copies or one.node in known]


def stamp(folder: str) -> Stamp | None:
    """Changes whenever a name in the folder does; None when it is not there, or changed too recently to tell.

    Raises `OSError`.
    """
    try:
        found = os.stat(folder)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    settled = found.st_ctime_ns < time.time_ns() - SETTLED_NS
    return (found.st_dev, found.st_ino, found.st_ctime_ns) if settled else None


class Folders:
    """The names in folders, by the file that they belong to; a folder is listed again only when it changed."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[Stamp, dict[str, list[str]]]] = {}

    def family(self, base: str, elsewhere: Iterable[str] = ()) -> Listing | None:
        """`base` and its rotated siblings, and the files `elsewhere` (the oldest); None while names keep moving.

        Raises `OSError` when the folder may not be listed or there are too many open files.
        """
        folder, name = os.path.split(base)
        elsewhere = list(elsewhere)
        before = None
        for _ in range(ATTEMPTS):
            mark = stamp(folder)
            found = self._look(folder, name, elsewhere, mark)
            # A cascade of renames between listing and looking hides a file; two like answers, or a folder that did
            # not change, had none.
            if mark is not None and mark == stamp(folder):
                return found
            if before is not None and _nodes(before) == _nodes(found):
                return found
            before = found
        return None

    def _look(self, folder: str, name: str, elsewhere: list[str], mark: Stamp | None) -> Listing:
        names = reading_order(name, self._of(folder, mark).get(name, ()))
        paths = dict.fromkeys([*elsewhere, *(os.path.join(folder, one) for one in names)])
        seen = {path: found for path in paths if (found := look_at(path)) is not None}
        return Listing(list(seen.values()), frozenset(path for path in seen if _is_copy(path, seen)))

    def _of(self, folder: str, mark: Stamp | None) -> dict[str, list[str]]:
        known = self._names.get(folder)
        if known is not None and mark is not None and known[0] == mark:
            return known[1]
        names = _by_family(folder)
        if mark is not None and mark == stamp(folder):
            self._names[folder] = mark, names
        return names


def _is_copy(path: str, seen: Mapping[str, Seen]) -> bool:
    """Tools that compress hand the time on to their result: what is older than the file with the same number was made
    of another one, before a rotation put this one there."""
    younger = seen[path].modified + COARSE_S
    return any(one in seen and younger >= seen[one].modified for one in preferred(path))


def _by_family(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                for base in {entry.name, base_name(entry.name)}:
                    found.setdefault(base, []).append(entry.name)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
    return found


def look_at(path: str) -> Seen | None:
    """The regular file at a path. Raises `OSError` when that cannot be told."""
    try:
        found = os.stat(path)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    if not stat.S_ISREG(found.st_mode):
        return None
    return Seen(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime)


def still_there(seen: Seen) -> None:
    """Returns when what was seen at a path stands there now. Raises `Moved` when it does not, `OSError`."""
    found = look_at(seen.path)
    if found is None or found.node != seen.node:
        raise Moved(seen.path)


def _nodes(listing: Listing) -> list[tuple[str, int, int]]:
    return [(seen.path, seen.device, seen.inode) for seen in listing.seen]
