"""What a bulk request is made of, and what its answer asks of us. Pure: bytes, numbers and texts in and out."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import accumulate, repeat
from operator import contains
from typing import Any, NamedTuple, Protocol

import orjson

from shipper.elastic.names import index_of
from shipper.model import Batch
from shipper.sink.labels import gathered, may_be_flat
from shipper.sink.pace import SMALLEST_BYTES

HEAD_BYTES = 128
"""Of an action line, at most: an index, and an id of 32 hex digits and an offset."""


NEWLINE = ord("\n")
PIECE_ROWS = 128
"""Framed and compressed at a time: they stay in the processor's cache."""


class Verdict(Enum):
    """What becomes of one row."""

    STORED = "stored"
    AGAIN = "again"
    """The server is busy: later, this row only."""
    UNFIT = "unfit"
    """Its content is the reason: once more in another form, then the quarantine."""
    BLOCKED = "blocked"
    """Its index takes nothing for now, others do."""
    HOLD = "hold"
    """A person has to do something, and then it will be stored."""


_HELD = ("no write index is defined", "does not exist", "maximum normal shards", "maximum shards")
"""In reasons of a 400 that no other content of the row would mend."""
_HELD_KINDS = frozenset(("validation_exception", "invalid_index_name_exception", "invalid_alias_name_exception"))
_BLOCKED_KINDS = frozenset(("cluster_block_exception", "index_closed_exception", "unavailable_shards_exception"))


def verdict(status: int, error: dict[str, Any] | None) -> Verdict:
    """Of one item's `status` and `error`."""
    if 200 <= status < 300 or status == 409:
        return Verdict.STORED
    kind, reason = str((error or {}).get("type")), str((error or {}).get("reason"))
    if kind in _BLOCKED_KINDS:
        return Verdict.BLOCKED
    if status in (401, 403, 404, 407) or kind in _HELD_KINDS:
        return Verdict.HOLD
    if status == 400 and kind == "illegal_argument_exception" and any(part in reason for part in _HELD):
        return Verdict.HOLD
    if status in (408, 425, 429) or status >= 500 or status < 400:
        return Verdict.AGAIN
    return Verdict.UNFIT


class Item(NamedTuple):
    """What the server says of one row."""

    verdict: Verdict
    error: dict[str, Any]


_STORED = Item(Verdict.STORED, {})
_GOOD = b'{"errors":false,"items":['


def items(answer: bytes, rows: int) -> list[Item] | None:
    """One for each row of a bulk, empty when all are stored. None for an answer that is none to these rows: nothing
    can be told of them."""
    if answer.startswith(_GOOD) and answer.endswith(b"]}") and answer.count(b'"status":') == rows:
        return []
    try:
        parsed = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    found = parsed.get("items") if isinstance(parsed, dict) else None
    if not isinstance(found, list) or len(found) != rows:
        return None
    return [_item(entry) for entry in found]


def _item(entry: Any) -> Item:
    inner = next(iter(entry.values()), None) if isinstance(entry, dict) else None
    status = inner.get("status") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(status, int):
        return Item(Verdict.AGAIN, {"reason": "an answer without a status"})
    error = inner.get("error")
    error = error if isinstance(error, dict) else {"reason": str(error or f"status {status}")}
    found = verdict(status, error)
    return _STORED if found is Verdict.STORED else Item(found, error)


def indices_of(name: str, batch: Batch) -> list[str]:
    """The index of every row."""
    first, last = min(batch.times), max(batch.times)
    index = index_of(name, batch.stream, first)
    if index == index_of(name, batch.stream, last):
        return [index] * len(batch.times)
    days = [time[:10] for time in batch.times]
    known = {day: index_of(name, batch.stream, day) for day in set(days)}
    return [known[day] for day in days]


def actions_of(batch: Batch) -> list[bytes]:
    """The action line of every row: created, under its `event.id`."""
    # One text for a span, cut afterwards: a fourth of what it costs row by row.
    found: list[bytes] = []
    for start, stop, origin in batch.spans:
        if stop > start:
            action = f'{{"create":{{"_id":"{origin.file_id}-'
            numbers = map(str, batch.offsets[start:stop])
            found += (action + f'"}}}}\n{action}'.join(numbers) + '"}}').encode().split(b"\n")
    return found


def frame(rows: Sequence[bytes], actions: Sequence[bytes], indices: Sequence[str] = ()) -> bytes:
    """The body of a bulk. Without `indices` the index stands in the path of the request."""
    parts = [b""] * (2 * len(rows) + 1)
    parts[0:-1:2] = actions
    if indices:
        parts[0:-1:2] = [
            b'{"create":{"_index":"%b",%b' % (index.encode(), action.removeprefix(b'{"create":{'))
            for index, action in zip(indices, actions, strict=True)
        ]
    parts[1:-1:2] = rows
    return b"\n".join(parts)


class Compressor(Protocol):
    """Of one body, as zlib has it."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def pack(
    rows: Sequence[bytes], actions: Sequence[bytes], indices: Sequence[str], new: Callable[[], Compressor] | None
) -> bytes | None:
    """The body, ready to be sent; None when a row is not one line: it would end where the server reads a line break.
    Flat names of labels are members of `labels` in it.

    `new` makes what it is compressed with.
    """
    compressor = new() if new else None
    packed = []
    for start in range(0, len(rows), PIECE_ROWS):
        part = slice(start, start + PIECE_ROWS)
        if any(map(contains, rows[part], repeat(NEWLINE))):
            return None
        piece = frame(rows[part], actions[part], indices[part])
        if may_be_flat(piece):
            piece = frame(list(map(gathered, rows[part])), actions[part], indices[part])
        packed.append(compressor.compress(piece) if compressor else piece)
    return b"".join([*packed, compressor.flush()] if compressor else packed)


def size_of(rows: Sequence[bytes]) -> int:
    """Bytes that these rows take in a body, or a little more."""
    return sum(map(len, rows)) + HEAD_BYTES * len(rows)


def cut(lengths: Iterable[int], most_bytes: int, most_rows: int, requests: int) -> list[range]:
    """Rows of these lengths as runs of neighbours: none above a limit unless it is a single row, and as many as there
    may be `requests` at a time where that leaves each of them worth it."""
    until = list(accumulate(lengths))

    def size(row: int) -> int:
        """Of all rows to this one, with their action lines."""
        return until[row] + HEAD_BYTES * (row + 1)

    every = range(len(until))
    share = max(-(-size(every[-1]) // requests), SMALLEST_BYTES) if until else 0
    found: list[range] = []
    start = before = 0
    while start < len(until):
        enough = bisect_left(every, before + share, start, key=size) + 1
        fitting = bisect_right(every, before + most_bytes, start, key=size)
        stop = max(start + 1, min(enough, fitting, start + most_rows, len(until)))
        found.append(range(start, stop))
        start, before = stop, size(stop - 1)
    return found
