"""Any sequence of writes, rotations, restarts and crashes: the committed rows are the written bytes, once and in order.

What nobody has seen is not deleted here, for nobody could know how much it was. What was seen and is deleted unread
while nothing runs is lost, and has to be counted to the byte.
"""

import gzip
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipper.source import tail
from shipper.source.cursor import Seen
from shipper.source.reading import HOLE_BYTES
from shipper.source.risk import holds_on_disk
from shipper.state import State
from tests.source.follower import Follower

KEEP = 3
FORMS = {".gz": (gzip.compress, gzip.decompress), ".zst": (zstd.compress, zstd.decompress)}
DEEP = os.environ.get("SHIPPER_CAMPAIGN") == "full"
pytestmark = pytest.mark.timeout(3600)


def first_difference(found, expected):
    """None, or where two streams part and what stands there."""
    if found == expected:
        return None
    at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), -1)
    return at, found[max(0, at - 60) : at + 60], expected[max(0, at - 60) : at + 60]


class Tailing(RuleBasedStateMachine):
    """A writer, its rotations, and a tailer that comes and goes."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tailer-"))
        self.log = self.folder / "b.log"
        self.log.touch()
        self.number = 0
        self.written = b""
        self.unended = b""
        self.hole = self.lost = 0
        self.committed: list[tuple[str, bytes, str]] = []
        self.sunk: dict[str, bytes] = {}
        self.flushed = False
        self.unseen_rotations = 0
        self.seen_packed: set[int] = set()
        self.pause = tail.LINGER_S
        tail.LINGER_S = 0.0
        self.follower: Follower | None = None
        self.start()

    def start(self):
        self.follower = Follower(
            self.folder / "data", self.folder / "b.log*", block=4096, max_line=4096, flush_after_s=100
        )
        self.follower.state._db.execute("PRAGMA synchronous=OFF")

    def end(self):
        self.follower.close()
        self.follower = None

    # ── the writer ──

    @rule(lines=st.integers(0, 60), cut=st.integers(0, 40), pad=st.integers(0, 80))
    def append(self, lines, cut, pad):
        text = self.unended
        for _ in range(lines):
            self.number += 1
            text += b'{"n":%d,"pad":"%s"}\n' % (self.number, b"x" * pad)
        self.number += 1
        following = b'{"n":%d,"pad":"%s"}\n' % (self.number, b"y" * pad)
        cut = min(cut, len(following) - 1)
        self.write(text + following[:cut])
        self.unended = following[cut:] if cut else b""

    def write(self, data):
        """Behind a hole where the writer goes on at the offset that it had before the file was truncated."""
        self.written += data
        with self.log.open("r+b") as file:
            file.seek(max(self.hole, self.log.stat().st_size))
            file.write(data)

    def end_line(self):
        self.write(self.unended)
        self.unended = b""

    # ── rotations ──

    def sibling(self, number):
        """In whichever form it stands there, or None."""
        forms = [self.log.with_name(f"b.log.{number}{form}") for form in ("", *FORMS)]
        return next((path for path in forms if path.exists()), None)

    def shift(self, keep):
        if oldest := self.sibling(keep):
            oldest.unlink()
        for number in range(keep, 1, -1):
            if newer := self.sibling(number - 1):
                form = newer.suffix if newer.suffix in FORMS else ""
                newer.rename(self.log.with_name(f"b.log.{number}{form}"))

    @rule(number=st.integers(1, 5), form=st.sampled_from(sorted(FORMS)))
    def compress(self, number, form):
        """As gzip and zstd do it: the new file is whole before the old one goes."""
        path = self.sibling(number)
        if path is None or path.suffix == form:
            return
        if self.follower is None:
            # A file of which nothing was committed has no bytes by which it could be known in another form.
            self.sunk.clear()
        content = FORMS[path.suffix][1](path.read_bytes()) if path.suffix in FORMS else path.read_bytes()
        target = self.log.with_name(f"b.log.{number}{form}")
        target.write_bytes(FORMS[form][0](content))
        path.unlink()

    @rule(number=st.integers(1, 5))
    def unpack(self, number):
        """Nobody compresses and unpacks between two looks: that is a copy of a file that is gone."""
        path = self.sibling(number)
        if path is None or path.suffix not in FORMS or path.stat().st_ino not in self.seen_packed:
            return
        if self.follower is None:
            self.sunk.clear()
        self.log.with_name(f"b.log.{number}").write_bytes(FORMS[path.suffix][1](path.read_bytes()))
        path.unlink()

    @rule()
    def rotate(self):
        self.make_room()
        self.shift(self.keep)
        self.log.rename(self.log.with_name("b.log.1"))
        self.log.touch()
        self.hole = 0
        self.after_rotation()

    @rule(appends=st.booleans())
    def copytruncate(self, appends):
        if self.follower is None:
            # A file of which nothing was committed has no bytes by which its copy could be known.
            self.sunk.clear()
        if not appends:
            self.end_line()
        self.make_room()
        self.shift(self.keep)
        shutil.copy(self.log, self.log.with_name("b.log.1"))
        size = self.log.stat().st_size
        self.hole = 0 if appends or size < HOLE_BYTES else size
        os.truncate(self.log, 0)
        self.after_rotation()

    @property
    def keep(self):
        return KEEP if self.follower else 100

    def make_room(self):
        """What nobody has seen must not be pushed out."""
        if self.follower and self.sibling(KEEP):
            self.end_line()
            self.look()
        for number in range(self.keep + 1, 200):
            path = self.sibling(number)
            if path is not None:
                self.end_line()
                self.look()
                path.unlink()

    def after_rotation(self):
        self.unseen_rotations += 1
        if self.follower and self.sibling(KEEP):
            self.look()

    @precondition(lambda self: self.follower is not None)
    @rule()
    def truncate(self):
        self.end_line()
        self.look()
        os.truncate(self.log, 0)
        self.hole = 0

    @precondition(lambda self: self.follower is not None)
    @rule(more=st.booleans())
    def clear(self, more):
        """What was written since the last look is read through the handle, which a quiet file may not have."""
        self.end_line()
        self.append(lines=1, cut=5, pad=0)
        self.look()
        if more:
            self.write(self.unended + b"just before\n")
            self.unended = b""
        else:
            self.end_line()
        self.log.unlink()
        if more:
            self.look()
        self.log.touch()
        self.hole = 0
        self.look()

    @precondition(lambda self: self.follower is None and not self.unended and self.all_committed())
    @rule()
    def truncate_while_stopped(self):
        os.truncate(self.log, 0)
        self.hole = 0

    @precondition(lambda self: self.follower is None)
    @rule()
    def delete_oldest_while_stopped(self):
        """What was not read of it is lost."""
        path = next((path for number in range(200, 0, -1) if (path := self.sibling(number))), None)
        rest = None if path is None else self.known_rest(path)
        if rest is None:
            return
        before, _, after = self.written.partition(rest)
        self.written = before + after
        self.lost += len(rest)
        self.sunk.clear()
        path.unlink()

    def known_rest(self, path):
        """What of a file is not committed, if all of it was seen and it is nothing but whole lines."""
        found = path.stat()
        seen = Seen(str(path), found.st_dev, found.st_ino, found.st_size)
        with closing(State(self.folder / "data" / "state.db", readonly=True)) as state:
            there = [one for one in state.files().values() if (one.device, one.inode) == seen.node]
        same = [one for one in there if holds_on_disk(one, seen) and (one.offset or len(there) == 1)]
        if len(same) != 1 or same[0].size != seen.size or path.suffix in FORMS:
            return None
        rest = path.read_bytes()[same[0].offset :]
        at = self.written.find(rest)
        starts_a_line = at == 0 or self.written[at - 1 : at] == b"\n"
        return rest if at >= 0 and starts_a_line and rest.endswith(b"\n") else None

    # ── the tailer ──

    def look(self):
        self.commit_all(self.follower)
        self.unseen_rotations = 0
        siblings = [path for number in range(1, 200) if (path := self.sibling(number))]
        self.seen_packed = {path.stat().st_ino for path in siblings if path.suffix in FORMS}

    def commit_all(self, follower):
        first = len(follower.batches)
        follower.look()
        for batch in follower.batches[first:]:
            self.keep_rows(batch)

    def keep_rows(self, batch):
        for row, line in enumerate(batch.lines):
            self.committed.append((batch.event_id(row), line, batch.odd.get(row, "")))

    @precondition(lambda self: self.follower is not None)
    @rule()
    def follow(self):
        self.look()

    @precondition(lambda self: self.follower is not None)
    @rule()
    def quiet(self):
        self.look()
        self.follower.clock.advance(101)
        self.flushed = True
        self.look()

    @precondition(lambda self: self.follower is not None)
    @rule()
    def stop(self):
        self.follower.tail.stop()
        for batch in self.follower._batches:
            self.follower.state.commit(batch)
            self.keep_rows(batch)
        self.end()

    @precondition(lambda self: self.follower is not None)
    @rule(committed=st.integers(0, 2), sunk=st.booleans(), late=st.booleans())
    def crash(self, committed, sunk, late):
        """Some batches are committed, one may have reached the sink, the others are forgotten."""
        if late:
            self.look()
            self.follower.clock.advance(101)
            self.flushed = True
        state = self.follower.state
        self.follower.clock.advance(2.0)
        while len(batch := next(self.follower._batches)) and committed:
            committed -= 1
            state.commit(batch)
            self.keep_rows(batch)
        if sunk and len(batch):
            if batch.clocked:
                state.commit_intent(batch)
            self.sunk |= {batch.event_id(row): line for row, line in enumerate(batch.lines)}
        self.end()

    @precondition(lambda self: self.follower is None)
    @rule()
    def start_again(self):
        self.start()

    # ── what has to hold ──

    def all_committed(self):
        return self.stream() == self.written

    def stream(self):
        return b"".join(line if odd.startswith("cut") else line + b"\n" for _, line, odd in self.committed)

    @invariant()
    def nothing_twice_nothing_out_of_order(self):
        assert self.written.startswith(self.stream())
        assert len({event_id for event_id, _, _ in self.committed}) == len(self.committed)
        assert self.flushed or not any(odd for _, _, odd in self.committed)

    def teardown(self):
        if not hasattr(self, "follower"):
            return
        if self.follower is None:
            self.start()
        self.end_line()
        self.look()
        self.look()
        lost = sum(one.lost for one in self.follower.state.files().values())
        self.end()
        tail.LINGER_S = self.pause
        shutil.rmtree(self.folder, ignore_errors=True)
        assert first_difference(self.stream(), self.written) is None
        assert self.sunk.items() <= {event_id: line for event_id, line, _ in self.committed}.items()
        assert lost == self.lost


Tailing.TestCase.settings = settings(
    max_examples=1200 if DEEP else 100,
    stateful_step_count=60 if DEEP else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestTailing = Tailing.TestCase
