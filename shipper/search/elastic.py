"""The daily indices of a pipeline in Elasticsearch, as search asks them.

A day is read page by page at one moment of its index, so that nothing is left out or doubled while records come in. An
index that does not answer with all of its shards is a day that can't be read: never a part of it in silence.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from shipper.elastic.connect import Elastic, ElasticError
from shipper.elastic.names import day_of, pattern_of
from shipper.elastic.template import LABELS
from shipper.errors import ShipperError
from shipper.query.clauses import Query, all_of, none_of, times
from shipper.query.elastic import bounds, fields_of
from shipper.query.moved import predicate
from shipper.query.tree import Everything, Node
from shipper.query.typed import Bounds
from shipper.search.changes import ElasticFollower
from shipper.search.documents import answer_of, documents, parsed
from shipper.search.store import Question, times_of

PAGE = 1_000
"""Most documents in an answer."""
FIRST_PAGE = 100
"""Documents in the first answer: the first lines come soon, and it tells how large the documents are."""
PAGE_BYTES = 4 << 20
"""What an answer should hold."""
LOOKED_AT = 500
"""So many hits of a day are looked at one by one where they are counted; more are left to Elasticsearch, which takes a
few odd records for something else (see `query.elastic`)."""
KEEP_ALIVE = "10m"
"""How long Elasticsearch keeps a moment of an index for somebody who reads page by page."""

NEWEST_FIRST = [
    {"@timestamp": {"order": "desc", "missing": "_last", "format": "strict_date_optional_time_nanos"}},
    {"event.id": {"order": "desc", "missing": "_last"}},
]


class ElasticStore:
    """The records of one pipeline."""

    def __init__(self, elastic: Elastic, name: str) -> None:
        """`name`: what the indices begin with."""
        self._elastic = elastic
        self._name = name
        self.where = f"Elasticsearch at {elastic.where}"

    def days(self, question: Question) -> list[str]:
        pattern = pattern_of(self._name, "records")
        self._refresh(pattern)
        found = self._ask("GET", f"/_resolve/index/{pattern}?expand_wildcards=open,closed")
        days = (day_of(self._name, index["name"]) for index in found["indices"])
        return sorted(day for day in days if day and _may_hold(day, question))

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

    # ── one day ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _index(self, day: str) -> str:
        return f"{self._name}-{day}"

    def _bounds(self, tree: Node, day: str) -> Bounds:
        fields = fields_of(tree)
        return bounds(tree, self._types(day, fields) if fields else {})

    def _types(self, day: str, fields: set[str]) -> dict[str, str]:
        """What the index has of these fields, and of what stands below them."""
        asked = sorted({name for field in fields if field for name in (field, f"{field}.*")})
        found = self._ask("POST", f"/{self._index(day)}/_field_caps", {"fields": asked})["fields"]
        kinds = {name: next(iter(kind)) for name, kind in found.items()}
        texts = {f"{name}.keyword" for name, kind in kinds.items() if kind == "text"}
        return {name: kind for name, kind in kinds.items() if name not in texts and kind not in ("object", "nested")}

    def _matching(
        self, question: Question, day: str, query: Query, limit: int, *, needed_alone: bool = False
    ) -> Iterator[bytes]:
        """Hits of a query that the predicate agrees with. `needed_alone`: of each only the fields that it needs."""
        everything = isinstance(question.tree, Everything)
        wanted = predicate(question.tree)
        body: dict[str, Any] = {"query": all_of(query, _within(question, day)), "sort": NEWEST_FIRST}
        body |= {"size": min(FIRST_PAGE, limit or FIRST_PAGE), "track_total_hits": False}
        if needed_alone:
            body["_source"] = sorted({*fields_of(question.tree), LABELS} - {""})
        for doc in self._pages(self._index(day), body):
            if everything or wanted(parsed(doc)):
                yield doc

    def _pages(self, index: str, body: dict[str, Any]) -> Iterator[bytes]:
        """All hits of a search at one moment of an index."""
        moment = self._ask("POST", f"/{index}/_pit?keep_alive={KEEP_ALIVE}")["id"]
        try:
            while True:
                asked = {**body, "pit": {"id": moment, "keep_alive": KEEP_ALIVE}}
                raw, answer = self._whole("/_search?allow_partial_search_results=false", asked)
                hits, moment = answer["hits"]["hits"], answer["pit_id"]
                yield from documents(raw, len(hits))
                if len(hits) < body["size"]:
                    return
                size = max(1, min(PAGE, PAGE_BYTES * len(hits) // len(raw)))
                body = {**body, "size": size, "search_after": hits[-1]["sort"]}
        finally:
            self._forget(moment)

    def _number(self, question: Question, day: str, query: Query) -> int:
        asked = {"query": all_of(query, _within(question, day))}
        return int(self._whole(f"/{self._index(day)}/_count", asked)[1]["count"])

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._elastic.request(method, path, body)
        except ElasticError as error:
            raise _failure(error) from error

    def _whole(self, path: str, body: Any) -> tuple[bytes, dict[str, Any]]:
        """An answer that all shards had a part in: its bytes, and what they say."""
        try:
            raw = self._elastic.raw("POST", path, body)
            answer = answer_of(raw, self._elastic.where)
        except ElasticError as error:
            raise _failure(error) from error
        failed = answer["_shards"]["failed"]
        if failed or answer.get("timed_out"):
            raise ShipperError(f"{failed} of {answer['_shards']['total']} shards did not answer; try again")
        return raw, answer

    def _refresh(self, pattern: str) -> None:
        """What was stored a moment ago is found. Who may only read finds it a second later.

        Not while a shard is missing: Elasticsearch would wait for it for a minute.
        """
        there = self._ask("GET", f"/{pattern}/_search_shards?expand_wildcards=open")["shards"]
        if all(any(copy["state"] == "STARTED" for copy in copies) for copies in there):
            with suppress(ElasticError):
                self._elastic.request("POST", f"/{pattern}/_refresh")

    def _forget(self, moment: str) -> None:
        with suppress(ElasticError):  # It forgets by itself as well.
            self._elastic.request("DELETE", "/_pit", {"id": moment})


_SHARDS_MISSING = ("search_phase_execution_exception", "no_shard_available_action_exception")


def _failure(error: ElasticError) -> ShipperError:
    """A shard without a node has no words of its own."""
    missing = error.status == 503 and error.kind in _SHARDS_MISSING
    return ShipperError(
        f"{error}: not all of its shards are there; look with GET /_cat/shards" if missing else str(error)
    )


def _may_hold(day: str, question: Question) -> bool:
    start, end = times_of(day)
    return (question.since is None or question.since < end) and (question.until is None or question.until > start)


def _within(question: Question, day: str) -> Query:
    since, until = question.part_of(day)
    return all_of() if since is None and until is None else times("@timestamp", since, until)
