"""`shipper` as people use it: a process of its own, over real files, with a pipeline file and a data folder.

shipper = Shipper(tmp_path, seal_rows=500)
shipper.log.write_bytes(…)
shipper.once()                       # `shipper run --once`; its exit code, stdout and stderr
with shipper.following() as run:     # `shipper run`, ended with SIGTERM
    wait_for(lambda: shipper.count() == 100)
shipper.records()                    # as `shipper search --format json` prints them
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from shipper.cli.main import main; main()"]
PATIENCE_SECONDS = 60.0
STOP_WITHIN_SECONDS = 10.0


class Said(NamedTuple):
    """What a process left behind."""

    code: int
    out: bytes
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """stdout as JSON lines."""
        return [orjson.loads(line) for line in self.out.splitlines()]


class Running:
    """A `shipper` in the background; stdout and stderr go to files."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def out(self) -> bytes:
        return self._out.read_bytes()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> Said:
        """Asks it to end, and waits. Raises `subprocess.TimeoutExpired` when it takes longer than promised."""
        self.send(number)
        self.process.wait(STOP_WITHIN_SECONDS)
        return self.said()

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def said(self) -> Said:
        return Said(self.process.wait(PATIENCE_SECONDS), self.out, self.err)


class Shipper:
    """One pipeline, one data folder, one folder of logs. `sink`, `source` go into the pipeline file."""

    def __init__(self, folder: Path, *, source: dict[str, Any] | None = None, own_rules: bool = False, **sink: Any):
        self.folder = folder
        self.data = folder / "data"
        self.logs = folder / "log"
        self.log = self.logs / "backend.out.log"
        self.pipeline = folder / "pipeline.yml"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
        self.logs.mkdir(parents=True, exist_ok=True)
        shipped = ROOT / "pipelines"
        if own_rules:
            for name in ("rules", "secrets"):
                shutil.copytree(shipped / name, folder / name)
        base = folder if own_rules else shipped
        self.configuration: dict[str, Any] = {
            "sources": [{"type": "tail", "paths": [str(self.logs / "backend.*.log")], **(source or {})}],
            "detect": {"rules": [str(base / "rules")], "secrets": [str(base / "secrets")]},
            "sinks": [{"type": "embedded", **sink}],
        }
        self.write_pipeline()

    def write_pipeline(self, **changes: Any) -> None:
        """The pipeline file anew, with these sections in the place of what stood there."""
        self.configuration |= changes
        self.pipeline.write_text(yaml.safe_dump(self.configuration))

    def __call__(self, *arguments: object, stdin: bytes = b"", code: int | None = 0, data: Path | None = None) -> Said:
        """Runs a command to its end, over the data folder; its exit code has to be `code` (None: any)."""
        words = [*COMMAND, *map(str, arguments), "--data", str(data or self.data)]
        done = subprocess.run(
            words, check=False, input=stdin, capture_output=True, cwd=self.folder, env=self._env, timeout=60
        )
        said = Said(done.returncode, done.stdout, done.stderr.decode())
        assert code in (None, said.code), said
        return said

    @property
    def _env(self) -> dict[str, str]:
        return {**self.env, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::ResourceWarning"}

    def once(self, *options: str, code: int | None = 0) -> Said:
        """`shipper run --once`."""
        return self("run", self.pipeline, "--once", *options, code=code)

    def start(self, *arguments: object) -> Running:
        """A command in the background, without waiting; `run` over the pipeline unless something else is given."""
        place = len(list(self.folder.glob("*.stdout")))
        out, err = (self.folder / f"{place}.{name}" for name in ("stdout", "stderr"))
        words = [*COMMAND, *map(str, arguments or ("run", self.pipeline)), "--data", str(self.data)]
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_err, cwd=self.folder, env=self._env
            )
        return Running(process, out, err)

    @contextmanager
    def following(self, *arguments: object) -> Iterator[Running]:
        """A command in the background that is ended with SIGTERM, unless it has ended, and killed in any case."""
        running = self.start(*arguments)
        try:
            yield running
            if running.process.poll() is None:
                running.end()
        finally:
            running.kill()

    # ── what is stored ────────────────────────────────────────────────────────────────────────────────────────────

    def records(self, query: str = "") -> list[dict[str, Any]]:
        """Stored records, newest first."""
        return self("search", query, "--limit", "0", "--format", "json").objects

    def count(self, query: str = "") -> int:
        """How many records are stored; 0 while there is no data folder."""
        return int(self("search", query, "--count").out) if (self.data / "state.db").exists() else 0

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts, oldest first, then by rule."""
        found = self("alerts", "--format", "json").objects
        return sorted(found, key=lambda alert: (alert["last"], alert["rule"]))

    def numbers(self) -> list[int]:
        """The field `n` of all stored records, ascending: `-1` where there is none."""
        return sorted(record.get("n", -1) for record in self.records())


def line(**fields: Any) -> bytes:
    """A record as the backend writes it."""
    head = {"timestamp": "2026-11-20T10:00:00Z", "level": "INFO", "logger": "app.api.chat"}
    return orjson.dumps({**head, **fields}) + b"\n"


def failed_login(second: int, user: str = "alice", address: str = "203.0.113.7", **fields: Any) -> bytes:
    """A failed login `second` seconds after ten."""
    when = f"2026-11-20T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    message = f"Failed login attempt for user {user} from {address}"
    return line(timestamp=when, level="WARNING", message=message, **fields)
