"""A correlation's own tests."""

from typing import Any

import pytest

from shipper.detect.correlation_tests import check_correlation, fires
from shipper.detect.rule import RuleTests
from shipper.model import Doc
from tests.detect.rule_values import a_correlation, a_rule

RULES = [a_rule(), a_rule("other")]
TRY = {"message": "login", "source.ip": "10.0.0.5"}


def to_record(source: Any) -> Doc:
    """A mapping with a time keeps it; what has none is marked as enrichment marks it."""
    record = dict(source) if isinstance(source, dict) else {"message": source, "source.ip": "10.0.0.5"}
    return record if "@timestamp" in record else {**record, "event.timestamp_source": "clock"}


def run(entry: Any) -> bool:
    return fires(a_correlation(), RULES, to_record, entry)


def test_a_repeat_stands_for_several_records() -> None:
    assert run({"repeat": 6, "every": "60s", "record": TRY})
    assert not run({"repeat": 5, "every": "60s", "record": TRY})
    assert not run({"repeat": 6, "every": "10m", "record": TRY})


def test_records_in_a_list_are_taken_in_order_one_after_the_other() -> None:
    three = {"repeat": 3, "every": "60s", "record": TRY}
    assert run([three, three])
    assert not run([three, {**three, "record": {**TRY, "source.ip": "10.0.0.6"}}])
    assert run(["login"] * 6)


def test_records_keep_the_times_they_have() -> None:
    times = [f"2026-11-23T1{hour}:00:00Z" for hour in range(6)]
    assert not run([{**TRY, "@timestamp": time} for time in times])
    assert run([{**TRY, "@timestamp": times[0]}] * 6)


def test_only_findings_of_the_counted_rules_count() -> None:
    assert not run({"repeat": 9, "record": {**TRY, "message": "other"}})


def test_problems_name_the_test() -> None:
    tests = RuleTests(({"repeat": 5, "record": TRY},), ({"repeat": 6, "record": TRY}, {"repeat": "x", "record": TRY}))
    assert check_correlation(a_correlation(tests=tests), RULES, to_record) == [
        "Guessing: tests.match[1]: does not fire, but should",
        "Guessing: tests.pass[1]: fires, but should not",
        "Guessing: tests.pass[2]: write {repeat: NUMBER, every: 60s, record: …}",
    ]


def test_good_tests_have_no_problems() -> None:
    tests = RuleTests(({"repeat": 6, "record": TRY},), ({"repeat": 5, "record": TRY},))
    assert check_correlation(a_correlation(tests=tests), RULES, to_record) == []


@pytest.mark.parametrize("tests", [RuleTests(), RuleTests(match=(TRY,)), RuleTests(passes=(TRY,))])
def test_both_kinds_of_tests_are_needed(tests: RuleTests) -> None:
    assert check_correlation(a_correlation(tests=tests), RULES, to_record) == [
        "Guessing: has no tests that match, or none that pass"
    ]
