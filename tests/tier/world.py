"""A shipper whose days go through tiers, with doubles that are quick: a hot store in memory, Parquet that is none."""

from collections import Counter

import orjson

from shipper.archive import ledger
from shipper.archive.content import content
from shipper.archive.parquet import Export, Facts, Written, canonical
from shipper.clock import ManualClock
from shipper.objects.folder import FolderStore
from shipper.state import State
from shipper.tier.archive import Archive
from shipper.tier.hot import HotDay, Taken
from shipper.tier.move import Mover
from shipper.tier.moving import Moving
from shipper.tier.policy import Tiers
from tests.tier.days import at, day

POLICY = {"hot": "7d", "warm": "30d", "cold": "365d", "grace": "24h"}


class Killed(BaseException):
    """The process ends here."""


def record(number, day_, dataset="backend"):
    """A document of a day."""
    when = f"{day_.replace('.', '-')}T10:00:{number % 60:02}.000Z"
    return orjson.dumps({"@timestamp": when, "event.id": f"f-{day_}-{number}", "event.dataset": dataset})


def facts_of(docs):
    times = sorted(canonical(orjson.loads(doc)["@timestamp"]) for doc in docs)
    return Facts(len(docs), times[0] if times else "", times[-1] if times else "", content(docs), {})


class LinesExporter:
    """Files of lines stand for Parquet."""

    def __init__(self):
        self.lose = 0
        """So many records are left out of each file."""

    def export(self, files, folder, apart=()):
        docs = sorted(doc for file in files for doc in file.read_bytes().splitlines())
        written = []
        for dataset in sorted({orjson.loads(doc).get("event.dataset", "") for doc in docs}):
            some = [doc for doc in docs if orjson.loads(doc).get("event.dataset", "") == dataset][self.lose :]
            path = folder / f"{len(written)}.parquet"
            path.write_bytes(b"".join(doc + b"\n" for doc in some))
            written.append(Written(dataset, path, self.facts(path)))
        return Export(facts_of(docs), written)

    def facts(self, path):
        return facts_of(path.read_bytes().splitlines())

    def close(self):
        """Nothing was opened."""


class MemoryHot:
    """Days as lists of documents. A day that is blocked keeps what comes for later, as a sink does."""

    kind, where = "elasticsearch", "memory"

    def __init__(self):
        self.docs, self.born, self.blocked, self.parked = {}, Counter(), set(), []

    def add(self, day_, *docs):
        if day_ in self.blocked:
            self.parked += [(day_, doc) for doc in docs]
            return
        if day_ not in self.docs:
            self.born[day_] += 1
        self.docs.setdefault(day_, []).extend(docs)

    def days(self):
        return [HotDay(day_, len(docs), 100 * len(docs)) for day_, docs in sorted(self.docs.items())]

    def take(self, day_, behind, folder):
        docs = self.behind(day_, behind)
        file = folder / "taken.ndjson"
        file.write_bytes(b"".join(doc + b"\n" for doc in docs))
        facts = facts_of(docs)
        point = {"born": self.born[day_], "count": len(self.docs.get(day_, []))}
        return Taken(point, [file], facts.rows, facts.first, facts.last)

    def behind(self, day_, point):
        docs = self.docs.get(day_, [])
        same = point is not None and point["born"] == self.born[day_]
        return docs[point["count"] :] if same else list(docs)

    def late(self, day_, point):
        return len(self.behind(day_, point))

    def block(self, day_):
        if day_ in self.docs:
            self.blocked.add(day_)

    def release(self, day_):
        self.blocked.discard(day_)
        parked, self.parked = self.parked, []
        for of, doc in parked:
            self.add(of, doc)

    def delete(self, day_, point):
        if day_ in self.docs and point["born"] == self.born[day_]:
            assert day_ in self.blocked
            assert not self.late(day_, point)
            del self.docs[day_]
        self.release(day_)

    def close(self):
        """Nothing was opened."""


class World:
    """All that survives a kill, and movers over it."""

    def __init__(self, tmp_path, objects=FolderStore, now=0.0, **policy):
        self.data, self.clock, self.hot = tmp_path, ManualClock(now or at(0)), MemoryHot()
        self.open_state()
        self.objects = objects(tmp_path / "archive")
        self.exporter = LinesExporter()
        self.tiers = Tiers.model_validate({**POLICY, **policy})
        self.held, self.free = set(), 1 << 40
        self.written = Counter()
        self.passed = []
        """Boundaries that the last mover came by."""

    def open_state(self):
        """Nothing has to survive a power cut here."""
        self.state = State(self.data / "state.db")
        self.state.rows("PRAGMA synchronous=OFF")

    def store(self, day_, *numbers, dataset="backend"):
        docs = [record(number, day_, dataset) for number in numbers]
        self.hot.add(day_, *docs)
        self.written.update(docs)

    def moving(self, kill_at=None):
        self.passed = []

        def passed(what):
            self.passed.append(what)
            if len(self.passed) == kill_at:
                raise Killed(what)

        return Moving(
            self.tiers,
            self.hot,
            self.state,
            lambda place: Archive(
                self.objects,
                place,
                self.state,
                clock=self.clock,
                exporter=self.exporter,
                scratch=self.data / "scratch",
                passed=passed,
            ),
            self.exporter,
            self.data / "scratch",
            self.clock,
            held=lambda dataset, day_: (dataset, day_) in self.held,
            passed=passed,
            free=lambda _: self.free,
        )

    def run(self, kill_at=None):
        return Mover(self.moving(kill_at)).run()

    def day_by_day(self, first, last):
        """The mover runs every morning."""
        yield from self.on(*range(first, last))

    def on(self, *mornings):
        """The mover runs on these."""
        for number in mornings:
            self.clock.advance(at(number) - self.clock.now())
            yield number, self.run()

    # ── what is where ─────────────────────────────────────────────────────────────────────────────────────────────

    def archive(self, place="archive"):
        return self.moving().archives(place)

    def archived(self):
        """Documents that a search finds in the archive."""
        parts = [part for one in ledger.archived(self.state) for part in one.manifest.parts]
        return Counter(doc for part in parts for doc in self.objects.get(part.key).splitlines())

    def found(self):
        """Documents that a search over all tiers finds, how often each."""
        points = ledger.days_in_grace(self.state)
        hot = Counter(doc for day_ in self.hot.docs for doc in self.hot.behind(day_, points.get(day_)))
        parked = Counter(doc for _, doc in self.hot.parked)
        return hot + parked + self.archived()

    def tiers_of(self, day_):
        return [one.tier for one in ledger.archived(self.state, grace=True) if one.day == day_]

    def objects_there(self):
        return sorted(stored.key for stored in self.objects.list())

    def alerts(self):
        """State and words of the alerts on moves."""
        rows = self.state.rows("SELECT alert FROM alerts ORDER BY first, id")
        return [
            (each["state"], each["group"], each["description"]) for each in (orjson.loads(r["alert"]) for r in rows)
        ]


__all__ = ["Killed", "World", "at", "day", "record"]
