"""The forms that the backend's team wants watched, each on its own, and ordinary lines that look like them."""

import pytest

from tests.rules.lines import access, backend, found

LOGIN = {"failed_login", "failed_login_unnamed"}


@pytest.mark.parametrize(
    "line",
    [
        backend("failed login for bob from 203.0.113.7"),
        backend("Failed login attempt for user user_0042 from 203.0.113.7"),
        backend("Invalid credentials for alice"),
        backend("Authentication failed for user=alice ip=203.0.113.7"),
        backend("Login failed for user 'bob'"),
        backend("LOGIN FAILED", user_id="user_0042"),
        "Failed password for root from 203.0.113.9 port 52144 ssh2",
        "Failed password for invalid user admin from 203.0.113.9 port 52144 ssh2",
        *[
            access("203.0.113.7", "POST", path, status)
            for path in ("/api/login", "/auth", "/token")
            for status in (401, 403)
        ],
        backend("request done", method="POST", path="/api/auth/session", status_code=401),
        backend("request done", method="POST", path="/api/token/refresh", status=403),
        backend("POST /api/login 401 from 203.0.113.7"),
    ],
)
def test_a_failed_login_is_found_exactly_once(line: str) -> None:
    """Each form is one finding, by exactly one of the two base rules."""
    assert len(found(line)) == 1
    assert found(line) <= LOGIN


@pytest.mark.parametrize(
    "line",
    [
        backend("User user_0042 logged in from 10.0.3.4, token expires in 3600 seconds"),
        backend("Login successful for bob"),
        backend("token_count=512 for user_0042"),
        backend("token_count=401"),
        access("203.0.113.7", "GET", "/api/sessions", 401),
        access("203.0.113.7", "GET", "/api/usage/token_count", 401),
        access("203.0.113.7", "POST", "/api/login", 200),
        access("203.0.113.7", "POST", "/api/auth/login", 422),
        backend("request done", path="/api/sessions", status_code=403),
    ],
)
def test_what_is_no_failed_login_passes(line: str) -> None:
    """A login that worked, a count of tokens, a 401 on another path."""
    assert found(line) & LOGIN == set()


@pytest.mark.parametrize(
    "line",
    [
        access("203.0.113.7", "POST", "/api/chat", 429),
        backend("request done", status_code=429),
        backend("Rate limit exceeded for user user_0042"),
        backend("Error code: 429 - {'type': 'error', 'error': {'type': 'rate_limit_error'}}", provider="anthropic"),
        backend("You exceeded your current quota, code insufficient_quota", provider="openai"),
        backend("Provider said: Too Many Requests", provider="perplexity"),
    ],
)
def test_a_rate_limit_hit_is_found(line: str) -> None:
    """429, and what providers say with it."""
    assert "api_rate_limit" in found(line)


def test_a_rate_limit_that_is_only_spoken_of_passes() -> None:
    """The backend's own warning before the limit."""
    assert found(backend("Rate limit at 40 percent for user user_0042, 429 requests in this window")) == set()


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /api/users?id=1'%20OR%20'1'='1 400 from 203.0.113.7",
        "GET /api/search?q=1%20UNION%20SELECT%20username,password%20FROM%20users-- 400 from 203.0.113.7",
        "POST /api/sessions?id=1;DROP%20TABLE%20sessions;-- 400 from 203.0.113.7",
        "GET /api/items?sort=(SELECT%20SLEEP(5)) 400 from 203.0.113.7",
        "GET /api/users?name=admin'-- 400 from 203.0.113.7",
    ],
)
def test_the_five_known_injections_are_found(request_text: str) -> None:
    """As the backend writes them into `message`, and as uvicorn writes them."""
    method, target, _ = request_text.split(" ", 2)
    assert "sql_injection_attempt" in found(backend(request_text))
    assert "sql_injection_attempt" in found(access("203.0.113.7", method, target, 400))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("sql_syntax_error", backend('sqlite3.OperationalError: near "OR": syntax error')),
        ("sql_syntax_error", backend("You have an error in your SQL syntax near '1''")),
        ("sql_syntax_error", 'ERROR:  unterminated quoted string at or near "\'"'),
        ("database_connection_failure", backend("localhost:27017: [Errno 111] Connection refused")),
        ("database_connection_failure", backend("could not connect to server: Connection refused")),
        ("database_connection_failure", "pymongo.errors.ServerSelectionTimeoutError: db:27017: timed out"),
        ("database_connection_failure", backend("QueuePool limit of size 5 overflow 10 reached")),
        ("unhandled_exception", "ERROR:    Exception in ASGI application"),
        ("unhandled_exception", backend("Unhandled exception while serving request 0042abcd", level="ERROR")),
        (
            "unhandled_exception",
            "Traceback (most recent call last):\n  File \"x.py\", line 1, in call\n    go()\nKeyError: 'choices'",
        ),
    ],
)
def test_errors_are_told_apart(rule: str, line: str) -> None:
    """Database errors, lost connections and unhandled exceptions each have a rule."""
    assert rule in found(line)


@pytest.mark.parametrize(
    "message",
    [
        "Please select a model from the list",
        "The union of sets A and B",
        "Session renamed to O'Brien",
        "drop me a line; thanks --",
        "Chat completion finished for session 0042abcd with 429 tokens in 4 messages",
        "GET /api/sessions/0042abcd/messages?limit=7 200 from 10.0.3.4",
        "POST /api/chat 200 from 10.0.3.4, request id 0042abcd, 512 bytes sent",
        "Query on collection chat_sessions took 5 ms and returned 7 documents",
        "Cache lookup for key session:0042abcd missed, loading 512 bytes from the database",
        "Stored upload 0042abcd.pdf of 512 bytes for user user_0042 in 7 ms",
        "Provider call 0042abcd timed out after 512 ms, attempt 2 of 3 follows",
    ],
)
def test_ordinary_lines_pass_every_rule(message: str) -> None:
    """English that sounds like SQL, and what the backend writes all day."""
    assert found(backend(message)) == set()
