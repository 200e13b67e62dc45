"""Which days move where, and why."""

import pytest

from shipper.archive.ledger import ARCHIVE, COPY, EXPIRE, EXPORTED, MARKED, PLANNED, PUBLISHED
from shipper.tier.plan import plan
from shipper.tier.policy import DAY_S, end_of
from tests.tier.days import archived, at, day, hot, move, policy


def planned(now, *, tiers=None, hot_days=(), late=None, there=(), under_way=(), held=lambda _dataset, _day: False):
    return plan(
        tiers or policy(), hot_days, late=late or {}, archived=there, under_way=under_way, held=held, now=at(now)
    )


def told(moves):
    return [(one.kind, one.day, one.dataset, one.from_tier, one.to_tier) for one in moves]


def test_nothing_moves_where_nothing_is():
    """Every tier is told of all the same."""
    found = planned(0)
    assert (found.moves, [held.tier for held in found.now]) == ([], ["hot", "warm", "cold"])


def test_a_hot_day_moves_at_its_age():
    """And not a day before."""
    days = [hot(0), hot(1)]
    found = planned(8, hot_days=days)
    assert told(found.moves) == [(ARCHIVE, day(0), "", "hot", "warm")]
    assert (found.moves[0].place, found.moves[0].storage_class) == ("s3://bucket/logs", "STANDARD_IA")
    assert (found.moves[0].reason, found.moves[0].rows) == ("7d old, hot keeps 7d", 100)
    assert [(one.day, one.due) for one in found.coming] == [(day(1), end_of(day(1)) + 7 * DAY_S)]


def test_the_day_that_goes_on_stays():
    """And days of a clock that is ahead."""
    assert told(planned(0, hot_days=[hot(0), hot(40)], tiers=policy(hot="0d")).moves) == []


@pytest.mark.parametrize(
    ("now", "tier", "reason"),
    [
        (20, "warm", "19d old, hot keeps 7d"),
        (50, "cold", "49d old, hot keeps 7d"),
        (500, "cold", "499d old: through cold, then gone"),
    ],
)
def test_a_hot_day_goes_where_it_belongs_by_now(now, tier, reason):
    """The tiers that it is too old for are left out, but not the last: it is proven before it is gone."""
    (one,) = planned(now, hot_days=[hot(0)]).moves
    assert (one.to_tier, one.reason) == (tier, reason)


def test_a_warm_day_is_copied_to_cold():
    """Each dataset for itself, in the place where it lies."""
    found = planned(31, there=[archived(0, dataset=name) for name in ("audit", "backend")])
    assert told(found.moves) == [(COPY, day(0), name, "warm", "cold") for name in ("audit", "backend")]
    assert [(one.storage_class, one.reason) for one in found.moves] == [("GLACIER_IR", "30d old, warm keeps 30d")] * 2
    assert [one.lock_until for one in found.moves] == [end_of(day(0)) + 7 * 365 * DAY_S, None]


def test_an_archived_day_is_gone_after_its_time():
    """By the rule of its dataset, from whichever tier it is in."""
    tiers = policy(datasets={"audit": "7y", "debug": "14d"})
    there = [archived(0, "cold", name) for name in ("audit", "backend")] + [archived(0, "warm", "debug")]
    assert told(planned(15, tiers=tiers, there=there).moves) == [(EXPIRE, day(0), "debug", "warm", "gone")]
    found = planned(366, tiers=tiers, there=there)
    assert told(found.moves) == [
        (EXPIRE, day(0), "backend", "cold", "gone"),
        (EXPIRE, day(0), "debug", "warm", "gone"),
    ]
    assert [one.reason for one in found.moves] == ["365d old, cold keeps 365d", "365d old, debug keeps 14d"]


def test_a_warm_day_that_is_past_all_is_gone_without_a_detour():
    """Nothing is copied only to be deleted."""
    assert told(planned(400, there=[archived(0)]).moves) == [(EXPIRE, day(0), "backend", "warm", "gone")]


def test_a_policy_that_became_longer_brings_nothing_back():
    """Days stay where they are until they go on."""
    found = planned(20, there=[archived(0, "cold")])
    assert (found.moves, told(found.coming)) == ([], [(EXPIRE, day(0), "backend", "cold", "gone")])


def test_a_tier_that_is_no_longer_there_is_left():
    """Cold is what remains."""
    tiers = policy(warm=None, cold={"until": "365d", "to": "s3://bucket/logs"})
    assert told(planned(20, tiers=tiers, there=[archived(0)]).moves) == [(COPY, day(0), "backend", "warm", "cold")]


def test_days_stay_in_a_place_that_the_policy_no_longer_names():
    """They go through the tiers there, and a note says so."""
    found = planned(31, there=[archived(0, place="archive")])
    assert [(one.kind, one.place) for one in found.moves] == [(COPY, "archive")]
    assert found.notes[-1].startswith("archive: 1 days lie there, which the policy does not name now")


def test_a_hold_keeps_a_day_from_being_gone():
    """From moving it does not."""
    there = [archived(0, "cold"), archived(1, "cold"), archived(340)]
    found = planned(372, there=there, held=lambda dataset, when: when in (day(0), day(340)))
    assert told(found.moves) == [
        (EXPIRE, day(1), "backend", "cold", "gone"),
        (COPY, day(340), "backend", "warm", "cold"),
    ]
    assert [(*one[:3], one.blocked_by) for one in found.blocked] == [(EXPIRE, day(0), "backend", "hold")]


def test_holds_are_asked_only_of_what_is_due():
    """Asking may read archived days."""
    asked = []
    planned(20, there=[archived(0)], held=lambda *what: asked.append(what) or False)
    assert asked == []


@pytest.mark.parametrize("step", [PLANNED, EXPORTED, PUBLISHED, MARKED])
def test_a_day_under_way_is_not_planned_again(step):
    """Whichever its step."""
    found = planned(9, hot_days=[hot(0)], under_way=[move(ARCHIVE, 0, step)])
    assert (found.moves, found.blocked, found.coming) == ([], [], [])


def test_a_copy_under_way_is_not_planned_again():
    """Nor is its copy in grace."""
    there = [archived(0, grace=True), archived(0, "cold")]
    under_way = [move(COPY, 0, MARKED, "backend", ("warm", "cold"))]
    assert planned(32, there=there, under_way=under_way).moves == []
    assert planned(32, there=there[:1], under_way=[move(COPY, 0, EXPORTED, "backend", ("warm", "cold"))]).moves == []


def test_a_copy_in_grace_is_left_to_its_own_move():
    """Also after its time, and when nothing is noted of that move."""
    found = planned(400, there=[archived(0, grace=True)])
    assert (found.moves, found.blocked, found.coming) == ([], [], [])


def test_records_that_came_late_follow_their_day():
    """At once, also where the hot store keeps longer by now."""
    for keeps in ("7d", "20d"):
        (one,) = planned(12, tiers=policy(hot=keeps), hot_days=[hot(0, rows=3)], there=[archived(0)]).moves
        assert (one.kind, one.to_tier, one.rows, one.reason) == (ARCHIVE, "warm", 3, "came after its day was archived")


def test_records_that_came_since_go_along_with_their_day():
    """Before its hot copy is deleted, which is told."""
    under_way = [move(ARCHIVE, 0, MARKED, changed=at(9))]
    found = planned(9, hot_days=[hot(0)], late={day(0): 3}, there=[archived(0)], under_way=under_way)
    assert (found.moves, [(one.rows, one.due) for one in found.coming[:1]]) == ([], [(3, at(10))])


def test_a_day_goes_on_when_its_late_records_are_in():
    """They change its manifest."""
    found = planned(31, hot_days=[hot(0, rows=3)], there=[archived(0)])
    assert told(found.moves) == [(ARCHIVE, day(0), "", "hot", "cold")]
    assert [(one.kind, one.blocked_by) for one in found.blocked] == [
        (COPY, "records of this day that came late go first")
    ]


@pytest.mark.parametrize(
    ("step", "failure", "blocked"),
    [
        (EXPORTED, "", ["archive of this day is under way (exported)"]),
        (MARKED, "the bucket is gone", ["archive of this day is under way (marked)"]),
        (MARKED, "", []),
    ],
)
def test_a_day_waits_for_a_move_that_is_at_work_on_it(step, failure, blocked):
    """One that waits for the end of its grace is not in the way."""
    found = planned(31, there=[archived(0)], under_way=[move(ARCHIVE, 0, step, failure=failure)])
    assert [one.blocked_by for one in found.blocked] == blocked


def test_late_records_wait_for_a_copy_that_is_at_work():
    """What it noted of the day would not be so any more."""
    under_way = [move(COPY, 0, EXPORTED, "backend", ("warm", "cold"))]
    found = planned(31, hot_days=[hot(0)], there=[archived(0)], under_way=under_way)
    assert ([*told(found.moves)], [one.kind for one in found.blocked]) == ([], [ARCHIVE])


def test_the_oldest_day_is_first():
    """Then what comes into the archive, what moves in it, what leaves it; in any order of what is given."""
    there = [archived(n, "cold") for n in (3, 1, 2)] + [archived(360, dataset=name) for name in "ba"]
    found = told(planned(395, hot_days=[hot(380), hot(370)], there=there).moves)
    assert found == told(planned(395, hot_days=[hot(370), hot(380)], there=there[::-1]).moves)
    assert [one[1:3] for one in found] == [
        *((day(n), "backend") for n in (1, 2, 3)),
        *((day(360), name) for name in "ab"),
        *((day(n), "") for n in (370, 380)),
    ]


def test_the_next_move_of_every_day_is_told():
    """Soonest first."""
    found = planned(10, hot_days=[hot(9), hot(8)], there=[archived(0), archived(0, "cold", "audit")])
    assert [(one.kind, one.day, round((one.due - at(10, hour=0)) / DAY_S)) for one in found.coming] == [
        (ARCHIVE, day(8), 6),
        (ARCHIVE, day(9), 7),
        (COPY, day(0), 21),
        (EXPIRE, day(0), 7 * 365 - 9),
    ]


def test_totals_are_told_before_and_after():
    """What a hot day will take is estimated by what archived days take a row."""
    there = [archived(0, rows=100, size=1000), archived(300, rows=100, size=1000), archived(300, "cold", grace=True)]
    found = planned(331, hot_days=[hot(310, rows=50), hot(330)], there=there)
    counts = {held.tier: held[1:4] for held in found.after}
    assert {held.tier: held[1:3] for held in found.now} == {"hot": (2, 150), "warm": (2, 200), "cold": (1, 100)}
    assert counts["hot"] == (1, 100, 50_000)
    assert counts["warm"][:2] == (1, 50)
    assert counts["cold"][:2] == (2, 200)


def test_moves_under_way_are_done_in_the_totals_after():
    """A day in grace is in the archive already."""
    under_way = [move(ARCHIVE, 0, MARKED), move(ARCHIVE, 1, EXPORTED)]
    found = planned(9, hot_days=[hot(0), hot(1)], there=[archived(0)], under_way=under_way)
    assert {held.tier: held[1:3] for held in found.after} == {"hot": (0, 0), "warm": (2, 200), "cold": (0, 0)}
