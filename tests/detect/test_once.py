"""Questions about a text that are answered once."""

import pytest

from shipper.detect.once import FEW, contains_any, matches_any
from shipper.detect.patterns import Unsupported

MANY = tuple(f"word {number}." for number in range(FEW + 1))


@pytest.mark.parametrize("words", [("zebra", "word 1."), MANY], ids=["few", "many"])
def test_words_are_found_in_any_case(words):
    """Few or many, as they stand, beyond ASCII and beside what cannot be written as UTF-8."""
    asked = ["a WORD 1. b", "word 1x", "", "é Word 1.", "\ud800 word 1.", "\u212a"]
    assert [contains_any(words)(text) for text in asked] == [True, False, False, True, True, False]


def test_patterns_match_anywhere():
    """One of several; the same text twice, another one between."""
    test = matches_any(("^a+$", "z(?i)ebra"))
    assert [test(text) for text in ("aaa", "aab", "a zEBRA", "a zEBRA", "aab")] == [True, False, True, True, False]


def test_a_pattern_that_re2_refuses_is_told_at_once():
    """Not only when the first text comes."""
    with pytest.raises(Unsupported, match="RE2"):
        matches_any(("fine", "(?=x)"))
