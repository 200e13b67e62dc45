"""What an answer holds: the same from the SQL over typed columns as from the predicate over one record."""

from collections.abc import Iterator

import duckdb
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.query.error import QueryError
from shipper.query.match import matcher
from shipper.query.parse import parse
from shipper.query.sql import splits, where
from shipper.query.tree import Between, Equals, Exists, Not
from shipper.store.columns import select_all


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty store: `raw` takes documents, `records` has the columns."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1; CREATE TABLE raw(doc VARCHAR)")
        connection.execute("CREATE TABLE records AS " + select_all("raw"))
        yield connection


def found_by_sql(database, records, tree):
    """Which of the records the SQL finds, by their place."""
    docs = [orjson.dumps(record).decode() for record in records]
    database.execute("DELETE FROM raw; DELETE FROM records")
    database.execute("INSERT INTO raw SELECT unnest(?)", [docs])
    database.execute("INSERT INTO records " + select_all("raw"))
    condition = where(tree)
    rows = database.execute(f"SELECT rowid FROM records WHERE {condition.sql}", list(condition.values)).fetchall()
    first = database.execute("SELECT min(rowid) FROM records").fetchone()[0]
    return sorted(row[0] - first for row in rows)


def found(database, query, *records):
    """Which of the records a query finds; both ways have to agree."""
    tree = parse(query)
    by_sql = found_by_sql(database, records, tree)
    assert by_sql == [place for place, record in enumerate(records) if matcher(tree)(record)]
    return by_sql


MESSAGE = {"message": "Connection REFUSED: api_key=x, größe über 5%\nretry in 3s"}


@pytest.mark.parametrize(
    ("query", "hit"),
    [
        ("refused", True),
        ("Refused", True),
        ("refuse", False),
        ("api_key", True),
        ("api", False),
        ('"connection refused"', True),
        ('"refused connection"', False),
        ('"refused api_key x"', True),
        ("message:refused", True),
        ("error.message:refused", False),
        ("refuse*", True),
        ("*fused", True),
        ("ref?sed", True),
        ("ref??sed", False),
        ("connection*refused", False),
        ("GRÖSSE", False),
        ("GRÖßE", True),
        ("5", True),
        ("3", False),
        ("3?", True),
        ("retry", True),
        ("connection refused", True),
        ("connection -refused", False),
        ("NOT timeout", True),
        ("message:*", True),
        ("error.type:*", False),
    ],
)
def test_text_is_whole_words(database, query, hit):
    """Free text finds whole words in any case; a wildcard stays within its word."""
    assert found(database, query, MESSAGE) == ([0] if hit else [])


@pytest.mark.parametrize("field", ["message", "error.type", "error.message", "error.stack_trace"])
def test_free_text_looks_into_errors(database, field):
    """A word without a field is looked for in the message and in all of the error."""
    assert found(database, "TimeoutError", {field: "app.TimeoutError: no"}, {"logger": "TimeoutError"}) == [0]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("level:ERROR", [0]),
        ("level:error", [1]),
        ("level:E*", [0, 3]),
        ("level:?RROR", [0]),
        ("level:RROR", []),
        ("NOT level:ERROR", [1, 2, 3]),
        ("level:WARN", [3]),
        ("level:*", [0, 1, 3]),
        ("NOT level:*", [2]),
        ("level:(error OR WARN)", [1, 3]),
        ("level:[E TO F]", [0, 3]),
    ],
)
def test_keywords_are_exact(database, query, places):
    """A keyword is compared as a whole and as it stands; any element of a list counts."""
    records = ({"level": "ERROR"}, {"level": "error"}, {"logger": "ERROR"}, {"level": ["WARN", "EEK"]})
    assert found(database, query, *records) == places


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("duration_ms:>500", [1, 2]),
        ("duration_ms:>=500", [0, 1, 2]),
        ("duration_ms:500", [0]),
        ("duration_ms:500.5", [1]),
        ("duration_ms:[500 TO 1000}", [0, 1]),
        ("duration_ms:<501", [0, 1]),
        ("duration_ms:*", [0, 1, 2, 3, 4]),
        ("NOT duration_ms:>0", [3, 4, 5]),
    ],
)
def test_numbers_compare_as_numbers(database, query, places):
    """Not as text; text in a field of numbers, `NaN` included, lies in no interval."""
    values = (500, 500.5, "1000", "fast", "NaN")
    assert found(database, query, *({"duration_ms": value} for value in values), {}) == places


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("seq:5", [0, 1, 2, 4]),
        ("seq:>4", [0, 1, 2, 4]),
        ("seq:[6 TO *]", [4]),
        ("seq:true", [3]),
        ("seq:5*", [0, 1, 2, 4]),
        ("a.seq:5", [5, 6]),
        ("a.seq:*", [5, 6]),
        ("NOT a.seq:5", [0, 1, 2, 3, 4]),
    ],
)
def test_unknown_fields_are_read_from_the_document(database, query, places):
    """Numbers, text, booleans, lists, nested objects and flat names of fields that no table knows."""
    records = (
        {"seq": 5},
        {"seq": 5.0},
        {"seq": "5"},
        {"seq": True},
        {"seq": [1, None, 7, 5]},
        {"a": {"seq": 5}},
        {"a.seq": "5"},
    )
    assert found(database, query, *records) == places


def test_whole_numbers_compare_exactly(database):
    """Two ids beyond the 53 bits of a double are two ids."""
    records = ({"order": 1234567890123456788}, {"order": 1234567890123456789})
    assert found(database, "order:1234567890123456789", *records) == [1]
    assert found(database, "order:>1234567890123456788", *records) == [1]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("@timestamp:2026-01-01", [0, 1]),
        ("@timestamp:>2026-01-01", [2]),
        ("@timestamp:[2026-01-01T12:00:00Z TO *]", [1, 2]),
        ("@timestamp:2026-01-01T23:59:59", [1]),
        ("@timestamp:2026-01-01T23:59:59.5Z", []),
        ("@timestamp:{* TO 2026-01-02}", [0, 1]),
        ("timestamp:2026-01-01", [3]),
        ("timestamp:>=2026-01-01T01:00:00Z", []),
    ],
)
def test_times_compare_as_times(database, query, places):
    """In any precision and zone; a date is a whole day in UTC."""
    times = ("2026-01-01T00:00:00Z", "2026-01-01T23:59:59.999999Z", "2026-01-02T00:00:00.000Z")
    records = (*({"@timestamp": time} for time in times), {"timestamp": "2026-01-01T01:30:00+01:00"})
    assert found(database, query, *records) == places


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("source.ip:10.1.2.3", [0]),
        ('source.ip:"10.0.0.0/8"', [0, 1]),
        ('source.ip:"10.1.2.0/30"', [0]),
        ("source.ip:[10.1.2.4 TO 10.255.0.0]", [1]),
        ('source.ip:"0:0::1"', [2]),
        ('NOT source.ip:"0.0.0.0/0"', [2, 3, 4]),
    ],
)
def test_addresses(database, query, places):
    """An address is found as it is written or in its shortest form, or by its IPv4 network."""
    values = ("10.1.2.3", "10.200.0.1", "::1", "testclient", "300.1.1.1")
    assert found(database, query, *({"source.ip": value} for value in values)) == places


def test_a_malformed_document_stops_no_search(database):
    """A document that DuckDB cannot read is in no answer but that of NOT."""
    database.execute("DELETE FROM records")
    database.execute('INSERT INTO records(doc) VALUES (\'{"seq": "\\ud800"}\')')
    for tree, count in ((Equals("seq", "x"), 0), (Exists("seq"), 0), (Not(Equals("seq", "x")), 1)):
        condition = where(tree)
        sql = f"SELECT count(*) FROM records WHERE {condition.sql}"
        assert database.execute(sql, list(condition.values)).fetchone() == (count,)


def test_escaped_names_are_found(database):
    """A name that is written with an escape in the document is the same name."""
    database.execute("DELETE FROM records")
    database.execute("INSERT INTO records(doc) VALUES ('{\"s\\u0065q\": 5}')")
    condition = where(parse("seq:5"))
    sql = f"SELECT count(*) FROM records WHERE {condition.sql}"
    assert database.execute(sql, list(condition.values)).fetchone() == (1,)


def test_splits():
    """A dotted name is looked for flat first, then nested."""
    assert splits(["a", "b", "c"]) == [["a.b.c"], ["a", "b.c"], ["a", "b", "c"], ["a.b", "c"]]


# ── both ways agree on everything ─────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(alphabet="aAbéÉ_ -.:%*?\\'\"/~{,0\n☃", max_size=6) | st.sampled_from(
    ["ERROR", "5", "-5", "5.0", "NaN", "1e3", "true", "null", "a b", "10.1.2.3", "2026-01-01T00:00:00Z", "it's"]
)
WHOLE = st.integers(-10, 10) | st.sampled_from([2**53 + 1, -(2**63), 2**63 - 1])
SCALARS = TEXTS | WHOLE | st.booleans() | st.none() | st.sampled_from([0.5, 5.0, -2.25, 1500.0])
VALUES = (
    SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(["b", "c", "b.c"]), SCALARS, max_size=2)
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "message": TEXTS,
        "error.type": TEXTS,
        "error": st.fixed_dictionaries({}, optional={"message": TEXTS}),
        "level": SCALARS | st.lists(SCALARS, min_size=1, max_size=3),
        "user_id": SCALARS,
        "duration_ms": st.integers(-10, 10) | st.sampled_from([0.5, 5.0, "5", "NaN", "fast"]),
        "http": st.fixed_dictionaries({"response": st.fixed_dictionaries({"status_code": st.integers(-10, 10)})}),
        "line": SCALARS,
        "source.ip": TEXTS | st.ip_addresses(v=4).map(str),
        "@timestamp": st.sampled_from(
            ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.25Z", "2025-12-31T23:59:59.999999Z"]
        ),
        "exc_info": SCALARS,
        "a": VALUES,
        "a.b": VALUES,
        "a.b.c": VALUES,
        "weird/~\"*'": VALUES,
    },
)
NAMES = [
    "message",
    "error.type",
    "error.message",
    "level",
    "user_id",
    "duration_ms",
    "http.response.status_code",
    "line",
]
FIELDS = st.sampled_from([*NAMES, "source.ip", "@timestamp", "exc_info", "a", "a.b", "a.b.c", "weird/~\"*'", "gone"])


def quoted(text):
    """A text as a phrase of a query."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text):
    """A text as a word of a query."""
    return "".join(
        "\\" + character if character in "\\\"'/:*?~^()[]{}<>+-&|! \n\t" else character for character in text
    )


BOUNDS = st.sampled_from(["*", "5", "-5", "0.5", "1e3", '"a"', '"2026-01-01T00:00:00.25Z"', "2026-01-01", "10.1.2.3"])
VALUE_TEXTS = st.one_of(
    TEXTS.map(quoted),
    st.lists(TEXTS.map(escaped), min_size=1, max_size=3).map("*".join).filter(bool),
    TEXTS.map(lambda text: escaped(text) + "?"),
    st.just("*"),
    st.builds("{}{} TO {}{}".format, st.sampled_from("[{"), BOUNDS, BOUNDS, st.sampled_from("]}")),
    st.builds("{}{}".format, st.sampled_from([">", ">=", "<", "<="]), BOUNDS.filter("*".__ne__)),
)
LEAVES = st.builds(lambda field, value: f"{escaped(field)}:{value}", FIELDS, VALUE_TEXTS) | TEXTS.map(quoted)


def tree_or_none(query):
    """The tree of a query whose values may not fit their fields."""
    try:
        return parse(query.replace("\\\n", "x"))
    except QueryError:
        return None


QUERIES = st.recursive(
    LEAVES.filter(lambda query: tree_or_none(query) is not None),
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) OR ({})".format, inner, inner),
        st.builds("({}) ({})".format, inner, inner),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(RECORDS, min_size=1, max_size=4), QUERIES)
def test_sql_and_predicate_agree(database, records, query):
    """Any query finds the same records both ways."""
    tree = tree_or_none(query)
    expected = [place for place, record in enumerate(records) if matcher(tree)(record)]
    assert found_by_sql(database, records, tree) == expected


@settings(deadline=None, max_examples=50)
@given(RECORDS, QUERIES)
def test_a_record_is_in_the_answer_or_in_that_of_not(database, record, query):
    """A missing field leaves nothing between true and false."""
    tree = tree_or_none(query)
    assert len(found_by_sql(database, [record], tree)) + len(found_by_sql(database, [record], Not(tree))) == 1


@settings(deadline=None, max_examples=50)
@given(st.text(min_size=1, max_size=20), st.text(max_size=20).filter(lambda text: not text.startswith("[")))
def test_nothing_in_a_query_becomes_sql(database, name, text):
    """Any field name and any value, quotes and semicolons included, are only compared."""
    for tree in (Equals(name, text), Exists(name), Between(name, "text", text, None)):
        found_by_sql(database, [{name: "x"}], tree)
    assert found_by_sql(database, [{name: text}], Equals(name, text)) == [0]
