"""Settings of the way to Elasticsearch: where it is, and who we are there. Nothing is opened here.

Credentials are in fields that do not print themselves, and in no error.
"""

import base64
import binascii
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from shipper.errors import UsageError

EXAMPLE = "write for example https://es1:9200; special characters of a password percent-encoded"
PORTS = {"http": 80, "https": 443}


class Connection(BaseModel):
    """Where Elasticsearch is, and who we are there."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        default="",
        description="One or several, separated by commas: `https://es1:9200,https://es2:9200`. A user and password in "
        "it are taken for `username` and `password`.",
    )
    cloud_id: SecretStr = Field(default=SecretStr(""), description="Id of an Elastic Cloud deployment, for `url`.")
    api_key: SecretStr = Field(default=SecretStr(""), description="API key, `id:key` or as Elasticsearch encodes it.")
    username: str = Field(default="", description="User, where there is no API key.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of that user.")
    ca: str = Field(default="", description="File with the certificate authority, when the system does not know it.")
    client_cert: str = Field(default="", description="File with our own certificate, where the server asks for one.")
    client_key: str = Field(default="", description="File with its key, when that is not in the same file.")
    proxy: SecretStr = Field(
        default=SecretStr(""),
        description="HTTP proxy, with its own user where it asks for one: `http://user:password@proxy:3128`. "
        "What the environment says of proxies is not used.",
    )
    timeout_s: float = Field(default=30.0, gt=0, description="Seconds until a request without an answer is given up.")
    connect_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="Seconds until a host that takes no connection is given up; behind a proxy `timeout_s` holds.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_the_user_out(cls, values: Any) -> Any:
        url = values.get("url") if isinstance(values, dict) else None
        if not isinstance(url, str):
            return values
        hosts, user = _hosts(url)
        if user is not None and not values.get("api_key") and not values.get("username"):
            values = {**values, "username": user[0], "password": user[1]}
        return {**values, "url": ",".join(hosts)}


def _hosts(text: str) -> tuple[list[str], tuple[str, str] | None]:
    """URLs without their user part, and that. Raises ValueError without a word of the text."""
    hosts, users = [], set()
    for each in filter(None, map(str.strip, text.split(","))):
        parts = _split(each)
        port = parts.port or PORTS[parts.scheme]
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        hosts.append(f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}")
        if parts.username:
            users.add((unquote(parts.username), unquote(parts.password or "")))
    if len(users) > 1:
        raise ValueError("the hosts in `url` have different users; a cluster has one")
    return list(dict.fromkeys(hosts)), next(iter(users), None)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        good = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port) and not parts.query
    except ValueError:
        good = False
    # Out of the handler, whose exception holds the text.
    if not good or parts.fragment or "@" in parts.path:
        raise ValueError(f"`url` is no address; {EXAMPLE}")
    return parts


def proxy_of(text: str) -> tuple[str, str]:
    """A proxy without its user part, and as it is."""
    if not text:
        return "", ""
    try:
        return without_user(_split(text)), text
    except ValueError:
        pass
    raise UsageError("elasticsearch: `proxy` is no address; write for example http://user:password@proxy:3128")


def without_user(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS[parts.scheme]}"


def cloud(cloud_id: str) -> list[str]:
    """The address in a cloud id: `name:` and, in base64, `domain$deployment$kibana`."""
    if not cloud_id:
        return []
    try:
        domain, deployment, *_ = binascii.a2b_base64(cloud_id.rpartition(":")[2]).decode("ascii").split("$")
        domain, _, port = domain.partition(":")
        if domain and deployment:
            return [f"https://{deployment}.{domain}:{int(port or 443)}"]
    except ValueError:
        pass
    raise UsageError("elasticsearch: `cloud_id` is none; copy it from the deployment's page, it looks like name:ZXhhb…")


def basic(user: str, password: str) -> str:
    """As it is sent. The client's own way of it fails at a letter that is not ASCII, with the password in the error."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def encoded(api_key: str) -> str:
    """As it is sent: base64 of `id:key`."""
    api_key = "".join(api_key.split())
    return base64.b64encode(api_key.encode()).decode() if ":" in api_key else api_key


def secrets(settings: Connection, proxy: str) -> Iterator[str]:
    api_key, password = settings.api_key.get_secret_value(), settings.password.get_secret_value()
    yield from (api_key, password)
    if password:
        yield f"{settings.username}:{password}"
    if api_key:
        plain = api_key if ":" in api_key else _decoded(api_key)
        yield from (plain, *plain.split(":", 1))
    if proxy:
        parts = urlsplit(proxy)
        password = unquote(parts.password or "")
        yield from (proxy, password, f"{unquote(parts.username or '')}:{password}" if password else "")


def _decoded(api_key: str) -> str:
    try:
        return base64.b64decode(api_key, validate=True).decode()
    except ValueError:
        return api_key


def check_files(settings: Connection) -> None:
    """Raises `UsageError` for files of TLS that cannot be used."""
    context = ssl.create_default_context()
    if settings.ca:
        _try("ca", settings.ca, lambda: context.load_verify_locations(settings.ca))
    if settings.client_cert:
        key = settings.client_key or None
        _try("client_cert", settings.client_cert, lambda: context.load_cert_chain(settings.client_cert, key, ""))


def _try(name: str, path: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
        why = f"cannot be read ({why})" if why else "is no PEM file, or its key does not fit"
        raise UsageError(f"elasticsearch: `{name}`: {path} {why}") from None
