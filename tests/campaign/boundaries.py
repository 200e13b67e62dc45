"""What is put around a command in its own process: faults of the store, and death behind writes that last.

A write lasts that another process would find: an object that was put, copied, deleted or held, a transaction of `state.db`,
a file of the hot store that was renamed or removed, a request that changes an index. Whatever else a process does in
between, dying before the next of them leaves the same behind, so it is enough to die behind each once.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import botocore.endpoint

import shipper.archive.parquet
import shipper.everywhere
import shipper.store.seal
from shipper.archive import export
from shipper.clock import SystemClock
from shipper.elastic.connect import Elastic
from shipper.objects.store import ObjectStore
from shipper.state import State
from shipper.store import seal
from tests.faults.objects import Faulty

WRITES = ("put", "copy", "delete", "hold")
_STATEMENT = re.compile(r"(INSERT|UPDATE|DELETE)\b(?: OR REPLACE)?(?: INTO| FROM)? (\w+)")
_NUMBER = re.compile(r"\b\d{6}\b")
"""Of a segment; another one at each attempt."""
_TELLING = re.compile(r"'([a-z]+|\d{4}\.\d\d\.\d\d)'|(receipts/\d+)|WHERE number = (\d+)")

Boundary = Callable[[str], None]


def wait_less(factor: float) -> None:
    """A command that tries again does it soon."""
    sleep = SystemClock.sleep
    SystemClock.sleep = lambda self, seconds: sleep(self, seconds * factor)
    botocore.endpoint.time = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * factor))


def go_ahead(seconds: float) -> None:
    """It is later than it is."""
    now = SystemClock.now
    SystemClock.now = lambda self: now(self) + seconds


def put_faults_around(faults: Sequence[Sequence[Any]]) -> None:
    """`[["unreachable", 2, "put"], …]`: methods of `Faulty` and what they are called with."""
    if faults:
        _wrap_places(lambda store: _faulty(store, faults))


def _faulty(store: ObjectStore, faults: Sequence[Sequence[Any]]) -> ObjectStore:
    faulty = Faulty(store)
    for name, *arguments in faults:
        if name == "slow":
            faulty.slow(*arguments, sleep=SystemClock().sleep)
        else:
            getattr(faulty, name)(*arguments)
    return faulty


def die_behind_new(known: Path, chapter: str, one_in: int) -> None:
    """By SIGKILL, behind the first lasting write of this chapter that does not stand in this file, which it then does.
    Only one in so many, always the same ones, is taken."""
    seen = set(known.read_text().splitlines()) if known.exists() else set()

    def boundary(what: str) -> None:
        line = f"{chapter}: {what}"
        if line not in seen and crc32(line.encode()) % one_in == 0:
            with known.open("a") as file:
                print(line, file=file)
            os.kill(os.getpid(), signal.SIGKILL)

    _wrap_places(lambda store: Watched(store, boundary))
    _watch_elasticsearch(boundary)
    _watch_state(boundary)
    _watch_files(boundary)
    _stay_one_process()


class Watched:
    """An `ObjectStore` whose writes are boundaries."""

    def __init__(self, store: ObjectStore, boundary: Boundary) -> None:
        self._store, self._boundary = store, boundary

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._watched(name, found) if name in WRITES else found

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def write(key: str, *arguments: Any, **options: Any) -> Any:
            done = call(key, *arguments, **options)
            self._boundary(f"{name} {' → '.join([key, *arguments]) if name == 'copy' else key}")
            return done

        return write


def _wrap_places(around: Callable[[ObjectStore], Any]) -> None:
    open_place = shipper.everywhere.open_place
    shipper.everywhere.open_place = lambda *place: around(open_place(*place))


def _watch_elasticsearch(boundary: Boundary) -> None:
    raw = Elastic.raw

    def watched(elastic: Elastic, method: str, path: str, *arguments: Any, **options: Any) -> bytes:
        done = raw(elastic, method, path, *arguments, **options)
        if (method in ("PUT", "DELETE") or "/_bulk" in path) and "/_pit" not in path:
            boundary(f"{method} {path}")
        return done

    Elastic.raw = watched


def _watch_state(boundary: Boundary) -> None:
    transaction = State.transaction

    @contextmanager
    def watched(state: State) -> Iterator[Any]:
        statements: list[str] = []
        with transaction(state) as db:
            db.set_trace_callback(statements.append)
            try:
                yield db
            finally:
                db.set_trace_callback(None)
        boundary("commit: " + "; ".join(filter(None, map(_told, statements))))

    State.transaction = watched


def _told(statement: str) -> str:
    """What a statement is about, without numbers and times that differ from run to run."""
    found = _STATEMENT.match(statement.strip())
    if found is None:
        return ""
    telling = dict.fromkeys(filter(None, (word for row in _TELLING.findall(statement) for word in row)))
    return " ".join([*found.groups(), *telling])


def _watch_files(boundary: Boundary) -> None:
    for name in ("unlink", "rename"):
        _watch_file_calls(name, getattr(Path, name), boundary)


def _watch_file_calls(name: str, call: Callable[..., Any], boundary: Boundary) -> None:
    def watched(path: Path, *arguments: Any, **options: Any) -> Any:
        there = path.exists()
        done = call(path, *arguments, **options)
        lasting = Path(arguments[0]) if name == "rename" else path
        if there and ("hot" in lasting.parts or lasting.name.startswith("erasing")):
            boundary(f"{name} {_NUMBER.sub('N', '/'.join(lasting.parts[-2:]))}")
        return done

    setattr(Path, name, watched)


def _stay_one_process() -> None:
    """The children's work in this process: starting them takes most of the time, and they write nothing that lasts."""
    shipper.archive.parquet.Child = lambda _: _Here(export.answer)
    shipper.store.seal.Child = lambda _: _Here(seal.answer)
    os.fsync = lambda _: None


class _Here:
    """Stands for `store.child.Child`."""

    def __init__(self, work: Callable[[str], str]) -> None:
        self._work = work

    def ask(self, job: str) -> list[str]:
        return [self._work(job)]

    def close(self) -> int:
        return 0
