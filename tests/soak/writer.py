"""A program that writes a log, and whatever rotates it: numbered lines, cut anywhere, rotated in every way there is.

What can be deleted without anybody knowing how much it was is deleted only when it was read; what shipper knows may be
deleted unread, and then it has to be counted.
"""

import os
import random
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from shipper.model import Progress
from shipper.source.cursor import Seen
from shipper.source.risk import holds_on_disk
from tests.source.packing import FORMS

KEEP = 6
"""Rotated files."""
SUFFIXES = [f".{form}" for form in FORMS]
BLOCKS = (1, 40, 400)
"""Lines that are written in one go, at most."""


Look = Callable[[], Sequence[Progress]]
"""What is committed of every file."""


class Writer:
    """One log. Used by one thread; `number` and `stride` keep the numbers of several apart."""

    def __init__(self, log: Path, number: int, stride: int, seed: int, look: Look, *, dated: bool = False) -> None:
        self.log, self.lines = log, dict[int, int]()
        """Number of a line → its bytes."""
        self.deleted: set[int] = set()
        """Numbers of lines that stood in a file that was deleted before it was read to its end."""
        self.acts: dict[str, int] = {}
        self._next, self._stride = number, stride
        self._journal = log.parent.parent / "journal"
        self._random = random.Random(seed * 1000 + number)
        self._look = look
        self._rest = b""
        self._append = True
        self._dated = dated
        """Rotated to a date, not to a number: nobody mixes them, and they can't be put in order."""
        self._file = log.open("ab", buffering=0)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, whole: bool = False) -> None:
        """Some lines; `whole` leaves none unfinished."""
        many = self._random.randint(1, self._random.choice(BLOCKS))
        data = self._rest + b"".join(self._line() for _ in range(many))
        cut = len(data) if whole or self._random.random() < 0.5 else self._random.randint(0, len(data))
        self._rest = data[cut:]
        self._put(data[:cut])

    def _line(self) -> bytes:
        number, self._next = self._next, self._next + self._stride
        # No two stretches of a log are alike: shipper knows a file by 1024 bytes of it.
        size = self._random.randint(0, 20_000 if self._random.random() < 0.01 else 300)
        record = {
            "n": number,
            "timestamp": "2026-11-20T10:00:00Z",
            "level": "INFO",
            "message": self._random.randbytes(size // 2).hex(),
        }
        line = orjson.dumps(record) + b"\n"
        self.lines[number] = len(line)
        return line

    def _put(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]

    def _is_cut(self) -> bool:
        """Whether the last line on the disk lacks its end."""
        return bool(self._rest) and not self.log.read_bytes().endswith(b"\n")

    def close(self) -> None:
        self.write(whole=True)
        self._file.close()

    # ── rotating ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def rotate(self) -> None:
        """In one of the ways, by chance."""
        either = [self.cleared, self.truncated, self.moved_away, self.compressed, self.oldest_deleted]
        if self._dated:
            own = [self.renamed_to_a_date, self.copied_to_a_date]
        else:
            own = [self.renamed, self.three_times, self.copied, self.copied_without_append]
        act = self._random.choice(own if self._random.random() < 0.6 else either)
        if act():
            self.acts[act.__name__] = self.acts.get(act.__name__, 0) + 1
            self._note(act.__name__)

    def _note(self, act: str) -> None:
        """For who looks for what went wrong: what stands there after an act."""
        there = [
            (path.name, found.st_ino, found.st_size) for path in (*self._siblings(), self.log) if (found := path.stat())
        ]
        with self._journal.open("a") as journal:
            print(datetime.now(UTC).isoformat(timespec="milliseconds"), act, "next", self._next, *there, file=journal)

    def renamed(self) -> bool:
        """As supervisord does it: a line may go on in the new file, which is opened without O_APPEND."""
        self._file.close()
        if not self._move_up():
            self._open("ab" if self._append else "r+b")
            return False
        self.log.rename(self._sibling(1))
        self._open("wb")
        return True

    def three_times(self) -> bool:
        """With something in each."""
        for _ in range(3):
            if not self.renamed():
                return False
            self.write()
        return True

    def copied(self) -> bool:
        """logrotate's `copytruncate`, of a writer that appends."""
        return self._copytruncate(append=True)

    def copied_without_append(self) -> bool:
        """The writer goes on at its old offset: the file begins with NULs."""
        return self._copytruncate(append=False)

    def _copytruncate(self, *, append: bool) -> bool:
        self._finish_line()
        if not self._move_up():
            return False
        shutil.copy(self.log, self._sibling(1))
        self._truncate(append)
        return True

    def renamed_to_a_date(self) -> bool:
        """logrotate's `dateext`, without `copytruncate`."""
        self._file.close()
        self.log.rename(self._dated_name())
        self._open("ab")
        return True

    def copied_to_a_date(self) -> bool:
        """The same with it."""
        self._finish_line()
        shutil.copy(self.log, self._dated_name())
        self._truncate(append=True)
        return True

    def _dated_name(self) -> Path:
        return self.log.with_name(f"{self.log.name}-20261124-{1_795_478_400 + self._next}")

    def _truncate(self, append: bool) -> None:
        if append != self._append:
            self._file.close()
            self._open("ab" if append else "r+b")
        os.truncate(self.log, 0)

    def cleared(self) -> bool:
        """`supervisorctl clear`, once it was read: nobody could know what the file held."""
        return self._when_read(lambda: (self.log.unlink(), self._open("ab")))

    def truncated(self) -> bool:
        """`backups=0`, once it was read."""
        return self._when_read(lambda: self._open("wb"))

    def _when_read(self, act: Callable[[], object]) -> bool:
        self._finish_line()
        if not self._is_read(self.log):
            return False
        self._file.close()
        act()
        return True

    def moved_away(self) -> bool:
        """To a folder that nobody looks into, once it was read."""
        away = self.log.parent.parent / "away" / f"{self.log.name}.{self._next}"
        away.parent.mkdir(exist_ok=True)
        return self._when_read(lambda: (self.log.rename(away), self._open("ab")))

    def compressed(self) -> bool:
        """One of the rotated files, as a tool does it: the time is kept, the plain one goes last."""
        plain = [path for path in self._siblings() if path.suffix not in SUFFIXES]
        if not plain:
            return False
        path, form = self._random.choice(plain), self._random.choice([*FORMS])
        target = path.with_name(f"{path.name}.{form}")
        target.write_bytes(FORMS[form](path.read_bytes()))
        shutil.copystat(path, target)
        path.unlink()
        return True

    def oldest_deleted(self) -> bool:
        """Read or not: shipper knows how large it is."""
        siblings = self._siblings()
        return bool(siblings) and self._delete(siblings[0])

    # ── the files ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, mode: str) -> None:
        self._file = self.log.open(mode, buffering=0)
        self._append = mode == "ab"
        self._file.seek(0, os.SEEK_END)

    def _finish_line(self) -> None:
        """Nothing of a line is left to another file."""
        self._put(self._rest)
        self._rest = b""

    def _sibling(self, number: int) -> Path:
        return self.log.with_name(f"{self.log.name}.{number}")

    def _siblings(self) -> list[Path]:
        """Rotated, oldest first."""
        found = [path for path in self.log.parent.glob(f"{self.log.name}?*") if _number(path)]
        return sorted(found, key=_number, reverse=not self._dated)

    def _move_up(self) -> bool:
        """Makes room at `.1`; False when the oldest may not be deleted yet."""
        siblings = self._siblings()
        if siblings and _number(siblings[0]) >= KEEP and not self._delete(siblings.pop(0)):
            return False
        for path in siblings:
            suffix = path.suffix if path.suffix in SUFFIXES else ""
            path.rename(self.log.with_name(f"{self.log.name}.{_number(path) + 1}{suffix}"))
        return True

    def _is_read(self, path: Path) -> bool:
        known = self._known(path)
        return known is not None and known.offset == path.stat().st_size

    def _known(self, path: Path) -> Progress | None:
        """An inode is used again and again, so what shipper knows of one may be about another file."""
        found = path.stat()
        seen = Seen(str(path), found.st_dev, found.st_ino, found.st_size)
        there = [one for one in self._look() if (one.device, one.inode) == seen.node]
        same = [one for one in there if holds_on_disk(one, seen) and (one.offset or len(there) == 1)]
        return same[0] if same else None

    def _delete(self, path: Path) -> bool:
        """If shipper knows all of it, or would at least count it right."""
        known = self._known(path)
        if known is None or (path.suffix in SUFFIXES and not known.done):
            return False
        size = path.stat().st_size
        if path.suffix not in SUFFIXES and known.offset < size:
            numbers = _whole_lines(path.read_bytes())
            if known.size != size or numbers is None:
                return False
            self.deleted |= numbers
        path.unlink()
        return True


def _number(path: Path) -> int:
    """By which siblings are ordered."""
    text = re.split(r"[.-]", path.name.removesuffix(".gz").removesuffix(".zst"))[-1]
    return int(text) if text.isdigit() else 0


def _whole_lines(content: bytes) -> set[int] | None:
    """The numbers of the lines; None when there is something else: half a line, or a hole, of which nobody would know
    that it was one."""
    if not content.endswith(b"\n") or not content.startswith(b'{"n":'):
        return None
    return {orjson.loads(line)["n"] for line in content.splitlines()}
