"""What can be done to a request on its way: `proxy.next(answers(503), lost_acknowledgement)`; see `proxy.py`."""

import contextlib
import itertools
import threading
from collections.abc import Callable

import orjson

from tests.faults.proxy import REAL, Answer, Exchange, Fault, Row, passes


def answers(status: int, reason: str = "", kind: str = "exception", **headers: str) -> Fault:
    """As Elasticsearch says no to a whole request, which it does not do; `retry_after="1"` becomes a header."""
    error = {"type": kind, "reason": reason or f"status {status} was asked for"}
    body = orjson.dumps({"error": {**error, "root_cause": [error]}, "status": status})
    told = {
        "content-type": "application/json",
        **REAL,
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    return lambda exchange: exchange.answer(Answer(status, body, told))


def says(body: bytes, status: int = 200, content_type: str = "text/html", **headers: str) -> Fault:
    """Anything, as something between us and the server might say it, which does not get the request."""
    return lambda exchange: exchange.answer(Answer(status, body, {"content-type": content_type, **headers}))


def cuts(exchange: Exchange) -> None:
    """Before the server has the request."""
    exchange.cut()


def lost_acknowledgement(exchange: Exchange) -> None:
    """The server stores everything; nobody is told."""
    exchange.forward()
    exchange.cut()


def half_an_answer(exchange: Exchange) -> None:
    """The server stores everything; half of what it says comes through."""
    answer = exchange.forward()
    exchange.answer(answer, len(answer.body) // 2)


def fewer_items(exchange: Exchange) -> None:
    """All rows but the last get through, and the answer, which is whole, tells only of those."""
    rows = exchange.request.rows
    exchange.answer(exchange.forward(b"".join(row.body for row in rows[:-1])))


def late(seconds: float) -> Fault:
    """The server stores everything at once; its answer comes after a while."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.wait(seconds)
        exchange.answer(answer)

    return fault


def together(count: int, seconds: float) -> Fault:
    """The server stores everything at once; its answer comes when so many requests are under way, or after a while."""
    met = threading.Barrier(count, timeout=seconds)

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        with contextlib.suppress(threading.BrokenBarrierError):
            met.wait()
        exchange.answer(answer)

    return fault


def too_large(most_bytes: int) -> Fault:
    """413 for a larger body, without compression."""

    def fault(exchange: Exchange) -> None:
        large = len(exchange.request.body) > most_bytes
        (says(b"<html>413 Request Entity Too Large</html>", 413) if large else passes)(exchange)

    return fault


def every(n: int) -> Callable[[Row], bool]:
    """Chooses each n-th row that it is asked about."""
    count = itertools.count(1)
    return lambda row: next(count) % n == 0


def of_index(*parts: str) -> Callable[[Row], bool]:
    """Chooses the rows whose index ends with one of these."""
    return lambda row: row.index.endswith(parts)


def first_time(chosen: Callable[[Row], bool]) -> Callable[[Row], bool]:
    """Chooses of those only rows that it was not asked about before."""
    seen: set[str] = set()

    def choose(row: Row) -> bool:
        new = row.id not in seen
        seen.add(row.id)
        return new and chosen(row)

    return choose


def holding(text: bytes) -> Callable[[Row], bool]:
    """Chooses the rows that have this in them."""
    return lambda row: text in row.source


def refuses(chosen: Callable[[Row], bool], status: int, kind: str, reason: str = "it was asked for") -> Fault:
    """The chosen rows do not get through, and are answered with this; all others do."""

    def fault(exchange: Exchange) -> None:
        rows = exchange.request.rows
        refused = [chosen(row) for row in rows]
        body = b"".join(row.body for row, out in zip(rows, refused, strict=True) if not out)
        answer = (
            exchange.forward(body)
            if body
            else Answer(200, b'{"items":[]}', {"content-type": "application/json", **REAL})
        )
        if answer.status != 200:
            exchange.answer(answer)
            return
        let_through = iter(answer.json["items"])
        error = {"type": kind, "reason": reason}
        items = [{"create": {"status": status, "error": error}} if out else next(let_through) for out in refused]
        exchange.answer(answer._replace(body=orjson.dumps({"errors": True, "items": items})))

    return fault
