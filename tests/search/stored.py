"""A data folder with records in it, for tests that search."""

import json
from itertools import groupby

import orjson

from shipper.clock import ManualClock
from shipper.state import State
from shipper.store.recover import recover
from shipper.store.segments import Limits, Segments

NOW = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""
HOUR = 3600.0
AT_THE_BOUNDS = ("2025-12-31T23:59:59.9Z", "2026-01-01T00:00:00Z", "2026-01-01T10:00:00Z", "2026-01-02T00:00:00Z")
BOUNDS = [
    (None, None, [3, 2, 1, 0]),
    (NOW, None, [3, 2, 1]),
    (NOW + 10 * HOUR, None, [3, 2]),
    (NOW + 10 * HOUR + 0.001, None, [3]),
    (None, NOW, [0]),
    (None, NOW + 10 * HOUR, [1, 0]),
    (NOW, NOW + 24 * HOUR, [2, 1]),
    (NOW + 48 * HOUR, None, []),
]
"""`since`, `until`, and which of the records with those times lie between."""


def record(number, time="2026-01-01T10:00:00Z", **fields):
    """A stored document in bytes; its id follows its number."""
    return orjson.dumps({"@timestamp": time, "seq": number, "event.id": f"file-{number:03d}", **fields})


def day_of(doc):
    """`2026.01.01` of a document."""
    return json.loads(doc)["@timestamp"][:10].replace("-", ".")


def store(data, *docs):
    """Commits documents to the store of a data folder, as the embedded sink does it."""
    data.mkdir(exist_ok=True)
    state = State(data / "state.db")
    recover(data, state)
    segments = Segments(data, state, Limits(), ManualClock(NOW))
    for day, found in groupby(sorted(docs, key=day_of), day_of):
        rows = list(found)
        times = sorted(orjson.loads(row)["@timestamp"] for row in rows)
        state.run(segments.append("records", day, rows, times[0], times[-1]))
    segments.close()
    state.close()
