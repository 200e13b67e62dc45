"""`search`, `tail`, `alerts` and `status` beside a `run` that writes and seals: always an answer, never half a one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import orjson

from shipper.clock import iso
from tests.e2e.shipper import Running, Shipper, failed_login, line
from tests.e2e.stored import segments
from tests.services.supervisor import wait_for

COUNT = 6000
A_TIME = 30
"""Lines in one write."""


def when(n: int) -> str:
    return iso(datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp() + n / 4)


def write(log: Path, stop: threading.Event) -> None:
    """Numbered lines, four a second of their own time, for long enough that segments are sealed meanwhile."""
    for start in range(0, COUNT, A_TIME):
        lines = [failed_login(n // 4, user=f"user{n // 1000}", n=n) for n in range(start, start + 2)]
        lines += [line(n=n, timestamp=when(n), message=f"Message {n} sent") for n in range(start + 2, start + A_TIME)]
        with log.open("ab") as file:
            file.write(b"".join(lines))
        if stop.wait(0.04):
            return


@contextmanager
def busy(folder: Path) -> Iterator[tuple[Shipper, Running, threading.Thread]]:
    """A run that follows a log that is being written, in segments of 300 rows."""
    shipper, stop = Shipper(folder, seal_rows=300), threading.Event()
    shipper.log.touch()
    writer = threading.Thread(target=write, args=(shipper.log, stop))
    with shipper.following() as run:
        wait_for(lambda: '"following"' in run.err)
        writer.start()
        try:
            wait_for(lambda: shipper.count() > 0)
            yield shipper, run, writer
        finally:
            stop.set()
            writer.join()


def test_searches_count_up_and_find_whole_records(tmp_path: Path) -> None:
    """Each answer is at least the one before, without gaps or doubles; at the end it is all there is."""
    counts: list[int] = []
    with busy(tmp_path) as (shipper, run, writer):
        while writer.is_alive() or counts[-1] < COUNT:
            counts.append(shipper.count())
            assert len(counts) < 200
        found = shipper.numbers()
        assert run.end().code == 0
    assert (counts, counts[-1], found) == (sorted(counts), COUNT, list(range(COUNT)))
    assert len(segments(shipper.data, "parquet")) > 3


def test_a_search_sees_each_record_once_at_any_moment(tmp_path: Path) -> None:
    """What is found while segments are sealed has no gap: the lines of the log up to some line."""
    with busy(tmp_path) as (shipper, _, writer):
        looks = 0
        while writer.is_alive():
            found = shipper.numbers()
            assert found == list(range(len(found)))
            looks += 1
        assert looks > 2


def test_tail_prints_every_record_once(tmp_path: Path) -> None:
    """The last ten, then all that come, in order, across every seal."""
    with busy(tmp_path) as (shipper, _, _), shipper.following("tail", "--format", "json") as tail:
        wait_for(lambda: f'"n":{COUNT - 1},'.encode() in tail.out, seconds=60)
        numbers = [orjson.loads(row)["n"] for row in tail.out.splitlines()]
    assert numbers == list(range(numbers[0], COUNT))
    assert tail.err == ""


def test_alerts_and_status_answer_meanwhile(tmp_path: Path) -> None:
    """Alerts only become more, and the status names the run, its file and what is stored."""
    seen: list[set[str]] = []
    with busy(tmp_path) as (shipper, run, writer):
        while writer.is_alive():
            seen.append({alert["id"] for alert in shipper.alerts()})
            (status,) = shipper("status", "--format", "json").objects
            assert str(run.process.pid) in status["running"]
            assert [file["path"] for file in status["files"]] == [str(shipper.log)]
            assert shipper("status").err == ""
            time.sleep(0.1)
        wait_for(lambda: shipper.count() == COUNT)
        (status,) = shipper("status", "--format", "json").objects
        assert (status["stored"]["records"]["rows"], status["files"][0]["lag_bytes"]) == (COUNT, 0)
    assert all(before <= after for before, after in pairwise(seen))
    assert len(seen[-1]) > 3
