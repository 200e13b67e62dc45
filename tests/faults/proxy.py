"""A proxy of our own before a real server, in threads of this process, that does to each request what a test says.

with Proxy(elasticsearch.url) as proxy:
    proxy.next(answers(503), lost_acknowledgement, cuts)    # the next three bulks, each with its own fault; then passes
    proxy.always(refuses(every(3), 429, "es_rejected_execution_exception"))          # from now on, until told otherwise
    proxy.asked, proxy.most_in_flight                       # all that came, the largest number of bulks at a time
    proxy.show(certificate)                                 # TLS from now on; open connections are cut

Only requests to `_bulk` meet a fault; `always(…, everything=True)` takes in all others. It is also an HTTP proxy as
`proxy:` of a pipeline file expects it: it takes requests in absolute form, and CONNECT.
"""

import contextlib
import gzip
import http.client
import select
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from tests.services.certificates import Certificate

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "content-length",
}
REAL = {"x-elastic-product": "Elasticsearch"}
"""What every answer of Elasticsearch has, and those of a load balancer have not."""


class Row(NamedTuple):
    """One document of a bulk."""

    action: bytes
    source: bytes
    index: str
    id: str

    @property
    def body(self) -> bytes:
        return self.action + b"\n" + self.source + b"\n"


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 — never changed

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Request:
    """As it came, the body without its compression."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_bulk(self) -> bool:
        return urlsplit(self.path).path.endswith("/_bulk")

    @property
    def rows(self) -> list[Row]:
        """Of a bulk."""
        lines = self.body.removesuffix(b"\n").split(b"\n")
        in_path = urlsplit(self.path).path.strip("/").removesuffix("_bulk").strip("/")
        found = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            (meta,) = orjson.loads(action).values()
            found.append(Row(action, source, meta.get("_index", in_path), meta["_id"]))
        return found


class Exchange:
    """One request, and what may be done with it."""

    def __init__(self, handler: "_Handler", request: Request) -> None:
        self.request = request
        self._handler = handler

    def forward(self, body: bytes | None = None) -> Answer:
        """What the server says to it, or to another body in its place."""
        upstream = self.request.path if "://" in self.request.path else self._handler.proxy.upstream
        to, path = urlsplit(upstream), urlsplit(self.request.path)
        headers = {key: value for key, value in self.request.headers.items() if key not in HOP_BY_HOP}
        for name in ("content-encoding", "accept-encoding"):
            headers.pop(name, None)
        connection = http.client.HTTPConnection(to.hostname or "", to.port or 80, timeout=60)
        try:
            target = path.path + (f"?{path.query}" if path.query else "")
            content = self.request.body if body is None else body
            connection.request(self.request.method, target, content or None, headers)
            answer = connection.getresponse()
            told = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(answer.status, answer.read(), told)
        finally:
            connection.close()

    def answer(self, answer: Answer, length: int | None = None) -> None:
        """Sends an answer, or only its first `length` bytes, cutting the connection there."""
        self._handler.send(answer, length)

    def cut(self) -> None:
        """Ends the connection without a word."""
        self._handler.cut()

    def wait(self, seconds: float) -> None:
        """Returns earlier when the proxy ends."""
        self._handler.proxy.ending.wait(seconds)


Fault = Callable[[Exchange], None]


def passes(exchange: Exchange) -> None:
    """None at all."""
    exchange.answer(exchange.forward())


class Proxy:
    """See the module's text. `troubles` holds what went wrong in the proxy itself, and should be empty."""

    def __init__(self, upstream: str = "", port: int = 0) -> None:
        """`upstream`: the server's address; not needed for an HTTP proxy, which is told with every request."""
        self.upstream = upstream
        self.asked: list[Request] = []
        self.tunnels: list[str] = []
        """`host:port` of every CONNECT."""
        self.most_in_flight = 0
        self.troubles: list[BaseException] = []
        self.ending = threading.Event()
        self.tls: ssl.SSLContext | None = None
        self._next: deque[Fault] = deque()
        self._always: Fault = passes
        self._everything = False
        self._in_flight = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.cut_connections()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bulks(self) -> list[Request]:
        return [request for request in list(self.asked) if request.is_bulk]

    def next(self, *faults: Fault) -> None:
        """One for each of the bulks to come, after those that were said before."""
        with self._lock:
            self._next.extend(faults)

    def always(self, fault: Fault, *, everything: bool = False) -> None:
        """What bulks meet for which `next` says nothing; `everything`: not only bulks."""
        with self._lock:
            self._always, self._everything = fault, everything

    def show(self, certificate: Certificate) -> None:
        """Speaks TLS, with this certificate from now on; whoever is connected has to come again."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self.tls = context
        self.cut_connections()

    def cut_connections(self) -> None:
        """All that are open."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def treat(self, exchange: Exchange) -> None:
        """Does to a request what was said, and keeps it."""
        bulk = exchange.request.is_bulk
        with self._lock:
            self.asked.append(exchange.request)
            fault = self._always if bulk or self._everything else passes
            if bulk and self._next:
                fault = self._next.popleft()
            self._in_flight += bulk
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            fault(exchange)
        finally:
            with self._lock:
                self._in_flight -= bulk


# ── the servers of it ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of the connection."""
        if self.proxy.tls is not None:
            try:
                request = self.proxy.tls.wrap_socket(request, server_side=True)
            except OSError:
                return  # They do not like our certificate.
        self.proxy.opened(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.proxy.closed(request)
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError | ssl.SSLError | TimeoutError):
            self.proxy.troubles.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def proxy(self) -> Proxy:
        return self.server.proxy

    def handle_any(self) -> None:
        """Of whatever method."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.proxy.treat(Exchange(self, Request(self.command, self.path, headers, body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def do_CONNECT(self) -> None:
        """A tunnel, through which we do not see."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.proxy.asked.append(Request("CONNECT", self.path, headers, b""))
        self.proxy.tunnels.append(self.path)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response_only(200)
            self.end_headers()
            _join(self.connection, other)
        self.close_connection = True

    def send(self, answer: Answer, length: int | None) -> None:
        self.send_response_only(answer.status)
        for key, value in answer.headers.items():
            if key not in HOP_BY_HOP:
                self.send_header(key, value)
        described = answer.headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("content-length", described or str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:length])
        if length is not None:
            self.cut()

    def cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _join(one: socket.socket, other: socket.socket) -> None:
    """Until one of them ends."""
    while True:
        for ready in select.select([one, other], [], [], 60)[0] or [None]:
            data = ready.recv(65536) if ready else b""
            if not data:
                return
            (other if ready is one else one).sendall(data)
