"""The fast path gives what the exact path gives, field for field."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.decode.stage import Decode
from shipper.enrich.splice import Splicer
from shipper.enrich.stage import Config, Enrich
from shipper.model import Batch, Origin, Span
from shipper.redact import render_exactly

CONFIG = Config(service="chat", host="here", oldest_days=3650, ahead_seconds=3600)
CLOCK = 1_764_000_000.0


def enriched(*lines):
    offsets = [sum(len(line) + 1 for line in lines[:row]) for row in range(len(lines))]
    half = len(lines) // 2
    spans = [
        Span(start, stop, Origin(name * 32, f"/var/log/{name}.log", "backend", "Europe/Berlin"))
        for start, stop, name in ((0, half, "a"), (half, len(lines), "b"))
        if stop > start
    ]
    return Enrich(CONFIG)(Decode()(Batch(list(lines), offsets, spans, CLOCK, final=True)))


def whole(row):
    """A rendered row as a record, in which nothing may stand twice."""
    doc = orjson.loads(row)
    assert len(json.loads(row, object_pairs_hook=list)) == len(doc)
    return doc


def both(*lines):
    """What either path makes of the plain rows, and which rows the fast one left to the exact one."""
    batch = enriched(*lines)
    plain = [row for row in range(len(batch)) if row not in batch.odd]
    left = []

    def exact(batch, rows):
        left.extend(rows)
        return render_exactly(batch, rows)

    fast = Splicer(CONFIG, exact)(batch, plain)
    slow = render_exactly(enriched(*lines), plain)
    assert not any(b"\r" in row or b"\n" in row for row in fast)
    return [whole(row) for row in fast], [orjson.loads(row) for row in slow], left


BACKEND = (
    b'{"timestamp": "2025-10-01T05:08:03.250Z", "level": "INFO", "logger": "app.api.chat", "message": "%s", '
    b'"module": "chat", "function": "send_message", "line": 342, "user_id": "user123", "provider": "openai", '
    b'"model": "gpt-4.1", "duration_ms": 1234.5, "seq": 7}'
)


def test_a_record_of_the_backend_goes_the_fast_way():
    """With all that is derived from its fields and its message."""
    request = BACKEND % b"GET /api/x?y=1 200 from ::ffff:10.0.0.1"
    fast, slow, left = both(BACKEND % b"Message sent", request)
    assert fast == slow
    assert left == []
    assert fast[1]["source.ip"] == "10.0.0.1"
    assert (fast[0]["event.duration"], fast[1]["url.query"], fast[1]["log.offset"]) == (
        1234500000,
        "y=1",
        len(BACKEND % b"Message sent") + 1,
    )


@pytest.mark.parametrize(
    "other",
    [
        b'{"message": "no time"}',
        b'{"timestamp": "not a time", "level": "INFO", "logger": "x", "message": "m"}',
        b'{"timestamp": "2999-10-01T05:08:03Z", "level": "INFO", "logger": "x", "message": "m"}',
        b'{"timestamp": "2025-10-01T05:08:03", "level": "INFO", "logger": "x", "message": "naive"}',
        b'{"timestamp": 1759295283.5, "level": "INFO", "logger": "x", "message": "epoch"}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "level": "INFO", "logger": "x", "message": "m", "log": {"level": "z"}}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "level": "INFO", "logger": "x", "message": "m", "log.level": "z"}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "@timestamp": "1", "level": "INFO", "logger": "x", "message": "m"}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "level": "INFO", "logger": "x", "message": "m", "event.id": "mine"}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "level": "ERROR", "logger": "x", "message": "m", '
        b'"exc_info": "Traceback (most recent call last):\\n  File \\"a\\"\\nValueError: no"}',
        b'{"timestamp": "2025-10-01T05:08:03Z", "level": "INFO", "logger": "x", "duration_ms": 1, "elapsed_ms": 2}',
        b'{"timestamp":"2025-10-01T05:08:03Z","level":1,"logger":true,"module":null,"message":3,"line":"7"}',
        b'{"timestamp":"2025-10-01T05:08:03Z","level":["x"],"logger":{"a":1},"message":"m","user_id":5}',
        b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO","logger":"x","message":"m"} ',
        b'{"timestamp":"2025-10-01T05:08:03Z",\r"level":"INFO","logger":"x","message":"m"}',
        b'{"timestamp":"2025-10-01T05:08:03Z","levelname":"INFO","name":"x","msg":"m","path":"/a?b=c"}',
        b'{"timestamp":"2025-10-01T05:08:03Z",\r"path":"/a?b=c","message":"m"}',
        b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO","logger":"x","ip":"::ffff:10.0.0.1","message":"m"}',
        b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO","logger":"x","source.ip":"::ffff:10.0.0.1"}',
    ],
)
def test_everything_else_gives_the_same_too(other):
    """Alone, and between records of the backend."""
    fast, slow, _ = both(BACKEND % b"before", other, BACKEND % b"after")
    assert fast == slow


def test_equal_values_of_other_fields_are_not_taken_for_one_another():
    """Two shapes of records, the same values; as many keys, other keys."""
    start = b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO",'
    fast, slow, left = both(*(start + b'"%s":"x"}' % key for key in (b"logger", b"module", b"function", b"logger")))
    assert fast == slow
    assert left == []


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp":"2025-10-01T05:08:03Z","level":"INFO","logger":"x","exc_info":"ValueError: no"}',
        b'{"timestamp":"2025-10-01 05:08:03","message":"naive, with less"}',
    ],
)
def test_a_row_without_a_plan_keeps_its_bytes(line):
    """What `derive` gives it stands behind them."""
    fast, slow, left = both(line)
    assert fast == slow
    assert left == []


def test_what_was_derived_already_is_used():
    """Once, by whoever looked at the record first."""
    batch = enriched(BACKEND % b"x", BACKEND % b"y")
    batch.derive = None
    batch.added[1] = {"event.kind": "known"}
    out = Splicer(CONFIG, render_exactly)(batch, range(2))
    assert orjson.loads(out[1]) == {**batch.docs[1], "event.kind": "known"}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            "",
            "INFO",
            "warning",
            "a",
            "1",
            "Failed login for bob from 10.0.0.1",
            "::ffff:10.0.0.1",
            'GET /a?b="c" 401',
            "\\u00e9é",
        ]
    ),
    st.text(max_size=8),
    st.lists(st.integers(0, 3), max_size=2),
)
KEYS = st.sampled_from(
    [
        "level",
        "logger",
        "module",
        "function",
        "line",
        "user_id",
        "provider",
        "model",
        "duration_ms",
        "message",
        "msg",
        "event",
        "name",
        "status",
        "path",
        "ip",
        "seq",
        "elapsed_ms",
        "exc_info",
        "user",
        "source.ip",
        "log",
        "record",
        "extra",
    ]
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=9), min_size=1, max_size=4), st.booleans())
def test_any_fields_of_any_type_give_the_same(docs, spaced):
    """Also when values that are equal and not the same (1, true, 1.0) follow one another."""
    lines = []
    for second, doc in enumerate(docs):
        record = {"timestamp": f"2025-10-01T05:08:{second:02}.000Z", "level": "INFO", "logger": "x", **doc}
        lines.append(orjson.dumps(record) if not spaced else orjson.dumps(record).replace(b'":', b'": '))
    fast, slow, _ = both(*lines, *lines)
    assert fast == slow
