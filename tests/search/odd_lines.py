"""Log lines that are hard to search the same everywhere: odd types, families of JSON, times, texts, names."""

import json

DAY = "2025-11-20"
LONG = "long" + "x" * 9_000
"""Longer than what Elasticsearch indexes of a keyword."""


def at(second, fraction=""):
    """A time of the odd lines' hour."""
    return f"{DAY}T10:{second // 60:02d}:{second % 60:02d}{fraction}Z"


MESSAGES = [
    "Connection REFUSED: api_key=x, größe über 5%\nretry in 3s",
    "connection refused by peer",
    "refused, then Connection",
    "İstanbul ΣΟΦΟΣ straße 日本語 ☃ naïve",
    "--- ... ---",
    "",
    "a b a b c",
    "path /api/v1/users?id=5&x=y",
    '*? literal stars\\ and "quotes"',
    "word" * 3_000,
    "TimeoutError: no answer after 30 s",
]

VALUES = [
    "abc", "ABC", "abc def", "", " 5", "5", "5.0", "05", "-5", "1e3", "NaN", "true", "null", "a*b", "a?b", "a\\b", "é",
    "日本", "{", "{}", "[", "[1]", "2025-11-20", "10.1.2.3", LONG, 5, 5.0, -5, 0.5, 1000.0, 12345678.0, 0, True, False, None,
    2**53, 2**53 + 1, 2**63 - 1, -(2**63), [], [None], ["abc", "def"], [5, "5", None], [1, 7], ["x", LONG],
    {"b": "abc"}, {"b": 5, "c": None}, {"b": {"c": "deep"}}, {"b": ["abc", 5]},
]  # fmt: skip
"""What a field may hold. What `query.elastic` says that an index can't tell is not among them."""
NO_NUMBERS = ["", " 5", LONG, "[1]", ["x", LONG]]
"""And these are not put where numbers are."""

SHAPES = [
    # structlog
    {"event": "user logged in", "level": "info", "timestamp": at(1, ".123456"), "logger": "auth", "user_id": "u1"},
    {"event": "failed", "level": "error", "timestamp": at(2), "exception": [{"exc_type": "KeyError", "exc_value": "x"}]},
    # loguru
    {
        "text": "2025-11-20 10:00:03 | ERROR | boom\n",
        "record": {
            "level": {"name": "ERROR", "no": 40},
            "time": {"timestamp": 1763632803.25},
            "message": "boom in loguru",
            "extra": {"user_id": "u2", "model": "gpt-4.1"},
            "name": "app.loguru",
            "function": "f",
            "line": 7,
        },
    },
    # pino
    {
        "level": 30,
        "time": 1763632804123,
        "pid": 1,
        "hostname": "h",
        "msg": "request completed",
        "req": {"method": "GET", "url": "/a?b=c", "remoteAddress": "::ffff:127.0.0.1"},
        "res": {"statusCode": 200},
        "responseTime": 12,
    },
    {"level": 50, "time": 1763632805000, "msg": "err", "err": {"type": "TypeError", "message": "no function", "stack": "TypeError: no function\n    at x"}},
    # ecs-logging
    {"@timestamp": at(6, ".5"), "log.level": "warning", "message": "ecs", "ecs": {"version": "1.6.0"}, "log": {"logger": "root", "origin": {"file": {"line": 3, "name": "t.py"}}}},
    # python-json-logger
    {"asctime": "2025-11-20 10:00:07,230", "levelname": "CRITICAL", "name": "root", "message": "down", "lineno": 12},
    # two things under one name, and names of ours
    {"timestamp": at(8), "message": "m", "event": {"action": "login", "outcome": "ok"}},
    {"timestamp": at(9), "message": "m", "user": "bob"},
    {"timestamp": at(9), "message": "m", "user": {"id": "u3", "name": "eve"}},
    {"timestamp": at(9), "message": "m", "error": "plain text error"},
    {"timestamp": at(9), "message": "m", "error": {"type": "ValueError", "message": "bad value"}},
    {"timestamp": at(9), "message": "m", "http": {"response": {"status_code": 503}, "request": {"method": "POST"}}},
    {"timestamp": at(9), "message": {"text": "inside an object", "n": 5}},
    {"timestamp": at(9), "message": ["one two", "three four"]},
    {"timestamp": at(9), "message": 5},
    {"timestamp": at(9), "message": "m", "labels": {"env": "prod", "team": ["a", "b"], "n": 5}},
    {"timestamp": at(9), "message": "m", "labels": "plain"},
    {"timestamp": at(9), "message": "m", "labels.env": "prod", "labels.region": "eu west"},
    {"timestamp": at(9), "message": "m", "labels.env": "stage", "labels": {"team": "d"}, "labels.n": 7},
    {"timestamp": at(9), "message": "m", "labels.a.b": {"c": "deep"}},
    {"timestamp": at(9), "message": "m", "error.type": "app.errors.TimeoutError"},
    {"timestamp": at(9), "message": "m", "error.type": LONG + " refused"},
    # times
    {"timestamp": "2025-11-20 10:01:00,500", "message": "comma"},
    {"timestamp": "2025-11-20T12:01:00.25+02:00", "message": "zone"},
    {"timestamp": at(60, ".123456789"), "message": "nanoseconds"},
    {"timestamp": at(60, ".123456"), "message": "microseconds"},
    {"timestamp": "yesterday", "message": "no time"},
    {"message": "no time at all"},
    {"timestamp": "1999-01-01T00:00:00Z", "message": "long ago"},
    # known fields with what they do not take
    *({"timestamp": at(61), "message": "status", "status_code": status} for status in (200, "200", "404", "abc", None, [500, 503])),
    *({"timestamp": at(62), "message": "took", "duration_ms": took} for took in (500, 500.5, "1000", "fast", "NaN", None)),
    *({"timestamp": at(63), "message": "line", "line": line} for line in (5, "12", "x", 2**63, [1, 5], -2)),
    *({"timestamp": at(64), "message": "ip", "source.ip": ip} for ip in ("10.1.2.3", "10.200.0.1", "::1", "2001:db8::5", "0:0:0:0:0:0:0:1",  "testclient", "300.1.1.1", ["10.1.2.4", "10.9.9.9"])),
    *({"timestamp": at(65), "message": "user", "user_id": user} for user in ("u5", 5, True, ["u5", "u6"], LONG, "", "ünï")),
    *({"timestamp": at(66), "message": "level", "level": level} for level in ("ERROR", "error", 40, ["WARN", "EEK"])),
    {"timestamp": at(67), "message": "debug", "health": {"environment": {"debug": True, "log_level": "INFO"}, "services": {"database": {"status": "connected"}}}},
    {"timestamp": at(67), "message": "debug", "health": {"environment": {"debug": "perhaps"}}},
    # names
    {"timestamp": at(68), "message": "names", "weird/~\"*'": "abc", "ключ": "значение", "a b": "c", "x.y.z": 1, "x": {"y.w": 2}},
]  # fmt: skip

RAW = [
    b'{"timestamp": "2025-11-20T10:02:00Z",  "message":"bytes \\u00e9 \\/ \xc3\xa9", "n": 1.50, "big": 123456789012345678901234567890}',
    b"not JSON at all, ERROR here",
    b'INFO:     127.0.0.1:60084 - "GET /docs HTTP/1.1" 200 OK',
    b'{"broken": ',
    b"[1, 2]",
    b'{"timestamp": "2025-11-20T10:02:01Z", "message": "after", "s\\u0065q2": 5}',
]


def lines():
    """All of them. `first_text` is met as text first, `first_number` as a number, `first_true` as a boolean."""
    found = [json.dumps({"timestamp": at(number), "message": text}) for number, text in enumerate(MESSAGES)]
    for field, first in (("first_text", "abc"), ("first_number", 5), ("first_true", True), ("user_id", "u5")):
        values = [value for value in VALUES if field != "first_number" or value not in NO_NUMBERS]
        for number, value in enumerate([first, *values]):
            found.append(json.dumps({"timestamp": at(100 + number // 4), "message": "v", field: value}))
    found += [json.dumps({"timestamp": at(200), "message": "same time", "seq": number}) for number in range(40)]
    found += [json.dumps(shape, ensure_ascii=False) for shape in SHAPES]
    return [*(line.encode() for line in found), *RAW]
