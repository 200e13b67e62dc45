"""The typed columns: the same values by the quick way and the exact one, in open and in sealed segments."""

import json

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper import fields
from shipper.store.columns import COLUMNS, no_rows, paths, quoted, select_all, text
from shipper.store.layout import listed
from shipper.store.read import open_duckdb
from shipper.store.sealer import Sealer
from tests.store.store import ODD, Store, ask, seal_here, sealed, stored


def column(tmp_path, name, *rows):
    """A column of sealed rows, as text."""
    target = sealed(tmp_path, *rows)
    found = ask(f"SELECT CAST({quoted(name)} AS VARCHAR) FROM read_parquet({text(target)})", target)
    return [each[0] for each in found]


@pytest.mark.parametrize(
    ("name", "doc", "expected"),
    [
        ("log.level", {"log.level": "info"}, "info"),
        ("log.level", {"log": {"level": "info"}}, "info"),
        ("http.request.method", {"http": {"request.method": "GET"}}, "GET"),
        ("gen_ai.request.model", {"gen_ai.request": {"model": "m"}}, "m"),
        ("log.level", {"log": {"level": "nested"}, "log.level": "flat"}, "flat"),
        ("event.duration", {"event.duration": 12}, "12"),
        ("event.duration", {"event.duration": "12"}, "12"),
        ("event.duration", {"event.duration": "twelve"}, None),
        ("event.duration", {"event.duration": 2**70}, None),
        ("event.duration", {"event.duration": [1]}, None),
        ("duration_ms", {"duration_ms": 1.5}, "1.5"),
        ("duration_ms", {"duration_ms": {}}, None),
        ("@timestamp", {"@timestamp": "2025-11-23T12:00:00.123456Z"}, "2025-11-23 12:00:00.123456+00"),
        ("@timestamp", {"@timestamp": "soon"}, None),
        ("message", {"message": "a\x00b\n"}, "a\x00b\n"),
        ("message", {"message": None}, None),
        ("message", {}, None),
    ],
)
def test_a_column_holds_the_value_or_nothing(tmp_path, name, doc, expected):
    """Flat or nested; a value of another type leaves it empty, and stays in the document."""
    assert column(tmp_path, name, json.dumps(doc).encode()) == [expected]


@pytest.mark.parametrize("name", [name for name in COLUMNS if "." in name])
def test_paths_find_what_fields_value_finds(tmp_path, name):
    """The same place wins wherever several hold a value."""
    parts = name.split(".")
    nested = {parts[-1]: "nested"}
    for part in reversed(parts[:-1]):
        nested = {part: nested}
    for doc in ({name: "flat"}, nested, {**nested, name: "flat"}):
        listed_paths = "[" + ", ".join(text(path) for path in paths(name)) + "]"
        with open_duckdb(tmp_path) as connection:
            found = connection.execute(f"SELECT json_extract_string(?, {listed_paths})", [orjson.dumps(doc).decode()])
            values = [value for value in found.fetchone()[0] if value is not None]
        assert values[0] == fields.value(doc, name)


def test_all_selects_have_the_same_columns(tmp_path):
    """Also the one without rows."""
    with open_duckdb(tmp_path) as connection:
        connection.execute("CREATE TABLE raw(doc VARCHAR)")
        ways = (select_all("raw"), select_all("raw", sound=True), no_rows())
        described = [connection.execute(f"DESCRIBE {way}").fetchall() for way in ways]

    assert described[0] == described[1] == described[2]
    assert [each[0] for each in described[0]] == [*COLUMNS, "doc"]


def test_an_open_segment_has_the_values_of_a_sealed_one(tmp_path):
    """Odd documents among them."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(orjson.dumps({name: str(place) for place, name in enumerate(COLUMNS)}), *ODD)
    query = "SELECT CAST(records AS VARCHAR) FROM records"
    opened = stored(tmp_path, query=query)
    Sealer(store.segments, run=seal_here).seal_due()

    assert listed(store.state)[0].form == "parquet"
    assert stored(tmp_path, query=query) == opened


def each_alone(source):
    """Every column asked for by itself, at all of its places."""
    listed_paths = {name: ", ".join(text(path) for path in paths(name)) for name in COLUMNS}
    typed = [
        f"TRY_CAST(list_filter(json_extract_string(doc, [{listed_paths[name]}]), lambda one: one IS NOT NULL)[1] "
        f"AS {kind}) AS {quoted(name)}"
        for name, kind in COLUMNS.items()
    ]
    return f"SELECT {', '.join(typed)}, doc FROM {source}"


PLACES = [path[3:-1].split('"."') for name in COLUMNS for path in paths(name)]
"""Keys that lead to a column's value."""


def placed(found):
    """A document with values at these places, in so far as they can stand beside each other."""
    doc = {}
    for keys, value in found:
        inner = doc
        for key in keys[:-1]:
            inner = inner.setdefault(key, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[keys[-1]] = value
    return doc


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(PLACES),
                st.none()
                | st.booleans()
                | st.floats(allow_nan=False)
                | st.integers(-(2**63), 2**63)
                | st.text(max_size=4)
                | st.just("a { b")
                | st.just([{}]),
            )
        ).map(placed),
        min_size=1,
    )
)
def test_the_quick_way_finds_what_the_exact_one_finds(found):
    """Flat documents beside nested ones, and values of any type."""
    duckdb.execute("CREATE OR REPLACE TABLE raw(doc VARCHAR)")
    duckdb.executemany("INSERT INTO raw VALUES (?)", [[orjson.dumps(doc).decode()] for doc in found])
    quick, exact = (
        duckdb.execute(f"SELECT CAST(t AS VARCHAR) FROM ({way}) AS t").fetchall()
        for way in (select_all("raw", sound=True), each_alone("raw"))
    )

    assert quick == exact
