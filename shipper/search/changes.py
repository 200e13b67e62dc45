"""What comes to the daily indices of a pipeline from a moment on: each record once, as it becomes searchable.

Every shard numbers what it stores. Bulks that run at the same time may become searchable out of order, so a number that
was left out is asked for again for a while.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import orjson

from shipper.clock import Clock, SystemClock
from shipper.elastic.connect import NDJSON, Elastic, ElasticError
from shipper.elastic.documents import answer_of, documents, parsed
from shipper.elastic.names import day_of, pattern_of
from shipper.errors import ShipperError
from shipper.query.clauses import NONE, Query, all_of, any_of, term
from shipper.query.moved import predicate
from shipper.query.tree import Node
from shipper.search.store import News

AT_ONCE = 1_000
"""Documents in an answer."""
LATE_S = 60.0
"""Seconds that a number may come later than those behind it."""
MOST_LATE = 1_000
"""Numbers of a shard that are waited for."""
LOOKED_BACK = 100
"""Numbers of a shard that are looked at in the beginning for those that are still to come."""
INDICES_AT_ONCE = 100

Shard = tuple[str, int]
"""Index and number."""


class Seen:
    """The numbers that one shard has shown."""

    def __init__(self) -> None:
        self.top = -1
        self.late: dict[int, float] = {}
        """Left out → until when it is waited for."""

    def begin(self, numbers: Iterable[int], now: float) -> None:
        """The last numbers of a shard, when all that it shows now is old."""
        known = sorted(numbers)
        if known:
            self.top = known[0]
            self.note(known[1:], now)

    def note(self, numbers: Iterable[int], now: float) -> None:
        """They have been seen, in ascending order."""
        for number in numbers:
            self.late.pop(number, None)
            for missing in range(max(self.top + 1, number - MOST_LATE), number):
                self.late[missing] = now + LATE_S
            self.top = max(self.top, number)
        waiting = sorted(number for number, until in self.late.items() if until > now)[-MOST_LATE:]
        self.late = {number: self.late[number] for number in waiting}

    def query(self) -> Query:
        """What it has not shown yet."""
        later: Query = {"range": {"_seq_no": {"gt": self.top}}}
        return any_of(later, {"terms": {"_seq_no": list(self.late)}} if self.late else NONE)


class ElasticFollower:
    """Follows all indices, those of the next days too."""

    def __init__(self, elastic: Elastic, name: str, tree: Node, clock: Clock | None = None) -> None:
        """All that is searchable now is old. Raises `ElasticError`."""
        self._elastic = elastic
        self._name = name
        self._pattern = pattern_of(name, "records")
        self._wanted = predicate(tree)
        self._clock = clock or SystemClock()
        self._shards: dict[Shard, Seen] = {shard: Seen() for shard in self._there()}
        self._begin()

    def new(self) -> News:
        """At most `AT_ONCE` records of each shard's number: ask again until there are none."""
        try:
            there = self._there()
            self._shards = {shard: self._shards.get(shard) or Seen() for shard in there}
            docs = [doc for number in sorted({number for _, number in there}) for doc in self._after(number)]
        except ElasticError as error:
            raise ShipperError(str(error)) from error
        return News(len(docs), [doc for doc in docs if self._wanted(parsed(doc))])

    def _there(self) -> list[Shard]:
        found = self._elastic.request("GET", f"/{self._pattern}/_search_shards?expand_wildcards=open")
        shards = {(copy["index"], copy["shard"]) for copies in found["shards"] for copy in copies}
        return sorted(shard for shard in shards if day_of(self._name, shard[0]))

    def _begin(self) -> None:
        """The last numbers of every shard."""
        shards = list(self._shards)
        for start in range(0, len(shards), INDICES_AT_ONCE):
            some = shards[start : start + INDICES_AT_ONCE]
            asked = [({"index": index, "preference": f"_shards:{number}"}, _LAST) for index, number in some]
            lines = b"".join(orjson.dumps(part) + b"\n" for pair in asked for part in pair)
            found = self._elastic.request("POST", "/_msearch", lines, headers={"content-type": NDJSON})
            for shard, answer in zip(some, found["responses"], strict=True):
                if "hits" not in answer:
                    raise ElasticError(f"{shard[0]} can't be read: {answer['error'].get('reason', '')}")
                numbers = [hit["_seq_no"] for hit in answer["hits"]["hits"]]
                self._shards[shard].begin(numbers, self._clock.monotonic())

    def _after(self, number: int) -> Iterator[bytes]:
        """What all shards of a number have not shown yet."""
        seen = {index: seen for (index, shard), seen in self._shards.items() if shard == number}
        news = any_of(*(all_of(term("_index", index), each.query()) for index, each in seen.items()))
        body: dict[str, Any] = {"query": news, "size": AT_ONCE, "sort": ["_seq_no"], "seq_no_primary_term": True}
        path = f"/{self._pattern}/_search?preference=_shards:{number}"
        raw = self._elastic.raw("POST", path, {**body, "track_total_hits": False})
        hits = answer_of(raw, self._elastic.where)["hits"]["hits"]
        yield from documents(raw, hits)
        for index, found in groupby(sorted(hits, key=_index), _index):
            seen[index].note([hit["_seq_no"] for hit in found], self._clock.monotonic())


def _index(hit: dict[str, Any]) -> str:
    return str(hit["_index"])


_LAST: dict[str, Any] = {
    "size": LOOKED_BACK,
    "sort": [{"_seq_no": "desc"}],
    "seq_no_primary_term": True,
    "_source": False,
    "track_total_hits": False,
}
