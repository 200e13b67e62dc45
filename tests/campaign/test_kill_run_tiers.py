"""A run that follows a log and moves days beside it is killed, over and over, on mornings of a year: each line is there
once until its last day."""

import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import orjson
import pytest
import yaml

from shipper.archive import ledger
from shipper.archive.ledger import MARKED
from shipper.clock import iso
from shipper.config import shipped
from shipper.objects.folder import FolderStore
from shipper.state import State
from tests.campaign.checks import check_chain, check_stored_once, found_by_search
from tests.campaign.forms import FULL, rounds
from tests.campaign.hot import InFolder
from tests.campaign.processes import KILLED, Processes
from tests.e2e.shipper import line
from tests.tier.days import at

KILLS = rounds(1, 8)
"""On each morning."""
MORNINGS = [1, 2, 9, 10, 31, 32, 33, 40, 367, 368, 400] if FULL else [1, 9, 33, 367]
LAST_DAY = 366
"""The morning, from a day on, on which it goes."""


class Backend:
    """Its log, and the days of the lines that it has written."""

    def __init__(self, log: Path) -> None:
        self.days: list[int] = []
        self._log, self._chance = log, random.Random(5)

    def write(self, morning: int) -> None:
        """Lines of the night before, and some that come late; they end anywhere."""
        late = self._chance.randrange(morning)
        lines = [self._line(chosen) for chosen in [morning - 1] * 200 + [late] * 5]
        with self._log.open("ab") as file:
            file.write(b"".join(lines))

    def _line(self, day: int) -> bytes:
        self.days.append(day)
        when = iso(at(day, 0) + self._chance.randrange(86_400))
        return line(timestamp=when, n=len(self.days) - 1, message="sent" + "." * self._chance.randrange(100))

    def gone(self, morning: int) -> set[int]:
        return {n for n, day in enumerate(self.days) if morning >= day + LAST_DAY}

    def expected(self, morning: int) -> Counter[int]:
        return Counter(n for n, day in enumerate(self.days) if morning < day + LAST_DAY)


@pytest.mark.timeout(1800)
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """It reads, stores, seals, exports, proves and deletes all at once."""
    chance, data = random.Random(17), tmp_path / "data"
    kills, moving, seen = 0, 0, set[int]()
    backend, pipeline = Backend(tmp_path / "app.log"), pipeline_in(tmp_path)
    with Processes() as shipper:
        for morning in MORNINGS:
            for _ in range(KILLS):
                backend.write(morning)
                ahead = at(morning) + 5 - time.time()
                how = {"kill_after_s": chance.uniform(0.2, 3.0), "ahead_s": ahead}
                ended = shipper.run("run", pipeline, "--data", data, **how)
                assert (ended.code, "Traceback" in ended.err) == (KILLED, False), ended
                kills += 1
                moving += is_moving(data)
                numbers = stored(data)
                assert max(numbers.values(), default=1) == 1
                assert seen <= numbers.keys() | backend.gone(morning)
                seen = {*numbers}
            once = shipper.run("run", pipeline, "--once", "--data", data, ahead_s=ahead)
            moved = shipper.run("tier", "run", pipeline, "--data", data, ahead_s=ahead)
            assert (once.code, moved.code) == (0, 0), (once, moved)
            numbers, expected = stored(data), backend.expected(morning)
            assert (expected - numbers, numbers - expected) == ({}, {})
            seen = {*numbers}
        verified = shipper.run("tier", "verify", pipeline, "--data", data)
    assert (verified.code, kills) == (0, KILLS * len(MORNINGS)), verified
    assert moving or not FULL, "no kill came while days were moved"


def is_moving(data: Path) -> bool:
    """Whether a move was cut off between two steps."""
    with closing(State(data / "state.db")) as state:
        return any(move.step != MARKED for move in ledger.moves(state))


def stored(data: Path) -> Counter[int]:
    """Numbers of the lines that a search finds; what the shipper says of itself has none."""
    found = found_by_search(data, fetched_anew=False)
    check_stored_once(data, InFolder(data), found)
    check_chain(FolderStore(data / "archive", data))
    docs = {doc: count for some in found.values() for doc, count in some.items()}
    numbers: Counter[int] = Counter()
    for doc, count in docs.items():
        numbers[orjson.loads(doc).get("n", -1)] += count
    del numbers[-1]
    return numbers


def pipeline_in(folder: Path) -> Path:
    tiers = {"hot": "7d", "warm": {"until": "30d", "to": "archive"}, "cold": {"until": "365d"}, "grace": "12h"}
    source = {"type": "tail", "paths": [str(folder / "app.log")]}
    sink = {"type": "embedded", "seal_rows": 100}
    detect = {name: [str(shipped() / name)] for name in ("rules", "secrets")}
    path = folder / "pipeline.yml"
    path.write_text(yaml.safe_dump({"sources": [source], "detect": detect, "sinks": [sink], "tiers": tiers}))
    return path
