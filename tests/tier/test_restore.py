"""Archived days that somebody wants back: which, how they stand, what is asked for, and when a copy goes again."""

import orjson
import pytest

from shipper.elastic.connect import ElasticError
from shipper.errors import ShipperError
from shipper.objects.folder import FolderStore
from shipper.objects.store import Missing
from shipper.state import State
from shipper.tier.policy import DAY_S, end_of
from shipper.tier.restore import (
    ASKED,
    ELASTICSEARCH,
    NEEDED,
    READABLE,
    READY,
    WAITING,
    announce,
    arrived,
    ask,
    covered,
    expire,
    look,
    restored,
    speed_of,
)
from tests.tier.archived_days import archive, doc, taken
from tests.tier.slow_objects import SlowFolder

DAY = "2026.11.20"
START = end_of(DAY) - DAY_S
NOW = end_of("2026.11.24")
INDEX = "restored-app-2026.11.20"


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def slow(tmp_path):
    return SlowFolder(tmp_path / "glacier")


@pytest.fixture
def one(state, slow):
    """A day of two parts."""
    return archive(state, slow, "s3://b/p", DAY, [doc(DAY, 0), doc(DAY, 60)], supplements=[[doc(DAY, 7200)]])


def acts(state):
    """`event.action` of what the audit dataset will hold, and its message."""
    rows = state.rows("SELECT payload FROM outbox WHERE kind = 'audit' ORDER BY seq")
    return [(found["event.action"], found["message"]) for found in (orjson.loads(row["payload"]) for row in rows)]


class Indices:
    """Elasticsearch, as far as deleting goes."""

    def __init__(self, *failures):
        self.deleted, self.failures = [], list(failures)

    def request(self, method, path):
        if self.failures:
            raise self.failures.pop(0)
        self.deleted.append((method, path))


# ── which ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("since", "until", "parts"),
    [
        (None, None, [0, 1]),
        (START, START + DAY_S, [0, 1]),
        (START + 61, None, [1]),
        (START + 60, None, [0, 1]),
        (None, START + 7200, [0]),
        (START + 61, START + 7200, []),
        (START + DAY_S, None, []),
        (None, START, []),
    ],
)
def test_only_parts_that_may_hold_records_of_the_time_are_wanted(one, since, until, parts):
    """By the times in the manifest; `until` is excluded."""
    found = [part.key for _, some in covered([one], since, until) for part in some]
    assert found == [taken(one)[number] for number in parts]


def test_records_without_a_time_belong_to_the_whole_day_alone(one):
    """The manifest knows no time of them."""
    manifest = one.manifest
    timeless = manifest.parts[0].__class__("k", 1, "", 1, "", "", "")
    only = one._replace(
        manifest=manifest.__class__(*[getattr(manifest, n) for n in ("tier", "dataset", "day")], (timeless,), "", "")
    )
    assert ([len(covered([only], since, None)) for since in (None, START, START + 1)]) == [1, 1, 0]


# ── how a day stands ──────────────────────────────────────────────────────────────────────────────────────────────────


def standing(slow, one):
    return look(slow, *covered([one], None, None)[0])


def test_a_class_that_can_be_read_has_nothing_to_wait_for(state, tmp_path):
    """A folder, STANDARD_IA, GLACIER_IR."""
    objects = FolderStore(tmp_path / "archive")
    day = standing(objects, archive(state, objects, "archive", DAY, [doc(DAY, 1)]))
    assert (day.standing, day.is_readable) == (READABLE, True)
    assert (ask(objects, state, day, days=7, speed="Bulk", now=NOW), acts(state)) == (day, [])


def test_a_slow_class_is_asked_once_and_then_waited_for(state, slow, one):
    """Each part of it, for as many days as it is to stay."""
    needed = standing(slow, one)
    asked = ask(slow, state, needed, days=7, speed="Bulk", now=NOW)
    again = standing(slow, one)
    assert [needed.standing, asked.standing, again.standing] == [NEEDED, ASKED, WAITING]
    assert slow.asked == dict.fromkeys(taken(one), (7, "Bulk"))
    assert ask(slow, state, again, days=7, speed="Bulk", now=NOW) == again
    assert acts(state) == [("restore-asked", f"{DAY} of backend asked for in cold, readable for 7 days")]


def test_what_was_asked_for_is_ready_hours_later_and_for_a_while(state, slow, one):
    """Until the store takes the copy away."""
    ask(slow, state, standing(slow, one), days=7, speed="Standard", now=NOW)
    slow.thaw(NOW)
    day = standing(slow, one)
    assert (day.standing, day.until, day.is_readable) == (READY, NOW + 7 * DAY_S, True)


def test_a_day_waits_for_the_last_of_its_parts(slow, one):
    """And is asked for as long as one of them was not."""
    first, last = taken(one)
    slow.restore(first, 7)
    assert standing(slow, one).standing == NEEDED
    slow.thaw(NOW)
    slow.restore(last, 7)
    assert standing(slow, one).standing == WAITING


def test_a_part_that_is_gone_is_told(slow, one):
    """It is for `verify` to say more."""
    slow.delete(taken(one)[1])
    with pytest.raises(Missing, match=r"s1\.parquet: gone from the archive; look with: shipper tier verify"):
        standing(slow, one)


@pytest.mark.parametrize(
    ("storage_class", "speed", "waits"),
    [("GLACIER", "Bulk", "5-12 h"), ("DEEP_ARCHIVE", "Standard", "12 h"), ("DEEP_ARCHIVE", "Expedited", None)],
)
def test_the_waiting_time_is_that_of_class_and_speed(slow, one, storage_class, speed, waits):
    """Not every class knows every speed."""
    slow.storage_class = storage_class
    found = speed_of(standing(slow, one), speed)
    assert (found.waits if found else None) == waits


# ── what is back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_restored_index_is_noted_before_it_is_there(state, one):
    """And with its records afterwards, of each dataset."""
    announce(state, DAY, INDEX, NOW + 9)
    before = restored(state)
    arrived(state, one, INDEX, 3, NOW, narrowed=False)
    arrived(state, one._replace(dataset="audit"), INDEX, 2, NOW, narrowed=True)
    assert before == [(DAY, ELASTICSEARCH, NOW + 9, {"index": INDEX, "rows": 0})]
    assert restored(state)[0].detail == {"index": INDEX, "rows": 5, "datasets": {"backend": 3, "audit": 2}}
    assert [message.partition(" restored ")[0] for _, message in acts(state)] == [
        f"3 records of {DAY}, backend,",
        f"2 records that a query found of {DAY}, audit,",
    ]


def test_asking_again_never_makes_it_go_sooner(state, one):
    """The longer time counts."""
    for until in (NOW + 5, NOW + 9, NOW + 7):
        announce(state, DAY, INDEX, until)
    assert restored(state)[0].until == NOW + 9


def test_an_index_goes_when_its_time_is_over(state, one):
    """Once, and its audit record says so."""
    announce(state, DAY, INDEX, NOW)
    indices = Indices()
    early = expire(state, indices, NOW - 1)
    assert (early, expire(state, indices, NOW), expire(state, indices, NOW)) == ([], [INDEX], [])
    assert (indices.deleted, restored(state)) == ([("DELETE", f"/{INDEX}")], [])
    assert [action for action, _ in acts(state)] == ["restored-deleted"]


def test_one_that_somebody_deleted_is_as_good_as_gone(state):
    """Also after a kill between the deletion and its commit."""
    announce(state, DAY, INDEX, NOW)
    assert expire(state, Indices(ElasticError("no such index", 404)), NOW) == [INDEX]


def test_elasticsearch_that_is_away_is_asked_again(state):
    """The note stays until the index is gone."""
    announce(state, DAY, INDEX, NOW)
    with pytest.raises(ShipperError, match="is away"):
        expire(state, Indices(ElasticError("is away")), NOW)
    assert (expire(state, None, NOW), len(restored(state))) == ([], 1)


def test_what_the_store_takes_away_by_itself_is_only_forgotten(state, slow, one):
    """A copy of an object in a slow class."""
    ask(slow, state, standing(slow, one), days=7, speed="Bulk", now=NOW)
    (there,) = restored(state)
    assert (there.place, expire(state, None, there.until), restored(state)) == ("s3://b/p", [], [])
