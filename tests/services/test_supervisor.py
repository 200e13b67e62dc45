"""The supervisord that other tests use does to its logs what the real one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.services.processes import alive
from tests.services.supervisor import Supervisor, supervised, wait_for


def numbers(content: bytes) -> list[int]:
    return [orjson.loads(line)["n"] for line in content.splitlines()]


def test_rotates_and_keeps_every_line(tmp_path: Path) -> None:
    """Read from the oldest sibling on, the files hold every line once."""
    with supervised(tmp_path, count=3000, block=4001) as supervisor:
        wait_for(lambda: supervisor.written(3000))
        assert len(supervisor.files()) > 3
        assert numbers(supervisor.content()) == list(range(3000))


def test_rotation_cuts_a_line_in_two(tmp_path: Path) -> None:
    """With a program that writes in blocks, some file ends in the middle of a line."""
    with supervised(tmp_path, count=3000, block=4001) as supervisor:
        wait_for(lambda: supervisor.written(3000))
        ends = [content[-1:] for content in supervisor.contents()[:-1]]
    assert set(ends) != {b"\n"}


def test_line_by_line_and_slowly(tmp_path: Path) -> None:
    """With a rate and without blocks, lines come one by one and stay whole."""
    with supervised(tmp_path, count=100_000, rate=500) as supervisor:
        wait_for(lambda: supervisor.log.exists() and supervisor.log.stat().st_size > 5000)
        assert supervisor.pid > 0


def test_clear_begins_a_new_file(tmp_path: Path) -> None:
    """`supervisorctl clear` leaves an empty log that goes on to be written."""
    with supervised(tmp_path, count=50) as supervisor:
        wait_for(lambda: supervisor.written(50))
        supervisor.clear()
        wait_for(lambda: supervisor.log.read_bytes() == b"")
        supervisor.stop_program()
        supervisor.start_program()
        wait_for(lambda: supervisor.written(50))


def test_reopens_on_sigusr2(tmp_path: Path) -> None:
    """After an outside rename, SIGUSR2 makes supervisord begin a new file."""
    with supervised(tmp_path, count=50) as supervisor:
        wait_for(lambda: supervisor.written(50))
        supervisor.log.rename(supervisor.log.with_name("moved"))
        supervisor.signal("USR2")
        wait_for(supervisor.log.exists)


@pytest.mark.parametrize("name", ["backend.out.log.1", "backend.out.log"])
def test_a_rotation_meanwhile_neither_hides_nor_doubles_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It happens between the list of files and the reading of one of them."""
    supervisor = Supervisor(tmp_path, tmp_path, None)  # type: ignore[arg-type]
    supervisor.log.parent.mkdir()
    siblings = [supervisor.log, *(supervisor.log.with_name(f"backend.out.log.{number}") for number in (1, 2, 3))]
    for path, text in zip(siblings, (b"c", b"b", b"a"), strict=False):
        path.write_bytes(text)
    read = Path.read_bytes

    def rotated_first(path: Path) -> bytes:
        if path.name == name and not siblings[3].exists():
            for older, newer in reversed(list(zip(siblings[1:], siblings, strict=False))):
                newer.rename(older)
            siblings[0].write_bytes(b"d")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", rotated_first)
    assert (supervisor.content(), len(supervisor.files())) == (b"abcd", 4)


def test_leaves_no_process_behind(tmp_path: Path) -> None:
    """Leaving the block ends supervisord and its program."""
    with supervised(tmp_path, count=10) as supervisor:
        pids = [supervisor.process.pid, supervisor.pid]
        assert [alive(pid) for pid in pids] == [True, True]
    assert [pid for pid in pids if alive(pid)] == []


def test_dies_with_who_started_it(tmp_path: Path) -> None:
    """Even SIGKILL of the test run ends supervisord and its program."""
    code = (
        "import sys, time; from pathlib import Path; from tests.services.supervisor import supervised\n"
        "with supervised(Path(sys.argv[1])) as s: print(s.process.pid, s.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert len(pids) == 2 and 0 not in pids
    wait_for(lambda: not any(alive(pid) for pid in pids))
