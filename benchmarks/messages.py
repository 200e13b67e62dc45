"""What the generated lines say: messages to fill in, errors, made-up keys. No line here looks like a whole secret."""

import random
import string
from collections.abc import Callable
from typing import NamedTuple

LETTERS = string.ascii_letters + string.digits
CAPITALS = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"

USERS = [f"user_{number:04}" for number in range(500)]
ATTACKERS = [f"203.0.113.{number}" for number in range(1, 41)]
ATTACK_RECORDS = 20_000
"""So many records long, most attacks come from one address; then from the next one."""
MODELS = (
    ("openai", "gpt-4.1"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4"),
    ("anthropic", "claude-haiku-3.5"),
    ("perplexity", "sonar-pro"),
    ("perplexity", "sonar"),
)


class Form(NamedTuple):
    """One kind of message: level, module, function, text to fill in, and whether the record tells of a model."""

    level: str
    module: str
    function: str
    text: str
    model: bool = True


ORDINARY = (
    Form("INFO", "chat", "send_message", "Message sent to session {id}, {n} tokens in {m} chunks, first after {k} ms"),
    Form("INFO", "chat", "resume", "Session {id} resumed by {user} with {m} earlier messages, {n} tokens of context"),
    Form("INFO", "providers", "complete", "Provider answered request {id}: {n} tokens in, {k} tokens out, {m} cached"),
    Form("INFO", "providers", "stream", "Stream {id} closed after {m} chunks and {n} bytes, client {ip} stayed on"),
    Form("WARNING", "providers", "measure", "Latency of {n} ms is above the average of {k} ms, pool at {m} percent"),
    Form("INFO", "http", "access", "{ip} GET /api/sessions/{id}/messages?limit={m}&offset={k} 200 {n} bytes", False),
    Form("INFO", "http", "access", "{ip} POST /api/chat 200 {n} bytes in {k} ms, request {id}, kept {m} s", False),
    Form("INFO", "http", "access", '{ip} - "GET /api/users/{user} HTTP/1.1" 304 0 "-" "Mozilla/5.0 (X11)"', False),
    Form("INFO", "http", "access", "{ip} GET /api/files/{id}.pdf?page={m} 404 {n} bytes, from /app/library", False),
    Form("DEBUG", "db", "execute", "Query chat_messages by session {id} took {m} ms and returned {n} rows"),
    Form("DEBUG", "db", "release", "Connection {m} of 100 is back in the pool after {n} ms, {k} statements", False),
    Form("DEBUG", "cache", "get", "Cache miss for session:{id}, loaded {n} bytes from the database in {m} ms"),
    Form("DEBUG", "cache", "evict", "Evicted {m} of {n} entries from the list of models, the oldest {k} s old", False),
    Form("INFO", "auth", "sign_in", "User {user} signed in from {ip}, session {id} ends in {n} s"),
    Form("INFO", "limits", "count", "User {user} has used {m} percent of the request budget, {n} requests so far"),
)

FAILED_LOGINS = (
    Form("WARNING", "auth", "login", "Failed login attempt for user {user} from {ip}", False),
    Form("WARNING", "auth", "login", "Invalid credentials for user {user} from {ip}, attempt {m}", False),
    Form("WARNING", "auth", "verify", "Authentication failed for user {user} from {ip} after {k} ms", False),
    Form("INFO", "http", "access", "{ip} POST /api/auth/login 401 {n} bytes in {k} ms, request {id}", False),
)

INJECTIONS = tuple(
    Form("WARNING", "http", "access", "{ip} GET " + request + " 400 {n} bytes in {k} ms", False)
    for request in (
        "/api/users?q=x%27%20OR%20%271%27=%271",
        "/api/users?q=1%20UNION%20SELECT%20name,hash%20FROM%20accounts--",
        "/api/sessions?sort=id;%20DROP%20TABLE%20sessions;--",
        "/api/files?id=7%20AND%20SLEEP(5)",
        "/api/models?name=admin%27--%20",
        "/api/search?q=%27%20AND%201=(SELECT%20COUNT(*)%20FROM%20information_schema.tables)--",
    )
)

LEAKS = (
    Form("ERROR", "providers", "complete", "Request {id} rejected, headers: {{'authorization': 'Bearer {key}'}}"),
    Form("DEBUG", "config", "load", "Settings read from the environment: PROVIDER_KEY={key} TIMEOUT={m}", False),
    Form("WARNING", "http", "access", "{ip} GET /api/models?api_key={key} 401 {n} bytes", False),
)

FAILURES = (
    ("httpx.ReadTimeout", "The read operation timed out", "providers", "complete"),
    ("sqlalchemy.exc.OperationalError", "(sqlite3.OperationalError) database is locked", "db", "execute"),
    ("KeyError", "'choices'", "chat", "send_message"),
    ("ValueError", "could not convert string to float: 'n/a'", "limits", "count"),
    ("asyncio.exceptions.CancelledError", "", "chat", "stream"),
)

UVICORN = (
    'INFO:     {ip}:{port} - "GET /api/health?seq={seq} HTTP/1.1" 200 OK',
    'INFO:     {ip}:{port} - "POST /api/chat?seq={seq} HTTP/1.1" 200 OK',
    'INFO:     {ip}:{port} - "GET /favicon.ico?seq={seq} HTTP/1.1" 404 Not Found',
)


def key_of(*parts: str | tuple[str, int]) -> Callable[[random.Random], str]:
    """Makes keys: fixed texts as they are, `(alphabet, length)` as random characters."""

    def make(chance: random.Random) -> str:
        texts = (part if isinstance(part, str) else "".join(chance.choices(part[0], k=part[1])) for part in parts)
        return "".join(texts)

    return make


KEYS = (
    key_of("sk-", "ant-", "api03-", (LETTERS + "-_", 93), "AA"),
    key_of("sk-", "proj-", (LETTERS, 48)),
    key_of("pplx-", (HEX, 48)),
    key_of("gsk_", (LETTERS, 52)),
    key_of("hf_", (LETTERS, 34)),
    key_of("AKIA", (CAPITALS, 16)),
    key_of("ghp_", (LETTERS, 36)),
    key_of("sk_live_", (LETTERS, 24)),
    key_of("AIza", (LETTERS, 35)),
)
