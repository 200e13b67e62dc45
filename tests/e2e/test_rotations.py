"""Files and limits as a real machine has them, one case a test: every line exactly once."""

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.shipper import Running, Shipper, line
from tests.services.supervisor import supervised, wait_for

QUEUED_EVENTS = 16_384
"""Of inotify, unless somebody changed it; what is more is dropped."""


def settled(shipper: Shipper, count: int) -> Callable[[], bool]:
    return lambda: shipper.count() >= count


def test_a_cleared_log(tmp_path: Path) -> None:
    """`supervisorctl clear` deletes the file and makes another one: the open handle still has what was not read."""
    shipper = Shipper(tmp_path)
    with supervised(tmp_path, count=1500, rate=300, maxbytes="50MB") as backend, shipper.following():
        for lines in (300, 700):
            wait_for(settled(shipper, lines))
            backend.clear()
        wait_for(settled(shipper, 1500))
    assert shipper.numbers() == list(range(1500))


@pytest.mark.parametrize("backups", [0, 1])
def test_a_log_that_is_truncated_in_place(tmp_path: Path, backups: int) -> None:
    """`stdout_logfile_backups=0`, or somebody else did it: nothing comes twice, and reading goes on. What is written
    between a look and the truncation is nowhere."""
    shipper = Shipper(tmp_path)
    size = "50MB" if backups else "64KB"
    with supervised(tmp_path, count=1500, rate=300, maxbytes=size, backups=backups) as backend, shipper.following():
        if backups:
            wait_for(settled(shipper, 300))
            os.truncate(backend.log, 0)
        wait_for(lambda: shipper.count("n:1499") == 1)
    stored = shipper.numbers()
    assert (len(stored), len(stored) > 1000) == (len(set(stored)), True)


def test_copytruncate_beside_supervisord_leaves_a_hole(tmp_path: Path) -> None:
    """After its own rotation it writes without O_APPEND, so NULs stand in front of what comes behind the truncation."""
    shipper = Shipper(tmp_path)
    with supervised(tmp_path, count=3000, rate=1000, backups=3) as backend, shipper.following():
        wait_for(lambda: len(backend.files()) > 1 and backend.log.stat().st_size > 20_000)
        copy = backend.log.with_name("backend.out.log-20261124")
        shutil.copy(backend.log, copy)
        os.truncate(backend.log, 0)
        wait_for(lambda: b"\0" in backend.log.read_bytes()[:1])
        wait_for(lambda: backend.written(3000))
        wait_for(lambda: shipper.count("n:2999") == 1)
    stored = shipper.numbers()
    assert (len(stored), len(stored) > 2000, -1 in stored) == (len(set(stored)), True, False)


def test_more_notices_than_the_kernel_keeps(tmp_path: Path) -> None:
    """They are lost while the process rests; no line is."""
    shipper = Shipper(tmp_path)
    logs = [shipper.logs / f"backend.{name}.log" for name in "ab"]
    for log in logs:
        log.write_bytes(b"")
    with shipper.following() as run:
        wait_for(lambda: run.err.count('"following"') == len(logs))
        run.send(signal.SIGSTOP)
        for number in range(QUEUED_EVENTS // 2 + 1000):
            # By turns: two notices of the same file become one.
            for log in logs:
                with log.open("ab") as file:
                    file.write(line(n=number))
        run.send(signal.SIGCONT)
        wait_for(settled(shipper, 2 * (QUEUED_EVENTS // 2 + 1000)))
    assert shipper.numbers() == sorted([*range(QUEUED_EVENTS // 2 + 1000)] * 2)


def test_too_many_open_files(tmp_path: Path) -> None:
    """It says so, goes on with what it can open, and reads the rest when it may."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(line(n=0))
    with shipper.following() as run:
        wait_for(settled(shipper, 1))
        limits = resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (opened(run) + 3, limits[1]))
        for number in range(1, 31):
            (shipper.logs / f"backend.{number:02d}.log").write_bytes(line(n=number))
        wait_for(lambda: "Too many open files" in run.err)
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, limits)
        wait_for(settled(shipper, 31))
    assert shipper.numbers() == list(range(31))


def opened(run: Running) -> int:
    return len(os.listdir(f"/proc/{run.process.pid}/fd"))
