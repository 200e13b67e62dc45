"""Which field a server means, and rows with it under `labels`. Reasons are those of 8.19 and 9.4."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.elastic.template import mapping
from shipper.sink.labels import (
    NEVER,
    are_too_many,
    fields_of,
    gathered,
    may_be_flat,
    offender,
    reason_of,
    relabelled,
    strangers,
)

OFFENDERS = [
    ("[1:6] failed to parse field [n] of type [long] in document with id 'x-0'. Preview of field's value: 'abc'", "n"),
    ("failed to parse field [source.ip] of type [ip] in document with id 'x'", "source.ip"),
    ("failed to parse field [a]b] of type [long] in document with id 'x'", "a]b"),
    ("mapper [mn] cannot be changed from type [long] to [text]", "mn"),
    ("can't merge a non object mapping [z] with an object mapping", "z"),
    ("[1:6] object mapping for [o] tried to parse field [o] as object, but found a concrete value", "o"),
    ("[1:7] Cannot write to a field alias [al].", "al"),
    ("[1:7] mapping set to strict, dynamic introduction of [zz] within [_doc] is not allowed", "zz"),
    ("[1:7] mapping set to strict, dynamic introduction of [zz] within [o.p] is not allowed", "o.p.zz"),
    ('Document contains at least one immense term in field="kw" (whose UTF8 encoding is longer than the', "kw"),
    ("[1:101] failed to parse: Limit of mapping depth [20] has been exceeded due to object field [d.a.a]", "d.a.a"),
    ("[1:2] Field name cannot contain only whitespace: [ ]", " "),
    ("[1:2] failed to parse: field name cannot contain only whitespace: ['a..b']", "a..b"),
    ("[1:2] failed to parse: Field name cannot be an empty string", ""),
    ("failed to parse: field name starting or ending with a [.] makes object resolution ambiguous: [a. .b]", "a. .b"),
    ("[1:6] failed to parse: [1:11] Duplicate field 'q'", None),
    ("[0:0] failed to parse, document is empty", None),
    ("", None),
]


@pytest.mark.parametrize(("reason", "expected"), OFFENDERS)
def test_the_field_is_found_in_the_reason(reason, expected):
    """In each form that servers give it."""
    assert offender({"type": "t", "reason": reason}) == expected


def test_the_field_may_stand_in_the_cause():
    """When the reason itself names none."""
    error = {"reason": "failed", "caused_by": {"reason": "why", "caused_by": {"reason": OFFENDERS[3][0]}}}

    assert offender(error) == "mn"


def test_too_many_fields_are_known_by_their_limit():
    """The reason, or its cause, says so."""
    reason = "failed to parse: Limit of total fields [1000] has been exceeded while adding new fields [3]"

    assert [are_too_many({"reason": each}) for each in (reason, "failed")] == [True, False]


def test_a_reason_is_one_line_without_values():
    """It goes to the quarantine, and into the log."""
    error = {
        "type": "document_parsing_exception",
        "reason": "[1:14] failed to parse field [ip] of type [ip] in document with id 'x'. Preview of field's value: 'Bob'",
        "caused_by": {"type": "illegal_argument_exception", "reason": "'Bob' is not an IP string literal."},
    }

    assert reason_of(error) == "failed to parse field [ip] of type [ip] (illegal argument exception)"


def test_what_a_parser_says_is_cut_before_the_row():
    """Which it shows in a second line."""
    reason = "[1:6] failed to parse: [1:11] Duplicate field 'q'\n at [Source: (byte[])\"{}\"; line: 1]"

    assert reason_of({"reason": reason}) == "failed to parse: [1:11] Duplicate field 'q'"


@pytest.mark.parametrize("error", [{}, {"type": "odd_exception"}, {"reason": None}, {"caused_by": "text"}])
def test_there_is_always_a_reason(error):
    """Also when the server gives none."""
    assert reason_of(error)


MOVES = [
    (b'{"cost":"abc","b":1}', "cost", {"b": 1, "labels": {"cost": "abc"}}),
    (b'{"source.ip":"x"}', "source.ip", {"labels": {"source.ip": "x"}}),
    (b'{"source":{"ip":"x","port":1}}', "source.ip", {"source": {"port": 1}, "labels": {"source.ip": "x"}}),
    (b'{"source":{"ip":"x"}}', "source.ip", {"labels": {"source.ip": "x"}}),
    (b'{"a":{"b.c":1}}', "a.b.c", {"labels": {"a.b.c": "1"}}),
    (b'{"a.b":{"c":1}}', "a.b.c", {"labels": {"a.b.c": "1"}}),
    (b'{"n":{"a":1}}', "n", {"labels": {"n": '{"a":1}'}}),
    (b'{"n.sub":1,"m":2}', "n", {"m": 2, "labels": {"n.sub": "1"}}),
    (b'{"list":[{"a":"x"},{"a":2}]}', "list.a", {"labels": {"list": '[{"a":"x"},{"a":2}]'}}),
    (b'{"n":null}', "n", {"labels": {"n": "null"}}),
    (b'{"n":true}', "n", {"labels": {"n": "true"}}),
    (b'{"":1}', "", {"labels": {"": "1"}}),
    (b'{"labels":"x"}', "labels", {"labels": {"labels": "x"}}),
    (b'{"labels":["a"]}', "labels", {"labels": {"labels": '["a"]'}}),
    (b'{"labels":{"a":{"b":1}}}', "labels", {"labels": {"labels": '{"a":{"b":1}}'}}),
    (b'{"labels.a":{"b":1}}', "labels", {"labels": {"labels": '{"a":{"b":1}}'}}),
    (b'{"labels.a":1,"n":2}', "n", {"labels": {"a": 1, "n": "2"}}),
    (b'{"labels":{"a":"1"},"n":2}', "n", {"labels": {"a": "1", "n": "2"}}),
    (b'{"labels":"x","n":2}', "n", {"labels": {"labels": "x", "n": "2"}}),
    (b'{"n":12345678901234567890123,"m":1.10}', "n", {"m": 1.1, "labels": {"n": "12345678901234567890123"}}),
    (b'{"n":"\\ud800","m":"\\ud800"}', "n", {"m": "?", "labels": {"n": "?"}}),
    (b'{"n\\u0000":1}', "n\0", {"labels": {"n\ufffd": "1"}}),
]


@pytest.mark.parametrize(("row", "name", "expected"), MOVES)
def test_a_field_is_moved_as_text(row, name, expected):
    """Under its whole name, whichever way it is written in the row."""
    assert orjson.loads(relabelled(row, [name])) == expected


def test_numbers_that_stay_are_as_they_were():
    """Also those that are longer than a float is exact."""
    row = b'{"n":1,"big":12345678901234567890123,"exact":0.10000000000000000001}'

    assert relabelled(row, ["n"]) == (
        b'{"big":12345678901234567890123,"exact":0.10000000000000000001,"labels":{"n":"1"}}'
    )


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_a_record_is_found_by_never_moves(name):
    """Such a row goes to the quarantine."""
    assert relabelled(orjson.dumps({name: "x"}), [name]) is None


@pytest.mark.parametrize("row", [b"", b"{", b"[1]", b"text", b'{"a":"\xff"}', b'{"a":"\r"}', b'{"b":1}'])
def test_a_row_without_the_field_is_not_moved(row):
    """Nor one that cannot be read."""
    assert relabelled(row, ["a"]) is None


def test_strangers_are_what_the_template_does_not_know():
    """Leaves by their whole names; what is under `labels` is no field of its own."""
    known = fields_of(mapping())
    row = b'{"message":"x","source":{"ip":"1.1.1.1","odd":1},"list":[{"a":1},2],"labels":{"x":1},"event.id":"1"}'

    assert strangers(row, known) == ["source.odd", "list.a", "list"]


def test_fields_of_an_index_may_be_nested():
    """As they are in one that was not made with our template."""
    known = fields_of({"properties": {"o": {"properties": {"a": {"type": "long"}}}, "f": {"type": "flattened"}}})

    assert [known.has(name) for name in ("o.a", "f", "f.x", "o", "o.b")] == [True, True, True, False, False]


FLAT = [
    (b'{"labels.env":"prod","n":1}', {"n": 1, "labels": {"env": "prod"}}),
    (b'{"labels.a.b":{"c":[1,null]},"labels":{"x":1}}', {"labels": {"x": 1, "a.b": {"c": [1, None]}}}),
    (b'{"labels.env":"flat","labels":{"env":"inside"}}', {"labels": {"env": ["flat", "inside"]}}),
    (b'{"labels.env":"prod","labels":"plain"}', {"labels": {"labels": "plain", "env": "prod"}}),
    (b'{"labels.env":"prod","labels":["plain"]}', {"labels": {"labels": ["plain"], "env": "prod"}}),
    (b'{"labels.a\\u0000":1}', {"labels": {"a\ufffd": 1}}),
    (b'{"labels.":1}', {"labels.": 1}),
    (b'{"a":"labels.env","b":{"labels.env":1}}', {"a": "labels.env", "b": {"labels.env": 1}}),
]


@pytest.mark.parametrize(("row", "expected"), FLAT)
def test_flat_names_of_labels_become_members(row, expected):
    """Only there they are indexed; nothing of them is lost, whatever `labels` is."""
    assert (orjson.loads(gathered(row)), may_be_flat(row)) == (expected, True)


@pytest.mark.parametrize(
    "row",
    [b"{}", b'{"labels":{"a":1}}', b'{"slabels.a":1}', b'{"a":"bels. labels."}', b'{"labels.a":', b'["labels.a"]'],
)
def test_a_row_without_flat_names_keeps_its_bytes(row):
    """And costs no more than a look, unless it looks as if it had one."""
    assert (gathered(row), may_be_flat(row)) == (row, b'"labels.' in row)


def test_numbers_beside_flat_names_are_as_they_were():
    """Also those that are longer than a float is exact."""
    row = b'{"labels.n":1.10,"big":12345678901234567890123}'
    assert gathered(row) == b'{"big":12345678901234567890123,"labels":{"n":1.10}}'


KEYS = st.sampled_from(["a", "b", "a.b", "labels", "@timestamp", "c", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCS = st.dictionaries(KEYS, VALUES, max_size=5)


@given(DOCS, st.lists(KEYS, max_size=4))
def test_moving_leaves_everything_else(doc, names):
    """Other fields keep their values, and nothing that was there is gone."""
    out = relabelled(orjson.dumps(doc, option=orjson.OPT_NON_STR_KEYS) if _fits(doc) else b"{}", names)
    if out is None:
        return
    moved = orjson.loads(out)
    touched = {name.partition(".")[0] for name in names} | {"labels"} | set(names)
    kept = {key: value for key, value in doc.items() if key.partition(".")[0] not in touched and key not in touched}

    assert {key: moved[key] for key in kept} == kept
    assert moved.get("@timestamp") == doc.get("@timestamp")
    assert doc.keys() <= moved.keys() | moved["labels"].keys() | {key for key in doc if _has_below(moved, key)}


def _fits(doc):
    try:
        orjson.dumps(doc)
    except TypeError:
        return False
    return True


def _has_below(moved, key):
    return any(label.startswith(f"{key}.") for label in moved["labels"])
