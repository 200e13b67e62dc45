"""The virtual field `shipper.decoded`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.detect.decoded import ESCAPES, decoded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", []),
        ("100% of a+b", []),
        ("AT&T; a & b", []),
        ("a=1%27+OR+1", ["a=1' OR 1"]),
        ("%2527", ["%27", "'"]),
        ("&lt;b&gt;&#39;&#x27;", ["<b>''"]),
        (r"\u0027 or", ["' or"]),
        (r"\ud83d\ude00", ["😀"]),
        (r"\ud83d", ["\ufffd"]),
        ("%5Cu0027", [r"\u0027", "'"]),
        ("%ff", ["\ufffd"]),
        ("a%20&lt;", ["a &lt;", "a%20<", "a <"]),
    ],
)
def test_each_wrapping_is_taken_off(text, expected):
    """Only forms that differ from the text, each once."""
    assert decoded({"message": text}) == expected


def test_three_fields_are_read():
    """In order, from flat and nested records."""
    record = {"url": {"path": "%41", "query": "%42"}, "message": "%43", "other": "%44"}
    assert decoded(record) == ["C", "A", "B"]


def test_what_is_no_text_is_passed_over():
    """A number, a list or nothing has no decoded form."""
    assert decoded({"message": 7, "url.path": ["%41"], "url.query": None}) == []


@given(
    st.lists(st.sampled_from(["%", "2", "7", "a", "&", "lt", ";", "#", "\\", "u", "0027", " "]), max_size=12).map(
        "".join
    )
)
def test_whatever_has_a_decoded_form_is_seen_by_the_prefilter(text):
    """An expression for each kind of escape."""
    raw = text.encode()
    assert not decoded({"message": text}) or any(re.search(escape, raw, re.IGNORECASE) for escape in ESCAPES)


def test_a_long_hostile_text_is_linear():
    """A megabyte of beginnings of escapes."""
    assert decoded({"message": "&a" * 500_000 + "%2"}) == []
