"""Any way of cutting a file into writes, with rotations, restarts and crashes in between, gives the same records."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper import log
from shipper.clock import ManualClock
from shipper.context import Context
from shipper.decode.stage import Decode
from shipper.source import tail
from shipper.source.tail import Config, Tail
from shipper.state import State

EXAMPLES = 2000 if os.environ.get("SHIPPER_CAMPAIGN") == "full" else 60
TRACE = b'Traceback (most recent call last):\n  File "a.py", line 3, in call\n    {"a": 1}\nValueError: no\n'
KEY = (
    b"-----BEGIN PRI"
    + b"VATE KEY-----\n"
    + b"aB3/" * 16
    + b"\n"
    + b"xY9+" * 5
    + b"==\n-----END PRI"
    + b"VATE KEY-----\n"
)
OVER_LONG = b"x" * 300 + b"\n"
ONE_LINE = st.sampled_from(
    [
        b'{"message":"first"}\n',
        b'{"message":"caf\xc3\xa9","n":[1,{"a":null}]}\n',
        b'{"message":"never ends\n',
        b"INFO:     127.0.0.1:1 - a line of text\n",
        b"caf\xe9\n",
        b"\n",
        b"[1, 2]\n",
    ]
)
SEVERAL_LINES = st.sampled_from([OVER_LONG, TRACE, KEY, b"config:\n  a: 1\n\tb: 2\n", b"ERROR: failed\n" + TRACE])


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """No pauses between looks, and nothing about them in the log."""
    pause, tail.LINGER_S = tail.LINGER_S, 0.0
    log.quieter("error")
    yield
    tail.LINGER_S = pause
    log.quieter("info")


class Record(NamedTuple):
    """What of a row must not depend on how its bytes came."""

    line: bytes
    doc: object
    why: str | None


class Run:
    """A tailer and the decoder behind it, over one file; what comes out is committed unless told otherwise."""

    def __init__(self, folder: Path, *, once: bool = False) -> None:
        self._state = State(folder / "state.db")
        self._state._db.execute("PRAGMA synchronous=OFF")
        self._clock = ManualClock()
        context = Context(folder, self._state, self._clock, once=once)
        config = Config(paths=[str(folder / "b.log")], watch=False, poll_s=0.0001, block=4096, max_line=256)
        self._tail = Tail(config, context)
        self._batches = iter(self._tail)
        self._decode = Decode(quiet=1e9)

    def look(self, *, commit: bool = True) -> list[Record]:
        """The records of one look."""
        self._clock.advance(2.0)
        found: list[Record] = []
        for batch in self._batches:
            nothing = not len(batch) and not batch.progress
            rows = self._decode(batch)
            found += [Record(rows.lines[row], rows.docs[row], rows.odd.get(row)) for row in range(len(rows))]
            if commit:
                self._state.commit(rows)
            if nothing:
                break
        return found if commit else []

    def close(self) -> None:
        self._tail.close()
        self._state.close()


Step = Callable[[Path, Run], tuple[list[Record], Run]]


def nothing(folder: Path, run: Run) -> tuple[list[Record], Run]:
    """More is written before anybody looks."""
    return [], run


def look(folder: Path, run: Run) -> tuple[list[Record], Run]:
    return run.look(), run


def restart(folder: Path, run: Run) -> tuple[list[Record], Run]:
    found = run.look()
    run.close()
    return found, Run(folder)


def crash(folder: Path, run: Run) -> tuple[list[Record], Run]:
    """What was read is lost before it is committed."""
    run.look(commit=False)
    run.close()
    return [], Run(folder)


def rotate(folder: Path, run: Run) -> tuple[list[Record], Run]:
    for number in range(len(list(folder.glob("b.log.*"))), 0, -1):
        (folder / f"b.log.{number}").rename(folder / f"b.log.{number + 1}")
    (folder / "b.log").rename(folder / "b.log.1")
    return [], run


def read(text: bytes, cuts: Iterable[tuple[int, Step]] = ()) -> list[Record]:
    """The records of `text`, written up to each cut, at which a step is taken."""
    with tempfile.TemporaryDirectory(prefix="records-") as name:
        folder, at = Path(name), 0
        path, run = folder / "b.log", Run(folder)
        found: list[Record] = []
        path.touch()
        for cut, step in sorted(cuts, key=lambda each: each[0]):
            with path.open("ab") as file:
                file.write(text[at:cut])
            at = max(at, min(cut, len(text)))
            records, run = step(folder, run)
            found += records
        with path.open("ab") as file:
            file.write(text[at:])
        found += run.look()
        run.close()
        last = Run(folder, once=True)
        found += last.look()
        last.close()
        return found


def cuts(*steps: Step) -> st.SearchStrategy[list[tuple[int, Step]]]:
    return st.lists(st.tuples(st.integers(0, 1200), st.sampled_from(steps)), max_size=8)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ONE_LINE | SEVERAL_LINES, max_size=12).map(b"".join), cuts(nothing, look, restart, crash))
@example(KEY + TRACE, [(60, restart), (100, crash), (150, look), (200, restart)])
def test_the_records_do_not_depend_on_writes_and_restarts(text: bytes, steps: list[tuple[int, Step]]) -> None:
    """Tracebacks and keys of several lines included, wherever they are cut."""
    assert read(text, steps) == read(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ONE_LINE, max_size=12).map(b"".join), cuts(look, restart, crash, rotate))
@example(b'caf\xe9\n{"message":"first"}\n', [(5, rotate)])
def test_the_records_of_lines_do_not_depend_on_rotations(text: bytes, steps: list[tuple[int, Step]]) -> None:
    """A line that a rotation cut, even several times, is one record."""
    assert read(text, steps) == read(text)
