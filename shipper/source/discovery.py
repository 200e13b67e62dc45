"""Which files the patterns mean: live files, and those of which only a rotated sibling stands there."""

import errno
import glob
import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import PurePath

from shipper.source.cursor import base_name, is_sibling, rotation_date
from shipper.source.listing import Stamp, stamp

EVERY_S = 1.0
FULL_EVERY_S = 10.0
"""Also without a change of the folders: what a symbolic link leads to changes no folder of ours."""
SHARE = 50
"""Looking for new files takes at most one part in so many of the CPU time."""


class Discovery:
    """`patterns` and `exclude` are globs; times are monotonic seconds."""

    def __init__(self, patterns: Sequence[str], exclude: Sequence[str]) -> None:
        self.patterns = [os.path.abspath(pattern) for pattern in patterns]
        self._exclude = list(exclude)
        self.folders = sorted({os.path.dirname(p) for p in self.patterns if not glob.has_magic(os.path.dirname(p))})
        self._fixed = not any(glob.has_magic(os.path.dirname(pattern)) for pattern in self.patterns)
        self._stamps: list[Stamp | None] = []
        self._next = self._full = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time to look, and something may be new."""
        if now < self._next:
            return False
        self._next = now + EVERY_S
        stamps = [_stamp(folder) for folder in self.folders]
        changed = not self._fixed or None in stamps or stamps != self._stamps or now >= self._full
        self._stamps = stamps
        return changed

    def soon(self, now: float) -> None:
        """A notice tells of a file that is not known."""
        self._next = min(self._next, now + EVERY_S / 10)

    def took(self, now: float, seconds: float) -> None:
        """What the last look cost, in seconds of CPU."""
        self._full = now + FULL_EVERY_S
        self._next = max(self._next, now + SHARE * seconds)

    def bases(self, known: Callable[[str], bool]) -> list[str]:
        """Live files that are not known yet, real files before symbolic links."""
        found = {path for pattern in self.patterns for path in glob.glob(pattern, recursive=True)}
        found |= {path for pattern in self.patterns for path in glob.glob(pattern + ".[0-9]*", recursive=True)}
        bases = {self._base(path, known) for path in found if not known(path)}
        new = [base for base in bases if base and not known(base) and not self._excluded(base)]
        return sorted(new, key=lambda path: (os.path.islink(path), path))

    def _base(self, path: str, known: Callable[[str], bool]) -> str:
        if not os.path.isfile(path):
            return ""
        folder, name = os.path.split(path)
        base = os.path.join(folder, base_name(name))
        if is_sibling(path, self.patterns) and (not rotation_date(name) or known(base) or os.path.isfile(base)):
            return base
        # A date alone makes no sibling: some programs write each day to a file of its own.
        return path if any(_matches(path, pattern) for pattern in self.patterns) else ""

    def covers(self, base: str) -> bool:
        """Whether a file that need not be there now is meant."""
        return any(_matches(base, pattern) for pattern in self.patterns) and not self._excluded(base)

    def _excluded(self, path: str) -> bool:
        return any(fnmatch(path, pattern) for pattern in self._exclude)

    def refused(self) -> list[tuple[str, OSError]]:
        """Folders that stand there and may not be listed: a glob finds nothing in them and does not say why."""
        denied = OSError(errno.EACCES, os.strerror(errno.EACCES))
        return [(one, denied) for one in self.folders if os.path.isdir(one) and not os.access(one, os.R_OK | os.X_OK)]


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) if "**" in pattern else PurePath(path).match(pattern)


def _stamp(folder: str) -> Stamp | None:
    try:
        return stamp(folder)
    except OSError:
        return None
