"""What the example's endpoints work with: a database, sessions, a rate limit, the providers. All of it in memory."""

import hashlib
import os
import secrets
import sqlite3
import time
from dataclasses import dataclass, field

from fastapi import HTTPException, Request

from shipper.example.providers import PROVIDERS
from shipper.example.rate_limit import RateLimit


class Users:
    """Accounts in SQLite; passwords as salted hashes."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("CREATE TABLE users(name TEXT PRIMARY KEY, salt BLOB NOT NULL, hash BLOB NOT NULL)")

    def add(self, name: str, password: str) -> bool:
        """False when the name is taken."""
        salt = secrets.token_bytes(16)
        values = (name, salt, _hash(password, salt))
        return self._db.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", values).rowcount == 1

    def check(self, name: str, password: str) -> bool:
        """True when there is such a user with this password."""
        found = self._db.execute("SELECT salt, hash FROM users WHERE name = ?", (name,)).fetchone()
        return found is not None and secrets.compare_digest(_hash(password, found[0]), found[1])

    def search(self, text: str) -> list[str]:
        """Names that hold the text."""
        return [
            row[0] for row in self._db.execute("SELECT name FROM users WHERE instr(name, ?) ORDER BY name", (text,))
        ]

    def error(self) -> str | None:
        """Why the database can't be used, or None."""
        try:
            self._db.execute("SELECT 1").fetchone()
        except sqlite3.Error as error:
            return str(error)
        return None


@dataclass
class Services:
    """One application's. Health is computed from these and nothing else."""

    users: Users = field(default_factory=Users)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    tokens: dict[str, str] = field(default_factory=dict)
    """Session token → user."""
    chats: dict[str, list[int]] = field(default_factory=dict)
    """Chat session → tokens of each of its messages."""
    providers: dict[str, bool] = field(default_factory=lambda: _configured(os.environ.get("EXAMPLE_PROVIDERS")))
    """Provider → whether it is configured."""
    started: float = field(default_factory=time.monotonic)


def services(request: Request) -> Services:
    """The application's services, for endpoints."""
    found: Services = request.app.state.services
    return found


def current_user(request: Request) -> str:
    """Who sent the request. Answers 401 when there is no valid session token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = services(request).tokens.get(token) if scheme.lower() == "bearer" else None
    if user is None:
        raise HTTPException(401, "Not signed in")
    return user


def address(request: Request) -> str:
    """Where the request came from."""
    return request.client.host if request.client else "unknown"


def _configured(names: str | None) -> dict[str, bool]:
    chosen = PROVIDERS if names is None else tuple(name.strip() for name in names.split(","))
    return {provider: provider in chosen for provider in PROVIDERS}


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1)
