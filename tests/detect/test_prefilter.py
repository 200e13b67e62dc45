"""One pass over a block: which rows wake which rules."""

import pytest

from shipper.detect.prefilter import Prefilter
from shipper.detect.rule import Literal
from shipper.errors import ShipperError


def needs(*texts, whole=False):
    return (frozenset(Literal(text, whole) for text in texts),)


def test_a_literal_wakes_its_rules_in_its_rows():
    """In any case, several rules on one literal, several literals of one rule."""
    prefilter = Prefilter([needs("zebra", "lion"), None, needs("zebra")])
    assert prefilter.scan([b"a ZEBRA", b"nothing", b"lion", b""]).rules == {0: {0, 2}, 2: {0}}


def test_a_literal_at_the_end_belongs_to_its_row():
    """The first and the last bytes of a block and of a row."""
    prefilter = Prefilter([needs("abc"), needs("401", whole=True)])
    assert prefilter.scan([b"abc", b"xabc", b"abcx", b"401", b"", b"401"]).rules == {
        0: {0},
        1: {0},
        2: {0},
        3: {1},
        5: {1},
    }


def test_a_literal_never_spans_rows():
    """A row's end is an end."""
    assert Prefilter([needs("abcd")]).scan([b"ab", b"cd"]).rules == {}


@pytest.mark.parametrize(("line", "hit"), [(b"401", True), (b"a401.0,", True), (b"4011", False), (b"1401", False)])
def test_a_whole_number_stands_alone(line, hit):
    """No digit right before or behind it."""
    assert (0 in Prefilter([needs("401", whole=True)]).scan([b"x", line][1:]).rules) == hit


@pytest.mark.parametrize("text", ["'--", "(select", "a.c", "[x]", "a|b", "x{2}", "^ab", "ab$", "a b#c", "*+?"])
def test_a_literal_is_no_pattern(text):
    """Every character stands for itself."""
    prefilter = Prefilter([needs(text)])
    assert prefilter.scan([b"= " + text.encode() + b" =", b"abc", b"xx", b"select"]).rules == {0: {0}}


@pytest.mark.parametrize(
    "line",
    [
        rb"\u00e4",
        rb"\U0041 \uABCD",
        rb'{"message":"sk\\x2dant"}',
        b"a%2Fb",
        b"&#39;",
        b"&lt;",
        b'{"a": 4.01e2}',
        b'{"a":-4E+2,"b":1}',
        b'{"a":[1,4e2]}',
        rb'{"message":"{\"a\":\n4e2\n}"}',
        b'{"a":400.99999999999999999}',
        "İ".encode(),
        "\u212a".encode(),
        "ſ".encode(),
    ],
)
def test_a_line_that_may_hide_a_literal_goes_the_exact_way(line):
    """Escapes, foreign letters that fold into ASCII, unusual numbers."""
    assert Prefilter([]).scan([b"plain", line, b"plain"]).exact == {1}


@pytest.mark.parametrize(
    "line",
    [
        b"100% sure",
        b"a & b; c",
        b"3e4f5a6b",
        b"session:3e4f5a6b done",
        b"id 612e7696, kept",
        b"AT&T",
        rb"C:\users",
        "ärger".encode(),
    ],
)
def test_an_ordinary_line_goes_the_fast_way(line):
    """What only looks a little like an escape."""
    assert Prefilter([]).scan([line]).exact == set()


def test_a_literal_wakes_a_rule_only_beside_its_companions():
    """One of each, anywhere in the same row, in any case; other rules may ask for less."""
    asking = Literal("zebra", also=(("(", "lion"), (";",)))
    prefilter = Prefilter(
        [(frozenset([asking]),), needs("zebra"), (frozenset([Literal("tiger")]), frozenset([asking]))]
    )
    lines = [b"zebra", b"; ZEBRA Lion", b"zebra (", b";(", b"zebra;(("]
    assert prefilter.scan(lines).rules == {0: {1}, 1: {0, 1}, 2: {1}, 4: {0, 1}}


def test_the_same_literal_may_ask_for_either():
    """Two ways to match that share a literal, each with companions of its own."""
    prefilter = Prefilter([(frozenset([Literal("zebra", also=(("(",),)), Literal("zebra", also=((";",),))]),)])
    assert prefilter.scan([b"zebra", b"zebra(", b"zebra;"]).rules == {1: {0}, 2: {0}}


def test_a_secret_pattern_marks_its_rows():
    """Patterns are handed in as Hyperscan expressions."""
    prefilter = Prefilter([needs("zebra")], [rb"key-[a-z]{4}", rb"pass=\S"])
    assert prefilter.scan([b"KEY-abcd", b"zebra", b"pass=x"]).secrets == {0, 2}


def test_a_pattern_that_hyperscan_refuses_is_named():
    """One line: which pattern, why, what to do."""
    with pytest.raises(ShipperError, match=r"pattern b'\(\?=x\)' cannot be compiled .*; shorten it or leave it out"):
        Prefilter([], [rb"fine", rb"(?=x)"])
