"""A real supervisord in a temporary folder, with a program that writes numbered JSON lines.

with supervised(tmp_path, count=5000, block=4001) as supervisor:
    wait_for(lambda: supervisor.written(5000))
    supervisor.log            # …/log/backend.out.log, with .1, .2, … beside it
    supervisor.clear()        # supervisorctl clear
    supervisor.signal("USR2") # supervisord opens its logs anew
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

PROGRAM = Path(__file__).with_name("numbered.py")
PATIENCE_SECONDS = 30.0
MOST_LOOKS = 1000
Seen = TypeVar("Seen")

CONFIGURATION = """\
[supervisord]
logfile = supervisord.log
pidfile = supervisord.pid
childlogdir = .
silent = true

[unix_http_server]
file = {socket}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[program:backend]
command = {command}
stdout_logfile = log/backend.out.log
stderr_logfile = log/backend.err.log
stdout_logfile_maxbytes = {maxbytes}
stdout_logfile_backups = {backups}
stderr_logfile_maxbytes = {maxbytes}
stderr_logfile_backups = {backups}
autorestart = false
startsecs = 0
stopwaitsecs = 2
"""


class Supervisor:
    """A running supervisord. It dies with this process, and its program with it."""

    def __init__(self, folder: Path, socket: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder, self.process = folder, process
        self.log = folder / "log" / "backend.out.log"
        self._url = f"unix://{socket}"

    @property
    def rpc(self) -> Any:
        """supervisord's XML-RPC interface, as supervisorctl uses it: `rpc.getState()`."""
        return ServerProxy("http://127.0.0.1", transport=SupervisorTransport("", "", self._url)).supervisor

    @property
    def pid(self) -> int:
        """Of the program, 0 when it is not running."""
        return int(self.rpc.getProcessInfo("backend")["pid"])

    def ready(self) -> bool:
        """Whether it answers and its program runs."""
        if self.process.poll() is not None:
            error = (self.folder / "supervisord.err").read_text()
            raise AssertionError(f"supervisord ended by itself: {error}")
        try:
            return bool(self.rpc.getProcessInfo("backend")["pid"])
        except (OSError, Fault):
            return False

    def files(self) -> list[Path]:
        """The log and its rotated siblings that are there now, oldest first."""
        return self._steady(lambda paths: paths)

    def contents(self) -> list[bytes]:
        """What is in each of the files, oldest first. Only right while nothing is written; rotating may go on."""
        return self._steady(lambda paths: [path.read_bytes() for path in paths])

    def content(self) -> bytes:
        """All that is in the files."""
        return b"".join(self.contents())

    def written(self, count: int) -> bool:
        """Whether the last of `count` lines has come through."""
        last = self._steady(lambda paths: b"".join(path.read_bytes() for path in paths[-2:]))[-2000:]
        return f'{{"n": {count - 1}, '.encode() in last and last.endswith(b"\n")

    def _steady(self, look: Callable[[list[Path]], Seen]) -> Seen:
        """A look at files that were not renamed meanwhile. supervisord renames one after the other: in between a name
        is missing, or two of them were the same file."""
        for _ in range(MOST_LOOKS):
            before = self._there()
            try:
                seen = look(list(before))
            except FileNotFoundError:
                continue
            if self._there() == before:
                return seen
        raise AssertionError(f"{self.log}: renamed faster than it can be looked at")

    def _there(self) -> dict[Path, int]:
        """Name → inode, oldest first."""
        found = {}
        for entry in os.scandir(self.log.parent):
            if entry.name == self.log.name or entry.name.startswith(f"{self.log.name}."):
                # Of the folder's own listing: asking the file could find another one.
                found[Path(entry.path)] = entry.inode()
        age = {path: int(path.suffix[1:]) if path != self.log else 0 for path in found}
        return dict(sorted(found.items(), key=lambda item: -age[item[0]]))

    def clear(self) -> None:
        """`supervisorctl clear backend`: unlinks the logs and opens them anew."""
        self.rpc.clearProcessLogs("backend")

    def stop_program(self) -> None:
        """`supervisorctl stop backend`."""
        self.rpc.stopProcess("backend")

    def start_program(self) -> None:
        """`supervisorctl start backend`: it counts from 0 again, and appends."""
        self.rpc.startProcess("backend")

    def signal(self, name: str) -> None:
        """Sends a signal to supervisord itself: `USR2` makes it open its logs anew."""
        subprocess.run(["kill", f"-{name}", str(self.process.pid)], check=True)

    def stop(self) -> None:
        """Ends supervisord and its program, and returns when both have ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(12)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def supervised(
    folder: Path, *, count: int = 1000, rate: int = 0, block: int = 0, maxbytes: str = "64KB", backups: int = 10
) -> Iterator[Supervisor]:
    """Starts it and waits until it is ready; `rate` in lines a second, `block` in bytes (see `numbered.py`)."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    # The path of a socket may have some hundred characters at most, and pytest's folders are deep.
    short = Path(tempfile.mkdtemp(prefix="sv-"))
    command = f"{sys.executable} -u {PROGRAM} {count} {rate} {block}"
    text = CONFIGURATION.format(socket=short / "sock", command=command, maxbytes=maxbytes, backups=backups)
    (folder / "supervisord.conf").write_text(text)
    with (folder / "supervisord.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper.example.leash", "--nodaemon", "--configuration=supervisord.conf"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    supervisor = Supervisor(folder, short / "sock", process)
    try:
        wait_for(supervisor.ready)
        yield supervisor
    finally:
        supervisor.stop()
        shutil.rmtree(short, ignore_errors=True)


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Returns as soon as the condition holds. Raises `AssertionError` when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.02)
