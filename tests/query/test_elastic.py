"""What is asked of Elasticsearch: at least all by one query, nothing else by the other."""

import orjson
import pytest
from hypothesis import given

from shipper.query.clauses import ALL, NONE, all_of, any_of, none_of, times
from shipper.query.elastic import bounds, fields_of
from shipper.query.moved import with_moved
from shipper.query.parse import parse
from shipper.query.tree import FREE_TEXT
from tests.query.test_meaning import QUERIES, tree_or_none

TYPES = {
    "message": "text",
    "error.type": "keyword",
    "level": "keyword",
    "line": "long",
    "duration_ms": "double",
    "source.ip": "ip",
    "@timestamp": "date_nanos",
    "number": "double",
    "labels": "flattened",
    "event.id": "keyword",
    "event.action": "keyword",
}


def over(query):
    """What finds at least all."""
    return bounds(parse(query), TYPES).over


def is_exact(query):
    """Whether both are one."""
    found = bounds(parse(query), TYPES)
    return found.over == found.under


def says(query, text):
    """Whether a query holds a piece of JSON."""
    return text.encode() in orjson.dumps(query)


@pytest.mark.parametrize("query", ["*", "NOT *", "event.id:x", "NOT event.id:x"])
def test_what_is_never_moved_is_exact(query):
    """So that it is counted by Elasticsearch alone."""
    assert is_exact(query)


@pytest.mark.parametrize(
    ("query", "certain"),
    [
        ("level:ERROR", {"term": {"level": {"value": "ERROR"}}}),
        ("message:word", {"term": {"message": {"value": "word"}}}),
        ("message:wo?d", {"wildcard": {"message": {"value": "wo?d"}}}),
        ('message:"two words"', {"match_phrase": {"message": {"query": "two words", "analyzer": "whitespace"}}}),
        ("duration_ms:>5", {"range": {"duration_ms": {"gt": 5}}}),
        ("level:a*", {"wildcard": {"level": {"value": "a*"}}}),
        ("level:[a TO b}", {"range": {"level": {"gte": "a", "lt": "b"}}}),
    ],
)
def test_what_the_index_says_for_certain(query, certain):
    """It need not be looked at where it is counted."""
    under = bounds(parse(query), TYPES).under
    assert any_of(under, certain) == under


@pytest.mark.parametrize(
    "query",
    [
        "level:ERROR",
        "number:5",
        "number:>9007199254740993",
        "level:>5",
        'source.ip:"::1"',
        "message:app-*.py",
        "word",
        "event:*",
        "duration_ms:>5",
        "line:>4",
    ],
)
def test_what_is_not_exact_has_two(query):
    """One of them finds less, and what lies between is looked at."""
    assert not is_exact(query)


def test_not_swaps_the_two():
    """What may be in an answer may be missing in that of NOT."""
    plain, negated = bounds(parse("number:5"), TYPES), bounds(parse("NOT number:5"), TYPES)
    assert negated == (none_of(plain.under), none_of(plain.over))


def test_a_field_that_no_index_has_finds_only_what_was_moved():
    """And is no error."""
    assert over("gone:>5") == {"exists": {"field": "labels.gone"}}
    assert over("@timestamp.gone:5 OR event.id:x") != NONE


def test_times_are_exact_to_the_microsecond_and_end_with_what_can_be_stored():
    """In RFC 3339, because milliseconds are too coarse; Elasticsearch refuses times that its nanoseconds cannot hold."""
    assert times("@timestamp", 1, 2)["range"]["@timestamp"]["gte"] == "1970-01-01T00:00:00.000001Z"
    assert over("@timestamp:1960") == {"term": {"_ignored": {"value": "@timestamp"}}}
    assert times("@timestamp", -5, None) == {"exists": {"field": "@timestamp"}}
    assert times("@timestamp", 2**63, None) == NONE


def test_longs_outside_of_64_bits_are_no_error():
    """Elasticsearch refuses such bounds."""
    assert not says(over("line:>99999999999999999999"), "99999999999999999999")
    assert not says(over("line:<99999999999999999999"), "99999999999999999999")


def test_an_open_interval_of_addresses_ends_where_ipv4_does():
    """Elasticsearch has all IPv6 addresses behind it."""
    assert over("source.ip:>10.0.0.1")["bool"]["should"][0] == {
        "range": {"source.ip": {"gt": "10.0.0.1", "lte": "255.255.255.255"}}
    }


def test_an_object_is_looked_for_by_what_stands_in_it():
    """But not by what every record has."""
    assert says(over("event:*"), "event.action")
    assert not says(over("event:*"), "event.id")


def test_stars_and_question_marks_that_were_escaped_are_plain():
    """A wildcard query has its own escapes."""
    assert says(over(r"level:a\*b*"), orjson.dumps(r"a\*b*").decode())


def test_many_single_wildcards_do_not_become_an_automaton_of_their_own():
    """`?` behind `*` doubles it each time, until Elasticsearch refuses it."""
    assert says(over("level:*a" + "?" * 30), '"*a' + "*" * 30)
    assert not is_exact("level:*a" + "?" * 30)


def test_deep_trees_are_cut():
    """Below, everything may be in the answer, and nothing is for certain."""
    deep = "level:x"
    for level in range(40):
        deep = f"({deep} {'OR' if level % 2 else 'AND'} line:{level})"
    found = bounds(parse(deep), TYPES)
    assert depth(found.over) < 30
    assert depth(found.under) < 30


def depth(query):
    """How deep clauses stand in one another."""
    parts = query.get("bool", {})
    return 1 + max((depth(each) for key in ("filter", "should", "must_not") for each in parts.get(key, ())), default=0)


def test_fields_of_a_query():
    """Those whose types have to be known."""
    assert fields_of(parse("level:x NOT (user_id:* OR line:>4)")) == {"level", "user_id", "line"}
    assert fields_of(parse("word")) == set(FREE_TEXT)
    assert fields_of(parse("*")) == set()


@given(query=QUERIES)
def test_a_query_and_its_opposite_leave_nothing_out(query):
    """`under` of a query and `over` of its opposite are each other's opposite."""
    tree = tree_or_none(query)
    assert none_of(bounds(tree, TYPES).under) == bounds(parse(f"NOT ({query})".replace("\\\n", "x")), TYPES).over


def test_joins_leave_out_what_changes_nothing():
    """And take those of their own kind apart."""
    one, two = {"term": {"a": 1}}, {"term": {"b": 2}}
    assert all_of(ALL, one, one) == one
    assert all_of(one, NONE) == NONE
    assert any_of(NONE, one) == one
    assert any_of(one, ALL) == ALL
    assert all_of(all_of(one, two), one) == all_of(one, two)
    assert none_of(none_of(one)) == one
    assert (all_of(), any_of(), none_of(ALL)) == (ALL, NONE, NONE)


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        ({"a": 1}, {"a": 1}),
        ({"labels": "text"}, {"labels": "text"}),
        ({"labels": {"a.b": "x"}}, {"labels": {"a.b": "x"}, "a.b": "x"}),
        ({"labels": {"a": '["x",5]'}}, {"labels": {"a": '["x",5]'}, "a": ["x", 5]}),
        ({"labels": {"a": "[x"}}, {"labels": {"a": "[x"}, "a": "[x"}),
        ({"a": 1, "labels": {"a": "own"}}, {"a": 1, "labels": {"a": "own"}}),
        ({"labels": {"labels": "text", "n": 5}}, {"labels": "text"}),
    ],
)
def test_moved_values_are_seen_at_their_place(record, seen):
    """Only text is moved, only to where nothing is."""
    assert with_moved(record) == seen
