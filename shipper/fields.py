"""Every field name once: its ECS name, its type, the names it has in other families, whether its bytes are verbatim.

A family of JSON logs (python-json-logger, structlog, loguru, ecs-logging, pino, the backend's own) is nothing but other
names for the same things, so there is one table of aliases and no code per family.

Names: Elastic Common Schema 8 (`gen_ai.*`: OpenTelemetry's GenAI conventions, still in development, hence only here).
"""

from typing import Any, NamedTuple


class Field(NamedTuple):
    """One field of a stored record.

    `kind`: `keyword` (exact), `text` (whole words), `long`, `double`, `date`, `ip`, `boolean`.
    `aliases`: dotted paths of the same thing in a record on its way in, the first that is there counts.
    `verbatim`: a string value stands in the raw line byte for byte, unless the line holds an escape. Only such a field
    can put a rule on the fast path.
    `column`: a typed column of its own in the embedded store and in the archive.
    """

    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    verbatim: bool = False
    column: bool = False


TABLE: tuple[Field, ...] = (
    Field(
        "@timestamp",
        "date",
        (
            "@timestamp",
            "timestamp",
            "time",
            "asctime",
            "ts",
            "datetime",
            "created",
            "date",
            "record.time.timestamp",
        ),
        column=True,
    ),
    Field("message", "text", ("message", "event", "msg", "record.message", "text"), verbatim=True, column=True),
    Field(
        "log.level",
        "keyword",
        (
            "log.level",
            "level",
            "levelname",
            "level_name",
            "severity",
            "lvl",
            "record.level.name",
            "record.level",
        ),
        column=True,
    ),
    Field("log.logger", "keyword", ("log.logger", "logger", "logger_name", "name", "record.name"), True, True),
    Field(
        "log.origin.file.name",
        "keyword",
        ("log.origin.file.name", "filename", "module", "file", "record.file.name", "record.module"),
        True,
    ),
    Field(
        "log.origin.function",
        "keyword",
        ("log.origin.function", "function", "funcName", "func_name", "record.function"),
        True,
    ),
    Field(
        "log.origin.file.line",
        "long",
        ("log.origin.file.line", "line", "lineno", "line_number", "record.line"),
    ),
    Field("event.id", "keyword", column=True),
    Field("event.ingested", "date"),
    Field("event.dataset", "keyword", column=True),
    Field("event.kind", "keyword", column=True),
    Field("event.reason", "text"),
    Field("event.original", "text"),
    Field("event.timestamp_source", "keyword"),
    Field("event.timestamp_original", "keyword"),
    Field("event.duration", "long", ("event.duration",), column=True),
    Field("service.name", "keyword", column=True),
    Field("host.name", "keyword", column=True),
    Field("log.file.path", "keyword", column=True),
    Field("log.offset", "long"),
    Field("user.id", "keyword", ("user.id", "user_id", "userId", "uid", "record.extra.user_id"), True, True),
    Field("user.name", "keyword", ("user.name", "user_name", "username", "record.extra.username", "user"), True, True),
    Field(
        "source.ip",
        "ip",
        ("source.ip", "client_ip", "remote_addr", "client.ip", "ip_address", "ip", "req.remoteAddress"),
        True,
        True,
    ),
    Field("source.port", "long", ("source.port", "client_port")),
    Field(
        "gen_ai.provider.name",
        "keyword",
        ("gen_ai.provider.name", "provider", "record.extra.provider"),
        True,
        True,
    ),
    Field("gen_ai.request.model", "keyword", ("gen_ai.request.model", "model", "record.extra.model"), True, True),
    Field(
        "http.request.method",
        "keyword",
        ("http.request.method", "method", "http_method", "request_method", "req.method"),
        True,
        True,
    ),
    Field(
        "url.path",
        "keyword",
        ("url.path", "path", "request_path", "request_uri", "uri", "url", "url.full", "url.original", "req.url"),
        True,
        True,
    ),
    Field("url.query", "keyword", ("url.query", "query_string"), True, True),
    Field("user_agent.original", "keyword", ("user_agent.original", "user_agent"), True),
    Field(
        "http.response.status_code",
        "long",
        ("http.response.status_code", "status_code", "http_status", "status", "res.statusCode"),
        column=True,
    ),
    Field(
        "error.type",
        "keyword",
        ("error.type", "exc_type", "exception_type", "err.type", "record.exception.type"),
        True,
        True,
    ),
    Field(
        "error.message",
        "text",
        ("error.message", "exc_message", "err.message", "record.exception.value", "error"),
        True,
        True,
    ),
    Field(
        "error.stack_trace",
        "text",
        ("error.stack_trace", "exc_info", "exc_text", "exception", "traceback", "stack_trace", "err.stack"),
        True,
        True,
    ),
    # The backend's own names stay beside the ECS ones, and are searched by those who know them.
    Field("timestamp", "date", verbatim=True),
    Field("level", "keyword", verbatim=True, column=True),
    Field("logger", "keyword", verbatim=True, column=True),
    Field("module", "keyword", verbatim=True, column=True),
    Field("function", "keyword", verbatim=True, column=True),
    Field("line", "long"),
    Field("user_id", "keyword", verbatim=True, column=True),
    Field("provider", "keyword", verbatim=True, column=True),
    Field("model", "keyword", verbatim=True, column=True),
    Field("duration_ms", "double", column=True),
    Field("exc_info", "text", verbatim=True),
    # The answer of the backend's health endpoint, as it stands, and what the machine says of itself.
    Field("health.status", "keyword"),
    Field("health.version", "keyword"),
    Field("health.uptime_seconds", "double"),
    Field("health.services.database.status", "keyword"),
    Field("health.services.database.type", "keyword"),
    Field("health.services.database.error", "text"),
    Field("health.services.ai_providers.configured", "long"),
    Field("health.services.ai_providers.total", "long"),
    Field("health.services.ai_providers.status.openai", "boolean"),
    Field("health.services.ai_providers.status.anthropic", "boolean"),
    Field("health.services.ai_providers.status.perplexity", "boolean"),
    Field("health.system.memory_used_percent", "double"),
    Field("health.system.memory_available_mb", "double"),
    Field("health.environment.debug", "boolean"),
    Field("health.environment.log_level", "keyword"),
    Field("host.cpu.usage", "double"),
)

FIELDS: dict[str, Field] = {field.name: field for field in TABLE}

DURATIONS_NS: dict[str, float] = {
    "duration_ms": 1e6,
    "elapsed_ms": 1e6,
    "response_time_ms": 1e6,
    "latency_ms": 1e6,
    "duration_s": 1e9,
    "elapsed_seconds": 1e9,
    "duration_ns": 1.0,
    "responseTime": 1e6,
}
"""Original duration fields → nanoseconds in one of their units, for `event.duration`."""

LEVELS: dict[str, str] = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "information": "info",
    "informational": "info",
    "success": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "err": "error",
    "error": "error",
    "exception": "error",
    "crit": "critical",
    "critical": "critical",
    "fatal": "critical",
    "emerg": "critical",
    "emergency": "critical",
    "alert": "critical",
    "panic": "critical",
    "10": "trace",
    "20": "debug",
    "30": "info",
    "40": "warning",
    "50": "error",
    "60": "critical",
}
"""Level in any family, lower case → `log.level`. The numbers are pino's and bunyan's."""

_MISSING = object()


def value(record: dict[str, Any], name: str, default: Any = None) -> Any:
    """The value of a dotted name: a flat key first (`"log.level"`), then nested objects (`log` → `level`),
    at any mix of the two (`{"log": {"origin.function": …}}`)."""
    found = record.get(name, _MISSING)
    if found is not _MISSING:
        return found
    found = _nested(record, name)
    return default if found is _MISSING else found


def _nested(record: dict[str, Any], name: str) -> Any:
    dot = name.find(".")
    while dot > 0:
        inner = record.get(name[:dot], _MISSING)
        if isinstance(inner, dict):
            rest = name[dot + 1 :]
            found = inner.get(rest, _MISSING)
            if found is _MISSING:
                found = _nested(inner, rest)
            if found is not _MISSING:
                return found
        dot = name.find(".", dot + 1)
    return _MISSING
