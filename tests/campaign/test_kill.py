"""`kill -9` in the middle, again and again, then `--once`: exactly the lines of the file, each alert exactly once."""

import random
import shutil
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipper.state import State
from shipper.store.layout import listed
from tests.campaign.forms import FULL, rounds
from tests.e2e.shipper import Shipper, failed_login, line
from tests.e2e.stored import documents
from tests.services.supervisor import wait_for

LINES = 12_000
KILLS = rounds(4, 200)
pytestmark = pytest.mark.timeout(3600)
SMALL = {"source": {"block": 4096}, "seal_rows": 400}
"""Small batches and small segments: a kill comes between any two steps of the store."""


def content(count: int) -> list[bytes]:
    """Numbered lines, among them failed logins of many users at many times, exceptions and injection attempts."""
    chance = random.Random(count)
    return [_line(chance, n, n * 40_000 // count) for n in range(count)]


def _line(chance: random.Random, n: int, second: int) -> bytes:
    kind = chance.random()
    if kind < 0.02:
        return failed_login(second, user=f"user{second // 4000}", address=f"203.0.113.{second // 5000}", n=n)
    when = f"2026-11-20T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    if kind < 0.023:
        path = "/api/search?q=1%27%20UNION%20SELECT%20password%20FROM%20users--"
        return line(timestamp=when, n=n, message=f"GET {path} 200 from 198.51.100.{n % 250}")
    return line(timestamp=when, n=n, message=f"Message {n} sent" + "." * (n % 200))


def told(shipper: Shipper) -> list[dict[str, Any]]:
    """What does not depend on file ids: rule, group, count, times, and the numbers of the evidence records."""
    number = {record["event.id"]: record["n"] for record in documents(shipper.data)}
    names = ("rule", "group", "count", "first", "last")
    alerts = [
        {name: alert[name] for name in names} | {"evidence": [number[event_id] for event_id in alert["evidence"]]}
        for alert in shipper.alerts()
    ]
    return sorted(alerts, key=str)


def check(shipper: Shipper, count: int) -> None:
    """Every line once, every change of an alert once, and no alert without a record."""
    assert shipper.numbers() == list(range(count))
    changes = Counter(record["event.id"] for record in documents(shipper.data, "alerts"))
    latest = {f"{alert['id']}-{alert['count']}" for alert in shipper.alerts()}
    assert (set(changes.values()), latest - set(changes)) == ({1}, set())


def rows(shipper: Shipper) -> int:
    """How many records are committed, as far as a run has come."""
    if not (shipper.data / "state.db").exists():
        return 0
    with closing(State(shipper.data / "state.db", readonly=True)) as state:
        return sum(segment.rows for segment in listed(state, "records"))


def kill_at_some_moment(shipper: Shipper, chance: random.Random) -> None:
    """While it starts and repairs, or while it reads, stores and seals."""
    run = shipper.start("run", shipper.pipeline, "--once")
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0.1, 0.8))
    else:
        wait_for(lambda: '"following"' in run.err)
        time.sleep(chance.uniform(0.0, 0.3))
    run.kill()
    assert "Traceback" not in run.err, run.err


def test_a_second_run_stores_nothing_twice(tmp_path: Path) -> None:
    """`run --once` over the same files."""
    shipper = Shipper(tmp_path, **SMALL)
    shipper.log.write_bytes(b"".join(content(2000)))
    shipper.once()
    first = (shipper.records(), shipper.alerts(), documents(shipper.data, "alerts"))
    shipper.once()
    assert (shipper.records(), shipper.alerts(), documents(shipper.data, "alerts")) == first
    check(shipper, 2000)


@pytest.mark.parametrize("seed", range(rounds(1, 4)))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """The alerts are those of a run that nobody killed."""
    lines = content(LINES if not FULL else 5 * LINES)
    whole, killed = Shipper(tmp_path / "whole", **SMALL), Shipper(tmp_path / "killed", **SMALL)
    whole.log.write_bytes(b"".join(lines))
    shutil.copy(whole.log, killed.log)
    chance = random.Random(seed)
    stored = []
    for _ in range(KILLS // rounds(1, 4)):
        kill_at_some_moment(killed, chance)
        stored.append(rows(killed))
    killed.once()
    whole.once()
    check(killed, len(lines))
    assert told(killed) == told(whole)
    assert any(0 < each < len(lines) for each in stored), "no kill came while lines were stored"


def rotate(log: Path) -> None:
    """As supervisord does it, with all backups kept."""
    for number in range(len(list(log.parent.glob(f"{log.name}.*"))), 0, -1):
        log.with_name(f"{log.name}.{number}").rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


def write_slowly(log: Path, lines: list[bytes], seconds: float) -> None:
    """Appends in pieces that end anywhere, and rotates now and then, also in the middle of a line."""
    data, chance, at = b"".join(lines), random.Random(len(lines)), 0
    pieces = int(seconds / 0.02)
    for _ in range(pieces + 1):
        stop = min(len(data), at + chance.randint(1, 2 * len(data) // pieces))
        with log.open("ab") as file:
            file.write(data[at:stop])
        at = stop
        if chance.random() < min(0.05, 30 / pieces):
            rotate(log)
        time.sleep(0.02)
    with log.open("ab") as file:
        file.write(data[at:])


def test_killed_while_lines_are_appended_and_files_rotated(tmp_path: Path) -> None:
    """`shipper run` follows, is killed, and starts again, over and over."""
    shipper = Shipper(tmp_path, **SMALL)
    chance = random.Random(7)
    lines = content(rounds(4000, 60_000))
    writer = threading.Thread(target=write_slowly, args=(shipper.log, lines, KILLS * 1.2))
    writer.start()
    try:
        for _ in range(KILLS):
            run = shipper.start()
            time.sleep(chance.uniform(0.4, 2.0))
            run.kill()
            assert "Traceback" not in run.err, run.err
    finally:
        writer.join()
    assert len(list(shipper.logs.iterdir())) > 1
    shipper.once()
    check(shipper, len(lines))


def test_killed_alerts_are_told_once_to_the_sinks(tmp_path: Path) -> None:
    """A kill right behind the commit that makes an alert: its record comes with the next run, once."""
    shipper = Shipper(tmp_path)
    for attempt in range(rounds(2, 20)):
        with shipper.log.open("ab") as file:
            file.write(b"".join(failed_login(n, user=f"user{attempt}", address=f"10.0.0.{attempt}") for n in range(6)))
        run = shipper.start()
        wait_for(lambda expected=2 * (attempt + 1): _alerts(shipper) >= expected)
        run.kill()
    shipper.once()
    records = Counter(record["event.id"] for record in documents(shipper.data, "alerts"))
    assert (len(shipper.alerts()), set(records.values())) == (2 * rounds(2, 20), {1})


def _alerts(shipper: Shipper) -> int:
    return len(shipper.alerts()) if (shipper.data / "state.db").exists() else 0
