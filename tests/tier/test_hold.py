"""Holds: which days they keep, and the legal holds of a bucket that go with them."""

import pytest

from shipper.archive import ledger
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.errors import ShipperError, UsageError
from shipper.objects.store import Missing, Stored, Unreachable
from shipper.state import State
from shipper.tier.audit import pending_acts
from shipper.tier.hold import Holds

DAY, OTHER = "2026.11.20", "2026.11.21"
NOON = "2026-11-20T12:00:00.000Z"
NOW = 1_800_000_000.0


class Bucket:
    """Objects that know nothing but a legal hold."""

    def __init__(self, *keys, can=True):
        self.objects, self.can, self.away = dict.fromkeys(keys, False), can, False

    def head(self, key):
        if self.away:
            raise Unreachable("bucket: does not answer; try again")
        return Stored(key, 1, legal_hold=self.objects[key]) if key in self.objects else None

    def hold(self, key, *, on, version=""):
        if key not in self.objects:
            raise Missing(f"bucket/{key}: there is no such object")
        self.objects[key] = on and self.can
        return self.can


class Store:
    """Counts what it is told to; a day that it does not know has nothing."""

    def __init__(self, **found):
        self.found, self.asked = found, []

    def __call__(self, query, since, until, dataset, day):
        self.asked.append((query, dataset, day))
        answer = self.found.get(query, {}).get((dataset, day), 0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state.db")


def archived(state, *days, dataset="backend"):
    for day in days:
        part = Part(part_key("warm", dataset, day), 1, "0" * 64, 1, "", "", "0" * 64)
        state.run(ledger.save_archived("s3://b/p", Manifest("warm", dataset, day, (part,), "embedded", ""), NOW))
    return [part_key("warm", dataset, day) for day in days]


def holds(state, store, bucket=None):
    return Holds(state, store, lambda place: bucket or Bucket())


def test_without_holds_no_store_is_asked(state):
    """The usual case costs nothing."""
    store = Store()
    assert (holds(state, store).held("backend", DAY), store.asked) == ([], [])


def test_a_day_with_one_such_record_is_held(state):
    """And no other day or dataset."""
    found = holds(state, Store(q={("backend", DAY): 1}))
    found.add("q", "", "", "case 7", NOW)
    held = [len(found.held(*day)) for day in (("backend", DAY), ("backend", OTHER), ("audit", DAY))]
    assert held == [1, 0, 0]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (NOON, "", 1),
        ("", NOON, 1),
        ("2026-11-21T00:00:00.000Z", "", 0),
        ("2026-11-20T23:59:59.999Z", "", 1),
        ("", "2026-11-20T00:00:00.000Z", 0),
    ],
)
def test_times_alone_rule_days_out(state, since, until, expected):
    """`until` is not included."""
    found = holds(state, Store(q={("backend", DAY): 1}))
    found.add("q", since, until, "case 7", NOW)
    assert len(found.held("backend", DAY)) == expected


def test_what_cannot_be_told_is_held(state):
    """A day in a class that needs a restore, a server that is away."""
    found = holds(state, Store(q={("backend", DAY): ShipperError("away")}))
    found.add("q", "", "", "case 7", NOW)
    assert [hold.reason for hold in found.held("backend", DAY)] == ["case 7"]


def test_a_released_hold_keeps_nothing(state):
    """It stays in the list, with who and why."""
    found = holds(state, Store(q={("backend", DAY): 1}))
    number, _ = found.add("q", "", "", "case 7", NOW)
    found.release(number, "case 7 is closed", NOW + 1)
    assert found.held("backend", DAY) == []
    assert [(hold.why, hold.released) for hold in ledger.holds(state, released=True)] == [("case 7 is closed", NOW + 1)]


def test_releasing_what_is_not_held_is_refused(state):
    """One line that says where to look."""
    with pytest.raises(UsageError, match="no hold 5 in force; see: shipper hold list --all"):
        holds(state, Store()).release(5, "", NOW)


def test_both_acts_are_audited_without_the_query(state):
    """It may name a person."""
    found = holds(state, Store())
    number, _ = found.add("user_id:alice", "", "", "case 7", NOW)
    found.release(number, "closed", NOW)
    acts = [act for _, act in pending_acts(state, 10)]
    assert [act["event.action"] for act in acts] == ["hold-added", "hold-released"]
    assert "alice" not in str(acts)


def test_the_bucket_holds_what_is_held_and_nothing_else(state):
    """From the moment on at which the hold is added."""
    keys = archived(state, DAY, OTHER)
    bucket = Bucket(*keys)
    _, protection = holds(state, Store(q={("backend", DAY): 1}), bucket).add("q", "", "", "case 7", NOW)
    assert bucket.objects == {keys[0]: True, keys[1]: False}
    assert protection == ([("backend", DAY)], 1, [])


def test_release_takes_off_what_no_other_hold_needs(state):
    """The second one keeps one of the two days."""
    keys = archived(state, DAY, OTHER)
    bucket = Bucket(*keys)
    found = holds(state, Store(q={("backend", DAY): 1, ("backend", OTHER): 1}, r={("backend", DAY): 1}), bucket)
    first, _ = found.add("q", "", "", "case 7", NOW)
    found.add("r", "", "", "case 8", NOW)
    found.release(first, "closed", NOW)
    assert bucket.objects == {keys[0]: True, keys[1]: False}


def test_a_legal_hold_of_somebody_else_is_never_taken_off(state):
    """It was there before ours."""
    keys = archived(state, DAY)
    bucket = Bucket(*keys)
    bucket.objects[keys[0]] = True
    found = holds(state, Store(q={("backend", DAY): 1}), bucket)
    number, _ = found.add("q", "", "", "case 7", NOW)
    found.release(number, "closed", NOW)
    assert bucket.objects == {keys[0]: True}


def test_a_copy_is_protected_and_the_old_one_let_go(state):
    """So a held day can go on to the next tier."""
    old = archived(state, DAY)
    bucket = Bucket(*old, "cold/backend/2026.11.20.parquet")
    found = holds(state, Store(q={("backend", DAY): 1}), bucket)
    found.add("q", "", "", "case 7", NOW)
    assert found.protect("s3://b/p", "backend", DAY, ["cold/backend/2026.11.20.parquet"]) == []
    found.let_go("s3://b/p", old)
    assert bucket.objects == {old[0]: False, "cold/backend/2026.11.20.parquet": True}


def test_a_bucket_that_is_away_does_not_keep_the_hold_from_being_in_force(state):
    """What failed is told."""
    bucket = Bucket(*archived(state, DAY))
    bucket.away = True
    found = holds(state, Store(q={("backend", DAY): 1}), bucket)
    _, protection = found.add("q", "", "", "case 7", NOW)
    assert (len(found.held("backend", DAY)), protection.problems) == (1, ["bucket: does not answer; try again"])


def test_what_was_replaced_while_it_was_on_hold_is_let_go_with_it(locked_bucket, state):
    """Somebody put a damaged part back: the version below it would stay for ever, and nobody would know of it."""
    objects = locked_bucket.store()
    [key] = archived(state, DAY)
    objects.put(key, b"first")
    found = Holds(state, Store(q={("backend", DAY): 1}), lambda _: objects)
    number, _ = found.add("q", "", "", "case 7", NOW)
    objects.put(key, b"again")
    assert found.release(number, "over", NOW).problems == []
    objects.delete(key)
    assert objects.versions(key) == []


def test_a_store_without_legal_holds_is_no_problem(state):
    """A folder: shipper keeps it all the same, and nothing is remembered of it."""
    bucket = Bucket(*archived(state, DAY), can=False)
    found = holds(state, Store(q={("backend", DAY): 1}), bucket)
    number, protection = found.add("q", "", "", "case 7", NOW)
    assert (protection.objects, protection.problems, state.meta("legal_holds")) == (0, [], "[]")
    assert found.release(number, "closed", NOW).objects == 0
