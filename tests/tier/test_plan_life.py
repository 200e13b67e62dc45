"""Years go by: a model of hot store and archive does what the plan says, day by day, with what can come between."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.archive.ledger import ARCHIVE, COPY, EXPIRE, EXPORTED, MARKED, Move
from shipper.tier.hot import HotDay
from shipper.tier.plan import plan
from shipper.tier.policy import DAY_S, age, end_of, gone_at, stage_at
from tests.tier.days import archived, at, day, policy

DAYS, LAST_AGE = 30, 20
DATASETS = ("backend", "audit", "debug")
TIERS = policy(
    hot="3d",
    warm={"until": "6d", "to": "s3://bucket/logs"},
    cold="14d",
    datasets={"audit": "20d", "debug": "4d"},
)


class World:
    """Rows by dataset and day, in the hot store, and in the archive by tier; moves under way."""

    def __init__(self, hold):
        self.hot, self.archive, self.grace, self.under_way = {}, {}, {}, []
        self.written, self.gone = {}, {}
        self.hold = hold

    def write(self, dataset, when, rows):
        self.hot.setdefault(when, {}).setdefault(dataset, 0)
        self.hot[when][dataset] += rows
        self.written[dataset, when] = self.written.get((dataset, when), 0) + rows

    def plan(self, now):
        hot_days = [HotDay(when, sum(rows.values()), 1000) for when, rows in sorted(self.hot.items())]
        rows = [
            (key, count, grace)
            for grace, kept in ((False, self.archive), (True, self.grace))
            for key, count in kept.items()
        ]
        there = [
            archived(0, tier, dataset, rows=count, grace=grace)._replace(day=when)
            for (tier, dataset, when), count, grace in rows
        ]
        held = lambda dataset, when: (dataset, when) == self.hold  # noqa: E731
        return plan(TIERS, hot_days, late={}, archived=there, under_way=self.under_way, held=held, now=now)

    def begin(self, planned, now):
        self.under_way.append(
            Move(
                planned.kind,
                planned.day,
                planned.dataset,
                planned.from_tier,
                planned.to_tier,
                "",
                EXPORTED,
                changed=now,
            )
        )

    def publish(self, move, now):
        """What a killed move takes up, and one that nothing stops does at once."""
        if move.kind == ARCHIVE:
            for dataset, rows in self.hot.pop(move.day).items():
                lies = [key for key in self.archive if key[1:] == (dataset, move.day)]
                tier = lies[0][0] if lies else stage_at(TIERS, dataset, age(move.day, now)).tier
                self.archive[tier, dataset, move.day] = self.archive.get((tier, dataset, move.day), 0) + rows
        else:
            key = (move.from_tier, move.dataset, move.day)
            rows = self.archive.pop(key)
            if move.kind == COPY:
                self.grace[key] = rows
                self.archive[move.to_tier, *key[1:]] = rows
            else:
                self.gone[key[1:]] = self.gone.get(key[1:], 0) + rows
                assert now >= gone_at(TIERS, *key[1:])
                assert key[1:] != self.hold
        return replace(move, step=MARKED, changed=now)

    def tidy(self, now):
        """The end of grace."""
        over = [move for move in self.under_way if move.step == MARKED and now >= move.changed + TIERS.grace]
        for move in over:
            self.grace.pop((move.from_tier, move.dataset, move.day), None)
        self.under_way = [move for move in self.under_way if move not in over and move.kind != EXPIRE]


@st.composite
def lives(draw):
    """For each morning: who wrote late into which day, and after how many moves the mover was killed."""
    late = st.tuples(st.integers(0, DAYS), st.sampled_from(DATASETS))
    mornings = st.tuples(st.lists(late, max_size=2), st.none() | st.integers(0, 3))
    return draw(st.lists(mornings, min_size=DAYS, max_size=DAYS))


@settings(max_examples=25, deadline=None)
@given(lives(), st.sampled_from([("backend", day(2)), ("audit", day(0)), ("debug", day(4)), ("", "")]))
def test_every_record_is_in_one_place_until_its_last_day(mornings, hold):
    """Through kills and late records; what is on hold is never gone; what is over is gone within the day."""
    world = World(hold)
    for number, (late, killed_after) in enumerate(mornings):
        for dataset in DATASETS:
            world.write(dataset, day(number), 10)
        for back, dataset in late:
            world.write(dataset, day(max(0, number - back)), 1)
        _run_the_mover(world, at(number), killed_after)
        _check_every_record(world)
    for number in range(DAYS, DAYS + LAST_AGE + 4):
        _run_the_mover(world, at(number), None)
    _check_every_record(world)
    assert set(world.archive) == {key for key in world.archive if key[1:] == hold}
    assert (world.hot, world.grace, world.under_way) == ({}, {}, [])


def _run_the_mover(world, now, killed_after):
    world.tidy(now)
    world.under_way = [world.publish(move, now) if move.step == EXPORTED else move for move in world.under_way]
    world.tidy(now)
    for _ in range(3):
        for done, planned in enumerate(world.plan(now).moves):
            assert end_of(planned.day) + min(TIERS.hot, 4 * DAY_S) <= now
            world.begin(planned, now)
            if killed_after is not None and done >= killed_after:
                return
            world.under_way[-1] = world.publish(world.under_way[-1], now)
        world.tidy(now)


def _check_every_record(world):
    for (dataset, when), rows in world.written.items():
        places = [world.hot.get(when, {}).get(dataset, 0)]
        places += [count for key, count in world.archive.items() if key[1:] == (dataset, when)]
        assert sum(places) + world.gone.get((dataset, when), 0) == rows
        in_archive = [key for key in world.archive if key[1:] == (dataset, when)]
        assert len(in_archive) <= 1


def test_a_year_of_days_goes_through_every_tier():
    """Hot for three days, warm to the sixth, cold to the fourteenth, then gone; and the day that goes on."""
    world = World(("", ""))
    for number in range(365):
        world.write("backend", day(number), 10)
        _run_the_mover(world, at(number), None)
    tiers = [tier for tier, _, _ in world.archive]
    assert (len(world.hot), tiers.count("warm"), tiers.count("cold")) == (4, 3, 8)
    assert len(world.gone) == 365 - 4 - 3 - 8
