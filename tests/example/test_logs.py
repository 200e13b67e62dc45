"""The example logs in the backend's own format."""

import json
import logging
import sys

from shipper.example.logs import JsonFormatter, set_up_logging

FIELDS = ["timestamp", "level", "logger", "message", "module", "function", "line"]


def record(message: str = "Message sent", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("app.api.chat", logging.INFO, "/app/chat.py", 342, message, (), None, "send_message")
    made.created = 1_759_295_283.58
    made.__dict__.update(extra)
    return made


def formatted(made: logging.LogRecord) -> dict:
    return json.loads(JsonFormatter().format(made))


def test_fields_stand_in_the_documented_order() -> None:
    """Only what is known is written."""
    assert list(formatted(record())) == FIELDS


def test_values_are_those_of_the_call() -> None:
    """Time in UTC, where it was logged, and what the call handed in."""
    extra = {"user_id": "user123", "provider": "openai", "model": "gpt-4.1", "duration_ms": 1234}
    assert formatted(record(**extra)) == {
        "timestamp": "2025-10-01T05:08:03.580Z",
        "level": "INFO",
        "logger": "app.api.chat",
        "message": "Message sent",
        "module": "chat",
        "function": "send_message",
        "line": 342,
        **extra,
    }


def test_an_exception_becomes_exc_info() -> None:
    """The traceback is one string in the same line."""
    try:
        raise ValueError("no")
    except ValueError:
        made = record(exc_info=sys.exc_info())
    assert formatted(made)["exc_info"].splitlines()[-1] == "ValueError: no"
    assert "\n" not in JsonFormatter().format(made)


def test_json_only_when_asked_for(monkeypatch, capsys) -> None:
    """Without the variable the lines are plain text."""
    monkeypatch.delenv("ENABLE_JSON_LOGGING", raising=False)
    set_up_logging()
    logging.getLogger("app.x").info("hello")
    assert capsys.readouterr().out.endswith("INFO app.x: hello\n")


def test_json_when_asked_for(monkeypatch, capsys) -> None:
    """With it they are JSON."""
    monkeypatch.setenv("ENABLE_JSON_LOGGING", "true")
    set_up_logging()
    logging.getLogger("app.x").info("hello")
    assert json.loads(capsys.readouterr().out)["message"] == "hello"
