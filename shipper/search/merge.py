"""One answer from all stores, newest first. They hold whole days, so it is given day by day, each sorted alone: the
first lines come before older days are looked at, and no more than one day is ever sorted.

A day may move from the hot store to the archive meanwhile. So the archive is asked for every day, and what it has only
after the hot store was read: the record is in one of them, or in both.

Order: `@timestamp` as a time, then `event.id` as text, both descending; records whose time can't be read come last in
their day. A record that two stores hold is given once.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import orjson

from shipper.errors import ShipperError
from shipper.fields import value
from shipper.query.values import period
from shipper.search.store import Question, Store

Unreadable = Callable[[str, str], None]
"""Told a day (or a whole store) that can't be read now, and why."""


def search(stores: Sequence[Store], question: Question, limit: int, unreadable: Unreadable) -> Iterator[bytes]:
    """The documents of an answer as they are stored; `limit` 0 is all of them."""
    given = 0
    for day, holders in _days(stores, question, unreadable):
        for doc in _of_day(holders, question, day, limit and limit - given, unreadable):
            yield doc
            given += 1
        if limit and given >= limit:
            return


def count(stores: Sequence[Store], question: Question, unreadable: Unreadable) -> int:
    """How many records an answer has."""
    return sum(_count(holders, question, day, unreadable) for day, holders in _days(stores, question, unreadable))


def _days(stores: Sequence[Store], question: Question, unreadable: Unreadable) -> list[tuple[str, list[Store]]]:
    """Days that may hold a part of the answer, newest first, each with the stores that hold it."""
    holders: dict[str, list[Store]] = {}
    fed = [store for store in stores if store.fed]
    for store in stores:
        try:
            days = store.days(question)
        except ShipperError as error:
            unreadable(store.where, str(error))
            fed = [other for other in fed if other is not store]
            continue
        for day in days:
            holders.setdefault(day, []).append(store)
    return [
        (day, [*(store for store in known if not store.fed), *fed])
        for day, known in sorted(holders.items(), reverse=True)
    ]


def _of_day(holders: list[Store], question: Question, day: str, limit: int, unreadable: Unreadable) -> Iterator[bytes]:
    parts = [_told(store.docs(question, day, limit), day, unreadable) for store in holders]
    return islice(_joined(parts), limit or None)


def _joined(parts: list[Iterator[bytes]]) -> Iterator[bytes]:
    """Sorted answers as one. They begin one after the other: what a part has is fixed then."""
    begun = [chain(first, part) for part in parts if (first := list(islice(part, 1)))]
    yield from begun[0] if len(begun) == 1 else _merged(begun)


def _count(holders: list[Store], question: Question, day: str, unreadable: Unreadable) -> int:
    """Where several stores have some, each record has to be looked at."""
    told: list[str] = []
    counts = [_counted(store, question, day, told.append) for store in holders]
    if sum(1 for found in counts if found) > 1:
        told.clear()
        counts = [sum(1 for _ in _of_day(holders, question, day, 0, lambda _, reason: told.append(reason)))]
    for reason in told:
        unreadable(day, reason)
    return sum(counts)


def _counted(store: Store, question: Question, day: str, told: Callable[[str], None]) -> int:
    try:
        return store.count(question, day)
    except ShipperError as error:
        told(str(error))
        return 0


def _told(answer: Iterator[bytes], day: str, unreadable: Unreadable) -> Iterator[bytes]:
    try:
        yield from answer
    except ShipperError as error:
        unreadable(day, str(error))


def _merged(parts: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    """Sorted answers as one; what stands in several of them is there once."""
    last: tuple[float, str] | None = None
    keyed = [((_key(doc), doc) for doc in part) for part in parts]
    for key, doc in heapq.merge(*keyed, key=lambda pair: pair[0], reverse=True):
        if key != last or not key[1]:
            yield doc
        last = key


def _key(doc: bytes) -> tuple[float, str]:
    """Time in µs since the epoch, and id."""
    try:
        record = orjson.loads(doc)
    except orjson.JSONDecodeError:
        return float("-inf"), ""
    found = period(str(value(record, "@timestamp", "")))
    return found[0] if found else float("-inf"), str(value(record, "event.id", ""))
