"""What a match cannot do without."""

import pytest

from shipper.detect.literals import ONLY_ESCAPED, needs_of, of_pattern, of_texts, runs
from shipper.detect.prefilter import FOLDED
from tests.detect.sigma_rules import rule


def needed(found) -> list[set[str]] | None:
    return None if found is None else [{literal.text for literal in literals} for literals in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failed login", ["failed login"]),
        ('say "hello"', ["say ", "hello"]),
        ("/api/users", ["api", "users"]),
        ("one\\two\nthree", ["one", "two", "three"]),
        ("übergroß", ["bergro"]),
        ("ab", ["ab"]),
        ("1e5", []),
        ("-", []),
        ("--", ["--"]),
        ("12.50", []),
        ("10.0.0.1", ["10.0.0.1"]),
        ("429 Too", ["429 too"]),
    ],
)
def test_a_text_is_cut_where_a_line_may_hold_it_otherwise(text, expected):
    """At escapes, beyond ASCII, and a number is none."""
    assert runs(text) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("union", [{"union"}]),
        (r"(?i)UNION\s+SELECTED", [{"selected"}, {"union"}]),
        (r"\bsleep\(\d", [{"sleep("}]),
        ("sleep|benchmark", [{"sleep", "benchmark"}]),
        ("sleep|x?", None),
        ("(?:waitfor )?delay", [{"delay"}]),
        ("(abc){2,}", [{"abc"}]),
        ("[Uu][Nn][Ii]on", [{"union"}]),
        ("[abc]def", [{"def"}]),
        ("a.b.c", None),
        (r"pg_sleep|information_schema\.tables", [{"pg_sleep", "information_schema.tables"}]),
        ("[[:alpha:]]bcd]", None),
        (r"\pLabc", None),
        (r"\Qabc\E", None),
        ("abc(?i)", None),
    ],
)
def test_a_pattern_tells_its_literals(pattern, expected):
    """Each set has one that every match holds; a pattern that Python reads otherwise tells nothing."""
    found = needed(needs_of(of_pattern(pattern)))
    assert (found and sorted(found, key=sorted)) == (expected and sorted(expected, key=sorted))


def test_the_rarest_literal_comes_first():
    """Ordinary words tell less than others, short ones less than long ones."""
    assert needed(needs_of(of_texts(["error", "xyz", "zebra crossing"]))) == [{"zebra crossing"}, {"xyz"}, {"error"}]


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ({"message|contains|all": ["zebra", "="]}, {"zebra": (("=",),)}),
        ({"message|contains|all": ["zebra", "a=b"]}, {"zebra": (("a=b",),)}),
        ({"message|contains": "zebra", "url.path|re": "[<>]=?x*"}, {"zebra": (("<", ">"),)}),
        ({"message|contains": "zebra", "url.path|re": "<=|<|lion"}, {"zebra": (("<", "lion"),)}),
        ({"message|contains": "=zebra", "url.path|contains": "="}, {"=zebra": ()}),
        ({"message|contains": "zebra", "other": "="}, {"zebra": ()}),
        ({"message|contains": "zebra", "url.path|re": "[a-z]"}, {"zebra": ()}),
        ({"http.response.status_code": 401, "url.path|contains": "login"}, {"401": (("login",),)}),
        (
            {
                "a": {"message|contains|all": ["zebra", "("]},
                "b": {"message|contains|all": ["lion", ")"]},
                "condition": "a or b",
            },
            {"zebra": (("(",),), "lion": ((")",),)},
        ),
        (
            {
                "a": {"message|contains|all": ["zebra", "("]},
                "b": {"message|contains": "zebra"},
                "condition": "a or b",
            },
            {"zebra": ()},
        ),
    ],
)
def test_a_literal_tells_what_else_the_line_holds(detection, expected):
    """Of any length, from what else has to be true; one text of several; nothing that the literal itself holds."""
    assert {literal.text: literal.also for literal in rule(detection).needs[0]} == expected


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ({"message|contains": "zebra"}, [{"zebra"}]),
        ({"message|contains": ["zebra", "giraffe"]}, [{"zebra", "giraffe"}]),
        ({"message|contains": ["zebra", "x"]}, None),
        ({"message|contains|all": ["zebra", "x"]}, [{"zebra"}]),
        ({"message|contains": "zebra", "unknown": "giraffe"}, [{"zebra"}]),
        ({"unknown": "giraffe"}, None),
        ({"log.level": "error"}, None),
        ({"http.response.status_code": [401, "403"]}, [{"401", "403"}]),
        ({"http.response.status_code|gt": 400}, None),
        (["keyword"], None),
        ({"shipper.decoded|contains": "zebra"}, [set()]),
        ({"shipper.decoded": None}, None),
        ({"a": {"message|contains": "zebra"}, "b": {"shipper.decoded|re": "x"}, "condition": "a or b"}, [{"zebra"}]),
        (
            {"a": {"message|contains": "zebra"}, "b": {"shipper.decoded|re": "x"}, "condition": "a and b"},
            [set(), {"zebra"}],
        ),
        ({"a": {"message|contains": "zebra"}, "condition": "not a"}, None),
        ({"a": {"message|contains": "zebra"}, "b": {"x": 1}, "condition": "a and not b"}, [{"zebra"}]),
        ({"message|neq": "zebra"}, None),
    ],
)
def test_a_condition_tells_its_literals(detection, expected):
    """AND picks, OR joins when every branch has one, NOT says nothing; only verbatim fields count."""
    assert needed(rule(detection).needs) == expected


def test_only_escaped_is_one_empty_set():
    """No literal of it can ever stand in a line."""
    assert list(ONLY_ESCAPED) == [frozenset()]


def test_every_letter_that_lower_cases_into_ascii_is_known():
    """Lines with one of them go the exact way."""
    beyond = map(chr, range(0x80, 0x110000))
    found = {
        char.encode() for char in beyond if not 0xD800 <= ord(char) < 0xE000 and any(map(str.isascii, char.lower()))
    }
    assert found <= set(FOLDED)
