"""What searching the archive takes: seconds, once it was fetched, and bytes fetched (`tiers.py --what search`).

One day of generated records goes through a run; the others are copies of it with times and ids of their own. Each goes
through the exporter. The archive is a folder that is read as a bucket is: by ranges, through the cache. What a network
adds is not in these figures, only what would go over it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from run_once import HERE, pipeline_file, run, table
from tiers_export import files_of

from shipper.archive.ledger import archived, save_archived
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.archive.parquet import Exporter, Written
from shipper.clock import parse_when
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.search.archive import ArchiveStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.state import State
from shipper.store.columns import text
from shipper.store.read import open_duckdb

LAST = datetime(2026, 11, 20, tzinfo=UTC)
"""The day that is generated; the copies lie before it."""
DAY = 250_000
"""Records of a day."""
HOUR = ("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
HEADER = (
    "asked of {records:,} archived records",
    "found",
    "first, s",
    "fetched, s",
    "CPU-s",
    "fetched, MiB",
    "of, MiB",
)
MIB = 1 << 20


class Cost(NamedTuple):
    """One question."""

    found: int
    first_s: float
    """With an empty cache."""
    then_s: float
    """With all that it needs in the cache: median of the rounds."""
    then_cpu_s: float
    fetched: int
    """Bytes."""


class Counting:
    """A folder, as if it were a bucket."""

    where = "s3://benchmark/archive"

    def __init__(self, folder: Path) -> None:
        self._inner = FolderStore(folder)
        self.bytes = 0

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        raw = self._inner.get(key, start, stop)
        self.bytes += len(raw)
        return raw

    def head(self, key: str) -> Any:
        return self._inner.head(key)

    def put(self, key: str, source: Path) -> Any:
        return self._inner.put(key, source)


# ── an archive ────────────────────────────────────────────────────────────────────────────────────────────────────────


def one_day(base: int, seed: int, folder: Path) -> list[Path]:
    """The sealed files of a day, as a run leaves them."""
    log, end = folder / "day.log", LAST + timedelta(days=1, seconds=-1)
    wanted = ["--count", str(base), "--seed", str(seed), "--out", str(log)]
    wanted += ["--end", end.isoformat(), "--days", "0.9999"]
    subprocess.run([sys.executable, str(HERE / "generate.py"), *wanted], check=True, stdout=subprocess.DEVNULL)
    data = folder / "hot"
    run(pipeline_file(folder, "embedded", log, quiet_seconds=0), data)
    return files_of(data)


def moved(day: datetime, sealed: Path, target: Path) -> None:
    """The same records on another day, with other ids, as a sealed file."""
    old, new = f"{LAST:%Y-%m-%d}", f"{day:%Y-%m-%d}"
    back = f"INTERVAL {(LAST - day).days} DAY"
    with open_duckdb(target.parent / "spill", threads=1) as connection:
        some = connection.execute(f'SELECT "event.id" FROM read_parquet({text(sealed)}) LIMIT 1').fetchone()[0]
        file_id = some.rpartition("-")[0]
        other = f"{day:%Y%m%d}{file_id[8:]}"
        doc = f"replace(replace(doc, {text(old)}, {text(new)}), {text(file_id)}, {text(other)})"
        replaced = (
            f'"@timestamp" - {back} AS "@timestamp", {doc} AS doc, '
            f'replace("event.id", {text(file_id)}, {text(other)}) AS "event.id"'
        )
        connection.execute(
            f"COPY (SELECT * REPLACE ({replaced}) FROM read_parquet({text(sealed)})) TO {text(target)} "
            "(FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 16384)"
        )


def exported(day: datetime, source: Path, folder: Path) -> list[Written]:
    """A day as the mover exports it, out of one that was exported already."""
    scratch = folder / f"{day:%Y.%m.%d}"
    scratch.mkdir()
    moved(day, source, scratch / "sealed.parquet")
    return export([scratch / "sealed.parquet"], scratch)


def export(files: list[Path], folder: Path) -> list[Written]:
    with closing(Exporter()) as exporter:
        return exporter.export(files, folder).written


def fill(data: Path, days: int, base: int, seed: int, folder: Path) -> Counting:
    """An archive of so many days with `base` records each, and its ledger."""
    first, objects = export(one_day(base, seed, folder), folder), Counting(data / "archive")
    largest = max(first, key=lambda each: each.facts.rows).path
    names = [LAST - timedelta(days=number) for number in range(days)]
    with closing(State(data / "state.db")) as state, ThreadPoolExecutor(os.cpu_count()) as pool:
        others = pool.map(lambda day: exported(day, largest, folder), names[1:])
        for day, written in zip(names, chain([first], others), strict=True):
            print(f"{day:%Y.%m.%d}", end="\r", file=sys.stderr, flush=True)
            publish(state, objects, f"{day:%Y.%m.%d}", written)
            shutil.rmtree(folder / f"{day:%Y.%m.%d}", ignore_errors=True)
    return objects


def publish(state: State, objects: Counting, day: str, written: Sequence[Written]) -> None:
    """As far as a search needs it."""
    for dataset, path, facts in written:
        stored = objects.put(part_key("warm", dataset, day), path)
        part = Part(stored.key, stored.bytes, stored.sha256, *facts)
        state.run(save_archived("archive", Manifest("warm", dataset, day, (part,), "benchmark", ""), 0.0))


# ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def opened(data: Path, objects: Counting) -> Iterator[ArchiveStore]:
    """As a command opens it."""
    state = State(data / "state.db", readonly=True)
    store = ArchiveStore(data, lambda day: archived(state, day=day), lambda _: objects, cache_bytes=64 << 30)
    store.at_close(state.close)
    try:
        yield store
    finally:
        store.close()


def unreadable(what: str, why: str) -> None:
    raise SystemExit(f"{what}: {why}")


def counted(query: str, since: str = "", until: str = "") -> Callable[[ArchiveStore], int]:
    return lambda store: count([store], asked(query, since, until), unreadable)


def answered(query: str, since: str = "", until: str = "", limit: int = 0) -> Callable[[ArchiveStore], int]:
    return lambda store: sum(1 for _ in search([store], asked(query, since, until), limit, unreadable))


def asked(query: str, since: str, until: str) -> Question:
    return Question(parse(query), *(parse_when(when, 0.0) if when else None for when in (since, until)))


def p95_per_minute(store: ArchiveStore) -> int:
    """Through the view that a search opens: there is no aggregation in the query language."""
    question = Question(parse("*"))
    found = [each for day in store.days(question) for each in store.parts(question, day)]
    with store.connect(found) as connection:
        sql = (
            'SELECT epoch_us("@timestamp") // 60000000 AS minute, quantile_cont("event.duration", 0.95) '
            'FROM records WHERE "event.duration" IS NOT NULL GROUP BY minute'
        )
        return len(connection.execute(sql).fetchall())


QUESTIONS: dict[str, Callable[[ArchiveStore], int]] = {
    "the latest hundred": answered("*", limit=100),
    "one hour, all its records": answered("*", *HOUR),
    "count of log.level:error": counted("log.level:error"),
    "count of message:*abc*": counted("message:*abc*"),
    "p95 of event.duration per minute": p95_per_minute,
    "all records of one user": answered("user_id:user_0042"),
    "the latest hundred of one user": answered("user_id:user_0042", limit=100),
    "count of one user": counted("user_id:user_0042"),
}


def measure(data: Path, objects: Counting, ask: Callable[[ArchiveStore], int], rounds: int) -> Cost:
    """From an empty cache on."""
    shutil.rmtree(data / "cache", ignore_errors=True)
    objects.bytes = found = 0
    walls, cpus = [], []
    for _ in range(rounds + 1):
        with opened(data, objects) as store:
            wall, cpu = time.perf_counter(), time.process_time()
            found = ask(store)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    return Cost(found, walls[0], statistics.median(walls[1:]), statistics.median(cpus[1:]), objects.bytes)


def rows(data: Path, objects: Counting, rounds: int) -> list[tuple[str, ...]]:
    """A line for each question."""
    with opened(data, objects) as store:
        all_bytes = sum(
            each.part.bytes for day in store.days(asked("*", "", "")) for each in store.parts(asked("*", "", ""), day)
        )
    found = []
    for name, ask in QUESTIONS.items():
        cost = measure(data, objects, ask, rounds)
        print(name, cost, file=sys.stderr)
        seconds = (f"{each:.2f}" for each in (cost.first_s, cost.then_s, cost.then_cpu_s))
        found.append((name, f"{cost.found:,}", *seconds, f"{cost.fetched / MIB:.1f}", f"{all_bytes / MIB:.0f}"))
    return found


def report(records: int, rounds: int, seed: int) -> str:
    """Of so many records, in days of at most `DAY`."""
    with tempfile.TemporaryDirectory(prefix="shipper-tiers-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        days = -(-records // DAY)
        objects = fill(data, days, -(-records // days), seed, folder)
        header = (HEADER[0].format(records=records), *HEADER[1:])
        return table([header, *rows(data, objects, rounds)])
