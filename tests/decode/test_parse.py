import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.decode.parse import MAX_DEPTH, not_plain
from shipper.decode.stage import Decode
from tests.decode.batches import batch_of

BACKEND = (
    b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO","logger":"app.api.chat","message":"Message sent",'
    b'"module":"chat","function":"send_message","line":342,"user_id":"user123","provider":"openai",'
    b'"model":"gpt-4.1","duration_ms":1234}'
)


def decoded(line: bytes) -> tuple[dict, str | None]:
    batch = Decode()(batch_of([line]))
    assert len(batch.docs) == 1
    return batch.docs[0], batch.odd.get(0)


def test_a_plain_line_is_its_fields():
    """The backend's own line goes the fast way."""
    assert decoded(BACKEND) == (orjson.loads(BACKEND), None)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": {"b": 1, "c": [1, {"d": 2}]}, "e": "x, y"}',
        b'{"message":"one, two, three","level":"INFO"}',
        b'{"message":"a \\"quoted\\": word, and more","level":"INFO"}',
        b'{"a":[1,2,3]}',
    ],
)
def test_nested_and_quoted_is_still_plain(line):
    """What is one JSON object without anything strange is not odd, however it looks."""
    assert decoded(line) == (orjson.loads(line), None)


ODD = [
    (b'{"a":1,"level":"x","level":"y"}', {"a": 1, "level": "y"}, "duplicate keys, the last one counts: level"),
    (b'{"a":{"b":1,"b":2}}', {"a": {"b": 2}}, "duplicate keys, the last one counts: b"),
    (b'{"a" :1,"a":2,"b":3}', {"a": 2, "b": 3}, "duplicate keys, the last one counts: a"),
    (b'{"a" :1,"a" :2}', {"a": 2}, "duplicate keys, the last one counts: a"),
    (b'{"a":"\\":","b":1,"b":2}', {"a": '":', "b": 2}, "duplicate keys, the last one counts: b"),
    (b'{"a\\\\":1,"b":1,"b":2}', {"a\\": 1, "b": 2}, "duplicate keys, the last one counts: b"),
    (b'{"a":1,"\\u0061":2}', {"a": 2}, "duplicate keys, the last one counts: a"),
    (b'{"message":"a,b","message":"c"}', {"message": "c"}, "duplicate keys, the last one counts: message"),
    (b'{"message":"\\u002c","b":1,"b":2}', {"message": ",", "b": 2}, "duplicate keys, the last one counts: b"),
    (b'{"a":NaN,"b":-Infinity}', {"a": None, "b": None}, "NaN or Infinity is no JSON: stored as null"),
    (b'{"a":1e999}', {"a": None}, "a number is out of range: stored as null"),
    (b'{"a":"\\ud800 x"}', {"a": "\\ud800 x"}, "lone surrogates, kept as their escapes"),
    (b'{"\\udc00":1}', {"\\udc00": 1}, "lone surrogates, kept as their escapes"),
    (b'{"a":"x\x01y"}', {"a": "x\x01y"}, "raw control characters inside the JSON"),
]


@pytest.mark.parametrize(("line", "fields", "why"), ODD)
def test_what_is_wrong_is_said_and_kept(line, fields, why):
    """Lenient parsing: the fields, the reason, and the text as it stood."""
    doc, reason = decoded(line)
    original = line.decode().replace("\\u0061", "\\u0061")
    assert (doc, reason) == ({**fields, "event.original": original}, why)
    orjson.dumps(doc)


TEXT = [
    (b'{"a":"caf\xe9"}', {"a": "caf\ufffd"}, "not UTF-8 at byte 9: replaced by U+FFFD"),
    (b"caf\xe9", {"message": "caf\ufffd"}, "not UTF-8 at byte 3: replaced by U+FFFD"),
    (b'\0\0\0{"a":1}', {"a": 1}, "a hole of 3 NUL bytes before the line"),
    (b"\0\0\0text", {"message": "text"}, "a hole of 3 NUL bytes before the line"),
    (b"\0\0", {"message": ""}, "a hole of 2 NUL bytes before the line"),
    (b"a\0b", {"message": "a\0b"}, "NUL bytes in the text"),
    (b'{"a":1', {"message": '{"a":1'}, "not valid JSON at character 6: Expecting ',' delimiter"),
    (
        b'{"a":1}{"b":2}',
        {"message": '{"a":1}{"b":2}'},
        "more than one JSON value, the second at character 7",
    ),
    (b"42", {"message": "42"}, "a JSON number, not an object"),
    (b"-1.5e3", {"message": "-1.5e3"}, "a JSON number, not an object"),
    (b"[1,2]", {"message": "[1,2]"}, "a JSON list, not an object"),
    (b'"text"', {"message": '"text"'}, "a JSON string, not an object"),
    (b"true", {"message": "true"}, "a JSON boolean, not an object"),
    (b"null", {"message": "null"}, "a JSON null, not an object"),
    (b"[" * 2000 + b"]" * 2000, {"message": "[" * 2000 + "]" * 2000}, "a JSON list, not an object"),
]


@pytest.mark.parametrize(("line", "doc", "why"), TEXT)
def test_what_is_no_object_becomes_text_that_says_so(line, doc, why):
    """Nothing is dropped: each is a record with a reason."""
    assert decoded(line) == (doc, why)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 2_000, 50_000])
@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_too_deep_is_text(depth, opening, closing):
    """Nesting that would exhaust a later stage's stack is kept as text."""
    line = b'{"x":' + opening * depth + b"1" + closing * depth + b"}"
    assert decoded(line) == ({"message": line.decode()}, f"nested deeper than {MAX_DEPTH} levels")


def test_numbers_beyond_64_bits_can_be_written_again():
    """A lenient parse keeps 64-bit integers exactly and makes larger ones floats, as the fast parser does."""
    doc, _ = decoded(b'{"ns":1700000000000000001,"big":123456789012345678901234567890,"x":NaN}')
    assert doc["ns"] == 1700000000000000001
    assert orjson.loads(orjson.dumps(doc["big"])) == 1.2345678901234568e29


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'INFO:     127.0.0.1:60084 - "GET /docs?x=1 HTTP/1.1" 200 OK', None),
        (b"2026-11-23 10:00:00,123 ERROR name: text", None),
        (b"Accepted publickey for root from 10.0.0.1 port 22 ssh2", None),
        (b"{'a': 1}", None),
        (b"[2026-11-23] started", None),
        (b"\x1b[32mINFO\x1b[0m:     started", "INFO:     started"),
    ],
)
def test_text_is_a_good_record(line, text):
    """Lines of other programs are no errors; colours are taken off, and kept beside."""
    doc, why = decoded(line)
    assert (doc["message"], why) == (text or line.decode(), "")
    assert doc.get("event.original") == (line.decode() if text else None)


@pytest.mark.parametrize("line", [b' {"a":1}', b'{"a":1}\r', b'\xef\xbb\xbf{"a":1}', b'{"a":1}\t'])
def test_white_space_around_an_object_is_fine(line):
    """CRLF, indentation, a byte order mark: an ordinary record whose bytes are not only the object's."""
    assert decoded(line) == ({"a": 1}, "")


def test_json_in_the_message_is_lifted_without_overwriting():
    """As the team's Logstash filter does, but what is there stays."""
    inner = {"level": "DEBUG", "tool": {"name": "search"}, "n": 2}
    line = json.dumps({"level": "INFO", "message": json.dumps(inner)}).encode()
    assert decoded(line) == (
        {"level": "INFO", "message": json.dumps(inner), "tool": {"name": "search"}, "n": 2},
        "",
    )


@pytest.mark.parametrize("message", ["{not json}", "{", "[1]", '{"a":', "{" * 500])
def test_a_message_that_is_no_object_stays_text(message):
    """Nothing is lifted out of what does not parse."""
    line = json.dumps({"message": message}).encode()
    assert decoded(line) == ({"message": message}, None)


@pytest.mark.parametrize("why", ["cut: line longer than 8 bytes", "continued: line longer than 8 bytes"])
def test_a_piece_of_an_over_long_line_is_text(why):
    """The source says what it cut; the piece is not parsed, even if it could be."""
    batch = batch_of([b'{"a":1}'])
    batch.odd[0] = why
    batch = Decode()(batch)
    assert (batch.docs, batch.odd) == ([{"message": '{"a":1}'}], {0: why})


KEYS = st.text(alphabet='ab":,\\ \u0131{[', max_size=3)
VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(alphabet='ab":,\\ {}[]\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=5),
    st.sampled_from([",", ", ", " , "]),
    st.sampled_from([":", ": ", " : "]),
)
def test_a_duplicate_key_never_hides(pairs, comma, colon):
    """Whatever the line looks like: plain means that no key stands twice."""
    parts = [json.dumps(k) + colon + json.dumps(v, separators=(comma, colon)) for k, v in pairs]
    line = ("{" + comma.join(parts) + "}").encode()
    repeated = len({k for k, _ in pairs}) < len(pairs)
    doc = orjson.loads(line)
    assert not repeated or not_plain([line], [doc]) == [0]
    _, why = decoded(line)
    assert ("duplicate" in (why or "")) == repeated
