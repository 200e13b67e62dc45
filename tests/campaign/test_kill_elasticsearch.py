"""`kill -9` of Elasticsearch and of shipper while lines are written: in the end every line is there exactly once."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.campaign.forms import rounds
from tests.campaign.test_kill import rotate
from tests.e2e.shipper import Running
from tests.faults.sent import Sending, lines
from tests.services.elasticsearch import Elasticsearch, Server
from tests.services.supervisor import wait_for

SERVER_KILLS = rounds(2, 10)
SHIPPER_KILLS = rounds(4, 30)
LINES_PER_SECOND = 500
ROTATE_EVERY_LINES = 1_500
TICK_SECONDS = 0.02
ARRIVES_WITHIN_SECONDS = 200.0


class Writing(threading.Thread):
    """Appends numbered lines until it is told to stop; rotates the log now and then, between two lines."""

    def __init__(self, log: Path) -> None:
        super().__init__(name="writing", daemon=True)
        self.count = 0
        self._log = log
        self._stopping = threading.Event()

    def run(self) -> None:
        some = max(1, int(LINES_PER_SECOND * TICK_SECONDS))
        while not self._stopping.wait(TICK_SECONDS):
            with self._log.open("ab") as file:
                file.write(b"".join(lines(some, self.count)))
            before, self.count = self.count, self.count + some
            if before // ROTATE_EVERY_LINES != self.count // ROTATE_EVERY_LINES:
                rotate(self._log)

    def stop(self) -> None:
        self._stopping.set()
        self.join()


@contextmanager
def writing(log: Path) -> Iterator[Writing]:
    """While the block is worked through."""
    thread = Writing(log)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def alive(run: Running) -> bool:
    """Raises `AssertionError`, with what it said, when it has ended by itself."""
    assert run.process.poll() is None, run.err
    return True


def check(sent: Sending, server: Elasticsearch, count: int) -> None:
    """Every line once, by its number and by its place in its file."""
    numbers = sorted(record["n"] for record in server.documents(f"{sent.name}-*"))
    assert (numbers, sent.offsets(server)) == (list(range(count)), sent.expected)


@pytest.mark.timeout(1800)
def test_elasticsearch_is_killed(own_elasticsearch: Server, name: str, tmp_path: Path) -> None:
    """And comes again on its data, over and over, while shipper follows."""
    chance = random.Random(11)
    server = own_elasticsearch.client
    sent = Sending(tmp_path, name, url=server.url, timeout_s=5.0, bulk_rows=1_000)
    with sent.shipper.following() as run:
        with writing(sent.shipper.log) as written:
            for _ in range(SERVER_KILLS):
                before = sent.count(server)
                wait_for(lambda seen=before: alive(run) and sent.count(server) > seen, ARRIVES_WITHIN_SECONDS)
                time.sleep(chance.uniform(0.0, 1.0))
                own_elasticsearch.kill()
                own_elasticsearch.start()
        wait_for(lambda: alive(run) and sent.count(server) == written.count, ARRIVES_WITHIN_SECONDS)
    assert "Traceback" not in run.err, run.err
    check(sent, server, written.count)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_shipper_is_killed(elasticsearch: Elasticsearch, name: str, tmp_path: Path) -> None:
    """And started again on its data folder, over and over."""
    chance = random.Random(13)
    sent = Sending(tmp_path, name, url=elasticsearch.url)
    stored = []
    with writing(sent.shipper.log) as written:
        for _ in range(SHIPPER_KILLS):
            run = sent.shipper.start()
            wait_for(lambda one=run: alive(one) and '"following"' in one.err)
            time.sleep(chance.uniform(0.0, 1.0))
            run.kill()
            assert "Traceback" not in run.err, run.err
            stored.append((sent.count(elasticsearch), written.count))
    sent.once()
    check(sent, elasticsearch, written.count)
    assert any(0 < there < all_ for there, all_ in stored), "no kill came while lines were stored"
