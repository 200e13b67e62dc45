"""A server that answers what it is told: for what a real one cannot be made to do."""

import gzip
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

PRODUCT = {"x-elastic-product": "Elasticsearch"}


class Request(NamedTuple):
    """As it came, the body without its compression."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[Any]:
        """Of a bulk: actions and rows in turn."""
        return [json.loads(line) for line in self.body.splitlines()]


class Answer(NamedTuple):
    """`cut`: bytes after which the connection is closed."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = PRODUCT
    cut: int | None = None


def error(status: int, kind: str = "some_exception", reason: str = "some reason", **more: Any) -> Answer:
    """As Elasticsearch says that it does not do a request."""
    return Answer(status, json.dumps({"error": {"type": kind, "reason": reason, **more}, "status": status}).encode())


def bulk(*items: int | dict[str, Any]) -> Answer:
    """An answer to a bulk: a status, or a status and an error, for each row."""
    entries = [{"status": item} if isinstance(item, int) else item for item in items]
    failed = any("error" in entry for entry in entries)
    body = {"errors": failed, "items": [{"create": entry} for entry in entries]}
    return Answer(body=json.dumps(body, separators=(",", ":")).encode())


def refused(status: int, kind: str = "some_exception", reason: str = "some reason") -> dict[str, Any]:
    """An item of a bulk that was not stored."""
    return {"status": status, "error": {"type": kind, "reason": reason}}


class Server:
    """Answers with `answers` in turn, then by `otherwise`; keeps the `requests`."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.otherwise: Callable[[Request], Answer] = stored
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            if self.answers:
                return self.answers.pop(0)
        return self.otherwise(request)

    @property
    def rows(self) -> list[list[Any]]:
        """Of each bulk that came."""
        return [request.lines[1::2] for request in self.requests if "_bulk" in request.path]


def stored(request: Request) -> Answer:
    """Every row of a bulk is."""
    return bulk(*[201] * (len(request.lines) // 2)) if "_bulk" in request.path else Answer()


@contextmanager
def serving(*answers: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server on this machine while the block runs."""
    told = Server(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            packed = headers.get("content-encoding") == "gzip"
            request = Request(self.command, self.path, headers, gzip.decompress(body) if packed else body)
            self.send(told.answer(request))

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do

        def send(self, answer: Answer) -> None:
            if answer.cut == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut] if answer.cut else answer.body)
            self.close_connection = answer.cut is not None

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    told.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
