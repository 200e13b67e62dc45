"""Archived records on their way back: all that search would find, under their own ids, whatever the sink does."""

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.errors import Blocked, Retry, ShipperError
from shipper.objects.folder import FolderStore
from shipper.objects.store import Damaged, NeedsRestore
from shipper.query.parse import parse
from shipper.sink.memory import MemorySink
from shipper.state import State
from shipper.tier import refill as module
from shipper.tier.policy import DAY_S, end_of
from shipper.tier.refill import Wanted, as_batch, deliver, refill
from shipper.tier.restore import covered, look
from tests.tier.archived_days import FILE, archive, doc, taken
from tests.tier.slow_objects import SlowFolder

DAY = "2026.11.20"
START = end_of(DAY) - DAY_S
DOCS = [doc(DAY, number, level="ERROR" if number % 2 else "INFO") for number in range(10)]
EVERYTHING = parse("")


class Place:
    """An archive in a folder, a sink, and what was said of fetched bytes."""

    def __init__(self, folder, objects=None):
        self.folder = folder
        self.state = State(folder / "state.db")
        self.objects = objects or FolderStore(folder / "archive")
        self.sink, self.clock, self.told = MemorySink(), ManualClock(), []
        self.sink.streams = {"restored": []}

    def put(self, docs=DOCS, **how):
        self.one = archive(self.state, self.objects, "archive", DAY, docs, **how)
        return self

    def refill(self, query="", since=None, until=None):
        day = look(self.objects, *covered([self.one], since, until)[0])
        wanted = Wanted(parse(query), since, until)
        how = {"clock": self.clock, "scratch": self.folder / "tmp", "told": self.told.append}
        return refill(self.objects, day, wanted, self.sink, **how)

    @property
    def stored(self):
        """Documents that the sink has."""
        return [row for _, row in self.sink.streams["restored"]]


@pytest.fixture
def place(tmp_path):
    opened = Place(tmp_path)
    yield opened
    opened.state.close()


def test_every_record_comes_back_byte_for_byte_under_its_id(place):
    """Those of supplements as well; nothing is left of what was fetched."""
    late = doc(DAY, 99)
    assert place.put(supplements=[[late]]).refill() == (11, [])
    assert place.stored == [*DOCS, late]
    assert [id_ for id_, _ in place.sink.streams["restored"]][-1] == f"{FILE}-2026112099"
    assert sum(place.told) == place.one.manifest.bytes
    assert list((place.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("query", "since", "until", "numbers"),
    [
        ("level:ERROR", None, None, [1, 3, 5, 7, 9]),
        ("", START + 4, None, [4, 5, 6, 7, 8, 9]),
        ("level:ERROR", START + 4, START + 9, [5, 7]),
        ('"record 3"', None, None, [3]),
        ("nothing", None, None, []),
    ],
)
def test_only_what_is_wanted_comes_back(place, query, since, until, numbers):
    """As search would find it."""
    rows, _ = place.put().refill(query, since, until)
    assert (rows, place.stored) == (len(numbers), [DOCS[number] for number in numbers])


def test_a_record_without_a_time_comes_with_its_whole_day(place):
    """Of a part of the day nobody can tell."""
    timeless = orjson.dumps({"@timestamp": "never", "event.id": "f-1"})
    place.put([*DOCS, timeless])
    assert [place.refill(since=since).rows for since in (None, START, START + 1)] == [11, 11, 9]


def test_what_elasticsearch_kept_under_labels_is_found_by_its_own_name(place):
    """The sink had moved it there; a data folder's record has no such meaning."""
    moved = doc(DAY, 1, labels={"user_id": "u7"})
    place.put([moved], source="elasticsearch app-2026.11.20")
    assert place.refill("user_id:u7").rows == 1
    place.put([moved], source="embedded")
    assert place.refill("user_id:u7").rows == 0


def test_a_part_that_was_changed_is_told_and_not_restored(place):
    """By its SHA-256 in the manifest."""
    place.put()
    (key,) = taken(place.one)
    place.objects.put(key, place.objects.get(key)[:-1] + b"?")
    with pytest.raises(Damaged, match=r"parquet: not the bytes that were archived; look with: shipper tier verify"):
        place.refill()
    assert (place.stored, list((place.folder / "tmp").iterdir())) == ([], [])


def test_a_day_that_is_still_restoring_is_told(tmp_path):
    """Somebody's clock was wrong, or the copy is gone again."""
    place = Place(tmp_path, SlowFolder(tmp_path / "glacier")).put()
    with pytest.raises(NeedsRestore, match="restore it first"):
        place.refill()
    place.state.close()


def test_large_documents_are_sent_a_few_at_a_time(place, monkeypatch):
    """By bytes or by rows, whichever is reached first."""
    sizes = []
    monkeypatch.setattr(module, "BYTES", 3 * len(DOCS[0]))
    monkeypatch.setattr(place.sink, "write", lambda batch: sizes.append(len(batch)) or [])
    place.put().refill()
    assert sizes == [3, 3, 3, 1]


def test_what_the_sink_refuses_is_told_and_the_rest_comes(place):
    """The archive still has it."""
    place.sink.refuse = {f"{FILE}-202611204": "too odd"}
    assert place.put().refill() == (9, [f"{FILE}-202611204: too odd"])


def test_a_busy_sink_is_waited_for(place):
    """As long as it goes on within two minutes."""
    place.sink.failures = [Retry("busy", after=30.0), Blocked("full", [0], [], after=30.0)]
    before = place.clock.now()
    assert (place.put().refill().rows, place.clock.now() - before) == (10, 60.0)


@pytest.mark.parametrize(("failure", "waited"), [(Retry("down", after=50.0), 150.0), (Retry("401", grave=True), 0.0)])
def test_one_that_takes_nothing_ends_the_work(place, failure, waited):
    """At once where waiting is no help."""
    place.sink.failures = [failure] * 9
    before = place.clock.now()
    with pytest.raises(ShipperError, match="what is restored so far stays, the same command goes on"):
        deliver(place.sink, as_batch(DOCS, DAY, 0.0), place.clock)
    assert place.clock.now() - before == waited


@pytest.mark.parametrize("raw", [b'{"event.id":"x"}', b'{"event.id":"x-07"}', b'{"event.id":7}', b"{}", b"[]", b"{"])
def test_a_record_with_a_foreign_id_is_known_by_its_bytes(raw):
    """So a second time it is the same one."""
    ids = {as_batch([raw], DAY, now).event_id(0) for now in (1.0, 2.0)}
    assert len(ids) == 1
    assert ids != {as_batch([raw + b" "], DAY, 0.0).event_id(0)}


def test_a_lone_surrogate_keeps_its_id():
    """No search finds it, but it is there."""
    assert as_batch([b'{"event.id":"f-7","message":"\\ud800"}'], DAY, 0.0).event_id(0) == "f-7"
