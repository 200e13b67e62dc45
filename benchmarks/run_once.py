"""What `shipper run --once` costs: `run_once.py [--count 1000000] [--rounds 3]`.

A generated file is read into the `null` sink and into the embedded store, with all shipped rules, secrets and redaction
on. CPU is user and system time of the process and of all that it waited for; start-up is a run over an empty file;
memory is the peak of resident memory of the process itself and of the largest of its children. Medians over the rounds.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SINKS = ("null", "embedded")
LOOK_EVERY_SECONDS = 0.02

CALL = "from shipper.cli.main import main; main()"

PIPELINE = """\
sources:
  - type: tail
    paths: ["{log}"]
    dataset: backend
detect:
  rules: ["{pipelines}/rules"]
  secrets: ["{pipelines}/secrets"]
sinks:
  - {sink}
"""

HEADER = ("sink", "CPU-s per million", "start-up CPU-s", "records/s", "peak MiB", "children MiB")


class Cost(NamedTuple):
    """Of one run: seconds of CPU and of wall time, peak memory in MiB of the process and of its largest child."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    children_mib: float


class Peaks:
    """The highest resident memory of a process and of those below it, looked up while they run."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.kib: dict[int, int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY_SECONDS):
            for pid in (self._pid, *descendants(self._pid)):
                self.kib[pid] = max(self.kib.get(pid, 0), high_water_kib(pid))

    @property
    def own_mib(self) -> float:
        return self.kib.get(self._pid, 0) / 1024

    @property
    def children_mib(self) -> float:
        return max((kib for pid, kib in self.kib.items() if pid != self._pid), default=0) / 1024


def descendants(pid: int) -> list[int]:
    """Process ids below one; empty where there is no /proc."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def high_water_kib(pid: int) -> int:
    """`VmHWM` of a process, 0 when it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def run(pipeline: Path, data: Path) -> Cost:
    """Runs the pipeline once over an empty data folder."""
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-c", CALL, "run", str(pipeline), "--once", "--data", str(data)]
    start = time.perf_counter()
    with (data.parent / "stderr").open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    peaks = Peaks(process.pid)
    with peaks.watching():
        _, code, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{(data.parent / 'stderr').read_text()}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, peaks.own_mib, peaks.children_mib)


def generated(count: int, seed: int) -> Path:
    """The input: made once, kept in the temporary folder as long as the generator stays the same."""
    sources = b"".join((HERE / name).read_bytes() for name in ("generate.py", "messages.py"))
    version = hashlib.sha256(sources).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / "shipper-benchmark"
    folder.mkdir(exist_ok=True)
    log = folder / f"{count}-{seed}-{version}.log"
    if not log.exists():
        new = log.with_suffix(".new")
        wanted = ["--count", str(count), "--seed", str(seed), "--out", str(new)]
        subprocess.run([sys.executable, str(HERE / "generate.py"), *wanted], check=True, stdout=subprocess.DEVNULL)
        new.rename(log)
    return log


def pipeline_file(folder: Path, sink: str, log: Path, **settings: object) -> Path:
    """A pipeline with one sink, of this type and with these settings, and everything that ships."""
    file = folder / f"{sink}-{log.stem}.yml"
    described = json.dumps({"type": sink, **settings})
    file.write_text(PIPELINE.format(log=log, sink=described, pipelines=HERE.parent / "pipelines"))
    return file


def measure(count: int, rounds: int, seed: int) -> dict[str, tuple[list[Cost], list[Cost]]]:
    """Per sink: the runs, and the runs over an empty file; the sinks take turns, so that all suffer the same noise."""
    log = generated(count, seed)
    costs: dict[str, tuple[list[Cost], list[Cost]]] = {sink: ([], []) for sink in SINKS}
    with tempfile.TemporaryDirectory(prefix="shipper-run-") as name:
        folder = Path(name)
        (folder / "empty.log").touch()
        for number in range(rounds):
            for sink in SINKS:
                print(f"round {number + 1} of {rounds}: {sink}", file=sys.stderr)
                full, empty = costs[sink]
                full.append(run(pipeline_file(folder, sink, log), folder / "data"))
                empty.append(run(pipeline_file(folder, sink, folder / "empty.log"), folder / "data"))
    return costs


def row(sink: str, count: int, full: list[Cost], empty: list[Cost]) -> tuple[str, ...]:
    """A line of the table."""
    millions = count / 1e6

    def median(costs: list[Cost], name: str) -> float:
        return float(statistics.median(getattr(cost, name) for cost in costs))

    cpu = [cost.cpu_s / millions for cost in full]
    return (
        sink,
        f"{statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f})",
        f"{median(empty, 'cpu_s'):.2f}",
        f"{count / median(full, 'wall_s'):,.0f}",
        f"{median(full, 'peak_mib'):.0f}",
        f"{median(full, 'children_mib'):.0f}",
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table with columns of equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="records")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    costs = measure(wanted.count, wanted.rounds, wanted.seed)
    print(table([HEADER, *(row(sink, wanted.count, *costs[sink]) for sink in SINKS)]))
    print(
        f"\n{wanted.count:,} records, medians of {wanted.rounds} rounds; start-up is part of the CPU, per million too."
    )


if __name__ == "__main__":
    main()
