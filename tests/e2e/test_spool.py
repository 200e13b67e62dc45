"""Elasticsearch is away while log files are rotated away and shipper is stopped and killed: every line once."""

import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket

import orjson
import pytest

from shipper.state import State
from shipper.store.layout import SPOOLED, listed
from tests.e2e.shipper import Shipper, line
from tests.services.elasticsearch import Elasticsearch, Server
from tests.services.supervisor import wait_for

BACKUPS = 4
UNREAD = 2
"""So many rotated files may wait to be read: a few more would be deleted."""
LINES = 400
"""In each file."""


class Log:
    """A log as supervisord keeps it: `.1` is the youngest of `BACKUPS` siblings, the oldest is deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = self.rotations = 0

    def write(self, count: int) -> None:
        """Appends numbered lines."""
        when = datetime.now(UTC) - timedelta(hours=1)
        numbers = range(self.count, self.count + count)
        with self.path.open("ab") as file:
            file.write(b"".join(line(timestamp=when.isoformat(), n=n, message=f"Message {n} sent") for n in numbers))
        self.count += count

    def rotate(self) -> None:
        """Fills the live file and begins a new one."""
        self.write(LINES)
        self._sibling(BACKUPS).unlink(missing_ok=True)
        for number in range(BACKUPS - 1, 0, -1):
            if self._sibling(number).exists():
                self._sibling(number).rename(self._sibling(number + 1))
        self.path.rename(self._sibling(1))
        self.path.touch()
        self.rotations += 1

    def rotate_at_a_pace(self, times: int, spooled: Callable[[], int], before: int) -> None:
        """Not faster than files can be read: `before` rotations were there when the first was spooled."""
        for _ in range(times):
            self.rotate()
            needed = (self.rotations - before - UNREAD) * LINES
            wait_for(lambda needed=needed: spooled() >= needed)

    def _sibling(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def waiting(shipper: Shipper) -> int:
    """Rows in the spool."""
    with closing(State(shipper.data / "state.db", readonly=True)) as state:
        return sum(segment.rows for segment in listed(state, *SPOOLED.values()))


def spool_files(shipper: Shipper) -> list[Path]:
    return [path for path in (shipper.data / "spool").rglob("*") if path.is_file()]


@pytest.mark.timeout(240)
def test_twenty_rotations_while_the_server_is_away(tmp_path: Path, own_elasticsearch: Server) -> None:
    """With a stop and a kill in between, and rotations while nothing runs."""
    name, server = "tspool", own_elasticsearch.client
    shipper = Shipper(tmp_path, source={"block": 32_768})
    sink = {"type": "elasticsearch", "url": server.url, "spool_after_s": 1.0, "age_s": 0.05}
    shipper.write_pipeline(name=name, sinks=[sink])
    log = Log(shipper.log)
    log.write(LINES // 2)

    def stored() -> int:
        server.request("POST", f"/{name}-20*/_refresh")
        # 503: the index is there, and its shard not yet.
        return int(server.request("GET", f"/{name}-20*/_count", allow=[503]).get("count", -1))

    run = shipper.start()
    try:
        wait_for(lambda: stored() == log.count)
        own_elasticsearch.kill()
        log.rotate_at_a_pace(7, lambda: waiting(shipper), 0)
        first = run.end(signal.SIGTERM)
        log.rotate()
        run = shipper.start()
        log.rotate_at_a_pace(5, lambda: waiting(shipper), 0)
        run.kill()
        log.rotate()
        run = shipper.start()
        log.rotate_at_a_pace(6, lambda: waiting(shipper), 0)
        status = shipper("status", "--format", "json").objects[0]
        own_elasticsearch.start()
        wait_for(lambda: stored() >= log.count, 90)
        wait_for(lambda: waiting(shipper) == 0)
        log.write(10)
        wait_for(lambda: stored() >= log.count)
        last = run.end()
    finally:
        run.kill()

    assert (first.code, log.rotations) == (0, 20)
    assert sorted(record["n"] for record in server.documents(f"{name}-20*")) == list(range(log.count))
    assert (status["spool"]["spooled"]["rows"] > 0, "its records are spooled" in status["holding"]) == (True, True)
    assert spool_files(shipper) == []
    said = [orjson.loads(each)["message"] for each in last.err.splitlines()]
    assert said.count("the spool is drained") == 1


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_a_blocked_day_waits_apart_and_all_others_go_on(
    tmp_path: Path, elasticsearch: Elasticsearch, name: str
) -> None:
    """An index that is read-only for a while: its rows are parked, and arrive when it is writable, after a restart."""
    shipper = Shipper(tmp_path)
    sink = {"type": "elasticsearch", "url": elasticsearch.url, "age_s": 0.05}
    shipper.write_pipeline(name=name, sinks=[sink])
    today = datetime.now(UTC) - timedelta(minutes=5)
    days = [today - timedelta(days=2), today]
    blocked = f"{name}-{days[0]:%Y.%m.%d}"

    def write(first: int, count: int) -> None:
        with shipper.log.open("ab") as file:
            file.write(b"".join(line(timestamp=days[n % 2].isoformat(), n=n) for n in range(first, first + count)))

    def numbers() -> list[int]:
        elasticsearch.request("POST", f"/{name}-20*/_refresh")
        return sorted(record["n"] for record in elasticsearch.documents(f"{name}-20*"))

    write(0, 10)
    shipper.once()
    elasticsearch.request("PUT", f"/{blocked}/_settings", {"index.blocks.write": True})
    write(10, 10)
    shipper.once()
    parked = shipper("status", "--format", "json").objects[0]["spool"]["parked"]["rows"]
    found = numbers()
    elasticsearch.request("PUT", f"/{blocked}/_settings", {"index.blocks.write": None})
    shipper.once()

    assert (parked, found) == (5, [*range(10), 11, 13, 15, 17, 19])
    assert (numbers(), spool_files(shipper)) == (list(range(20)), [])


@pytest.mark.timeout(120)
def test_a_server_that_does_not_answer_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    """A request under way cannot be called back. The next run stores all."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(b"".join(line(n=n) for n in range(10)))
    with socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        shipper.write_pipeline(sinks=[{"type": "elasticsearch", "url": url}])
        run = shipper.start()
        try:
            silent.accept()
            said = run.end(signal.SIGINT)
        finally:
            run.kill()
    shipper.write_pipeline(sinks=[{"type": "embedded"}])
    shipper.once()

    assert (said.code, "reads on from the last commit" in said.err) == (0, True)
    assert shipper.numbers() == list(range(10))
