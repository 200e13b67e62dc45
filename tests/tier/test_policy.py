"""Ages and stages: where a dataset belongs, when it is gone, until when it is locked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.tier.policy import DAY_S, age, end_of, gone_at, lock_until, seconds, spoken, stage_at, stages
from tests.tier.days import at, day, policy


def where(tiers, dataset, days):
    stage = stage_at(tiers, dataset, days * DAY_S)
    return stage and stage.tier


def test_ages_count_from_the_end_of_the_day():
    """In UTC; of the day that goes on it is negative."""
    assert (age(day(0), at(1, hour=0)), age(day(0), at(0, hour=23))) == (0.0, -3600.0)


@pytest.mark.parametrize(
    ("dataset", "days", "tier"),
    [
        ("backend", 7, "warm"),
        ("backend", 29.99, "warm"),
        ("backend", 30, "cold"),
        ("backend", 364, "cold"),
        ("backend", 4000, "cold"),
        ("audit", 2000, "cold"),
        ("debug", 8, "warm"),
        ("debug", 100, "warm"),
    ],
)
def test_a_dataset_belongs_to_a_tier_by_its_age(dataset, days, tier):
    """What is older than every tier goes through the last that it has."""
    tiers = policy(datasets={"audit": "7y", "debug": "14d"})
    assert where(tiers, dataset, days) == tier


def test_without_a_tier_there_is_no_place():
    """And nothing is ever gone."""
    tiers = policy(warm=None, cold=None)
    assert (where(tiers, "backend", 8), gone_at(tiers, "backend", day(0))) == (None, math.inf)


def test_one_tier_may_be_all_there_is():
    """Cold straight from the hot store."""
    tiers = policy(warm=None)
    assert [(stage.tier, stage.place) for stage in stages(tiers, "backend")] == [("cold", "archive")]


def test_a_rule_of_its_own_moves_the_end_alone():
    """The tiers before the last are left at the same age as by others."""
    assert [stage.until / DAY_S for stage in stages(policy(), "audit")] == [30, 7 * 365]


def test_records_without_a_dataset_can_have_a_rule():
    """Under the name of their folder."""
    assert stages(policy(datasets={"-": "14d"}), "")[-1].until == 14 * DAY_S


def test_a_lock_ends_when_the_object_may_go():
    """At the end of life in the last tier; before that, when the copy is made and grace is over."""
    tiers, now = policy(), at(10)
    end = end_of(day(0))
    assert lock_until(tiers, "audit", day(0), "warm", now) == end + 31 * DAY_S
    assert lock_until(tiers, "audit", day(0), "cold", now) == end + 7 * 365 * DAY_S
    assert lock_until(tiers, "backend", day(0), "cold", now) is None


def test_nothing_is_locked_into_the_past():
    """S3 refuses it."""
    assert lock_until(policy(), "audit", day(0), "warm", at(100)) is None


@pytest.mark.parametrize("text", ["7y", "365d", "36h", "24h", "90m", "45s", "0s"])
def test_a_duration_is_spoken_as_it_is_written(text):
    """Whole days as days."""
    assert spoken(seconds(text)) == {"24h": "1d"}.get(text, text)


@given(st.floats(0, 3000 * DAY_S), st.floats(0, 3000 * DAY_S), st.sampled_from(["backend", "audit", "debug"]))
def test_nothing_gets_warmer(one, other, dataset):
    """With age a dataset only goes on."""
    tiers = policy(datasets={"audit": "7y", "debug": "14d"})
    order = [stage.tier for stage in stages(tiers, dataset)]
    younger, older = sorted([one, other])
    assert order.index(where(tiers, dataset, younger / DAY_S)) <= order.index(where(tiers, dataset, older / DAY_S))
