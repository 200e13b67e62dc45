"""Kibana over HTTP: its address, who we are there, and what its answers ask people to do.

No credential is ever part of an error: addresses are named without their user part.
"""

import json
import socket
import ssl
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from shipper.elastic.connection import Connection, basic, encoded
from shipper.errors import ShipperError, UsageError

EXAMPLE = "write for example http://localhost:5601 or https://kibana.example.org/s/SPACE"
LOGIN = "set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
PRIVILEGES = "Kibana's privileges Dashboard, Discover, Visualize Library and Saved Objects Management (All)"
LONGEST_REASON = 300
"""Characters of a foreign text in an error."""


class Answer(NamedTuple):
    status: int
    body: Any
    """JSON; None when it is none."""
    location: str
    """Where a redirect leads, without user part and query."""


@dataclass(slots=True)
class Kibana:
    """One Kibana, and in it one space."""

    where: str
    """The address for people: nothing secret in it."""
    url: SplitResult
    headers: dict[str, str] = field(repr=False)
    timeout_s: float = 30.0
    ca: str = ""

    @property
    def space(self) -> str:
        """The space that the address names; empty for the default one."""
        parts = self.url.path.rstrip("/").split("/")
        return unquote(parts[-1]) if len(parts) > 2 and parts[-2] == "s" else ""

    def page(self, path: str) -> str:
        """An address for a browser."""
        return self.where + path

    def request(
        self, method: str, path: str, body: bytes | None = None, *, kind: str = "", root: bool = False
    ) -> Answer:
        """`kind`: the body's type; `root`: outside of the space. Raises `ShipperError` when no answer comes."""
        base = self.url.path.rstrip("/")
        if root and self.space:
            base = base.rsplit("/s/", 1)[0]
        sent = {"kbn-xsrf": "shipper", "accept": "application/json", **self.headers}
        if kind:
            sent["content-type"] = kind
        try:
            connection = self._connect()
            try:
                connection.request(method, base + path, body, headers=sent)
                response = connection.getresponse()
                return Answer(response.status, _json(response.read()), _clean(response.headers.get("location", "")))
            finally:
                connection.close()
        except (OSError, HTTPException) as error:
            raise ShipperError(f"Kibana at {self.where} cannot be reached: {_why(error, self)}") from None

    def _connect(self) -> HTTPConnection:
        host, port = self.url.hostname or "", self.url.port
        if self.url.scheme == "http":
            return HTTPConnection(host, port, timeout=self.timeout_s)
        context = ssl.create_default_context(cafile=self.ca or None)
        return HTTPSConnection(host, port, timeout=self.timeout_s, context=context)


def kibana_at(url: str, settings: Connection) -> Kibana:
    """Speaks to nobody yet. `settings`: who we are, as at Elasticsearch; a user in the URL comes first.

    Raises `UsageError` for what is no address.
    """
    try:
        parts = urlsplit(url.strip())
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        # The address is not repeated: it may hold a password.
        raise UsageError(f"--kibana: this is no address of a Kibana; {EXAMPLE}")
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.split("/app/")[0].rstrip("/")
    clean = parts._replace(netloc=host, path=path, query="", fragment="")
    return Kibana(clean.geturl(), clean, _authorization(parts, settings), settings.timeout_s, settings.ca)


def _authorization(url: SplitResult, settings: Connection) -> dict[str, str]:
    key, password = settings.api_key.get_secret_value(), settings.password.get_secret_value()
    if url.username:
        return {"authorization": f"Basic {basic(unquote(url.username), unquote(url.password or ''))}"}
    if key:
        return {"authorization": f"ApiKey {encoded(key)}"}
    return {"authorization": f"Basic {basic(settings.username, password)}"} if settings.username else {}


def refusal(kibana: Kibana, answer: Answer) -> ShipperError:
    """What an answer that is not 200 asks people to do, in one line."""
    status, where = answer.status, f"Kibana at {kibana.where}"
    if _is_elasticsearch(answer.body):
        return ShipperError(f"{kibana.where} is Elasticsearch; Kibana has an address of its own, often port 5601")
    if 300 <= status < 400:
        return ShipperError(f"{where} sends us on to {answer.location}; give its own address")
    if status == 401:
        return ShipperError(f"{where} does not accept who we are (401); {LOGIN}")
    if status == 403:
        space = f"the space {kibana.space}" if kibana.space else "the default space"
        return ShipperError(f"{where} does not allow it (403); the user or API key needs {PRIVILEGES} in {space}")
    if status == 404:
        return ShipperError(
            f"there is no Kibana at {kibana.where} (404); check the address: one with server.basePath has a path"
        )
    if status == 503:
        return ShipperError(f"{where} is not ready yet (503); try again in a minute")
    return ShipperError(f"{where} answered {status}: {_message(answer.body)}")


def _is_elasticsearch(body: Any) -> bool:
    return isinstance(body, dict) and ("tagline" in body or "no handler found" in str(body.get("error", "")))


def _message(body: Any) -> str:
    told = body.get("message") if isinstance(body, dict) else None
    return short(told) if told else "nothing that Kibana would say; check the address"


def short(text: Any) -> str:
    """A foreign text on one line."""
    return " ".join(str(text).split())[:LONGEST_REASON]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _clean(location: str) -> str:
    parts = urlsplit(location)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _why(error: Exception, kibana: Kibana) -> str:
    """Python's own words can hold anything, so only what is known to be harmless is told."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); set ELASTICSEARCH_CA to the authority's file"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS; try http:// in place of https://"
    if isinstance(error, FileNotFoundError):
        return f"there is no file {kibana.ca}; correct ELASTICSEARCH_CA"
    if isinstance(error, TimeoutError):
        return f"no answer within {kibana.timeout_s:g} s; check the address and that it runs"
    if isinstance(error, socket.gaierror):
        return "the host name is not known; check the address"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there; check the address and that it runs"
    if isinstance(error, HTTPException | ConnectionError):
        return "what answers there is not HTTP, or broke off; with TLS the address begins with https://"
    return short(getattr(error, "strerror", None) or type(error).__name__)
