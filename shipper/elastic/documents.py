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


def documents(raw: bytes, count: int) -> Iterator[bytes]:
    """The documents of an answer with so many hits. What parses them and writes them again loses `1.50`, escapes and
    doubled names."""
    text, at = raw.decode(), 0
    for _ in range(count):
        # No text can hold this: its quotes would be escaped.
        start = text.index('"_source":', at) + len('"_source":')
        _, at = _scan(text, start)
        yield text[start:at].encode()


def parsed(doc: bytes) -> Doc:
    """What can't be parsed (a lone surrogate) has no field, as in the embedded store."""
    try:
        found = orjson.loads(doc)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
