"""How Elasticsearch is reached. Everybody here goes through `Elastic.request`.

No credential is ever part of an error: hosts are named without their user part, what the server says is censored, and
no error of a library is chained to ours.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from shipper.elastic.connection import Connection, basic, check_files, cloud, encoded, proxy_of, secrets, without_user
from shipper.elastic.failure import Censor, ElasticError, of_answer, of_silence
from shipper.errors import UsageError

__all__ = ["JSON", "NDJSON", "Connection", "Elastic", "ElasticError"]

JSON = "application/vnd.elasticsearch+json; compatible-with=8"
NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
"""What servers 8 and 9 both take."""

KINDS = ("application/json", "application/vnd.elasticsearch+json", "application/vnd.elasticsearch+x-ndjson")
INSTALL = "pip install 'shipper[elasticsearch]'"


class Elastic:
    """A cluster. Threads may share it."""

    def __init__(self, settings: Connection) -> None:
        """Does not speak to the server yet. Raises `UsageError` for settings that cannot be right."""
        hosts = [host for host in settings.url.split(",") if host] or cloud(settings.cloud_id.get_secret_value())
        if not hosts:
            raise UsageError("elasticsearch: no `url`; write for example http://localhost:9200")
        self.where = ", ".join(hosts)
        self._timeout_s = settings.timeout_s
        self._known = bool(settings.api_key.get_secret_value() or settings.username)
        self._proxy, proxy_url = proxy_of(settings.proxy.get_secret_value())
        self._censor = Censor(secrets(settings, proxy_url))
        check_files(settings)
        self._client = _client(hosts, settings, proxy_url)

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON; of HEAD whether it is there. `body`: prepared bytes, or what becomes JSON.

        Raises `ElasticError`.
        """
        raw = self.raw(method, path, body, headers=headers)
        if method == "HEAD":
            return raw == b"True"
        try:
            return orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            pass
        raise ElasticError(f"{self.where}: the answer is no JSON, or breaks off in the middle")

    def raw(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> bytes:
        """The answer's bytes. Raises `ElasticError`."""
        from elasticsearch import ApiError, TransportError, UnsupportedProductError  # noqa: PLC0415

        sent = {"accept": JSON, **({"content-type": JSON} if body is not None else {}), **(headers or {})}
        try:
            answer = self._client.perform_request(method, path, headers=sent, body=body).body
            return answer if isinstance(answer, bytes) else str(answer or "").encode()
        except UnsupportedProductError as error:
            where = _where(error.meta.node)
            failure = ElasticError(f"{where}: this is not Elasticsearch; check `url`", error.meta.status, grave=True)
        except ApiError as error:
            meta = error.meta
            where = _where(meta.node)
            failure = of_answer(where, meta.status, error.body, meta.headers, self._censor, known=self._known)
        except (TransportError, OSError, ValueError) as error:
            failure = of_silence(self.where, error, self._timeout_s, self._proxy)
        # Behind the handlers: an error that is chained to ours could hold headers.
        raise failure

    def censor(self, text: str) -> str:
        """Foreign text without our credentials."""
        return self._censor(text)

    def close(self) -> None:
        self._client.close()


def _client(hosts: list[str], settings: Connection, proxy: str) -> Any:
    # A third of a second, which only those who use Elasticsearch shall pay.
    try:
        from elasticsearch import Elasticsearch, ElasticsearchWarning  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"elasticsearch: its client is not installed; run: {INSTALL}") from None

    for name in ("elastic_transport", "elasticsearch", "urllib3"):
        # They would tell of every request, with what the server says in it; what is to be said, we say.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", category=ElasticsearchWarning)
    as_it_is: Any = _AsItIs()
    options: dict[str, Any] = {}
    if settings.api_key.get_secret_value():
        options["api_key"] = encoded(settings.api_key.get_secret_value())
    elif settings.username:
        options["basic_auth"] = basic(settings.username, settings.password.get_secret_value())
    if any(host.startswith("https:") for host in hosts):
        files = {"ca_certs": settings.ca, "client_cert": settings.client_cert, "client_key": settings.client_key}
        options |= {name: path for name, path in files.items() if path}
    return Elasticsearch(
        hosts,
        request_timeout=settings.timeout_s,
        # Of hosts that do not answer the next one is tried at once; all else is for who asked to decide.
        max_retries=len(hosts) - 1,
        retry_on_status=(),
        http_compress=False,
        serializers=dict.fromkeys(KINDS, as_it_is),
        node_class=_node_behind(proxy, settings) if proxy else _node(settings.connect_timeout_s),
        **options,
    )


class _AsItIs:
    """In place of the client's serializers: bytes stay bytes, in both directions."""

    mimetype = "application/json"

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else orjson.dumps(data)


def _node(connect_timeout_s: float) -> Any:
    """The library's way to a host, which gives up sooner where nobody is there: nothing was sent to it then, so that
    the next host is tried at once."""
    from elastic_transport import ConnectionError, ConnectionTimeout, Urllib3HttpNode  # noqa: PLC0415
    from urllib3 import exceptions  # noqa: PLC0415

    def impatient(kind: Any) -> Any:
        # What urllib3 itself takes for `connect` would limit the sending of a body as well.
        class Impatient(kind):  # type: ignore[misc]
            timeout: float

            def connect(self) -> None:
                given, self.timeout = self.timeout, min(self.timeout, connect_timeout_s)
                try:
                    super().connect()
                except TimeoutError:
                    raise exceptions.ConnectTimeoutError(
                        self, f"TLS timed out. (connect timeout={self.timeout})"
                    ) from None
                finally:
                    self.timeout = given

        return Impatient

    class Node(Urllib3HttpNode):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.pool.ConnectionCls = impatient(self.pool.ConnectionCls)

        def perform_request(self, *what: Any, **how: Any) -> Any:
            try:
                return super().perform_request(*what, **how)
            except ConnectionTimeout as error:
                if any(isinstance(each, exceptions.ConnectTimeoutError) for each in error.errors):
                    raise ConnectionError(error.message, errors=error.errors) from None
                raise

    return Node


def _node_behind(proxy: str, settings: Connection) -> type:
    """The library's way to a host, through a proxy, of which it knows nothing."""
    from elastic_transport import Urllib3HttpNode  # noqa: PLC0415
    from urllib3 import ProxyManager  # noqa: PLC0415

    parts = urlsplit(proxy)
    user = basic(unquote(parts.username), unquote(parts.password or "")) if parts.username else ""
    options: dict[str, Any] = {"cert_file": settings.client_cert or None, "key_file": settings.client_key or None}

    class NodeBehindProxy(Urllib3HttpNode):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self._manager = ProxyManager(
                without_user(parts),
                proxy_headers={"proxy-authorization": f"Basic {user}"} if user else None,
                maxsize=config.connections_per_node,
                block=True,
                timeout=config.request_timeout,
                **({"ca_certs": config.ca_certs, **options} if config.scheme == "https" else {}),
            )
            self.pool.close()
            self.pool: Any = self

        def urlopen(self, method: str, target: str, **options: Any) -> Any:
            return self._manager.urlopen(method, f"{self.scheme}://{self.host}:{self.port}{target}", **options)

        def close(self) -> None:
            self._manager.clear()

    return NodeBehindProxy


def _where(node: Any) -> str:
    host = f"[{node.host}]" if ":" in node.host else node.host
    return f"{node.scheme}://{host}:{node.port}{node.path_prefix}"
