"""What a query says of alerts, values and texts."""

import pytest

from shipper.model import Alert
from shipper.query.parse import parse
from shipper.tier.subject import Subject


def subject(query):
    return Subject(query, parse(query))


def alert(**group):
    return Alert("a", "r", "A rule", "high", group, 1, "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", ["f-1"])


@pytest.mark.parametrize(
    ("group", "expected"),
    [({"user.id": "alice"}, True), ({"user_id": "alice"}, True), ({"user.name": "alice"}, False), ({}, False)],
)
def test_an_alert_is_of_whom_its_group_names(group, expected):
    """Under any name of the field."""
    assert subject("user_id:alice").is_of(alert(**group)) is expected


@pytest.mark.parametrize(
    ("query", "value", "expected"),
    [
        ("user_id:alice", "alice", True),
        ("user_id:alice", "alice2", False),
        ("user_id:ali*", "alice", True),
        ("user_id:alice AND level:ERROR", "ERROR", False),
        ("user_id:alice OR user_id:bob", "bob", True),
        ("NOT user_id:alice", "alice", False),
    ],
)
def test_a_value_alone_tells_only_where_it_is_enough(query, value, expected):
    """Of a query that asks for several things at once no value is the subject."""
    assert subject(query).has(value) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("for alice from", True), ("malice", False), ("ALICE", True), ("alice_2", False)]
)
def test_a_text_mentions_whole_words(text, expected):
    assert subject("user_id:alice").mentioned(text) is expected


def test_the_subject_is_struck_out_of_a_text():
    assert subject("user_id:alice").struck("alice asked") == "[erased] asked"


def test_what_is_no_json_is_searched_as_text():
    assert subject("user_id:alice").matches_raw(b'{"user_id": "alice" broke') is True


def test_only_the_key_tells_that_it_was_this_query():
    one = subject("user_id:alice")
    assert one.fingerprint(b"k") == subject(" user_id:alice ").fingerprint(b"k") != one.fingerprint(b"other")
