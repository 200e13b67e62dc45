"""The daily indices of Elasticsearch, as the mover sees them.

A point is `{"index": uuid, "seq_no": {"0": 123, …}}`. Every shard numbers what it stores, and its global checkpoint
says up to which number all is stored: what has a higher number is late, whether it was searchable already or not. So
a record whose number is low but whose request was still under way is never between two chairs.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from shipper.clock import Clock, SystemClock
from shipper.elastic.connect import Elastic
from shipper.elastic.moment import Moment, ask, unless_gone, whole
from shipper.elastic.names import day_of, index_of, pattern_of
from shipper.errors import ShipperError
from shipper.query.clauses import Query, all_of
from shipper.tier.elastic_export import AT_ONCE, Lot, export
from shipper.tier.hot import HotDay, Point, Taken
from shipper.tier.patient import Patient

RECORDS = "records"
NOTHING: Point = {"index": "", "seq_no": {}}
"""The point of a day that is not there."""
BLOCK = "index.blocks.write"


class Index(NamedTuple):
    """What an index says of itself."""

    name: str
    uuid: str
    blocked: bool
    checkpoints: dict[str, int]
    """Shard → the number up to which all of its copies have all."""


class ElasticHot:
    """The records of one pipeline."""

    kind = "elasticsearch"

    def __init__(self, elastic: Elastic, name: str, clock: Clock | None = None, *, at_once: int = AT_ONCE) -> None:
        """`name`: what the indices begin with; `clock` only measures the wait before a request is sent again;
        `at_once`: requests of an export that are under way together."""
        self._owned = elastic
        self._elastic = Patient(elastic, clock or SystemClock())
        self._name, self._at_once = name, at_once
        self.where = f"Elasticsearch at {elastic.where}"

    def days(self) -> Iterator[HotDay]:
        """One that is closed has no size; `take` says what is to be done about it."""
        pattern = pattern_of(self._name, RECORDS)
        there = ask(self._elastic, "GET", f"/{pattern}/_stats/docs,store")["indices"]
        listed = ask(self._elastic, "GET", f"/_resolve/index/{pattern}?expand_wildcards=open,closed")["indices"]
        days = {day_of(self._name, index["name"]): there.get(index["name"]) for index in listed}
        for day, stats in sorted(days.items()):
            if day and stats:
                yield HotDay(day, stats["primaries"]["docs"]["count"], stats["total"]["store"]["size_in_bytes"])
            elif day:
                yield HotDay(day, 0, 0)

    def take(self, day: str, behind: Point | None, folder: Path) -> Taken:
        index = self._look(day)
        if index is None:
            return Taken(NOTHING, [], 0, "", "")
        self._refresh(index)
        with ExitStack() as stack:
            lots = [
                Lot(shard, stack.enter_context(Moment(self._elastic, index.name, f"_shards:{shard}")), query)
                for shard, query in _between(index, behind).items()
            ]
            again = self._look(day)
            if again is None or again.uuid != index.uuid:
                raise ShipperError(f"{self._called(day)}: deleted and made anew meanwhile; it is tried again")
            files, rows, first, last = export(lots, folder, self._at_once)
        return Taken({"index": index.uuid, "seq_no": index.checkpoints}, files, rows, first, last)

    def late(self, day: str, point: Point) -> int:
        index = self._look(day)
        if index is None:
            return 0
        self._refresh(index)
        return sum(self._count(index, shard, _above(point, index, shard)) for shard in index.checkpoints)

    def block(self, day: str) -> None:
        """When this returns, no request that was let in before is under way any more."""
        index = self._look(day)
        if index is None:
            return
        if index.blocked:
            # Who set it may have been killed before it was known that nothing is under way.
            self.release(day)
        answer = ask(self._elastic, "PUT", f"/{index.name}/_block/write")
        if not (answer["acknowledged"] and answer["shards_acknowledged"]):
            raise ShipperError(f"{self._called(day)}: not every shard has confirmed its block; it is tried again")

    def release(self, day: str) -> None:
        unless_gone(self._elastic, "PUT", f"/{self._index(day)}/_settings", {BLOCK: None})

    def delete(self, day: str, point: Point) -> None:
        """An index that was made after the point was taken is another one, and stays."""
        index = self._look(day)
        if index is None or index.uuid != point["index"]:
            return
        if not index.blocked:
            raise ShipperError(f"{self._called(day)}: somebody has lifted its block; it is tried again")
        late = self.late(day, point)
        if late:
            raise ShipperError(f"{self._called(day)}: {late} records came after it was archived; they are taken first")
        unless_gone(self._elastic, "DELETE", f"/{index.name}")

    def close(self) -> None:
        self._owned.close()

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _index(self, day: str) -> str:
        return index_of(self._name, RECORDS, day.replace(".", "-"))

    def _called(self, day: str) -> str:
        return f"{self._elastic.where}/{self._index(day)}"

    def _look(self, day: str) -> Index | None:
        """None: there is no such index. Raises `ShipperError` when not all of it can be read."""
        name = self._index(day)
        found = unless_gone(self._elastic, "GET", f"/{name}/_settings?flat_settings=true")
        stats = unless_gone(self._elastic, "GET", f"/{name}/_stats/docs?level=shards") if found else None
        if not found or not stats:
            return None
        settings, shards = found[name]["settings"], stats["indices"].get(name, {}).get("shards", {})
        checkpoints = {shard: _checkpoint(copies) for shard, copies in shards.items()}
        wanted = {str(shard) for shard in range(int(settings["index.number_of_shards"]))}
        if missing := wanted - {shard for shard, number in checkpoints.items() if number is not None}:
            raise ShipperError(
                f"{self._called(day)}: {len(missing)} of its {len(wanted)} shards are not there; look with GET "
                "/_cat/shards. It stays as it is"
            )
        complete = {shard: number for shard, number in sorted(checkpoints.items()) if number is not None}
        return Index(name, settings["index.uuid"], settings.get(BLOCK) == "true", complete)

    def _refresh(self, index: Index) -> None:
        answer = ask(self._elastic, "POST", f"/{index.name}/_refresh")
        if answer["_shards"]["failed"]:
            raise ShipperError(f"{self._elastic.where}/{index.name}: not every shard shows what it has; try again")

    def _count(self, index: Index, shard: str, query: Query) -> int:
        path = f"/{index.name}/_count?preference=_shards:{shard}"
        return int(whole(self._elastic, path, {"query": query})[1]["count"])


def _checkpoint(copies: list[dict[str, Any]]) -> int | None:
    """What the primary says; None when it is not there."""
    for copy in copies:
        if copy["routing"]["primary"] and copy["routing"]["state"] in ("STARTED", "RELOCATING"):
            return int(copy["seq_no"]["global_checkpoint"])
    return None


def _between(index: Index, behind: Point | None) -> dict[str, Query]:
    """Shard → what it stored from a point up to now."""
    return {
        shard: all_of(_above(behind, index, shard), {"range": {"_seq_no": {"lte": number}}})
        for shard, number in index.checkpoints.items()
    }


def _above(point: Point | None, index: Index, shard: str) -> Query:
    """What is behind a point; all, when that was of another index of the same name."""
    same = point is not None and point["index"] == index.uuid
    number = point["seq_no"].get(shard, -1) if point is not None and same else -1
    return {"range": {"_seq_no": {"gt": number}}}
