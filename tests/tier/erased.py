"""A data folder with a subject in every tier, erased from in this process: hot, warm, cold, a copy in grace."""

import json
import os
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

from shipper.archive import export, ledger
from shipper.archive.parquet import Exporter, _Failed
from shipper.build import plan
from shipper.clock import ManualClock, iso
from shipper.erasing import adopt_all, reach
from shipper.everywhere import Everywhere
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.state import State
from shipper.store import sealer
from shipper.tier.erase import Erasure
from shipper.tier.subject import Subject
from shipper.tier.verify import Verifier, Wanted
from shipper.tiering import tiering
from tests.store.store import Store, seal_here
from tests.tier.days import at, day

PIPELINE = """
sources: [{type: tail, paths: [/nowhere/*.log]}]
sinks: [{type: embedded}]
tiers: {hot: 7d, warm: {until: 30d, to: archive}, cold: {until: 365d}, grace: 24h}
"""
KEY = b"k" * 64
NOW = at(41)
"""Day 10 has just gone from warm to cold, its warm copy is in grace; day 20 is warm, day 33 too, and its hot copy is in
grace; day 40 is hot."""
DAYS = (10, 20, 33, 40)
ALICE = "user_id:alice"


class Killed(BaseException):
    """The process ends here."""


class HereExporter(Exporter):
    """The work of the child process, done in this one: it need not be started."""

    def _ask(self, job):
        told = json.loads(export.answer(json.dumps(job)))
        if "failed" in told:
            raise _Failed(told["failed"])
        return told


class HereSealing:
    """Likewise."""

    def __call__(self, segment, data, target):
        seal_here(segment, data, target)

    def close(self):
        """Nothing was opened."""


def in_this_process(monkeypatch):
    """Neither child processes nor waiting for the disk."""
    monkeypatch.setattr("shipper.erasing.Exporter", HereExporter)
    monkeypatch.setattr("shipper.tiering.Exporter", HereExporter)
    monkeypatch.setattr(sealer, "Sealing", HereSealing)
    monkeypatch.setattr("os.fsync", lambda _: None)


def doc(number, user, dataset="backend", second=0):
    when = f"{day(number).replace('.', '-')}T10:00:{second:02}.000Z"
    event_id = f"{number:032x}-{second}{len(dataset)}"
    return orjson.dumps({"@timestamp": when, "event.id": event_id, "event.dataset": dataset, "user_id": user})


class Folder:
    """Opened anew for everything that is done with it, as by another process each time."""

    def __init__(self, data, now=NOW):
        self.data, self.clock = data, ManualClock(now)
        (data.parent / "pipeline.yml").write_text(PIPELINE)
        self.plan = plan(data.parent / "pipeline.yml", {})

    @contextmanager
    def state(self):
        with closing(State(self.data / "state.db")) as state:
            yield state

    def fill(self):
        """Every day has two records of alice's, two of bob's, and one of each in the dataset `chat`."""
        self.data.mkdir()
        for number in DAYS:
            self.clock.advance(at(number) - self.clock.now())
            self.store(number)
        for morning in (19, 20, 28, 29, 41):
            self.move(at(morning))
        self.clock.advance(NOW - self.clock.now())

    def store(self, number):
        docs = [doc(number, user, second=second) for second, user in enumerate(["alice", "bob"] * 2)]
        docs += [doc(number, user, "chat", 10 + second) for second, user in enumerate(["alice", "bob"])]
        store = Store(self.data, clock=self.clock)
        when = f"{day(number).replace('.', '-')}T10:00:00Z"
        store.commit(*docs, start=number * 1000, time=when)
        store.close()

    def move(self, now):
        self.clock.advance(now - self.clock.now())
        with self.state() as state, tiering(self.plan, self.data, state, self.clock) as opened:
            assert opened.mover.run().failed == []

    def erasure(self, state, query, stack):
        reached = stack.enter_context(reach(self.plan, self.data, state, self.clock, key=KEY))
        adopt_all(self.plan, reached)
        return Erasure(reached, Subject(query, parse(query)))

    def look(self, query=ALICE):
        with self.state() as state, reach(self.plan, self.data, state, self.clock) as reached:
            return Erasure(reached, Subject(query, parse(query))).look()

    def erase(self, query=ALICE, reason=""):
        with self.state() as state, reach(self.plan, self.data, state, self.clock, key=KEY) as reached:
            return Erasure(reached, Subject(query, parse(query))).carry_out(reason)

    def hold(self, query, *, since=0.0, until=0.0):
        with self.state() as state, closing(Everywhere(self.data, state, self.plan)) as everywhere:
            times = [iso(when) if when else "" for when in (since, until)]
            return everywhere.holds().add(query, *times, "case 7", self.clock.now())[0]

    def release(self, number):
        with self.state() as state, closing(Everywhere(self.data, state, self.plan)) as everywhere:
            everywhere.holds().release(number, "closed", self.clock.now())

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def found(self, query):
        """How many records a search over all tiers finds."""
        with self.state() as state, closing(Everywhere(self.data, state, self.plan)) as everywhere:
            found, problems = everywhere.remaining(parse(query))
            assert problems == []
            return found

    def problems(self):
        """What `shipper tier verify` finds."""
        with self.state() as state:
            scratch = self.data / "tmp" / "verify"
            scratch.mkdir(parents=True, exist_ok=True)
            objects = FolderStore(self.data / "archive", self.data)
            how = {"clock": self.clock, "exporter": HereExporter(), "scratch": scratch}
            return [problem.what for problem in Verifier(objects, "archive", state, **how).run(Wanted()).problems]

    def archived(self):
        with self.state() as state:
            return {(one.tier, one.dataset, one.day): one.manifest for one in ledger.archived(state, grace=True)}


def lines_of(lines):
    """`(where, dataset, day)` → rows."""
    return {line[:3]: line.rows for line in lines if line.day}


def kill_at(monkeypatch, number):
    """Ends at the so-manieth boundary: before or behind a transaction, a write to the archive, a change of a name.
    Returns the boundaries that were come by."""
    passed = []

    def boundary(what):
        passed.append(what)
        if len(passed) == number:
            raise Killed(what)

    def around(owner, name):
        real = getattr(owner, name)

        def call(*given, **how):
            boundary(f"before {name}")
            result = real(*given, **how)
            boundary(f"behind {name}")
            return result

        monkeypatch.setattr(owner, name, call)

    around(State, "run")
    around(FolderStore, "put")
    around(FolderStore, "delete")
    around(Path, "rename")
    around(os, "unlink")
    return passed
