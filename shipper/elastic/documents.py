"""The documents of an answer of Elasticsearch, in the bytes that they are stored in."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from shipper.elastic.connect import ElasticError
from shipper.model import Doc

_scan = json.JSONDecoder().raw_decode


def answer_of(raw: bytes, where: str) -> dict[str, Any]:
    """An answer that holds documents: they may have lone surrogates, which orjson refuses. Raises `ElasticError`."""
    for loads in (orjson.loads, json.loads):
        try:
            answer: dict[str, Any] = loads(raw)
            return answer
        except ValueError:
            continue
    raise ElasticError(f"{where}: the answer is no JSON, or breaks off in the middle")


def documents(raw: bytes, hits: list[dict[str, Any]]) -> Iterator[bytes]:
    """The documents of an answer with these hits. What parses them and writes them again loses `1.50`, escapes and
    doubled names.

    A document ends where its hit's `sort` and the next hit's `_id` follow: no text can hold that, its quotes would be
    escaped. Where that is not to be found, it is read to its end.
    """
    at = 0
    for place, hit in enumerate(hits):
        start = raw.index(_SOURCE, at) + len(_SOURCE)
        at = _end(raw, start, hit, hits[place + 1] if place + 1 < len(hits) else None)
        yield raw[start:at]


_SOURCE = b'"_source":'


def _end(raw: bytes, start: int, hit: dict[str, Any], following: dict[str, Any] | None) -> int:
    behind = b',"sort":%b}' % _dumped(hit.get("sort"))
    if following is None:
        found = raw.rfind(behind + b"]", start)
    else:
        index, name = _dumped(following["_index"]), _dumped(following["_id"])
        found = raw.find(b'%b,{"_index":%b,"_id":%b' % (behind, index, name), start)
    if found >= 0:
        return found
    return start + _length(raw, start)


def _length(raw: bytes, start: int) -> int:
    """Of the JSON object that begins here, in bytes."""
    room = 1 << 16
    while True:
        text = raw[start : start + room].decode(errors="ignore")
        try:
            return len(text[: _scan(text)[1]].encode())
        except ValueError:
            if start + room >= len(raw):
                raise
            room *= 4


def _dumped(value: Any) -> bytes:
    """As the server writes it; nothing that is in no answer, where it holds what can't be written."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return b"\0"


def parsed(doc: bytes) -> Doc:
    """What can't be parsed (a lone surrogate) has no field, as in the embedded store."""
    try:
        found = orjson.loads(doc)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
