"""The daily indices of a pipeline in Elasticsearch, as search asks them.

A day is read page by page at one moment of its index, so that nothing is left out or doubled while records come in. An
index that does not answer with all of its shards is a day that can't be read: never a part of it in silence.

A day that was archived, and is not deleted yet, belongs to the archive: only what came behind its point is found here.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from shipper.elastic.connect import Elastic, ElasticError
from shipper.elastic.documents import parsed
from shipper.elastic.moment import Moment, ask, unless_gone, whole
from shipper.elastic.names import day_of, pattern_of
from shipper.elastic.template import LABELS
from shipper.errors import ShipperError
from shipper.query.clauses import ALL, NONE, Query, all_of, none_of, times
from shipper.query.elastic import bounds, fields_of
from shipper.query.moved import predicate
from shipper.query.tree import Everything, Node
from shipper.query.typed import Bounds
from shipper.search.changes import ElasticFollower
from shipper.search.store import Question, times_of

LOOKED_AT = 500
"""So many hits of a day are looked at one by one where they are counted; more are left to Elasticsearch, which takes a
few odd records for something else (see `query.elastic`)."""

NEWEST_FIRST = [
    {"@timestamp": {"order": "desc", "missing": "_last", "format": "strict_date_optional_time_nanos"}},
    {"event.id": {"order": "desc", "missing": "_last"}},
]


Points = Callable[[], Mapping[str, dict[str, Any]]]
"""Days that belong to the archive → up to where: `{"index": uuid, "seq_no": {"0": 123, …}}`, see
`archive.ledger.days_in_grace`."""


class ElasticStore:
    """The records of one pipeline."""

    fed = False

    def __init__(self, elastic: Elastic, name: str, points: Points = dict) -> None:
        """`name`: what the indices begin with."""
        self._elastic = elastic
        self._name = name
        self._points = points
        self._behind: dict[str, Query] = {}
        self.where = f"Elasticsearch at {elastic.where}"

    def days(self, question: Question) -> list[str]:
        pattern = pattern_of(self._name, "records")
        self._refresh(pattern)
        found = ask(self._elastic, "GET", f"/_resolve/index/{pattern}?expand_wildcards=open,closed")
        named = (day_of(self._name, index["name"]) for index in found["indices"])
        days = [day for day in named if day and _may_hold(day, question)]
        # Asked for here and kept: what is published from now on is in the archive's answer and in this one.
        points = self._points()
        self._behind = {day: self._after(day, points[day]) for day in days if day in points}
        return sorted(day for day in days if self._behind.get(day) != NONE)

    def docs(self, question: Question, day: str, limit: int) -> Iterator[bytes]:
        """Newest first; no more than a page is held."""
        found = self._bounds(question.tree, day)
        yield from islice(self._matching(question, day, found.over, limit), limit or None)

    def count(self, question: Question, day: str) -> int:
        found = self._bounds(question.tree, day)
        total = self._number(question, day, found.over)
        if total <= LOOKED_AT and not isinstance(question.tree, Everything):
            return sum(1 for _ in self._matching(question, day, found.over, 0, needed_alone=True))
        if found.over == found.under:
            return total
        between = all_of(found.over, none_of(found.under))
        looked_at = sum(1 for _ in self._matching(question, day, between, 0, needed_alone=True))
        return self._number(question, day, found.under) + looked_at

    def follow(self, tree: Node) -> ElasticFollower:
        try:
            return ElasticFollower(self._elastic, self._name, tree)
        except ElasticError as error:
            raise ShipperError(str(error)) from error

    def close(self) -> None:
        self._elastic.close()

    # ── days in grace ─────────────────────────────────────────────────────────────────────────────────────────────

    def _after(self, day: str, point: dict[str, Any]) -> Query:
        """What of a day came behind its point: all, when that was of another index; `NONE`, when nothing did.

        A query knows no shards, so with several of them a few records are found that the archive has as well: whoever
        joins the answers gives them once.
        """
        path = f"/{self._index(day)}/_settings/index.uuid?flat_settings=true"
        settings = unless_gone(self._elastic, "GET", path)
        if settings is None:
            return NONE
        if settings[self._index(day)]["settings"]["index.uuid"] != point["index"]:
            return ALL
        try:
            came = any(self._came(day, shard, number) for shard, number in point["seq_no"].items())
        except ShipperError:
            # It can't be read: whoever reads it is told why, and of this day alone.
            came = True
        return _above(min(point["seq_no"].values(), default=-1)) if came else NONE

    def _came(self, day: str, shard: str, number: int) -> int:
        path = f"/{self._index(day)}/_count?preference=_shards:{shard}"
        return int(whole(self._elastic, path, {"query": _above(number)})[1]["count"])

    # ── one day ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _index(self, day: str) -> str:
        return f"{self._name}-{day}"

    def _bounds(self, tree: Node, day: str) -> Bounds:
        fields = fields_of(tree)
        return bounds(tree, self._types(day, fields) if fields else {})

    def _types(self, day: str, fields: set[str]) -> dict[str, str]:
        """What the index has of these fields, and of what stands below them."""
        asked = sorted({name for field in fields if field for name in (field, f"{field}.*")})
        found = ask(self._elastic, "POST", f"/{self._index(day)}/_field_caps", {"fields": asked})["fields"]
        kinds = {name: next(iter(kind)) for name, kind in found.items()}
        texts = {f"{name}.keyword" for name, kind in kinds.items() if kind == "text"}
        return {name: kind for name, kind in kinds.items() if name not in texts and kind not in ("object", "nested")}

    def _matching(
        self, question: Question, day: str, query: Query, limit: int, *, needed_alone: bool = False
    ) -> Iterator[bytes]:
        """Hits of a query that the predicate agrees with. `needed_alone`: of each only the fields that it needs."""
        everything = isinstance(question.tree, Everything)
        wanted = predicate(question.tree)
        body: dict[str, Any] = {"query": self._asked(question, day, query), "sort": NEWEST_FIRST}
        if needed_alone:
            body["_source"] = sorted({*fields_of(question.tree), LABELS} - {""})
        with Moment(self._elastic, self._index(day)) as moment:
            for doc in moment.documents(body, limit):
                if everything or wanted(parsed(doc)):
                    yield doc

    def _number(self, question: Question, day: str, query: Query) -> int:
        asked = {"query": self._asked(question, day, query)}
        return int(whole(self._elastic, f"/{self._index(day)}/_count", asked)[1]["count"])

    def _asked(self, question: Question, day: str, query: Query) -> Query:
        return all_of(query, _within(question, day), self._behind.get(day, ALL))

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _refresh(self, pattern: str) -> None:
        """What was stored a moment ago is found. Who may only read finds it a second later.

        Not while a shard is missing: Elasticsearch would wait for it for a minute.
        """
        there = ask(self._elastic, "GET", f"/{pattern}/_search_shards?expand_wildcards=open")["shards"]
        if all(any(copy["state"] == "STARTED" for copy in copies) for copies in there):
            with suppress(ElasticError):
                self._elastic.request("POST", f"/{pattern}/_refresh")


def _above(number: int) -> Query:
    return {"range": {"_seq_no": {"gt": number}}}


def _may_hold(day: str, question: Question) -> bool:
    start, end = times_of(day)
    return (question.since is None or question.since < end) and (question.until is None or question.until > start)


def _within(question: Question, day: str) -> Query:
    since, until = question.part_of(day)
    return all_of() if since is None and until is None else times("@timestamp", since, until)
