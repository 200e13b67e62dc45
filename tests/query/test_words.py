"""What a word is."""

import re

import duckdb
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from shipper.query.tree import Wild
from shipper.query.words import WORD_CHARACTERS, any_case_regex, lower, words_of, words_regex


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user_id=5", ["user_id", "5"]),
        ("Größe: 5µs…", ["größe", "5µs"]),
        ("“quoted”—dash", ["quoted", "dash"]),
        ("a\u00a0b\u2028c", ["a", "b", "c"]),
        ("日本語、東京", ["日本語", "東京"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("नमस्ते", ["नमस्ते"]),
        ("e\u0301t\u00e9", ["e\u0301t\u00e9"]),
        ("ok🎉done→x", ["ok", "done", "x"]),
        ("×÷", []),
    ],
)
def test_words(text, words):
    """Letters, digits, marks and `_` of any script belong to a word; blanks, punctuation and pictures don't."""
    assert [word for (word,) in words_of((text,))] == words


def test_wildcards_belong_to_their_word():
    """They are not cut off."""
    assert words_of(("App-", Wild.MANY, ".P", Wild.ONE)) == (("app",), (Wild.MANY,), ("p", Wild.ONE))


@given(st.text())
def test_both_engines_know_the_same_words(text):
    """Python cuts a query as RE2 cuts a text."""
    by_re2 = re2.findall(f"[{WORD_CHARACTERS}]+", lower(text))
    assert [word for (word,) in words_of((text,))] == by_re2


@given(
    st.lists(st.sampled_from(["ab", "a", "ä", "_"]), min_size=1),
    st.lists(st.sampled_from(["ab", "a", "ä", "_", "-"]), max_size=8),
)
def test_a_phrase_is_consecutive_words(phrase, text):
    """The expression finds a list of words in a list of words."""
    compiled = re2.compile(words_regex(tuple((word,) for word in phrase)))
    joined = "-".join(text)
    words = re.findall("[abä_]+", joined)
    expected = any(words[place : place + len(phrase)] == phrase for place in range(len(words)))
    assert (compiled.search(joined) is not None) == expected


def test_a_literal_is_found_in_any_case():
    """Exactly where DuckDB's lower case has it, of every character there is."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789_ "
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE changed AS SELECT chr(code::INTEGER) AS text FROM range(1, 1114112) t(code) "
            "WHERE code NOT BETWEEN 55296 AND 57343 AND (code < 128 OR lower(chr(code::INTEGER)) <> chr(code::INTEGER))"
        )
        query = "SELECT text FROM changed WHERE regexp_matches(text, ?) <> contains(lower(text), ?)"
        assert connection.execute("SELECT count(*) > 1000 FROM changed").fetchone() == (True,)
        assert [connection.execute(query, [any_case_regex(each), each]).fetchall() for each in letters] == [[]] * 38
        found = connection.execute(
            "SELECT regexp_matches('a s\u212a\u0130p!', ?)", [any_case_regex("skip!")]
        ).fetchone()
    assert found == (True,)
