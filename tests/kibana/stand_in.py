"""A stand-in for Kibana's status, space and import APIs: strict where Kibana is, and remembers what it was given."""

import email.parser
import email.policy
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class StandIn:
    """What it is, and what was asked of it."""

    version: str = "8.19.8"
    base: str = ""
    """A path that everything lies under."""
    spaces: tuple[str, ...] = ()
    authorization: str = ""
    """The header that it wants; empty: anybody may."""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Path → status and body, in place of what it would say."""
    stored: dict[str, dict[str, Json]] = field(default_factory=dict)
    """Space → type and id → object."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[Json] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator["StandIn"]:
        """On a port of its own, with TLS when there is a context."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}{self.base}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        if not path.startswith(self.base):
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        path = path.removeprefix(self.base)
        space = "default"
        if path.startswith("/s/"):
            _, _, space, path = path.split("/", 3)
            path = f"/{path}"
        if path in self.answers:
            return self.answers[path]
        if self.authorization and headers.get("authorization") != self.authorization:
            # The status is told to everybody, but only in part.
            known = path == "/api/status"
            return (200, {"status": {"overall": {"level": "available"}}}) if known else (401, {"message": "no"})
        if path == "/api/status":
            return 200, {"version": {"number": self.version}, "status": {"overall": {"level": "available"}}}
        if path.startswith("/api/spaces/space/"):
            return (200, {}) if path.rsplit("/", 1)[1] in self.spaces else (404, {"message": "Not Found"})
        assert (method, path, query) == ("POST", "/api/saved_objects/_import", "overwrite=true")
        if "kbn-xsrf" not in headers:
            return 400, {"message": "Request must contain a kbn-xsrf header."}
        return 200, self._import(self.stored.setdefault(space, {}), uploaded(headers["content-type"], body))

    def _import(self, stored: dict[str, Json], content: bytes) -> Json:
        done = []
        for line in content.splitlines():
            one = json.loads(line)
            key = f"{one['type']}:{one['id']}"
            done.append({"type": one["type"], "id": one["id"], **({"overwrite": True} if key in stored else {})})
            stored[key] = one
        return {"success": True, "successCount": len(done), "successResults": done, "warnings": []}


def uploaded(kind: str, body: bytes) -> bytes:
    """The file of a multipart form, by Python's own reading of it."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    (part,) = parser.parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body).iter_parts()
    assert part.get_param("name", header="content-disposition") == "file"
    assert str(part.get_filename()).endswith(".ndjson")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def handler(of: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            of.asked.append((self.command, self.path))
            of.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, said = of.answer(self.command, self.path, self.headers, body)
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "https://elastic:hidden@kibana.example.org/base?token=hidden")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
