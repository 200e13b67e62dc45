"""Made-up secrets of every kind that ships, and the places where a backend might leak them."""

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from shipper.detect.examples import KINDS
from shipper.detect.secrets import SecretRules, load_secret_rules

SHIPPED = Path(__file__).parent.parent / "pipelines" / "secrets"


def shipped() -> SecretRules:
    """The rules that ship, with a key."""
    return load_secret_rules([SHIPPED]).keyed(b"k" * 32)


def _some(kind: str, size: int) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choices(KINDS[kind], k=size))


def _after(prefix: str, kind: str, size: int, end: str = "") -> Callable[[random.Random], str]:
    body = _some(kind, size)
    return lambda chance: prefix + body(chance) + end


def _slack(chance: random.Random) -> str:
    return f"xo{''}xb-{_some('digits', 12)(chance)}-{_some('digits', 13)(chance)}-{_some('alnum', 24)(chance)}"


def _jwt(chance: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head, body = part({"alg": "HS256", "typ": "JWT"}), part({"sub": _some("alnum", 12)(chance), "exp": 1_700_000_000})
    return f"{head}.{body}.{_some('url', 43)(chance)}"


def _pem(chance: random.Random) -> str:
    kind = chance.choice(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]) + "PRIVATE" + " KEY"
    body = "\n".join(_some("b64", 64)(chance) for _ in range(chance.randint(3, 12)))
    return f"-----BEGIN {kind}-----\n{body}\n{_some('b64', 30)(chance)}==\n-----END {kind}-----"


SHAPES: dict[str, Callable[[random.Random], str]] = {
    "openai legacy": _after("sk" + "-", "alnum", 48),
    "openai project": _after("sk" + "-proj-", "alnum", 48),
    "openai long project": _after("sk" + "-proj-", "url", 156),
    "openai service": _after("sk" + "-svcacct-", "url", 120),
    "openai admin": _after("sk" + "-admin-", "url", 100),
    "anthropic": _after("sk" + "-ant-api03-", "url", 93, "AA"),
    "anthropic admin": _after("sk" + "-ant-admin01-", "url", 93, "AA"),
    "perplexity": _after("pplx" + "-", "alnum", 48),
    "perplexity hex": _after("pplx" + "-", "hex", 48),
    "groq": _after("gsk" + "_", "alnum", 52),
    "hugging face": _after("hf" + "_", "letters", 34),
    "aws id": _after("AK" + "IA", "upper", 16),
    "aws temporary id": _after("AS" + "IA", "upper", 16),
    "github": _after("gh" + "p_", "alnum", 36),
    "github fine": lambda chance: f"github{'_'}pat_{_some('alnum', 22)(chance)}_{_some('alnum', 59)(chance)}",
    "slack": _slack,
    "stripe": _after("sk" + "_live_", "alnum", 24),
    "stripe restricted": _after("rk" + "_live_", "alnum", 40),
    "google": _after("AI" + "za", "url", 35),
    "google oauth": _after("GOC" + "SPX-", "url", 28),
    "jwt": _jwt,
}
"""Secrets that are known by their own shape: they are found wherever they stand."""

CONTEXTS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "url password": ("postgres://app:{}@db.internal:5432/main", _some("alnum", 14)),
    "redis password": ("redis://:{}@cache:6379/0", _some("alnum", 20)),
    "bearer": ("Authorization: Bearer {}", _some("url", 32)),
    "bearer short": ("sent 'Bearer {}' upstream", _some("alnum", 20)),
    "basic": ("Authorization: Basic {}", _some("b64", 24)),
    "aws secret": ("aws_secret_access_key={}", _some("b64", 40)),
    "password": ("login with password={}", _some("alnum", 12)),
    "quoted password": ("{{'password': '{}'}}", _some("alnum", 16)),
    "api key": ("api_key: {}", _some("alnum", 32)),
    "client secret": ('"client_secret": "{}"', _some("url", 40)),
    "token": ("refresh_token={}", _some("alnum", 40)),
    "webhook": (
        "https://hooks.slack.com/services/{}",
        lambda chance: f"T0{_some('upper', 8)(chance)}/B{_some('upper', 9)(chance)}/{_some('alnum', 24)(chance)}",
    ),
}
"""Secrets that are known by what stands around them: a template, and what goes into it."""


def leak(chance: random.Random) -> tuple[str, str]:
    """A secret, and a text that leaks it."""
    kind = chance.choice([*SHAPES, *CONTEXTS, "pem"])
    if kind == "pem":
        secret = _pem(chance)
        return secret, secret
    if kind in SHAPES:
        secret = SHAPES[kind](chance)
        return secret, secret
    template, make = CONTEXTS[kind]
    secret = make(chance)
    return secret, template.format(secret)


PLACES: dict[str, Callable[[str], dict[str, object]]] = {
    "message": lambda text: {"message": f"Provider refused the call, headers {text} were sent"},
    "extra field": lambda text: {"message": "refused", "detail": text},
    "nested": lambda text: {"message": "refused", "context": {"request": [{"sent": text}, 1]}},
    "key name": lambda text: {"message": "refused", "seen": {text: 1}},
    "traceback": lambda text: {
        "message": "failed",
        "exc_info": f'Traceback:\n  File "a.py", line 3, in f\nValueError: {text}\n',
    },
    "broken JSON": lambda text: {
        "message": '{"level": "ERROR", "message": "sent ' + json.dumps(text)[1:-1] + '", "mod'
    },
    "URL": lambda text: {"message": f"GET /v1/x?next={quote(text, safe='')}&page=2 200"},
    "URL twice": lambda text: {"message": f"GET /v1/x?next={quote(quote(text, safe=''), safe='')}&page=2 200"},
    "JSON in a string": lambda text: {"message": json.dumps({"sent": text})},
    "JSON in a string in a string": lambda text: {"message": "body: " + json.dumps({"sent": json.dumps({"a": text})})},
}
"""Where a text can stand in a record."""

ORDINARY: tuple[str, ...] = (
    "Chat completion finished for session {h8} with {n} tokens in {m} messages",
    "Streamed {n} chunks to session {h8}, first token after {m} ms",
    "Provider answered request {h8} after {m} ms, {n} prompt tokens, cache hit false",
    "GET /api/sessions/{h8}/messages?limit={m}&token_count={n} 200 from 10.0.{m}.{m}",
    "User user_{m} logged in from 10.0.{m}.{m}, token expires in {n} seconds",
    "Cache lookup for key session:{h8} missed, loading {n} bytes from the database",
    "Rate limit at {m} percent for user user_{m}, max_tokens={n}, token_count=512, prompt_tokens: {n}",
    "trace_id={h32} span_id={h8}{h8} request_id={uuid}",
    "commit {h32}{h8} deployed, sha256:{h32}{h32}",
    "password=None secret=null api_key: missing, Bearer authentication required",
    "task-{n} moved to disk-{m}, risk-{h8}, task-{h32}",
    "Wrong password: try again in {m} minutes",
    "Connecting to redis://cache:6379/{m} and http://localhost:8001/api/health",
    'idempotency_key={uuid} etag="{h32}" next_page_token=abc',
    "already struck [REDACTED:openai-api-key:{h8}beef] in {m} ms",
    "Bearer [REDACTED:bearer-token:{h8}beef] password=[REDACTED:generic-password:{h8}beef]",
)


def ordinary(chance: random.Random) -> str:
    """A line of a healthy backend."""
    h32 = _some("hex", 32)(chance)
    uuid = f"{h32[:8]}-{h32[8:12]}-4{h32[13:16]}-a{h32[17:20]}-{h32[20:]}"
    return chance.choice(ORDINARY).format(
        h8=_some("hex", 8)(chance), h32=h32, uuid=uuid, n=chance.randint(20, 9000), m=chance.randint(1, 99)
    )
