"""A real supervisord rotates at 64 KB while a program writes, and `shipper run` follows: every line exactly once."""

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.shipper import STOP_WITHIN_SECONDS, Said, Shipper, line
from tests.services.supervisor import Supervisor, supervised, wait_for

COUNT = 6000
RATE = 2500


def cut_lines(backend: Supervisor) -> int:
    """How many rotated files end in the middle of a line."""
    return sum(not content.endswith(b"\n") for content in backend.contents()[:-1])


def ended_well(said: Said) -> bool:
    """Code 0, and nothing on stderr that somebody would have to look at."""
    return said.code == 0 and not any(word in said.err for word in ("Traceback", '"error"', '"warning"'))


@pytest.mark.parametrize("block", [0, 4001, 9973])
def test_every_line_once_while_following(tmp_path: Path, block: int) -> None:
    """Line by line, and in blocks that end anywhere: the lines that a rotation cuts in two included."""
    shipper = Shipper(tmp_path, seal_rows=1500)
    with supervised(tmp_path, count=COUNT, rate=RATE, block=block, backups=99) as backend:
        with shipper.following() as run:
            wait_for(lambda: backend.written(COUNT))
            wait_for(lambda: shipper.count() >= COUNT)
            said = run.end()
        assert len(backend.files()) > 5
        assert bool(cut_lines(backend)) == bool(block)
    assert ended_well(said), said
    assert shipper.numbers() == list(range(COUNT))
    assert {record["event.kind"] for record in shipper.records()} == {"event"}


def test_every_line_once_when_old_files_are_removed_meanwhile(tmp_path: Path) -> None:
    """Only two backups are kept: what is removed has been read, or is read through the handle still held."""
    shipper = Shipper(tmp_path)
    with shipper.following() as run:
        wait_for(lambda: "no file matches yet" in run.err)
        with supervised(tmp_path, count=COUNT // 2, rate=700, block=4001, backups=2) as backend:
            wait_for(lambda: backend.written(COUNT // 2))
            assert len(backend.files()) == 3
            wait_for(lambda: shipper.count() >= COUNT // 2)
        said = run.end()
    assert (said.code, '"error"' in said.err) == (0, False), said
    assert shipper.numbers() == list(range(COUNT // 2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_line_once_when_stopped_during_rotations(tmp_path: Path, number: int) -> None:
    """Stopped and started again and again, with rotations in between: each time it reads on where it stopped."""
    shipper = Shipper(tmp_path, seal_rows=1500)
    rotations = []
    with supervised(tmp_path, count=COUNT, rate=RATE // 2, block=4001, backups=99) as backend:
        while not backend.written(COUNT) or len(rotations) < 3:
            run = shipper.start()
            wait_for(lambda run=run: '"following"' in run.err)
            time.sleep(0.3)
            said = run.end(number)
            assert ended_well(said), said
            before = len(backend.files())
            time.sleep(0.6)
            rotations.append(len(backend.files()) - before)
        assert cut_lines(backend) > 0
    shipper.once()
    assert sum(rotations) > 0
    assert shipper.numbers() == list(range(COUNT))
    assert {record["event.kind"] for record in shipper.records()} == {"event"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_well(tmp_path: Path, number: int) -> None:
    """Rules are still being compiled: it ends as soon as they are, with nothing left in between."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(line(n=0))
    run = shipper.start()
    wait_for((shipper.data / "tail.lock").exists)
    said = run.end(number)
    assert ended_well(said), said
    shipper.once()
    assert shipper.numbers() == [0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_ten_seconds(tmp_path: Path, number: int) -> None:
    """What was read is stored by then, and the exit code is 0."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(b"".join(line(n=n) for n in range(20_000)))
    run = shipper.start()
    wait_for(lambda: '"following"' in run.err)
    started = time.monotonic()
    said = run.end(number)
    assert time.monotonic() - started < STOP_WITHIN_SECONDS
    assert ended_well(said), said
    stored = shipper.numbers()
    assert stored == list(range(len(stored)))
