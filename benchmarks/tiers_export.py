"""What moving a day into the archive costs: records a second, CPU-seconds per million, memory, bytes (`tiers.py`).

The records are those of `generate.py`, stored by a real run with the embedded sink. Exporting reads every sealed
segment and hashes its documents, sorts, writes Parquet, reads that back and hashes it: all of what a move needs here.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from generate import generate
from run_once import high_water_kib, pipeline_file, run, table

from shipper.archive.parquet import Export, Exporter
from shipper.state import State
from shipper.store.layout import listed

MIB = 1 << 20
HEADER = ("from", "records", "records/s", "CPU-s per million", "child MiB", "lines MiB", "archive MiB", "lines/archive")
END = datetime(2026, 11, 20, 23, tzinfo=UTC)
HOURS = 22.0


class Cost(NamedTuple):
    """Of a piece of work and the child processes that it ended."""

    cpu_s: float
    wall_s: float


def stored(count: int, seed: int, folder: Path) -> Path:
    """A data folder with the records of one day, nearly all of them sealed."""
    log, data = folder / "backend.out.log", folder / "data"
    generate(log, count, seed, END, HOURS / 24)
    run(pipeline_file(folder, "embedded", log), data)
    return data


def files_of(data: Path) -> list[Path]:
    """The segments of a data folder."""
    with closing(State(data / "state.db")) as state:
        return [segment.path(data) for segment in listed(state, "records")]


@contextmanager
def measured(found: list[Cost]) -> Iterator[None]:
    """Appends what the work inside costs; children count when they have ended."""
    before, started = _cpu_s(), time.perf_counter()
    yield
    found.append(Cost(_cpu_s() - before, time.perf_counter() - started))


def _cpu_s() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def export(files: list[Path], folder: Path) -> tuple[Export, Cost, float]:
    """The export of a day: what came of it, its cost, and the child's peak in MiB."""
    found: list[Cost] = []
    with measured(found), closing(Exporter()) as exporter:
        done = exporter.export(files, folder)
        process = exporter._child.process
        peak = high_water_kib(process.pid) / 1024 if process else 0.0
    return done, found[0], peak


def export_row(name: str, done: Export, cost: Cost, peak_mib: float, lines_bytes: int) -> tuple[str, ...]:
    """A line of the table."""
    rows, archived = done.source.rows, sum(each.path.stat().st_size for each in done.written)
    return (
        name,
        f"{rows:,}",
        f"{rows / cost.wall_s:,.0f}",
        f"{cost.cpu_s / rows * 1e6:.1f}",
        f"{peak_mib:.0f}",
        f"{lines_bytes / MIB:.0f}",
        f"{archived / MIB:.1f}",
        f"{lines_bytes / archived:.1f}",
    )


def from_embedded(count: int, seed: int, folder: Path) -> tuple[str, ...]:
    """Exports a day of the embedded store."""
    data, out = stored(count, seed, folder), folder / "out"
    out.mkdir()
    done, cost, peak = export(files_of(data), out)
    assert sum(each.facts.rows for each in done.written) == done.source.rows
    return export_row("embedded", done, cost, peak, (folder / "backend.out.log").stat().st_size)


def report(count: int, seed: int) -> str:
    """Of one day."""
    with tempfile.TemporaryDirectory(prefix="shipper-tiers-") as name:
        return table([HEADER, from_embedded(count, seed, Path(name))])
