"""The example's logging: one JSON object a line with `ENABLE_JSON_LOGGING=true`, plain text otherwise.

uvicorn's own lines stay plain in both cases, as they do in life.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime

OPTIONAL = ("user_id", "provider", "model", "duration_ms")
"""Fields that a call site may hand in by `extra=`."""

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
        }
        entry.update((name, getattr(record, name)) for name in OPTIONAL if hasattr(record, name))
        if record.exc_info:
            entry["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def set_up_logging() -> None:
    """Sends everything below the logger `app` to stdout, as the environment asks for it."""
    as_json = os.environ.get("ENABLE_JSON_LOGGING", "").lower() in {"1", "true", "yes"}
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(PLAIN))
    app = logging.getLogger("app")
    app.handlers = [handler]
    app.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    app.propagate = False


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
