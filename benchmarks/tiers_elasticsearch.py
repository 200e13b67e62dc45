"""What taking a day out of Elasticsearch costs (`tiers.py --what elasticsearch`).

Generated records are stored by `shipper run --once` in a real server (`--url`, else one that the tests know how
to start), then all of their days are taken as the mover takes them: at one moment, byte for byte, into files. CPU and
memory are our own; the server's come on top. Medians over the rounds.
"""

import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from delivery import Server, real_server
from run_once import generated, pipeline_file, run, table

from shipper.elastic.connect import Elastic
from shipper.elastic.connection import Connection
from shipper.tier.elastic import ElasticHot

NAME = "xionimus"
HEADER = ("requests at a time", "records/s", "MiB/s", "CPU-s per million", "peak MiB")
AT_ONCE = (1, 2, 4)


class Cost(NamedTuple):
    """Of one export of all days."""

    rows: int
    bytes: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def measured(url: str, at_once: int) -> Cost:
    """In a process of its own, so that its memory is nobody else's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(taken, (url, at_once))


def taken(url: str, at_once: int) -> Cost:
    """Takes all days, one after another."""
    hot = ElasticHot(Elastic(Connection(url=url)), NAME, at_once=at_once)
    rows = size = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for found in hot.days():
        with tempfile.TemporaryDirectory(prefix="shipper-take-") as folder:
            day = hot.take(found.day, None, Path(folder))
            rows, size = rows + day.rows, size + sum(path.stat().st_size for path in day.files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = Cost(rows, size, time.perf_counter() - wall, time.process_time() - cpu, peak)
    hot.close()
    return cost


def stored(url: str, count: int, seed: int) -> None:
    """So many records in a server that has none of this name."""
    Server(url).forget(NAME)
    with tempfile.TemporaryDirectory(prefix="shipper-run-") as name:
        folder = Path(name)
        run(pipeline_file(folder, "elasticsearch", generated(count, seed), url=url), folder / "data")


def row(at_once: int, costs: list[Cost]) -> tuple[str, ...]:
    rows = costs[0].rows
    wall, cpu, peak = (statistics.median(values) for values in zip(*(cost[2:] for cost in costs), strict=True))
    return (
        str(at_once),
        f"{rows / wall:,.0f}",
        f"{costs[0].bytes / wall / (1 << 20):,.0f}",
        f"{cpu / rows * 1e6:.1f}",
        f"{peak:.0f}",
    )


def report(url: str, count: int, rounds: int, seed: int) -> str:
    """By how many requests are under way at a time."""
    with real_server(url) as found:
        stored(found, count, seed)
        rows = [row(each, [measured(found, each) for _ in range(rounds)]) for each in AT_ONCE]
        version = Server(found).ask("GET", "/")["version"]["number"]
        Server(found).forget(NAME)
    told = f"{count:,} records out of Elasticsearch {version}, medians of {rounds} rounds."
    return f"{table([HEADER, *rows])}\n\n{told}"
