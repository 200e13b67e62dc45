"""A file of some thousand lines on its way to a real Elasticsearch, and what has come of it."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.shipper import Running, Shipper, line
from tests.services.elasticsearch import Elasticsearch
from tests.services.supervisor import wait_for

LINES = 2_000
DAYS = 3
PATIENCE_SECONDS = 90.0
SMALL: dict[str, Any] = {"bulk_rows": 200, "age_s": 0.05, "timeout_s": 20.0, "spool_bytes": 0}
"""Many small bulks, so that a fault comes between others; nothing is put aside but where a test asks for it."""


class Sending:
    """A shipper that writes to an Elasticsearch what it finds in its logs. Its password must never be said."""

    def __init__(self, folder: Path, name: str, **sink: Any) -> None:
        self.name = name
        self.password = secrets.token_hex(12)
        self.shipper = Shipper(folder, source={"block": 32_768})
        who = {} if "username" in sink else {"username": "shipper", "password": self.password}
        self.shipper.write_pipeline(name=name, sinks=[{"type": "elasticsearch", **SMALL, **who, **sink}])

    def write(self, count: int = LINES, first: int = 0) -> list[bytes]:
        """Appends numbered lines of the last three days, in the order of their times."""
        made = lines(count, first)
        with self.shipper.log.open("ab") as file:
            file.write(b"".join(made))
        return made

    @property
    def expected(self) -> list[int]:
        """Where every line of every file begins, in bytes."""
        found = []
        for path in self.shipper.logs.iterdir():
            at = 0
            for each in path.read_bytes().splitlines(keepends=True):
                found.append(at)
                at += len(each)
        return sorted(found)

    def offsets(self, server: Elasticsearch) -> list[int]:
        """`log.offset` of every record, as often as it was written; files count each for itself."""
        files: dict[str, list[int]] = defaultdict(list)
        for hit in server.hits(f"{self.name}-*"):
            record = hit["_source"]
            files[record["event.id"].rpartition("-")[0]] += [record["log.offset"]] * hit["_version"]
        return sorted(offset for found in files.values() for offset in found)

    def count(self, server: Elasticsearch) -> int:
        """How many records can be found by now."""
        server.request("POST", f"/{self.name}-*/_refresh")
        # 503: an index that was made a moment ago.
        return int(server.request("GET", f"/{self.name}-*/_count", allow=[503]).get("count", 0))

    def once(self) -> str:
        """`shipper run --once`; what it says."""
        said = self.shipper.once().err
        assert self.password not in said
        return said

    @contextmanager
    def running(self) -> Iterator[Running]:
        """`shipper run --once` in the background, which has to end well by itself within this block."""
        run = self.shipper.start("run", self.shipper.pipeline, "--once")
        try:
            yield run
            wait_for(lambda: run.process.poll() is not None, PATIENCE_SECONDS)
            assert (run.process.returncode, self.password in run.err) == (0, False), run.err
        finally:
            run.kill()


def says(run: Running, *words: str) -> Callable[[], bool]:
    """Whether some line of its log has all of these words."""
    return lambda: any(all(word in line for word in words) for line in run.err.splitlines())


def lines(count: int, first: int = 0) -> list[bytes]:
    """Some of every day, with times that are all in the past."""
    now = datetime.now(UTC)
    return [
        line(
            timestamp=(now - timedelta(days=DAYS * (1 - place / count), minutes=5)).isoformat(),
            n=first + place,
            message=f"Message {first + place} sent" + "." * (place % 150),
        )
        for place in range(count)
    ]
