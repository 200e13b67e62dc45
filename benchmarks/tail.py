"""What following costs and how fast it is: `tail.py [--files 1 1000 10000] [--rates 1 1000] [--seconds 30] [--poll]`.

Idle: so many quiet files, one line each, after `--settle` seconds in which the looks get rarer. CPU is user and system
time of `shipper run` and all below it over `--seconds`, in percent of one core; open files are those of the logs.

Delay: from just before a line is written to the moment at which its record comes out of the `console` sink, which is
asked behind the embedded store: the record is stored by then. All shipped rules, secrets and redaction are on.
`--poll` goes without notices of the file system.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from run_once import CALL, HERE, descendants, table

LINE = '{"timestamp":"2026-11-20T10:00:00Z","level":"INFO","logger":"app.api.chat","message":"Message sent","n":%d}\n'
PATIENCE_S = 180.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def following(folder: Path, *, poll: bool, out: IO[bytes] | int) -> Iterator["subprocess.Popen[bytes]"]:
    """`shipper run` over `folder/log/*.log`."""
    shipped = HERE.parent / "pipelines"
    pipeline = {
        "sources": [{"type": "tail", "paths": [str(folder / "log" / "*.log")], "watch": not poll}],
        "detect": {"rules": [str(shipped / "rules")], "secrets": [str(shipped / "secrets")]},
        "sinks": [{"type": "embedded"}, {"type": "console", "alerts": False}],
    }
    (folder / "pipeline.yml").write_text(json.dumps(pipeline))
    command = [sys.executable, "-c", CALL, "run", str(folder / "pipeline.yml"), "--data", str(folder / "data")]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors)
    try:
        yield process
        if process.poll() is not None:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{(folder / 'stderr').read_text()}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


# ── idle ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cpu_s(pid: int) -> float:
    """User and system time of a process, of all below it, and of those that it waited for."""
    total = 0
    for each in (pid, *descendants(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15] if each == pid else fields[11:13]))
    return total / TICKS_A_SECOND


def open_logs(pid: int, folder: Path) -> int:
    """How many files below a folder a process has open."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(folder) in os.readlink(entry)
        except OSError:
            continue
    return found


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def idle(files: int, seconds: float, settle: float, *, poll: bool) -> tuple[str, ...]:
    """A line of the table."""
    with tempfile.TemporaryDirectory(prefix="shipper-idle-") as name:
        folder = Path(name)
        (folder / "log").mkdir()
        for number in range(files):
            (folder / "log" / f"{number:05d}.log").write_text(LINE % number)
        out = folder / "stdout"
        with out.open("wb") as stdout, following(folder, poll=poll, out=stdout) as process:
            deadline = time.monotonic() + PATIENCE_S
            while out.read_bytes().count(b"\n") < files and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(settle)
            before, began = cpu_s(process.pid), time.monotonic()
            time.sleep(seconds)
            share = (cpu_s(process.pid) - before) / (time.monotonic() - began)
            stored = out.read_bytes().count(b"\n")
            if stored != files:
                raise SystemExit(f"{stored} of {files} lines came through")
            opened = open_logs(process.pid, folder / "log")
            return f"{files:,}", f"{100 * share:.2f}", str(opened), f"{resident_mib(process.pid):.0f}"


# ── delay ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(log: Path, rate: float, seconds: float, written: list[float]) -> None:
    """Lines at a steady rate, each in a write of its own; `written` gets the moments, in monotonic seconds."""
    began = time.monotonic()
    with log.open("ab", buffering=0) as file:
        while time.monotonic() - began < seconds:
            due = began + len(written) / rate
            if (rest := due - time.monotonic()) > 0:
                time.sleep(rest)
            written.append(time.monotonic())
            file.write(LINE.encode() % (len(written) - 1))


def delay(rate: float, seconds: float, *, poll: bool) -> tuple[str, ...]:
    """A line of the table."""
    with tempfile.TemporaryDirectory(prefix="shipper-delay-") as name:
        folder = Path(name)
        (folder / "log").mkdir()
        first = folder / "log" / "first.log"
        first.write_text(LINE % -1)
        written: list[float] = []
        came: dict[int, float] = {}
        with following(folder, poll=poll, out=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            writer = threading.Thread(target=write, args=(first, rate, seconds, written))
            reader = threading.Thread(target=receive, args=(process.stdout, came), daemon=True)
            reader.start()
            time.sleep(3)
            writer.start()
            writer.join()
            deadline = time.monotonic() + PATIENCE_S
            while len(came) < len(written) and time.monotonic() < deadline:
                time.sleep(0.05)
        if len(came) != len(written):
            raise SystemExit(f"{len(came)} of {len(written)} lines came through")
        waits = sorted(1000 * (came[number] - at) for number, at in enumerate(written))
        shown = (statistics.median(waits), waits[int(0.99 * len(waits))], waits[-1])
        return f"{rate:,g}", f"{len(waits):,}", *(f"{wait:.0f}" for wait in shown)


def receive(stream: IO[bytes], came: dict[int, float]) -> None:
    """When each record arrives, by its number."""
    for line in stream:
        now = time.monotonic()
        came[int(line[line.index(b'"n":') + 4 :].partition(b",")[0].rstrip(b"}\n"))] = now


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="*", default=[1, 1000, 10_000])
    parser.add_argument("--rates", type=float, nargs="*", default=[1, 1000], help="lines a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement; three times so long at 1 a s")
    parser.add_argument("--settle", type=float, default=100.0, help="seconds before the idle cost is looked at")
    parser.add_argument("--poll", action="store_true", help="without notices of the file system")
    wanted = parser.parse_args(arguments)
    rows = [idle(files, wanted.seconds, wanted.settle, poll=wanted.poll) for files in wanted.files]
    if rows:
        print(table([("quiet files", "percent of a core", "open files", "MiB"), *rows]), flush=True)
    rows = [delay(rate, wanted.seconds * (3 if rate < 10 else 1), poll=wanted.poll) for rate in wanted.rates]
    if rows:
        print("\n" + table([("lines/s", "lines", "p50 ms", "p99 ms", "longest ms"), *rows]))


if __name__ == "__main__":
    main()
