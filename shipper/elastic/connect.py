"""How Elasticsearch is reached, and what its answers ask of us. Everybody here goes through `Elastic.request`.

No credential is ever part of an error: hosts are named without their user part, reasons are the server's own words.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shipper.errors import UsageError

JSON = "application/vnd.elasticsearch+json; compatible-with=8"
NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
"""What servers 8 and 9 both take."""


class Connection(BaseModel):
    """Where Elasticsearch is, and who we are there."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        default="", description="One or several, separated by commas: `https://es1:9200,https://es2:9200`."
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="API key, `id:key` or as Elasticsearch encodes it.")
    username: str = Field(default="", description="User, where there is no API key.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of that user.")
    ca: str = Field(default="", description="File with the certificate authority, when the system does not know it.")
    timeout_s: float = Field(default=30.0, gt=0, description="Seconds until a request without an answer is given up.")


class ElasticError(Exception):
    """A request that was not done. `status` is HTTP's, 0 when no answer came; `grave`: a person has to do something."""

    def __init__(self, reason: str, status: int = 0, *, grave: bool = False, kind: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.grave = grave
        self.kind = kind
        """Elasticsearch's `error.type`."""


class Answer(dict[str, Any]):
    """An answer's JSON object, and the bytes that it came in: a stored document is handed on as it is stored."""

    raw: bytes = b""


class Elastic:
    """A cluster. Threads may share it."""

    def __init__(self, settings: Connection) -> None:
        """Does not speak to the server yet. Raises `UsageError` for settings that cannot be right."""
        # A third of a second, which only those who use Elasticsearch shall pay.
        from elasticsearch import Elasticsearch  # noqa: PLC0415

        hosts = [host.strip() for host in settings.url.split(",") if host.strip()]
        if not hosts:
            raise UsageError("elasticsearch: no `url`; write for example http://localhost:9200")
        self.where = ", ".join(_without_user(host) for host in hosts)
        options: dict[str, Any] = {}
        if settings.api_key.get_secret_value():
            options["api_key"] = settings.api_key.get_secret_value()
        elif settings.username:
            options["basic_auth"] = (settings.username, settings.password.get_secret_value())
        if settings.ca:
            options["ca_certs"] = settings.ca
        options["serializers"] = {"application/json": _keeping_bytes()}
        self._client = Elasticsearch(hosts, request_timeout=settings.timeout_s, max_retries=0, **options)

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON; an object is an `Answer`. `body`: prepared bytes, or what becomes JSON.

        Raises `ElasticError`.
        """
        from elasticsearch import ApiError, TransportError  # noqa: PLC0415

        sent = {"accept": JSON, **({"content-type": JSON} if body is not None else {}), **(headers or {})}
        try:
            return self._client.perform_request(method, path, headers=sent, body=body).body
        except ApiError as error:
            raise ElasticError(_reason(error.body), error.meta.status, grave=error.meta.status in (401, 403, 404),
                               kind=_kind(error.body)) from None  # fmt: skip
        except TransportError as error:
            raise ElasticError(f"{self.where}: {type(error).__name__}") from None

    def close(self) -> None:
        self._client.close()


def _keeping_bytes() -> Any:
    """What reads answers: the library's own, which also keeps what it has read."""
    from elastic_transport import JsonSerializer  # noqa: PLC0415

    class Keeping(JsonSerializer):
        def loads(self, data: bytes) -> Any:
            found = super().loads(data)
            if not isinstance(found, dict):
                return found
            answer = Answer(found)
            answer.raw = data
            return answer

    return Keeping()


def _without_user(host: str) -> str:
    parts = urlsplit(host)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _kind(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("type", "")) if isinstance(error, dict) else ""


def _reason(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("reason", error)) if isinstance(error, dict) else str(error or "no reason given")
