"""Conditions over records: what matches, and where."""

import pytest

from shipper.detect.documents import Invalid
from shipper.detect.rule import Place
from shipper.model import Doc
from tests.detect.sigma_rules import rule

MATCHES: list[tuple[dict, Doc]] = [
    ({"message": "Hello"}, {"message": "hELLO"}),
    ({"message": "h*o ?orld"}, {"message": "hello\nto World"}),
    ({"message": r"100\*"}, {"message": "100*"}),
    ({"message": r"what\?"}, {"message": "what?"}),
    ({"message": r"C:\temp\x"}, {"message": r"c:\TEMP\X"}),
    ({"message": ""}, {"message": ""}),
    ({"message": "*"}, {"message": ""}),
    ({"message|contains": "fail"}, {"message": "It FAILED"}),
    ({"message|contains": ["no", "fail"]}, {"message": "failed"}),
    ({"message|contains|all": ["login", "fail"]}, {"message": "failed login"}),
    ({"message|startswith": "fail"}, {"message": "Failed"}),
    ({"message|endswith": "ed"}, {"message": "failED"}),
    ({"message|contains|cased": "Fail"}, {"message": "it Failed"}),
    ({"message|contains": "ä"}, {"message": "SÄGE"}),
    ({"message|re": "fail(ed|ure)$"}, {"message": "a failure"}),
    ({"message|re": ["x+y", "fail(ed|ure)$"]}, {"message": "a failure"}),
    ({"message|re|i": ["X+Y", "FAIL"]}, {"message": ["none", "a failure"]}),
    ({"message": ["*one*", "two", 3, None]}, {"message": "TWO"}),
    ({"message": ["*one*", "two", 3, None]}, {"message": 3}),
    ({"message": ["*one*", "two", 3, None]}, {}),
    ({"message|re|i": "FAIL"}, {"message": "a failure"}),
    ({"message|re|m": "^two$"}, {"message": "one\ntwo"}),
    ({"message|re|s": "one.two"}, {"message": "one\ntwo"}),
    ({"message|re": "x"}, {"message": "x\ud800"}),
    ({"status": 401}, {"status": 401}),
    ({"status": 401}, {"status": 401.0}),
    ({"status": 401}, {"status": "401"}),
    ({"status": "401"}, {"status": 401}),
    ({"status|contains": "40"}, {"status": 401}),
    ({"status": [401, 403]}, {"status": 403}),
    ({"status|gt": 400}, {"status": 401}),
    ({"status|gte": 401}, {"status": "401"}),
    ({"status|lt": 1.5}, {"status": 1}),
    ({"status|lte": 1}, {"status": 1}),
    ({"status|neq": 200}, {"status": 201}),
    ({"status|neq": 200}, {}),
    ({"flag": True}, {"flag": True}),
    ({"flag": True}, {"flag": "True"}),
    ({"flag": "true"}, {"flag": True}),
    ({"gone": None}, {}),
    ({"gone": None}, {"gone": None}),
    ({"there|exists": True}, {"there": None}),
    ({"there|exists": False}, {}),
    ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": "10.1.2.3"}),
    ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": "::ffff:10.1.2.3"}),
    ({"source.ip|cidr": "2001:db8::/32"}, {"source": {"ip": "2001:DB8::1"}}),
    ({"message|base64|contains": "secret"}, {"message": "x c2VjcmV0 y"}),
    ({"message|base64offset|contains": "password"}, {"message": "eHBhc3N3b3Jk"}),
    ({"message|windash|contains": " -enc "}, {"message": "run /enc x"}),
    ({"a|fieldref": "b"}, {"a": "X", "b": "x"}),
    ({"a|fieldref|startswith": "b"}, {"a": "xyz", "b": "x"}),
    ({"a|fieldref|endswith": "b"}, {"a": "xyz", "b": "z"}),
    ({"a|fieldref|contains": "b"}, {"a": "xyz", "b": "y"}),
    ({"tags": "b"}, {"tags": ["a", "B"]}),
    ({"a.b.c": "x"}, {"a": {"b.c": "x"}}),
    (["needle"], {"deep": {"er": ["hay", {"x": "a NEEDLE b"}]}}),
    (["nope", "need*le"], {"message": "need a le"}),
    ([404], {"message": "got 404"}),
    ({"|re": "n[e]+dle"}, {"message": "needle"}),
    ({"|contains|all": ["one", "two"]}, {"a": "one", "b": "two"}),
    ([{"a": 1}, {"b": 2}], {"b": 2}),
    ({"shipper.decoded|contains": "' or '"}, {"message": "GET /?id=1'%20OR%20'1"}),
    ({"shipper.decoded|exists": True}, {"message": "&lt;b"}),
    ({"shipper.decoded|exists": False}, {"message": "plain"}),
]

PASSES: list[tuple[dict, Doc]] = [
    ({"message": "Hello"}, {"message": "hello "}),
    ({"message": r"100\*"}, {"message": "1000"}),
    ({"message": "h?"}, {"message": "h"}),
    ({"message|contains|cased": "Fail"}, {"message": "it failed"}),
    ({"message|contains|all": ["login", "fail"]}, {"message": "failed"}),
    ({"message|re": "FAIL"}, {"message": "a failure"}),
    ({"message|re": ["^x|y$", "^a$"]}, {"message": "yx"}),
    ({"message": ["*one*", "two", 3]}, {"message": "two 3"}),
    ({"message|re": "^two$"}, {"message": "one\ntwo"}),
    ({"message": "*"}, {"message": None}),
    ({"message": "*"}, {"message": {"x": "y"}}),
    ({"message": "*"}, {}),
    ({"status": 1}, {"status": True}),
    ({"status": 401}, {"status": "0401"}),
    ({"status|gt": 400}, {"status": "many"}),
    ({"status|gt": 400}, {"status": "1_000"}),
    ({"status|gt": 0}, {"status": True}),
    ({"flag": True}, {"flag": 1}),
    ({"gone": None}, {"gone": ""}),
    ({"there|exists": True}, {}),
    ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": "11.0.0.1"}),
    ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": "not an address"}),
    ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": 7}),
    ({"a|fieldref": "b"}, {"a": "x"}),
    ({"tags": "b"}, {"tags": []}),
    (["needle"], {"needle": "only a key"}),
    ({"shipper.decoded|contains": "a"}, {"message": "a plain text"}),
]


@pytest.mark.parametrize(("detection", "record"), MATCHES)
def test_a_detection_matches(detection, record):
    """Each form of detection finds what it is meant to."""
    assert rule(detection).matches(record)


@pytest.mark.parametrize(("detection", "record"), PASSES)
def test_a_detection_lets_pass(detection, record):
    """Each form of detection leaves its neighbours alone."""
    assert not rule(detection).matches(record)


SELECTIONS = {"sel_a": {"a": 1}, "sel_b": {"b": 1}, "filter_c": {"c": 1}}


@pytest.mark.parametrize(
    ("condition", "record", "expected"),
    [
        ("1 of sel_*", {"b": 1}, True),
        ("all of sel_*", {"b": 1}, False),
        ("all of sel_*", {"a": 1, "b": 1}, True),
        ("1 of them", {"c": 1}, True),
        ("all of them", {"a": 1, "b": 1}, False),
        ("sel_a and not filter_c", {"a": 1}, True),
        ("sel_a and not filter_c", {"a": 1, "c": 1}, False),
        ("not 1 of filter_*", {}, True),
        ("sel_a and (sel_b or filter_c)", {"a": 1, "c": 1}, True),
        ("(sel_a and sel_b) or filter_c", {"a": 1}, False),
        ("sel_a or sel_b and filter_c", {"a": 1}, True),
        (["sel_a", "sel_b"], {"b": 1}, True),
    ],
)
def test_a_condition_puts_selections_together(condition, record, expected):
    """Quantifiers, `not`, parentheses, precedence, and a list of conditions as any of them."""
    assert rule({**SELECTIONS, "condition": condition}).matches(record) == expected


@pytest.mark.parametrize(
    ("detection", "record", "expected"),
    [
        ({"message|contains": "fail"}, {"message": "it Failed"}, Place("message", (3, 7))),
        ({"message|endswith": "ed"}, {"message": "failed"}, Place("message", (4, 6))),
        ({"message|startswith": "f"}, {"message": "failed"}, Place("message", (0, 1))),
        ({"message": "failed"}, {"message": "failed"}, Place("message", (0, 6))),
        ({"message": "*a?c*"}, {"message": "xxabcxx"}, Place("message", (2, 5))),
        ({"message|contains": ["zebra", "lion"]}, {"message": "a lion"}, Place("message", (2, 6))),
        ({"message|re": ["zebra", "l.on"]}, {"message": "a lion"}, Place("message", (2, 6))),
        ({"message|re": "b+"}, {"message": "äabbc"}, Place("message", (2, 4))),
        ({"message|contains": "fail"}, {"message": "İİ fail"}, Place("message", (3, 7))),
        ({"message|contains": "i"}, {"message": "xİ"}, Place("message", (1, 2))),
        ({"source.ip|cidr": "10.0.0.0/8"}, {"source.ip": "10.0.0.1"}, Place("source.ip", (0, 8))),
        ({"status": 1, "message|contains": "b"}, {"status": 1, "message": "ab"}, Place("message", (1, 2))),
        ([{"a": "x", "b": "y"}, {"b|contains": "z"}], {"a": "x", "b": "az"}, Place("b", (1, 2))),
        (["deep"], {"a": {"b": "so deep"}}, Place("a.b", (3, 7))),
        (["deep"], {"a": ["so deep"]}, Place(None, None)),
        ({"status": 401}, {"status": 401}, Place(None, None)),
        ({"gone": None}, {}, Place(None, None)),
        ({"tags": "b"}, {"tags": ["b"]}, Place(None, None)),
        ({"shipper.decoded|contains": "a b"}, {"message": "a%20b"}, Place(None, None)),
    ],
)
def test_a_match_has_a_place(detection, record, expected):
    """The field and span, in characters, of the first string that matched."""
    assert rule(detection).place(record) == expected


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ({"message|re": "(?=x)y"}, "RE2"),
        ({"message|re": r"(a)\1"}, "RE2"),
        ({"message|expand": "%users%"}, "placeholder %users%"),
        ({"@timestamp|hour": 3}, "modifier hour is not supported"),
        ({"message|nonsense": "x"}, "nonsense"),
        ({"|cidr": "10.0.0.0/8"}, "name a field"),
        ({"status|gt": "many"}, "incompatible"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(detection, reason):
    """A modifier, placeholder or pattern that cannot run here is named, not ignored."""
    with pytest.raises(Invalid, match=reason.replace("(", r"\(")):
        rule(detection)
