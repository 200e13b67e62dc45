"""The example backend on paper: it answers requests as the real one does and writes the lines that it would log, with
times that are given to it. So a year of logs takes seconds, and no server, no packages.

A test sends the same requests to the real backend and compares what both have logged.
"""

import logging
import random
from collections.abc import Callable
from typing import Any

from shipper.example.logs import JsonFormatter
from shipper.example.providers import HOSTS
from shipper.example.rate_limit import RateLimit

REASONS = {
    200: "OK",
    201: "Created",
    401: "Unauthorized",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
}
PROVIDER_SECONDS = (0.02, 0.2)
"""How long a provider takes to answer."""

Answer = tuple[int, dict[str, object]]


class PaperBackend:
    """Takes requests as `client.Client` does. `lines` grow with each; `now` is seconds since the epoch, and goes on by
    what a request takes."""

    def __init__(self, now: float, chance: random.Random) -> None:
        self.now, self.lines = now, list[str]()
        self._chance, self._format = chance, JsonFormatter().format
        self._passwords: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._chats: dict[str, list[int]] = {}
        self._rate_limit = RateLimit()
        self._log("app.main", "INFO", "main", "Application starting on port 8001")

    def request(self, method: str, path: str, body: Any = None, *, address: str, **headers: str) -> Answer:
        """Status and JSON object of the answer."""
        self.now += self._chance.uniform(0.001, 0.02)
        answer = self._endpoint(method, path)
        status, said = answer(path, body or {}, address, headers)
        # uvicorn knows the address by a header, which has no port.
        self.lines.append(f'INFO:     {address}:0 - "{method} {path} HTTP/1.1" {status} {REASONS[status]}')
        return status, said

    def _endpoint(self, method: str, path: str) -> Callable[[str, Any, str, dict[str, str]], Answer]:
        route = path.partition("?")[0]
        if route.endswith("/summary"):
            return self._summarise
        return {
            ("GET", "/api/health"): self._health,
            ("POST", "/api/users"): self._register,
            ("GET", "/api/users"): self._find_users,
            ("POST", "/api/auth/login"): self._login,
            ("POST", "/api/chat/sessions"): self._create_session,
            ("POST", "/api/chat"): self._send_message,
        }[method, route]

    def _health(self, _path: str, _body: Any, _address: str, _headers: dict[str, str]) -> Answer:
        return 200, {}

    def _register(self, _path: str, body: Any, _address: str, _headers: dict[str, str]) -> Answer:
        name = body["username"]
        if name in self._passwords:
            return 409, {}
        self._passwords[name] = body["password"]
        self._log("app.api.auth", "INFO", "register", "New user registered", user_id=name)
        return 201, {"username": name}

    def _login(self, _path: str, body: Any, address: str, _headers: dict[str, str]) -> Answer:
        name = body["username"]
        if self._passwords.get(name) != body["password"]:
            said = f"Failed login attempt for user {name} from {address}"
            self._log("app.api.auth", "WARNING", "login", said, user_id=name)
            return 401, {}
        token = f"{self._chance.getrandbits(192):048x}"
        self._tokens[token] = name
        self._log("app.api.auth", "INFO", "login", f"User {name} signed in from {address}", user_id=name)
        return 200, {"token": token}

    def _find_users(self, path: str, _body: Any, _address: str, headers: dict[str, str]) -> Answer:
        user = self._user(headers)
        if user is None:
            return 401, {}
        count = sum(path.partition("q=")[2] in name for name in self._passwords)
        self._log("app.api.auth", "INFO", "find_users", f"User search returned {count} entries", user_id=user)
        return 200, {}

    def _create_session(self, _path: str, _body: Any, _address: str, headers: dict[str, str]) -> Answer:
        user = self._user(headers)
        if user is None:
            return 401, {}
        session = self._session()
        self._chats[session] = []
        self._log("app.api.chat", "INFO", "create_session", f"Session {session} created", user_id=user)
        return 201, {"session_id": session}

    def _send_message(self, _path: str, body: Any, _address: str, headers: dict[str, str]) -> Answer:
        user = self._user(headers)
        if user is None:
            return 401, {}
        about = {"user_id": user, "provider": body["provider"], "model": body["model"]}
        if not self._rate_limit.allows(user, self.now):
            self._log("app.api.chat", "WARNING", "send_message", f"Rate limit exceeded for user {user}", **about)
            return 429, {}
        seconds = self._chance.uniform(*PROVIDER_SECONDS)
        self.now += seconds
        if "x-provider-key" in headers:
            shown = {"host": HOSTS[body["provider"]], "x-api-key": headers["x-provider-key"]}
            said = f"Provider rejected the request with 401, headers were {shown}"
            self._log("app.api.chat", "ERROR", "complete", said, **about)
            return 502, {}
        self._chats.setdefault(session := self._session(), []).append(1)
        duration = round(1000 * seconds)
        self._log("app.api.chat", "INFO", "send_message", "Message sent", **about, duration_ms=duration)
        return 200, {"session_id": session}

    def _summarise(self, path: str, _body: Any, _address: str, headers: dict[str, str]) -> Answer:
        if self._user(headers) is None:
            return 401, {}
        tokens = self._chats.get(path.split("/")[3])
        if tokens is None:
            return 404, {}
        try:
            _average(tokens)
        except ZeroDivisionError as error:
            self._log("app.main", "ERROR", "unhandled", f"Unhandled exception while serving GET {path}", error)
            return 500, {}
        return 200, {}

    def _user(self, headers: dict[str, str]) -> str | None:
        return self._tokens.get(headers.get("authorization", "").removeprefix("Bearer "))

    def _session(self) -> str:
        return f"{self._chance.getrandbits(32):08x}"

    def _log(
        self, logger: str, level: str, function: str, text: str, error: Exception | None = None, **about: object
    ) -> None:
        thrown = None if error is None else (type(error), error, error.__traceback__)
        # Where in its file the real one logs is not worth being kept equal.
        file = f"{'backend' if logger == 'app.main' else logger.rpartition('.')[2]}.py"
        entry = logging.LogRecord(logger, getattr(logging, level), file, 1, text, (), thrown, function)
        entry.created = self.now
        entry.__dict__.update(about)
        self.lines.append(self._format(entry))


def _average(tokens: list[int]) -> int:
    """The example's bug, on purpose: a session without messages has no average."""
    return sum(tokens) // len(tokens)
