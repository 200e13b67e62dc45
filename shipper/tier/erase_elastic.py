"""Erases documents from indices of Elasticsearch, by their `_id`, and from its disk as far as it lets somebody.

What a search finds exactly is what goes: a query of Elasticsearch's own takes a few odd records for something else.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import orjson

from shipper.elastic.connect import NDJSON, ElasticError
from shipper.elastic.documents import parsed
from shipper.elastic.moment import Moment, Requests, ask, failure, unless_gone
from shipper.elastic.names import ALERTS, pattern_of
from shipper.errors import ShipperError

AT_ONCE = 1_000
"""Documents in a request."""
BLOCK = "index.blocks.write"
EXPUNGE = "index.merge.policy.expunge_deletes_allowed"
"""Per cent of deleted documents that a merge may leave on the disk; 10 by default."""

T = TypeVar("T")
Left = Callable[[bytes], bytes | None]
"""What is left of a document: itself, another, or nothing."""


def erase_documents(elastic: Requests, index: str, ids: Iterable[str]) -> None:
    """Deletes documents of an index; one that is gone is as good as deleted. Raises `ShipperError`."""
    with _writable(elastic, index):
        for some in _pieces(ids):
            _bulk(elastic, index, [{"delete": {"_id": each}} for each in some])
        _expunge(elastic, index)


def erase_alert_documents(elastic: Requests, name: str, left: Left, *, dry: bool = False) -> int:
    """How many alert records of a pipeline go or lose evidence. Raises `ShipperError`."""
    found = 0
    for index in _indices(elastic, pattern_of(name, ALERTS)):
        changes = list(_changes(elastic, index, left))
        found += len(changes)
        if changes and not dry:
            with _writable(elastic, index):
                for some in _pieces(changes):
                    _bulk(elastic, index, [line for lines in some for line in lines])
                _expunge(elastic, index)
    return found


def _changes(elastic: Requests, index: str, left: Left) -> Iterator[list[dict[str, Any]]]:
    """The lines of a bulk request for each document that changes."""
    with Moment(elastic, index) as moment:
        for doc in moment.documents({"query": {"match_all": {}}, "sort": ["_shard_doc"]}):
            found, event_id = left(doc), parsed(doc).get("event.id")
            if found is None:
                yield [{"delete": {"_id": event_id}}]
            elif found != doc:
                evidence = {"alert.evidence": orjson.loads(found)["alert.evidence"]}
                yield [{"update": {"_id": event_id}}, {"doc": evidence}]


def _pieces(whole: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(whole)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _indices(elastic: Requests, pattern: str) -> list[str]:
    found = ask(elastic, "GET", f"/_resolve/index/{pattern}?expand_wildcards=open,closed")["indices"]
    return sorted(index["name"] for index in found)


def _bulk(elastic: Requests, index: str, lines: Iterable[dict[str, Any]]) -> None:
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    try:
        answer = elastic.request("POST", f"/{index}/_bulk", body, headers={"content-type": NDJSON})
    except ElasticError as error:
        raise failure(error) from error
    for item in answer["items"]:
        (done,) = item.values()
        if done["status"] >= 300 and done["status"] != 404:
            reason = done.get("error", {}).get("reason", done["status"])
            raise ShipperError(f"{elastic.where}/{index}: not all could be erased ({reason}); run the same erase again")


@contextmanager
def _writable(elastic: Requests, index: str) -> Iterator[None]:
    """Lifts the block of an index that is about to be deleted, and sets it again."""
    settings = ask(elastic, "GET", f"/{index}/_settings/{BLOCK}?flat_settings=true")
    blocked = settings.get(index, {}).get("settings", {}).get(BLOCK) == "true"
    if blocked:
        ask(elastic, "PUT", f"/{index}/_settings", {BLOCK: None})
    try:
        yield
    finally:
        if blocked:
            unless_gone(elastic, "PUT", f"/{index}/_block/write")


def _expunge(elastic: Requests, index: str) -> None:
    """Elasticsearch only marks what is deleted; merging writes its files anew without it."""
    ask(elastic, "POST", f"/{index}/_refresh")
    ask(elastic, "PUT", f"/{index}/_settings", {EXPUNGE: 0})
    try:
        ask(elastic, "POST", f"/{index}/_forcemerge?only_expunge_deletes=true")
        ask(elastic, "POST", f"/{index}/_flush?wait_if_ongoing=true")
    finally:
        ask(elastic, "PUT", f"/{index}/_settings", {EXPUNGE: None})
