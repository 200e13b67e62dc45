"""Starts the example: a real supervisord, and under it the backend and its traffic.

Everything is written below one folder: the configuration, supervisord's own log, and `log/backend.out.log` and
`log/backend.err.log` with their rotated siblings, as under `/var/log/supervisor`.
"""

import shlex
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from shipper.errors import ShipperError, UsageError
from shipper.example.client import Client

PACKAGES = ("supervisor", "fastapi", "uvicorn")

START_SECONDS = 30.0
STOP_SECONDS = 10.0
"""A little longer than supervisord's leash gives it."""

# Paths are relative to the folder that supervisord is started in: a path in here is expanded twice.
CONFIGURATION = """\
[supervisord]
logfile = supervisord.log
pidfile = supervisord.pid
childlogdir = log
silent = true

[program:backend]
command = {python} -P -m shipper.example.backend --port {port}
environment = ENABLE_JSON_LOGGING="true",PYTHONUNBUFFERED="1"
stdout_logfile = log/backend.out.log
stderr_logfile = log/backend.err.log
stdout_logfile_maxbytes = {maxbytes}
stderr_logfile_maxbytes = {maxbytes}
stdout_logfile_backups = 10
stderr_logfile_backups = 10
stopwaitsecs = 3

[program:traffic]
command = {python} -P -m shipper.example.traffic --port {port} --rate {rate}
stdout_logfile = traffic.log
redirect_stderr = true
stdout_logfile_maxbytes = 100KB
stdout_logfile_backups = 1
stopwaitsecs = 2
"""


class Simulation:
    """A running example. `start`, then `stop`; what it started dies with this process in any case."""

    def __init__(self, folder: Path, port: int = 0, rate: float = 4.0, maxbytes: str = "32KB") -> None:
        """`port` 0 takes a free one; `rate` is ordinary requests a second; `maxbytes` is where logs rotate.

        Raises `UsageError` when a package is missing or the port is taken.
        """
        need_packages()
        self.folder, self.port = folder, free_port(port)
        self.logs = folder / "log"
        self.url = f"http://127.0.0.1:{self.port}"
        self._text = configuration(self.port, rate, maxbytes)
        self._supervisord: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts supervisord, which starts the rest; does not wait until the backend answers."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in ("backend.out.log", "backend.err.log"):
            # There from the beginning, so that nobody who follows them wonders where they are.
            (self.logs / name).touch()
        (self.folder / "supervisord.conf").write_text(self._text)
        with (self.folder / "supervisord.err").open("wb") as errors:
            self._supervisord = subprocess.Popen(
                [sys.executable, "-P", "-m", "shipper.example.leash", "--nodaemon", "--configuration=supervisord.conf"],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # A Ctrl-C in the terminal is for the demo, which then stops its children in order.
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises `ShipperError` when supervisord is gone."""
        if self._supervisord is not None and self._supervisord.poll() is not None:
            place = self.folder / "supervisord.err"
            raise ShipperError(f"demo: supervisord ended by itself ({said(place, 0)}); see {place}")

    def wait_until_up(self, stop: Event) -> None:
        """Waits for the backend's first answer, or until `stop` is set. Raises `ShipperError` when there is none."""
        client = Client("127.0.0.1", self.port)
        for _ in range(int(START_SECONDS / 0.2)):
            if client.up() or stop.wait(0.2):
                return
            self.check()
        place = self.logs / "backend.err.log"
        raise ShipperError(f"demo: the backend did not start ({said(place, -1)}); see {place}")

    def stop(self) -> None:
        """Ends all of it, and returns when it has ended."""
        if self._supervisord is None:
            return
        assert self._supervisord.stdin is not None
        self._supervisord.stdin.close()
        try:
            self._supervisord.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisord.kill()
            self._supervisord.wait()
        self._supervisord = None


def need_packages() -> None:
    """Raises `UsageError` when a package of the example is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(f"demo: not installed: {', '.join(missing)}; run: pip install 'shipper[demo]'")


def free_port(wanted: int) -> int:
    """The port, or a free one for 0. Raises `UsageError` when it is taken or not allowed."""
    with socket.socket() as probe:
        # As uvicorn does, so that a connection of the last run that is still closing is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise UsageError(
                f"demo: port {wanted} on 127.0.0.1: {error.strerror}; choose another --port, or none"
            ) from None
        port: int = probe.getsockname()[1]
        return port


def configuration(port: int, rate: float, maxbytes: str) -> str:
    """supervisord's configuration file."""
    python = shlex.quote(sys.executable).replace("%", "%%")
    return CONFIGURATION.format(python=python, port=port, rate=rate, maxbytes=maxbytes)


def said(path: Path, line: int) -> str:
    """The first (0) or last (-1) line of a log, for an error message."""
    try:
        lines = [text.strip() for text in path.read_text(errors="replace").split("\n") if text.strip()]
    except OSError:
        lines = []
    return lines[line] if lines else "it said nothing"
