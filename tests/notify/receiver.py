"""A real HTTP server that a webhook can point at, and that misbehaves on demand."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import orjson


class Receiver:
    """Keeps the JSON bodies it took. `faults` are used up one a request: a status to answer with, or `"cut"`."""

    def __init__(self, port: int = 0) -> None:
        self.taken: list[dict[str, Any]] = []
        self.faults: list[int | str] = []
        self.hang = threading.Event()
        """Until it is set, requests with the fault `"hang"` get no answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, options: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/hook/s3cr3t{options}"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.taken]

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = receiver.faults.pop(0) if receiver.faults else 200
                if fault == "hang":
                    receiver.hang.wait()
                    return
                if fault == 200:
                    receiver.taken.append(orjson.loads(body))
                self.send_response(int(fault))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def free_port() -> int:
    """A port on which nothing listens now."""
    with Receiver() as receiver:
        return receiver.port
