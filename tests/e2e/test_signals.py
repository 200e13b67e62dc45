"""Signals end a run in time whatever it waits for, and what is stored is whole."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.shipper import STOP_WITHIN_SECONDS, Shipper, line
from tests.services.supervisor import wait_for

LINES = 60_000
WAITS_BY_THEN_S = 1.5


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Another process holds the state file, as a backup tool or a shell does."""
    with closing(sqlite3.connect(state, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def test_a_locked_state_keeps_nobody_from_ending(tmp_path: Path) -> None:
    """The main thread waits for it, to store a new file, and the writer with what the other one got."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(line(n=0))
    run = shipper.start()
    wait_for(lambda: shipper.count() == 1)
    with locked(shipper.data / "state.db"):
        shipper.log.with_name("backend.new.log").write_bytes(line(n=1))
        with shipper.log.open("ab") as file:
            file.write(line(n=2))
        time.sleep(WAITS_BY_THEN_S)
        started = time.monotonic()
        said = run.end()
        assert (said.code, time.monotonic() - started < STOP_WITHIN_SECONDS) == (0, True), said
    shipper.once()
    assert shipper.numbers() == [0, 1, 2]


def test_it_may_be_ended_while_it_waits_for_the_state_at_the_start(tmp_path: Path) -> None:
    """Nothing is read yet."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(line(n=0))
    shipper.once()
    with locked(shipper.data / "state.db"):
        run = shipper.start()
        wait_for(lambda: '"starting"' in run.err)
        time.sleep(WAITS_BY_THEN_S)
        assert run.end().code == 0
    shipper.once()
    assert shipper.numbers() == [0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, number: int) -> None:
    """With the code of a process that the signal killed; what is stored is whole, and the next run goes on from there."""
    shipper = Shipper(tmp_path, seal_rows=5000)
    shipper.log.write_bytes(b"".join(line(n=n) for n in range(LINES)))
    run = shipper.start()
    wait_for(lambda: shipper.count() > 0)
    with locked(shipper.data / "state.db"):
        run.send(number)
        time.sleep(WAITS_BY_THEN_S)
        assert run.process.poll() is None
        run.send(number)
        assert run.process.wait(1.0) == 128 + number
    stored = shipper.numbers()
    assert stored == list(range(len(stored)))
    shipper.once()
    assert shipper.numbers() == list(range(LINES))
