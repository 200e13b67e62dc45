"""A rule's own tests, and its explanation."""

from shipper.detect.rule_tests import check_rule, explain
from tests.detect.sigma_rules import rule


def to_record(given):
    return given if isinstance(given, dict) else {"message": given}


def test_a_rule_that_keeps_its_word():
    """Lines and mappings."""
    good = rule({"message|contains": "zebra"}, tests={"match": ["a zebra", {"message": "zebra"}], "pass": ["a lion"]})
    assert check_rule(good, to_record) == []


def test_a_rule_that_breaks_its_word():
    """Each input that went wrong, with its place; long ones are cut."""
    bad = rule({"message|contains": "zebra"}, tests={"match": ["a zebra", "a lion"], "pass": ["zebra " * 50]})
    assert check_rule(bad, to_record) == [
        "rule.yml:1: Rule 1: tests.match[1] does not match: a lion",
        f"rule.yml:1: Rule 1: tests.pass[0] matches: {('zebra ' * 50)[:119]}…",
    ]


def explained(detection):
    told = explain(rule(detection))
    return told["fields"], told["literals"], told["fast_path"], told["why"]


def test_a_fast_rule_is_explained():
    """Fields and the literals that wake it."""
    assert explained({"message|contains": ["zebra", "lion"], "other": 1}) == (
        ["message", "other"],
        ["lion", "zebra"],
        True,
        None,
    )


def test_a_slow_rule_is_explained():
    """It says why."""
    fields, literals, fast, why = explained({"other": 1})
    assert (fields, literals, fast) == (["other"], [], False)
    assert why.startswith("not every way to match needs a literal")


def test_a_rule_on_decoded_forms_is_explained():
    """It has no literal and needs none."""
    fields, literals, fast, why = explained({"shipper.decoded|contains": "zebra"})
    assert (fields, literals, fast) == (["shipper.decoded"], [], True)
    assert why.startswith("only lines with an escape")
