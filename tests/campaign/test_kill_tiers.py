"""Days go from hot to gone while the mover is killed, again and again: each record is found once until its last day."""

import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.checks import check_protected
from tests.campaign.forms import FULL, rounds
from tests.campaign.killing import Killing
from tests.campaign.processes import KILLED, Processes
from tests.campaign.tiered import Life
from tests.campaign.troubles import faults, line_fault
from tests.faults.proxy import Proxy, passes
from tests.services.s3 import Bucket
from tests.tier.days import day

pytestmark = pytest.mark.timeout(3600)

KILLS = rounds(4, 50)
"""At random moments, of each life."""
DAYS = rounds(2, 20)
CHOSEN = 0.7 if FULL else 0.4
"""Of the mornings."""
PLACES = ["folder", "versitygw"]
DATASETS = ("backend", "audit")
ERASED = ("u2", "u4")
"""Users."""
ATTEMPTS = 20
"""On one morning, of kills that came too late."""


@pytest.fixture(scope="module")
def shipper() -> Iterator[Processes]:
    with Processes() as processes:
        yield processes


@pytest.fixture
def life(request: pytest.FixtureRequest, tmp_path: Path, shipper: Processes) -> Life:
    """In the place that the test names: a folder, or a bucket with versions and locks."""
    if request.param == "folder":
        return Life(tmp_path, shipper)
    return Life(tmp_path, shipper, request.getfixturevalue("bucket_of")(request.param))


# ── behind every write ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", PLACES, indirect=True)
def test_killed_behind_every_write(life: Life) -> None:
    """With records that come late into each tier, users that are erased, and one dataset and day on hold."""
    in_bucket = "://" in life.objects.where
    killing = Killing(life, rounds(10, 3) if in_bucket else rounds(5, 1))
    life.write(0, 60)
    life.write(0, 20, "audit")
    for morning, events in sorted(all_events(life, killing).items()):
        life.dawn(morning)
        for event in events:
            event()
        life.check(moved=True)
        if morning in (32, 366) and in_bucket:
            check_protected(life.data, life.objects, life.held)
    life.check_gone()
    assert life.kills > 50 // killing.one_in


Events = dict[int, list[Callable[[], object]]]
"""Morning → what happens on it."""


def all_events(life: Life, killing: Killing) -> Events:
    """In the long form there are more days, and records come late at worse times, also for a day that is gone."""
    move, late = killing.move, life.write
    events: Events = {
        8: [move, lambda: killing.erase("u2")],
        9: [lambda: late(0, 5), move],
        30: [lambda: killing.hold(0, "backend"), move],
        31: [move, lambda: killing.erase("u3")],
        32: [move],
        366: [move],
        367: [killing.release, move],
    }
    if FULL:
        more: Events = {morning: [move] for morning in (10, 11, 12, 21, 33, 35, 41, 368, 370)}
        more[7] = [lambda: late(1, 30), lambda: late(2, 30, "audit"), lambda: killing.erase("u6"), move]
        for morning, what in {20: (0, 7, "audit"), 34: (0, 5), 40: (1, 4), 369: (0, 4)}.items():
            more[morning] = [lambda what=what: late(*what), move]
        more[33] = [lambda: killing.erase("u4"), move]
        events[31] = [lambda: late(0, 3), *events[31], lambda: killing.erase("u5")]
        events[366] = [lambda: late(2, 2, "audit"), *events[366]]
        events |= more
    return events


# ── at any moment, over a store that fails ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", ["folder", "moto"], indirect=True)
def test_killed_at_any_moment(life: Life) -> None:
    """While records come late, users are erased, holds are added, a writer is at work, and the store is away, slow,
    lossy or lying."""
    killed_now_and_then(life, lambda chance: {"faults": faults(chance, some_keys())})


def test_killed_at_any_moment_behind_a_bad_line(
    tmp_path: Path, shipper: Processes, bucket_of: Callable[[str], Bucket]
) -> None:
    """The same over a real server whose answers are errors, come late, break off, or hold a flipped bit."""
    bucket = bucket_of("versitygw")
    with Proxy(bucket.settings.endpoint) as proxy:
        life = Life(tmp_path, shipper, bucket, through=proxy.url)

        def bad_line(chance: random.Random) -> dict[str, Any]:
            proxy.always(line_fault(chance), everything=True)
            return {}

        killed_now_and_then(life, bad_line, lambda: proxy.always(passes, everything=True))
    assert proxy.troubles == []


Faults = Callable[[random.Random], dict[str, Any]]
"""Sets some up; what is to be said to the next command."""


def killed_now_and_then(life: Life, fault: Faults, mended: Callable[[], None] = lambda: None) -> None:
    """A life from hot to gone; `mended` ends the faults."""
    chance = random.Random(DAYS)
    for number in range(DAYS):
        for dataset in DATASETS:
            life.write(number, chance.randint(20, 300), dataset)
    life.hold(chance.randrange(DAYS), "audit")
    mornings = some_mornings(chance)
    usual_s = 1.0
    for place, morning in enumerate(mornings, 1):
        life.dawn(morning)
        if chance.random() < 0.3 and morning < 366:
            life.write(chance.randrange(DAYS), chance.randint(1, 20), chance.choice(DATASETS))
        if chance.random() < 0.3:
            damaged(life, chance)
        for _ in range(ATTEMPTS):
            if life.kills >= KILLS * place / len(mornings):
                break
            killed_some_time(life, chance, usual_s, fault)
            mended()
            life.check(moved=False)
            if chance.random() < 0.1:
                life.hold(chance.randrange(DAYS), chance.choice(DATASETS))
                life.check(moved=False)
        life.move(**fault(chance))
        mended()
        life.check(moved=False)
        for user in sorted(life.erasing):
            ended = life.erase(user)
            assert user not in life.erasing, ended.out
        ended = life.move()
        assert ended.code == 0, ended
        usual_s = (usual_s + ended.seconds) / 2
        life.check(moved=True)
    assert life.verify()["problems"] == []
    life.dawn(400)
    life.release()
    assert life.move().code == 0
    life.check(moved=True)
    life.check_gone()
    assert life.kills >= KILLS


def some_mornings(chance: random.Random) -> list[int]:
    """Some of those on which a day is due for something."""
    due = {first + number for first in (8, 9, 31, 32, 366) for number in range(DAYS)}
    last = {31 - 1, 366 + DAYS}
    return sorted({morning for morning in due if chance.random() < CHOSEN} | last)


def killed_some_time(life: Life, chance: random.Random, usual_s: float, fault: Faults) -> None:
    """The mover, maybe while a writer adds to a day, or an erasure."""
    how = {"kill_after_s": chance.uniform(0.05, 1.2 * usual_s), **fault(chance)}
    if chance.random() < 0.2:
        ended = life.erase(chance.choice(ERASED), **how)
    else:
        number = chance.randrange(DAYS)
        writes = chance.random() < 0.3 and life.morning < 366
        with life.writing(number) if writes else nullcontext():
            ended = life.move(**how)
    assert ended.code in (0, 1, KILLED), ended


def some_keys() -> list[str]:
    """Of what may be archived."""
    kinds = [(tier, dataset, number) for tier in ("warm", "cold") for dataset in DATASETS for number in range(DAYS)]
    ends = ("parquet", "manifest.json")
    return [f"{tier}/{dataset}/{day(number)}.{end}" for tier, dataset, number in kinds for end in ends]


def damaged(life: Life, chance: random.Random) -> None:
    """An object is changed or lost where it lies: it is named, and nothing that depends on it goes on."""
    key = chance.choice(life.parts() or [""])
    if key:
        with life.damaged(key, chance.choice([life.flip, life.lose])):
            assert [problem["key"] for problem in life.verify()["problems"]] == [key]
            life.move()
        life.check(moved=False)


# ── an object that is flipped or lost ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", PLACES, indirect=True)
@pytest.mark.parametrize("damage", ["flip", "lose"])
def test_a_damaged_object_is_named_and_stops_what_depends_on_it(life: Life, damage: str) -> None:
    """Before its day is deleted from the hot store, before it is copied, before what it was copied from is deleted."""
    life.write(0, 50)
    sees_it = damage == "lose" or "://" not in life.objects.where
    stops(life, 9, f"warm/backend/{day(0)}.parquet", damage, stopped=sees_it)
    stops(life, 31, f"warm/backend/{day(0)}.parquet", damage)
    stops(life, 32, f"cold/backend/{day(0)}.parquet", damage, stopped=sees_it)


def stops(life: Life, morning: int, key: str, damage: str, *, stopped: bool = True) -> None:
    """What is due on a morning does not go on until the object is there again. A bit that is flipped in a bucket is
    seen by who reads it, and not by who looks."""
    if morning == 9:
        life.dawn(8)
        assert life.move().code == 0
    life.dawn(morning)
    before = life.parts()
    with life.damaged(key, getattr(life, damage)):
        assert [problem["key"] for problem in life.verify()["problems"]] == [key]
        ended = life.move()
        if stopped:
            assert (ended.code, life.parts()) == (1, before), ended
    life.check(moved=False)
    assert life.move().code == 0
    life.check(moved=True)
    assert life.verify()["problems"] == []
