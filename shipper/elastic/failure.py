"""What went wrong between us and Elasticsearch, as one line: where, what, what to do.

No line ever holds a credential.
"""

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

from shipper.clock import SystemClock

_SECONDS = re.compile(r"\((?:connect|read) timeout=(\d+(?:\.\d+)?)\)", re.ASCII)
"""How the library says how long it has waited."""
LONGEST_REASON = 500
"""Characters of the server's own words that are shown."""
LONGEST_AFTER_S = 300.0
"""A server that wants us away for longer is asked again all the same."""
STRUCK = "***"

RIGHTS = "give this user or API key the rights that `shipper setup --dry-run` prints"
NEW_KEY = "make a new one (ELASTICSEARCH_API_KEY), `shipper setup --dry-run` prints how"
LET_IN = "check `api_key` (ELASTICSEARCH_API_KEY), or `username` and `password`"
BLOCKED = "make room on its disks, or see who blocks it: GET /_cluster/settings, GET /INDEX/_settings"
OTHER_SERVER = "something else answers here; check `url`"


class ElasticError(Exception):
    """A request that was not done. `status` is HTTP's, 0 when no answer came; `grave`: a person has to do something.

    `after`: seconds that the server wants us to wait.
    """

    def __init__(
        self, reason: str, status: int = 0, *, grave: bool = False, kind: str = "", after: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.grave = grave
        self.kind = kind
        """Elasticsearch's `error.type`."""
        self.after = after


class Censor:
    """Strikes credentials out of foreign text, in every form in which they may stand there."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, STRUCK)
        return text


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "replace")
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    for encoded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        yield from (encoded, encoded.rstrip("="))


def of_answer(
    where: str, status: int, body: Any, headers: Mapping[str, str], censor: Censor, *, known: bool = True
) -> ElasticError:
    """The error in an answer. `body`: as parsed, or text or bytes; `known`: some credential was given."""
    body = _parsed(body)
    error = body.get("error") if isinstance(body, dict) else None
    kind = censor(str(error.get("type", ""))) if isinstance(error, dict) else ""
    reason = ": ".join(_reasons(error)) if isinstance(error, dict) else str(error or "")
    words = one_line(censor(reason or kind))
    what, grave = _remedy(status, kind, words, known)
    return ElasticError(f"{where}: {what}", status, grave=grave, kind=kind, after=_after(headers))


def _reasons(error: dict[str, Any]) -> Iterator[str]:
    """What the server says, and what it says lies at the bottom of it: the first alone is often no help."""
    bottom, roots = error, error.get("root_cause")
    while isinstance(cause := bottom.get("caused_by"), dict):
        bottom = cause
    if bottom is error and isinstance(roots, list) and roots and isinstance(roots[0], dict):
        bottom = roots[0]
    # Why an API key is not accepted stands apart.
    said = (error.get("reason"), bottom.get("reason"), error.get("additional_unsuccessful_credentials"))
    yield from dict.fromkeys(map(str, filter(None, said)))


def _remedy(status: int, kind: str, words: str, known: bool) -> tuple[str, bool]:
    if status == 401 and "expired" in words:
        return f"the API key has expired (401); {NEW_KEY}", True
    if status == 401:
        return f"{'the credentials are not accepted' if known else 'asks who we are'} (401); {LET_IN}", True
    if status == 407:
        return "the proxy asks who we are (407); write `proxy: http://USER:PASSWORD@HOST:PORT`", True
    if 300 <= status < 400:
        return f"sends us elsewhere ({status}); write the last address into `url`", True
    if kind == "media_type_header_exception" or status == 406:
        return f"does not speak as Elasticsearch 8 or 9 does ({status}); {OTHER_SERVER}, or upgrade it", True
    if not words:
        return f"answers {status}" + (f"; {OTHER_SERVER}" if status < 429 else ", as if it were busy or away"), (
            status in (403, 404, 405, 410)
        )
    if status == 403 and kind != "cluster_block_exception":
        return f"not allowed (403): {words}; {RIGHTS}", True
    if kind == "cluster_block_exception" and status != 503:
        return f"{words.rstrip(';')} ({status}); {BLOCKED}", status == 403
    return f"{words} ({status})", 400 <= status < 500 and status not in (408, 413, 429)


def _parsed(body: Any) -> Any:
    if not isinstance(body, bytes | str):
        return body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _after(headers: Mapping[str, str]) -> float:
    """Seconds of a `Retry-After`, 0 without one that can be understood."""
    text = str(headers.get("retry-after") or "").strip()
    try:
        if text.isascii() and text.isdigit():
            wanted = float(text)
        else:
            wanted = parsedate_to_datetime(text).timestamp() - SystemClock().now() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, wanted), LONGEST_AFTER_S)


def of_silence(where: str, error: BaseException, timeout_s: float, proxy: str = "") -> ElasticError:
    """The error when no whole answer came, by what lies at the bottom of it. None of its own words are used but the
    names of errors of the system and of OpenSSL."""
    chain = list(_chain(error))
    names = {type(each).__name__ for each in chain}
    if proxy and "ProxyError" in names:
        refused = any("407" in str(each) for each in chain)
        why = "asks who we are (407); check the user in `proxy`" if refused else "cannot be reached; check `proxy`"
        return ElasticError(f"{where}: the proxy {proxy} {why}", grave=refused)
    for each in chain:
        if (found := _of_one(each)) is not None:
            return ElasticError(f"{where}: {found[0]}", grave=found[1])
    if any("Timeout" in name for name in names):
        waited = [float(seconds) for each in chain for seconds in _SECONDS.findall(str(each))]
        waited_s = waited[0] if waited else timeout_s
        if "ConnectTimeoutError" in names:
            return ElasticError(f"{where}: no connection within {waited_s:g} s; check `url`, and firewalls on the way")
        return ElasticError(f"{where}: no answer within {waited_s:g} s")
    if names & {"IncompleteRead", "ProtocolError", "DecodeError"}:
        return ElasticError(f"{where}: the answer breaks off in the middle")
    if "SerializationError" in names:
        return ElasticError(f"{where}: the answer is no JSON; {OTHER_SERVER}")
    return ElasticError(f"{where}: no answer ({type(chain[-1]).__name__})")


def _of_one(error: BaseException) -> tuple[str, bool] | None:
    """What an error of the system or of TLS says, and whether it is grave."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = one_line(getattr(error, "verify_message", "")) or "it does not fit"
        return f"the certificate is not trusted ({message}); name its authority in `ca` (ELASTICSEARCH_CA)", True
    if type(error).__name__ == "CertificateError":
        return "the certificate is for another host; check `url`", True
    if isinstance(error, ssl.SSLEOFError):
        return "closed the connection while TLS began", False
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or "")
        if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
            return "does not speak TLS; write http:// instead of https://", True
        if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
            return f"refuses us in TLS ({reason}); does it ask for a `client_cert`?", True
        return f"TLS fails ({reason or type(error).__name__})", True
    if isinstance(error, socket.gaierror):
        again = error.errno == socket.EAI_AGAIN
        return "the host name is not known; check `url`" + (", or the name server" if again else ""), not again
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection; is Elasticsearch running there?", False
    if type(error).__name__ in ("RemoteDisconnected", "BadStatusLine"):
        return "closed the connection without an answer; if it speaks TLS, write https://", False
    if isinstance(error, ConnectionError):
        return f"the connection was cut ({type(error).__name__})", False
    if isinstance(error, OSError) and error.errno and error.strerror and not isinstance(error, TimeoutError):
        return f"cannot be reached ({error.strerror})", False
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, then what caused it."""
    seen: set[int] = set()
    todo: list[Any] = [error]
    while todo:
        each = todo.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [*getattr(each, "errors", ()), getattr(each, "reason", None), each.__cause__, each.__context__]
            todo += each.args


def one_line(text: str) -> str:
    """Without line breaks, and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
