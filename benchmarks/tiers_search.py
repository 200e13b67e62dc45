"""What searching the archive takes: seconds, once it was fetched, and bytes fetched.

    python benchmarks/tiers_search.py [--records 1000000] [--base 250000] [--rounds 3]

One day of `base` generated records goes through a run and the exporter; the others are copies of it with times and ids
of their own. The archive is a folder that is read as a bucket is: by ranges, through the cache. What a network adds is
not in these figures, only what would go over it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from run_once import HERE, pipeline_file, run, table

from shipper.archive.ledger import archived, save_archived
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.archive.parquet import Exporter, Facts
from shipper.clock import parse_when
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.search.archive import ArchiveStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.state import State
from shipper.store.columns import text
from shipper.store.read import Reader, open_duckdb

LAST = datetime(2026, 11, 20, tzinfo=UTC)
"""The day that is generated; the copies lie before it."""
DATASET = "backend"
HOUR = ("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
HEADER = ("asked of {records:,} archived records", "found", "first, s", "fetched, s", "fetched, MiB", "of, MiB")
MIB = 1 << 20


class Cost(NamedTuple):
    """One question."""

    found: int
    first_s: float
    """With an empty cache."""
    then_s: float
    """With all that it needs in the cache: median of the rounds."""
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


def one_day(base: int, folder: Path) -> tuple[Path, Facts]:
    """A day as the exporter writes it, and what it says of it."""
    log, end = folder / "day.log", LAST + timedelta(days=1, seconds=-1)
    wanted = ["--count", str(base), "--out", str(log), "--end", end.isoformat(), "--days", "0.9999"]
    subprocess.run([sys.executable, str(HERE / "generate.py"), *wanted], check=True, stdout=subprocess.DEVNULL)
    data = folder / "hot"
    run(pipeline_file(folder, "embedded", log, quiet_seconds=0), data)
    store = EmbeddedStore(Reader(data))
    lines = folder / "day.ndjson"
    with lines.open("wb") as file:
        for doc in store.docs(Question(parse("*")), f"{LAST:%Y.%m.%d}", 0):
            file.write(doc + b"\n")
    store.close()
    exporter = Exporter()
    (folder / "exported").mkdir()
    written = exporter.export([lines], folder / "exported").written
    exporter.close()
    largest = max(written, key=lambda each: each.facts.rows)
    return largest.path, largest.facts


def copy_of(day: datetime, source: Path, target: Path) -> None:
    """The same records on another day, with other ids."""
    old, new = f"{LAST:%Y-%m-%d}", f"{day:%Y-%m-%d}"
    back = f"INTERVAL {(LAST - day).days} DAY"
    with open_duckdb(target.parent / "spill") as connection:
        some = connection.execute(f'SELECT "event.id" FROM read_parquet({text(source)}) LIMIT 1').fetchone()[0]
        file_id = some.rpartition("-")[0]
        other = f"{day:%Y%m%d}{file_id[8:]}"
        doc = f"replace(replace(doc, {text(old)}, {text(new)}), {text(file_id)}, {text(other)})"
        replaced = (
            f'"@timestamp" - {back} AS "@timestamp", {doc} AS doc, '
            f'replace("event.id", {text(file_id)}, {text(other)}) AS "event.id"'
        )
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(
            f"COPY (SELECT * REPLACE ({replaced}) FROM read_parquet({text(source)})) TO {text(target)} "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 16384)"
        )


def fill(data: Path, records: int, base: int, folder: Path) -> Counting:
    """An archive of so many records, and its ledger."""
    source, facts = one_day(base, folder)
    objects = Counting(data / "archive")
    state = State(data / "state.db")
    for number in range(max(1, round(records / facts.rows))):
        day = LAST - timedelta(days=number)
        print(f"day {number + 1}", end="\r", file=sys.stderr, flush=True)
        path = source
        if number:
            path = folder / "copy.parquet"
            copy_of(day, source, path)
        name = f"{day:%Y.%m.%d}"
        stored = objects.put(part_key("warm", DATASET, name), path)
        first, last = (f"{day:%Y-%m-%d}{when[10:]}" for when in (facts.first, facts.last))
        part = Part(stored.key, stored.bytes, stored.sha256, facts.rows, first, last, facts.content, facts.levels)
        state.run(save_archived("archive", Manifest("warm", DATASET, name, (part,), "benchmark", ""), 0.0))
    state.close()
    return objects


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
}


def measure(data: Path, objects: Counting, ask: Callable[[ArchiveStore], int], rounds: int) -> Cost:
    """From an empty cache on."""
    subprocess.run(["rm", "-rf", str(data / "cache")], check=True)
    objects.bytes = 0
    times = []
    found = 0
    for _ in range(rounds + 1):
        with opened(data, objects) as store:
            start = time.perf_counter()
            found = ask(store)
            times.append(time.perf_counter() - start)
    return Cost(found, times[0], statistics.median(times[1:]), objects.bytes)


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
        numbers = (f"{cost.found:,}", f"{cost.first_s:.2f}", f"{cost.then_s:.2f}", f"{cost.fetched / MIB:.1f}")
        found.append((name, *numbers, f"{all_bytes / MIB:.0f}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="archived records")
    parser.add_argument("--base", type=int, default=250_000, help="records of a day")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shipper-tiers-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        objects = fill(data, wanted.records, wanted.base, folder)
        header = (HEADER[0].format(records=wanted.records), *HEADER[1:])
        print(table([header, *rows(data, objects, wanted.rounds)]))


if __name__ == "__main__":
    main()
