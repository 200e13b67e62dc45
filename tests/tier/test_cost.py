"""What tiers hold and cost."""

import pytest

from shipper.tier.cost import GIB, archived_lot, billed_bytes, early_deletions, holdings, hot_lot
from shipper.tier.policy import Prices
from tests.tier.days import archived, hot, policy

PRICES = Prices.model_validate(
    {"as_of": "2026-11-01", "storage": {"STANDARD_IA": 0.0125, "GLACIER_IR": 0.004, "hot": 0.1, "folder": 0.02}}
)


def costs(lots, prices=PRICES):
    return {held.tier: held.cost for held in holdings(lots, [], prices)}


def test_a_tier_costs_what_its_class_costs():
    """By GiB and month."""
    lots = [
        hot_lot(hot(0, size=GIB)),
        archived_lot(archived(1, size=2 * GIB)),
        archived_lot(archived(2, "cold", size=GIB)),
    ]
    assert costs(lots) == {"hot": 0.1, "warm": 0.025, "cold": 0.004}


def test_a_folder_costs_what_is_said_of_folders():
    """Whatever the class that a bucket would have."""
    assert costs([archived_lot(archived(1, size=GIB, place="archive"))]) == {"warm": 0.02}


def test_what_has_no_price_makes_no_sum():
    """Half a sum would be a wrong one."""
    lots = [archived_lot(archived(1)), archived_lot(archived(2, storage_class="GLACIER"))]
    assert (costs(lots), costs(lots, None)) == ({"warm": None}, {"warm": None})


def test_a_day_with_several_datasets_is_one_day():
    """Rows and bytes are added up."""
    (held,) = holdings([archived_lot(archived(1, dataset=name, rows=2, size=10)) for name in "ab"], ["warm"], None)
    assert held[:4] == ("warm", 1, 4, 20)


def test_a_tier_with_nothing_in_it_is_told_too():
    """In the order of the policy."""
    assert holdings([], ["hot", "warm"], PRICES) == [("hot", 0, 0, 0, 0.0), ("warm", 0, 0, 0, 0.0)]


@pytest.mark.parametrize(
    ("storage_class", "size", "billed"),
    [("STANDARD", 10, 10), ("STANDARD_IA", 10, 131_072), ("GLACIER_IR", 200_000, 200_000), ("GLACIER", 10, 40_970)],
)
def test_small_objects_are_billed_as_larger_ones(storage_class, size, billed):
    """By the rules of their class."""
    assert billed_bytes(size, storage_class) == billed


def test_days_that_leave_a_class_early_are_billed_all_the_same():
    """The shipped policy is told so: 23 days and the day of grace, in a class that bills 30."""
    assert list(early_deletions(policy())) == [
        "warm: STANDARD_IA bills at least 30d, a day stays 24d; `until: 36d` costs no more"
    ]


def test_a_dataset_with_an_early_end_is_told_of():
    """By its name."""
    told = list(early_deletions(policy(datasets={"debug": "60d", "audit": "7y"})))
    assert told[1:] == ["debug: GLACIER_IR bills at least 90d, a day stays 30d; `until: 120d` costs no more"]


def test_a_folder_bills_nothing_twice():
    """Nor does a class without a minimum."""
    assert list(early_deletions(policy(warm={"until": "30d", "to": "archive", "storage_class": "STANDARD_IA"}))) == []
    plain = {"until": "30d", "to": "s3://bucket", "storage_class": "STANDARD"}
    assert list(early_deletions(policy(warm=plain))) == []
