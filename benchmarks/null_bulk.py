"""An Elasticsearch that stores nothing: `null_bulk.py` prints its URL, answers every `_bulk`, ends with its stdin.

What is left of a shipper's cost when the server costs nothing. A process of its own, so that its CPU time is not the
shipper's; it only counts the rows that came.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from isal import igzip

STORED = b'{"create":{"status":201}}'
INFO = (
    b'{"name":"null","cluster_name":"null","version":{"number":"8.19.0","build_flavor":"default"},'
    b'"tagline":"You Know, for Search"}'
)


class Handler(BaseHTTPRequestHandler):
    """Speaks as much as a shipper asks for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(INFO if self.path == "/" else b"{}")

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self._body()
        self._answer(b'{"acknowledged":true}')

    def do_POST(self) -> None:
        body = self._body()
        rows = body.count(b"\n") // 2
        self._answer(b'{"errors":false,"items":[' + b",".join([STORED] * rows) + b"]}")

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return igzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        kind = "application/vnd.elasticsearch+json;compatible-with=8"
        self.send_header(
            "content-type", kind if "compatible-with" in (self.headers.get("accept") or "") else "application/json"
        )
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
