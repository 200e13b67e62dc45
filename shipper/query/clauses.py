"""The clauses that Elasticsearch queries are put together from."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

Query = dict[str, Any]
Bound = int | float | str | None

ALL: Query = {"match_all": {}}
NONE: Query = {"match_none": {}}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 9_223_372_036_854_775
"""The last µs since the epoch that `date_nanos` can hold."""


def all_of(*queries: Query) -> Query:
    """What all of them find."""
    parts = _unique(queries, "filter", ALL)
    if NONE in parts:
        return NONE
    return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}} if parts else ALL


def any_of(*queries: Query) -> Query:
    """What any of them finds."""
    parts = _unique(queries, "should", NONE)
    if ALL in parts:
        return ALL
    return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}} if parts else NONE


def none_of(query: Query) -> Query:
    """What it does not find."""
    if query in (ALL, NONE):
        return NONE if query == ALL else ALL
    inner = query.get("bool", {}).get("must_not")
    return inner[0] if inner else {"bool": {"must_not": [query]}}


def _unique(queries: tuple[Query, ...], joint: str, neutral: Query) -> list[Query]:
    """The queries without what changes nothing; those that are joined in the same way are taken apart."""
    parts: dict[bytes, Query] = {}
    for query in queries:
        for part in query.get("bool", {}).get(joint) or [query]:
            if part != neutral:
                parts.setdefault(orjson.dumps(part), part)
    return list(parts.values())


def term(field: str, text: object) -> Query:
    """The value is exactly this."""
    return {"term": {field: {"value": text}}}


def matching(field: str, text: str) -> Query:
    """Like `term`, and nothing rather than an error where the text does not fit the field's type."""
    return {"match": {field: {"query": text, "lenient": True}}}


def exists(field: str) -> Query:
    """There is an indexed value."""
    return {"exists": {"field": field}}


def ignored(field: str) -> Query:
    """There is a value that did not fit the field: it is stored, and not indexed."""
    return term("_ignored", field)


def interval(field: str, low: Bound, high: Bound, with_low: bool = True, with_high: bool = True) -> Query:
    """The value lies between two, of which None is open."""
    limits: dict[str, Any] = {}
    if low is not None:
        limits["gte" if with_low else "gt"] = low
    if high is not None:
        limits["lte" if with_high else "lt"] = high
    return {"range": {field: limits}} if limits else exists(field)


def times(field: str, first: int | None, behind: int | None) -> Query:
    """The time lies in `[first, behind)`, in µs since the epoch. Before 1970 and after 2262 there are none that
    Elasticsearch could hold in nanoseconds."""
    if (first is not None and first > _LAST) or (behind is not None and behind <= 0):
        return NONE
    limits: dict[str, str] = {}
    if first is not None and first >= 0:
        limits["gte"] = _rfc3339(first)
    if behind is not None and behind <= _LAST:
        limits["lt"] = _rfc3339(behind)
    return {"range": {field: {**limits, "format": "strict_date_optional_time_nanos"}}} if limits else exists(field)


def _rfc3339(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
