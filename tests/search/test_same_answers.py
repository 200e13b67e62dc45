"""Elasticsearch answers as the embedded store does: one run of the pipeline wrote the same records to both.

What can't be made equal stands at the top of `shipper/query/elastic.py`, and is not among the lines or the queries.
"""

import os
import random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from shipper.clock import parse_when
from shipper.query.match import matcher
from shipper.query.parse import parse
from shipper.search import elastic
from tests.query.test_meaning import QUERIES as ANY_QUERIES
from tests.search.both import both, counted, found, ids, sample
from tests.search.odd_lines import VALUES, lines
from tests.search.queries import CUTS, QUERIES, TOGETHER, table

NAME = "tsameanswers"
FEW = table(TOGETHER)


def odd_records(count):
    """Records of the fields that `ANY_QUERIES` asks for."""
    pick = random.Random(5)
    plain = [value for value in VALUES if not isinstance(value, dict | float)]
    fields = {
        "message": ["a", "B b", "a-b", "ab", "é É", "5", "a.b:%"],
        "error.type": ["ERROR", "a b", "it's"],
        "level": plain,
        "user_id": plain,
        "duration_ms": [5, -5, 0.5, 5.0, "5", "NaN", "fast"],
        "line": [5, -5, "5", "a"],
        "source.ip": ["10.1.2.3", "a"],
        "exc_info": ["a b", "5"],
        "a": [value for value in plain if isinstance(value, str) and value],
        "weird/~\"*'": plain,
    }
    for number in range(count):
        some = {name: pick.choice(values) for name, values in fields.items() if pick.random() < 0.4}
        # No number: as the first of a day it would make all others move, and an object without values is not there.
        nested = {"a": {"b": pick.choice(["a", "5", True])}} if number % 3 == 0 else {}
        yield orjson.dumps({"timestamp": f"2026-01-01T00:00:00.{number:03d}Z", **some, **nested})


@pytest.fixture(scope="module")
def stores(elasticsearch, tmp_path_factory):
    """Both, with ordinary and with odd records."""
    folder = tmp_path_factory.mktemp("both")
    name = f"{NAME}{random.SystemRandom().getrandbits(32)}"
    log = b"\n".join(odd_records(80)) + b"\n" + sample(folder)
    with both(folder, elasticsearch, name, log) as opened:
        yield opened


@pytest.fixture
def looks_at_few(monkeypatch):
    """Counts come from Elasticsearch even where a look at each record would be cheaper."""
    monkeypatch.setattr(elastic, "LOOKED_AT", -1)


def test_every_record_is_in_both_in_the_same_order(stores):
    """Newest first, the same time by id."""
    assert ids(found(stores.elastic, "*")) == ids(found(stores.embedded, "*"))
    assert counted(stores.elastic, "*") == counted(stores.embedded, "*") > 1_000 + len(lines())


def test_records_are_the_same_bytes(stores):
    """As they were stored; only a value that fits no field stands under `labels`."""
    pairs = zip(found(stores.elastic, "*"), found(stores.embedded, "*"), strict=True)
    different = [(ours, theirs) for ours, theirs in pairs if ours != theirs]
    assert all(
        b'"labels":{' in ours and len(orjson.loads(ours)) <= len(orjson.loads(theirs)) + 1 for ours, theirs in different
    )
    assert 0 < len(different) < 100


def test_the_same_queries_find_the_same(stores, elasticsearch, looks_at_few):
    """Which records, in which order, and how many; in the short form of the table every third query, others on 9."""
    first, step = (0, 1) if os.environ.get("SHIPPER_CAMPAIGN") == "full" else (int(elasticsearch.version[0]) - 8, 3)
    queries = QUERIES[first::step]
    wrong = []
    for query in queries:
        expected = ids(found(stores.embedded, query))
        if ids(found(stores.elastic, query)) != expected or counted(stores.elastic, query) != len(expected):
            wrong.append(query)
    assert (wrong, len(queries) > 100) == ([], True)


@pytest.mark.parametrize("limit", [1, 7, 150])
def test_limits_cut_the_same(stores, limit):
    """The newest so many, also of what is filtered here."""
    for query in FEW:
        assert ids(found(stores.elastic, query, limit)) == ids(found(stores.embedded, query, limit))


@pytest.mark.parametrize(("since", "until"), [*CUTS, ("2026-05-01", None)])
def test_times_cut_the_same(stores, since, until, looks_at_few):
    """`since` is included and `until` is not, to the microsecond and over days."""
    asked = {"since": since and parse_when(since, 0.0), "until": until and parse_when(until, 0.0)}
    for query in ("*", "level:ERROR", "NOT user_id:*"):
        expected = ids(found(stores.embedded, query, **asked))
        assert ids(found(stores.elastic, query, **asked)) == expected
        assert counted(stores.elastic, query, **asked) == len(expected)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(query=ANY_QUERIES)
def test_any_query_finds_what_the_predicate_says(stores, query):
    """Made-up queries over the odd records of a day of their own."""
    asked = {"since": parse_when("2026-01-01", 0.0), "until": parse_when("2026-01-02", 0.0)}
    records = found(stores.embedded, "*", **asked)
    tree = parse(query.replace("\\\n", "x"))
    expected = [doc for doc in records if matcher(tree)(orjson.loads(doc))]
    assert ids(found(stores.elastic, query.replace("\\\n", "x"), **asked)) == ids(expected)


def test_what_an_index_cannot_tell_is_filtered(stores):
    """Elasticsearch takes an IPv4 address in IPv6 notation for the IPv4 address; in a small answer nobody sees it."""
    for query in ("source.ip:127.0.0.1", 'source.ip:"127.0.0.0/8"', "source.ip:127.0.0.1 message:completed"):
        expected = ids(found(stores.embedded, query))
        assert ids(found(stores.elastic, query)) == expected
        assert counted(stores.elastic, query) == len(expected)


def test_deep_and_long_queries_are_answered(stores):
    """More levels than Elasticsearch takes, and as many terms as a query may have."""
    deep = "refused"
    for level in range(40):
        deep = f"({deep} {'OR' if level % 2 else 'AND NOT'} level:x{level})"
    many = " OR ".join(f"user_id:user_{number:04d}" for number in range(500))
    for query in (deep, many, f"NOT ({many})"):
        assert ids(found(stores.elastic, query)) == ids(found(stores.embedded, query))
