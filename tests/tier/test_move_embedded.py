"""The mover over the real embedded store, real Parquet and a folder: killed at every step, each record is found once."""

from collections import Counter

import duckdb
import pytest

from shipper.archive import ledger
from shipper.archive.parquet import Exporter
from shipper.clock import ManualClock
from shipper.objects.folder import FolderStore
from shipper.store.columns import text
from shipper.tier.archive import Archive
from shipper.tier.embedded import EmbeddedHot
from shipper.tier.move import Mover
from shipper.tier.moving import Moving
from tests.store.store import Store, stored
from tests.tier.days import at, day, policy
from tests.tier.world import POLICY, Killed, record


class KeptExporter(Exporter):
    """One child for all movers of these tests: starting it takes half a second."""

    def close(self):
        """At the very end."""

    def end(self):
        super().close()


@pytest.fixture(scope="module")
def exporter():
    kept = KeptExporter()
    yield kept
    kept.end()


class Place:
    """A data folder with a hot day that is old enough to move."""

    def __init__(self, data, exporter):
        data.mkdir(exist_ok=True)
        self.data, self.exporter, self.clock = data, exporter, ManualClock(at(8))
        self.store = Store(data, clock=self.clock)
        self.objects = FolderStore(data / "archive", data)
        self.written, self.start = [], 0

    def add(self, *numbers, dataset="backend"):
        docs = [record(number, day(0), dataset) for number in numbers]
        self.store.commit(*docs, start=self.start, time=f"{day(0).replace('.', '-')}T10:00:00Z")
        self.start += 10 * len(docs)
        self.written += docs

    def mover(self, kill_at=""):
        def passed(what):
            if kill_at and what == kill_at:
                raise Killed(what)

        def archive(place):
            how = {"clock": self.clock, "exporter": self.exporter, "scratch": self.data / "tmp" / "tier"}
            return Archive(self.objects, place, self.store.state, **how, passed=passed)

        hot = EmbeddedHot(self.data, self.store.state, self.clock)
        return Mover(
            Moving(
                policy(**POLICY, datasets={}),
                hot,
                self.store.state,
                archive,
                self.exporter,
                self.data / "tmp" / "tier",
                self.clock,
                passed=passed,
            )
        )

    def run(self, **how):
        # What is open is sealed by the mover, as where no run is at work.
        self.store.segments.refresh()
        return self.mover(**how).run()

    def archived(self):
        parts = [part.key for one in ledger.archived(self.store.state) for part in one.manifest.parts]
        files = ", ".join(text(self.data / "archive" / key) for key in parts)
        rows = duckdb.sql(f"SELECT doc FROM read_parquet([{files}])").fetchall() if parts else []
        return [row[0].encode() for row in rows]

    def found(self):
        """What a search over all tiers finds, how often each."""
        return Counter([*stored(self.data), *self.archived()])


@pytest.fixture
def place(tmp_path, exporter):
    made = Place(tmp_path / "data", exporter)
    made.add(1, 2, 3)
    made.add(4, dataset="audit")
    yield made
    made.store.close()


def test_a_day_goes_through_all_tiers(place):
    where = []
    for number in (8, 9, 31, 32, 366):
        place.clock.advance(at(number) - place.clock.now())
        assert place.run().failed == []
        where.append(sorted(one.tier for one in ledger.archived(place.store.state, grace=True)))
        assert place.found() == Counter(place.written if number < 366 else [])
    assert where == [["warm", "warm"], ["warm", "warm"], ["cold", "cold", "warm", "warm"], ["cold", "cold"], []]


def test_the_hot_files_are_gone_after_the_grace(place):
    place.run()
    in_grace = len(place.store.files())
    place.clock.advance(86_400)
    place.run()
    left = [file for file in place.store.files() if file.startswith("hot/")]
    assert (in_grace > 0, left) == (True, [])


STEPS = ["planned", "exported", "verified", "published", "marked", "blocked", "deleted at the source", "deleted"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_behind_every_step_each_record_is_found_once(place, step):
    """With records that come late, before and after the kill."""
    if step in STEPS[5:]:
        place.run()
        place.add(5)
        place.clock.advance(86_400)
    with pytest.raises(Killed):
        place.run(kill_at=step)
    assert place.found() == Counter(place.written)
    place.add(6)
    assert place.found() == Counter(place.written)
    for _ in range(3):
        assert place.run().failed == []
        assert place.found() == Counter(place.written)
        place.clock.advance(86_400)
    assert (stored(place.data), sorted(place.archived())) == ([], sorted(place.written))
