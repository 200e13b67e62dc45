"""Reads an index of Elasticsearch at one fixed moment, page by page, so that nothing is left out or doubled while
records come in. All errors are `ShipperError`, and a shard that does not answer is one: never a part in silence.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

from shipper.elastic.connect import ElasticError
from shipper.elastic.documents import answer_of, documents
from shipper.errors import ShipperError

Json = dict[str, Any]

PAGE = 1_000
"""Most documents in an answer."""
FIRST_PAGE = 100
"""Documents in the first answer: the first lines come soon, and it tells how large the documents are."""
PAGE_BYTES = 4 << 20
"""What an answer should hold."""
KEEP_ALIVE = "10m"
"""How long Elasticsearch keeps a moment of an index for somebody who reads page by page."""


class Requests(Protocol):
    """What is needed of `elastic.connect.Elastic`."""

    where: str

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any: ...

    def raw(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> bytes: ...


class Moment:
    """All shards of an index as they are now, or those that `preference` names."""

    def __init__(self, elastic: Requests, index: str, preference: str = "") -> None:
        self._elastic = elastic
        wish = f"&preference={preference}" if preference else ""
        self._id: str = ask(elastic, "POST", f"/{index}/_pit?keep_alive={KEEP_ALIVE}{wish}")["id"]

    def __enter__(self) -> "Moment":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with suppress(ElasticError):  # It forgets by itself as well.
            self._elastic.request("DELETE", "/_pit", {"id": self._id})

    def search(self, body: Json) -> tuple[bytes, Json]:
        """One answer: its bytes, and what they say."""
        pit = {"id": self._id, "keep_alive": KEEP_ALIVE}
        found = whole(self._elastic, "/_search?allow_partial_search_results=false", {**body, "pit": pit})
        self._id = found[1]["pit_id"]
        return found

    def documents(self, body: Json, most: int = 0) -> Iterator[bytes]:
        """All hits of a sorted search, in the bytes that they are stored in; no more than a page is held. `most`: how
        many are wanted, 0 for all."""
        body = {**body, "size": min(FIRST_PAGE, most or FIRST_PAGE), "track_total_hits": False}
        while True:
            raw, answer = self.search(body)
            hits = answer["hits"]["hits"]
            yield from documents(raw, hits)
            if len(hits) < body["size"]:
                return
            size = max(1, min(PAGE, PAGE_BYTES * len(hits) // len(raw)))
            body = {**body, "size": size, "search_after": hits[-1]["sort"]}


def ask(elastic: Requests, method: str, path: str, body: Any = None) -> Any:
    """The answer's JSON."""
    try:
        return elastic.request(method, path, body)
    except ElasticError as error:
        raise failure(error) from error


def unless_gone(elastic: Requests, method: str, path: str, body: Any = None) -> Any:
    """The answer's JSON; None when there is no such index."""
    try:
        return elastic.request(method, path, body)
    except ElasticError as error:
        if error.kind == "index_not_found_exception":
            return None
        raise failure(error) from error


def whole(elastic: Requests, path: str, body: Any) -> tuple[bytes, Json]:
    """An answer that all shards had a part in: its bytes, and what they say."""
    try:
        raw = elastic.raw("POST", path, body)
        answer = answer_of(raw, elastic.where)
    except ElasticError as error:
        raise failure(error) from error
    failed = answer["_shards"]["failed"]
    if failed or answer.get("timed_out"):
        raise ShipperError(f"{failed} of {answer['_shards']['total']} shards did not answer; try again")
    return raw, answer


_SHARDS_MISSING = ("search_phase_execution_exception", "no_shard_available_action_exception")


def failure(error: ElasticError) -> ShipperError:
    """A shard without a node has no words of its own, and a closed index but one."""
    if error.kind == "index_closed_exception":
        return ShipperError(f"{error}: open the index again with POST /INDEX/_open")
    missing = error.status == 503 and error.kind in _SHARDS_MISSING
    return ShipperError(
        f"{error}: not all of its shards are there; look with GET /_cat/shards" if missing else str(error)
    )
