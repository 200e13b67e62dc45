"""`shipper demo` starts something real, shows it, and leaves nothing behind."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event

import orjson
import pytest
from rich.console import Console

from shipper.cli.demo import plan_for, run_demo
from shipper.config import shipped
from shipper.errors import LockHeld, ShipperError, UsageError
from shipper.example import simulation
from shipper.example.client import Client
from shipper.example.simulation import Simulation, free_port, need_packages
from shipper.lock import hold
from shipper.model import Batch
from tests.services.processes import alive, of_session, working_in
from tests.services.supervisor import wait_for

CALL = "from shipper.cli.main import main; main()"
KINDS = (
    "[high] Failed logins of one user",
    "[high] Failed logins from one address",
    "[high] SQL injection attempt",
    "[high] Anthropic API key",
    "[high] Unhandled exception",
    "[medium] API rate limit hit",
)


def batch(lines: list[bytes]) -> Batch:
    return Batch(lines, [0] * len(lines), [], 0, out=lines)


def follow_json(data: Path, logs: Path, on_commit: Callable[[Batch], None], stop: Event) -> None:
    """Stands for the pipeline: hands on whatever JSON was written in the end."""
    stop.wait()
    text = b"".join(path.read_bytes() for path in logs.glob("backend.out.log*"))
    on_commit(batch([line for line in text.splitlines() if line.startswith(b"{")]))


def fail(data: Path, logs: Path, on_commit: Callable[[Batch], None], stop: Event) -> None:
    raise LockHeld("data: in use by another")


def demo(data: Path, follow=follow_json, seconds: float | None = 3) -> str:
    """Runs it and gives what it printed."""
    out = io.StringIO()
    run_demo(data, 0, seconds, follow, Console(file=out, width=80, highlight=False))
    return out.getvalue()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "data"


@pytest.fixture(scope="module")
def printed(data: Path) -> str:
    """What a whole demo shows, with the real pipeline, until everything that goes wrong in it was seen; then Ctrl-C."""
    command = [sys.executable, "-c", CALL, "demo", "--for", "60s", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        shown = ""
        while not all(kind in shown for kind in KINDS) and (line := process.stdout.readline()):
            shown += line
        process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
        assert (process.wait(), process.stderr.read()) == (0, "")
    return shown


def test_nothing_of_it_goes_elsewhere():
    """Whatever the environment names; only what says how a record is made still counts."""
    named = set(re.findall(r"\$\{((?:SHIPPER|ELASTICSEARCH)_\w+)", (shipped() / "xionimus.yml").read_text("utf-8")))
    chosen = plan_for(Path("/logs"), dict.fromkeys(named - {"SHIPPER_TIMEZONE"}, "named"))
    kinds = [part.module.__name__ for section in chosen.parts.values() for part in section]
    assert kinds == ["shipper.source.tail", "shipper.sink.embedded"]
    assert (chosen.pipeline.sources[0]["paths"], chosen.enrich.service) == (["/logs/backend.*.log"], "named")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_alert_is_shown(printed: str, kind: str) -> None:
    """Well within a minute."""
    assert kind in printed


def test_the_leaked_key_is_shown_struck_out(printed: str) -> None:
    """And is stored nowhere."""
    assert "[REDACTED:anthropic-api-key:" in printed
    assert "sk-ant-" not in printed


def test_the_leaked_key_is_not_stored(printed: str, data: Path) -> None:
    """It stands in the backend's log, and in no other file."""
    key = re.search(rb"sk-ant-api03-\w+", log_bytes(data))
    assert key is not None
    files = [path for path in data.rglob("*") if path.is_file() and path.parent.name != "log"]
    assert [path for path in files if key.group() in path.read_bytes()] == []


def test_every_line_of_the_backend_is_stored(printed: str, data: Path) -> None:
    """What the backend wrote last included: all JSON lines have become records."""
    stored = b"".join(path.read_bytes() for path in data.glob("hot/*/*.ndjson")).splitlines()
    loggers = [orjson.loads(line).get("logger", "") for line in stored]
    written = [line for line in log_bytes(data).splitlines() if line.startswith(b"{")]
    assert len([logger for logger in loggers if logger.startswith("app.")]) == len(written)


def log_bytes(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((data / "demo" / "log").glob("backend.out.log*")))


def test_the_backend_logs_json(printed: str, data: Path) -> None:
    """Its own lines are JSON, uvicorn's are not."""
    lines = log_bytes(data).splitlines()
    own = [orjson.loads(line) for line in lines if line.startswith(b"{")]
    assert {"app.main", "app.api.auth", "app.api.chat"} <= {record["logger"] for record in own}
    assert any(line.startswith(b"INFO:     192.0.2.") for line in lines)


def test_it_tells_where_things_are(printed: str, data: Path) -> None:
    """Health endpoint, logs and data."""
    assert "/api/health" in printed
    assert f"{data}/demo/log/backend.*.log" in printed


def test_it_says_what_to_try_next(printed: str, data: Path) -> None:
    """Commands with the data folder that was used."""
    after = printed.split("Try next:")[1]
    assert all(f"shipper {command} --data {data}" in after for command in ("search 'level:ERROR'", "alerts", "tail"))


def test_the_default_folder_needs_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data` is left out where the next command finds the folder by itself."""
    monkeypatch.setenv("SHIPPER_DATA", str(tmp_path / "data"))
    assert "--data" not in demo(tmp_path / "data", seconds=0)


def test_a_signal_stops_it(tmp_path: Path) -> None:
    """SIGTERM as Ctrl-C: everything ends, in order."""
    timer = threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    assert "nothing is left running" in demo(tmp_path, seconds=None)


def test_nothing_is_left_running(printed: str, data: Path) -> None:
    """Neither supervisord nor a program of it."""
    assert working_in(data / "demo") == []


def test_a_killed_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGKILL ends supervisord, the backend and the traffic as well."""
    code = (
        "import sys, time; from pathlib import Path; from threading import Event\n"
        "from shipper.example.simulation import Simulation\n"
        "s = Simulation(Path(sys.argv[1])); s.start(); s.wait_until_up(Event())\n"
        "print(s._supervisord.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    leader = int(parent.stdout.readline())
    wait_for(lambda: len(of_session(leader)) == 3)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: of_session(leader) == [])


def test_programs_end_when_supervisord_is_killed(tmp_path: Path) -> None:
    """SIGKILL of supervisord itself ends its programs."""
    running = Simulation(tmp_path)
    running.start()
    try:
        running.wait_until_up(Event())
        assert running._supervisord is not None
        leader = running._supervisord.pid
        programs = [pid for pid in of_session(leader) if pid != leader]
        os.kill(leader, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in programs))
        running._supervisord.wait()
        with pytest.raises(ShipperError, match="supervisord ended by itself"):
            running.check()
    finally:
        running.stop()


def test_a_failure_of_the_pipeline_ends_the_demo(tmp_path: Path) -> None:
    """Its error is the demo's, and nothing is left running."""
    with pytest.raises(LockHeld, match="in use by another"):
        demo(tmp_path, follow=fail, seconds=30)
    assert working_in(tmp_path / "demo") == []


def test_one_demo_a_folder(tmp_path: Path) -> None:
    """The second is told so, and starts nothing."""
    with hold(tmp_path, "demo"), pytest.raises(LockHeld, match="in use by"):
        demo(tmp_path)
    assert not (tmp_path / "demo").exists()


def test_a_taken_port_is_named() -> None:
    """With what to do about it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .* choose another --port"):
            free_port(port)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    monkeypatch.setattr(simulation, "PACKAGES", ("no_such_package", "json"))
    with pytest.raises(UsageError, match=r"not installed: no_such_package; run: pip install 'shipper\[demo\]'"):
        need_packages()


def test_a_backend_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the last line of its log."""
    monkeypatch.setattr(simulation, "START_SECONDS", 0.2)
    monkeypatch.setattr(Client, "up", lambda self: False)
    waiting = Simulation(tmp_path)
    waiting.logs.mkdir(parents=True)
    (waiting.logs / "backend.err.log").write_text("Traceback …\nImportError: no fastapi\n\n")
    with pytest.raises(ShipperError, match=r"did not start \(ImportError: no fastapi\)"):
        waiting.wait_until_up(Event())


def test_a_configuration_that_supervisord_refuses(tmp_path: Path) -> None:
    """Its own words are in the error."""
    refused = Simulation(tmp_path, maxbytes="many")
    refused.start()
    wait_for(lambda: refused._supervisord is not None and refused._supervisord.poll() is not None)
    with pytest.raises(ShipperError, match=r"supervisord ended by itself \(Error: .*many"):
        refused.check()
    refused.stop()
