import json

import pytest

from shipper.enrich.level import from_text
from tests.enrich.enriched import record

STACK = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    x()\napp.errors.Broken: no way'

FAMILIES = {
    "backend": (
        {
            "timestamp": "2025-10-01T05:08:03.580606+00:00",
            "level": "ERROR",
            "logger": "app.api.chat",
            "message": "Unhandled exception",
            "exc_info": STACK,
        },
        {
            "@timestamp": "2025-10-01T05:08:03.580606Z",
            "log.level": "error",
            "log.logger": "app.api.chat",
            "error.type": "app.errors.Broken",
            "error.message": "no way",
            "error.stack_trace": STACK,
        },
    ),
    "python-json-logger": (
        {
            "message": "hello",
            "levelname": "WARNING",
            "name": "app",
            "funcName": "f",
            "lineno": 3,
            "asctime": "2025-10-01 05:08:03,230",
            "exc_info": STACK,
        },
        {
            "@timestamp": "2025-10-01T05:08:03.230Z",
            "log.level": "warning",
            "log.logger": "app",
            "log.origin.function": "f",
            "log.origin.file.line": 3,
            "error.type": "app.errors.Broken",
        },
    ),
    "structlog": (
        {
            "event": "user logged in",
            "level": "info",
            "timestamp": 1759295283.580606,
            "user_id": 12,
            "exception": [
                {
                    "exc_type": "Broken",
                    "exc_value": "no way",
                    "frames": [{"filename": "/app/a.py", "lineno": 1, "name": "f", "locals": {"x": "1"}}],
                },
                {"exc_type": "KeyError", "exc_value": "'a'", "frames": []},
            ],
        },
        {
            "@timestamp": "2025-10-01T05:08:03.580606Z",
            "message": "user logged in",
            "log.level": "info",
            "user.id": "12",
            "error.type": "Broken",
            "error.message": "no way",
            "error.stack_trace": "Traceback (most recent call last):\nKeyError: 'a'\n\n"
            'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\nBroken: no way',
        },
    ),
    "loguru": (
        {
            "text": "2025-10-01 | ERROR | it broke\n" + STACK + "\n",
            "record": {
                "level": {"icon": "x", "name": "SUCCESS", "no": 25},
                "message": "it broke",
                "name": "app.main",
                "function": "f",
                "line": 9,
                "module": "main",
                "file": {"name": "main.py", "path": "/app/main.py"},
                "time": {"repr": "2025-10-01 05:08:03.580606+00:00", "timestamp": 1759295283.580606},
                "extra": {"user_id": "u1", "provider": "openai", "model": "gpt-4o"},
                "exception": {"type": "Broken", "value": "no way", "traceback": True},
            },
        },
        {
            "@timestamp": "2025-10-01T05:08:03.580606Z",
            "message": "it broke",
            "log.level": "info",
            "log.logger": "app.main",
            "log.origin.function": "f",
            "log.origin.file.line": 9,
            "log.origin.file.name": "main.py",
            "user.id": "u1",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "error.type": "Broken",
            "error.message": "no way",
            "error.stack_trace": STACK,
        },
    ),
    "ecs-logging": (
        {
            "@timestamp": "2025-10-01T05:08:03.580Z",
            "log.level": "error",
            "message": "boom",
            "ecs": {"version": "1.6.0"},
            "log": {"logger": "app", "origin": {"file": {"line": 3, "name": "a.py"}, "function": "f"}},
            "error": {"type": "Broken", "message": "no way", "stack_trace": "  File x"},
            "event": {"dataset": "mine"},
        },
        {
            "@timestamp": "2025-10-01T05:08:03.580Z",
            "log.level": "error",
            "log.logger": None,
            "error.type": None,
            "error.stack_trace": None,
            "event.dataset": None,
        },
    ),
    "pino": (
        {
            "level": 50,
            "time": 1759295283580,
            "pid": 7,
            "hostname": "web",
            "msg": "request failed",
            "err": {"type": "TypeError", "message": "x is null", "stack": "TypeError: x is null\n    at f (a.js:1:2)"},
            "responseTime": 12.5,
        },
        {
            "@timestamp": "2025-10-01T05:08:03.580Z",
            "log.level": "error",
            "message": "request failed",
            "event.duration": 12_500_000,
            "error.type": "TypeError",
            "error.message": "x is null",
            "error.stack_trace": "TypeError: x is null\n    at f (a.js:1:2)",
        },
    ),
    "requests": (
        {"method": "GET", "url": "https://example.com:8000/a/b?c=d&e=%27", "status": "404", "client_ip": "10.0.0.1"},
        {
            "http.request.method": "GET",
            "url.path": "/a/b",
            "url.query": "c=d&e=%27",
            "http.response.status_code": 404,
            "source.ip": "10.0.0.1",
        },
    ),
    "path with a query": (
        {"method": "POST", "path": "/login?next=/", "status_code": 401, "duration_ms": 1.5, "status": "failed"},
        {"url.path": "/login", "url.query": "next=/", "http.response.status_code": 401, "event.duration": 1_500_000},
    ),
    "several names of one thing": (
        {"severity": "info", "level": "ERROR", "name": "last", "logger_name": "second", "logger": "first"},
        {"log.level": "error", "log.logger": "first"},
    ),
    "other things under known names": (
        {"status": "ok", "path": "C:\\x", "method": "fast", "ip": "here", "level": ["x"], "duration_ms": "slow"},
        dict.fromkeys(
            ["http.response.status_code", "url.path", "http.request.method", "source.ip", "log.level", "event.duration"]
        ),
    ),
    "the fields count more than the message": (
        {"message": "GET /a?b 200 from 10.0.0.1", "path": "/c", "status": 500, "client_ip": "10.0.0.2"},
        {
            "url.path": "/c",
            "url.query": None,
            "http.response.status_code": 500,
            "source.ip": "10.0.0.2",
            "http.request.method": "GET",
        },
    ),
}


@pytest.mark.parametrize(("line", "expected"), FAMILIES.values(), ids=FAMILIES.keys())
def test_a_family_needs_no_configuration(line, expected):
    """Its own names, and the ECS ones beside them."""
    made = record(json.dumps(line).encode())
    assert {name: made.get(name) for name in expected} == expected
    assert {name: made[name] for name in line} == line


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO:     Started server process [7]", "info"),
        ("2026-11-23 10:00:00,123 ERROR app: text", "error"),
        ("2026-11-23 10:00:00,123 - app - WARNING - text", "warning"),
        ("[2026-11-23 10:00:00 +0000] [7] [CRITICAL] WORKER TIMEOUT", "critical"),
        ("2026/11/23 10:00:00 [error] 7#0: text", "error"),
        ("time=x level=warn msg=y", "warning"),
        ("[warning] text", "warning"),
        ("ERROR:app.db:text", "error"),
        ("no level here, an error at most", None),
        ('10.0.0.1 - - [x] "GET /a ERROR " 200', None),
        ("ERRORS: many", None),
    ],
)
def test_text_lines_have_a_level(text, level):
    """Only where a level can stand, not where the word is meant."""
    assert from_text(text).get("log.level") == level


def test_pino_http_names_the_request_below_req_and_res():
    """As `pino-http` writes it."""
    line = (
        b'{"level":30,"time":1764000000000,"req":{"method":"POST","url":"/api/auth/login?next=1",'
        b'"remoteAddress":"203.0.113.9"},"res":{"statusCode":401},"msg":"request completed"}'
    )
    found = record(line)
    names = ("http.request.method", "url.path", "url.query", "source.ip", "http.response.status_code")
    assert [found[name] for name in names] == ["POST", "/api/auth/login", "next=1", "203.0.113.9", 401]


def test_a_user_that_is_a_text_is_a_name():
    """structlog's `user="bob"`; an object of that name is left as it is."""
    assert record(b'{"event":"login failed","user":"bob"}')["user.name"] == "bob"
    assert "user.name" not in record(b'{"event":"x","user":{"id":"u1"}}')


@pytest.mark.parametrize(
    ("line", "original"),
    [
        (b'{"client_ip":"::ffff:10.0.0.1","message":"m"}', ("client_ip", "::ffff:10.0.0.1")),
        (b'{"req":{"remoteAddress":"::ffff:10.0.0.1"},"msg":"m"}', ("req", {"remoteAddress": "::ffff:10.0.0.1"})),
        (b'{"message":"login from ::ffff:10.0.0.1"}', ("message", "login from ::ffff:10.0.0.1")),
    ],
)
def test_an_ipv4_address_is_one_address_however_it_is_written(line, original):
    """What node and uvicorn write where they listen on both IP versions; the original field stays as it is."""
    found = record(line)
    assert (found["source.ip"], found[original[0]]) == ("10.0.0.1", original[1])


def test_a_records_own_address_stays_as_it_is():
    """Nothing that a record has is overwritten."""
    assert record(b'{"source.ip":"::ffff:10.0.0.1"}')["source.ip"] == "::ffff:10.0.0.1"
