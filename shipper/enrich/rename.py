"""The fields of any JSON family → flat ECS names, by the table of aliases in `fields.py`. Nothing is overwritten."""

from collections.abc import Callable
from typing import Any

from shipper.enrich.address import address
from shipper.enrich.error import render_stacks
from shipper.fields import DURATIONS_NS, LEVELS, TABLE, value
from shipper.model import Doc

METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])

_MISSING = object()
Convert = Callable[[Any], Any]


def from_fields(doc: Doc, has: Callable[[str], bool] | None = None) -> Doc:
    """ECS names for what a record has under other names. `has`: its `presence`, where that is known."""
    found: dict[str, tuple[int, Any]] = {}
    for key, raw in doc.items():
        flat = _FLAT.get(key)
        if flat is not None:
            name, rank, convert = flat
            known = convert(raw)
            if known is not None and (name not in found or rank < found[name][0]):
                found[name] = (rank, known)
        if type(raw) is dict and key in _NESTED:
            _look_inside(doc, key, found)
    has = has or presence(doc)
    added = {name: entry[1] for name, entry in found.items() if not has(name)}
    if "url.path" in added:
        _split_url(added, has("url.query"))
    return added


def presence(doc: Doc) -> Callable[[str], bool]:
    """Says whether a record has a field, flat or nested; the short way when nothing in it is nested."""
    if dict in map(type, doc.values()):
        return lambda name: value(doc, name, _MISSING) is not _MISSING
    return doc.__contains__


def split_target(target: str) -> tuple[str, str]:
    """Path and query (`""` without one) of a request's target: `/a?b=c` or a full URL."""
    scheme = target.find("://")
    if 0 < scheme < 10:
        slash = target.find("/", scheme + 3)
        target = target[slash:] if slash > 0 else "/"
    path, _, query = target.partition("?")
    return path, query


def _look_inside(doc: Doc, root: str, found: dict[str, tuple[int, Any]]) -> None:
    for path, name, rank, convert in _NESTED[root]:
        known = convert(value(doc, path))
        if known is not None and (name not in found or rank < found[name][0]):
            found[name] = (rank, known)


def _split_url(added: Doc, has_query: bool) -> None:
    path, query = split_target(added["url.path"])
    added["url.path"] = path
    if query and not has_query:
        added.setdefault("url.query", query)


def _keyword(raw: Any) -> str | None:
    if type(raw) is str:
        return raw or None
    return str(raw) if type(raw) is int else None


def _text(raw: Any) -> str | None:
    return raw if type(raw) is str and raw else None


def _whole(raw: Any) -> int | None:
    if type(raw) is str and raw.isdecimal() and raw.isascii() and len(raw) < 19:
        return int(raw)
    return raw if type(raw) is int else None


def _level(raw: Any) -> str | None:
    if type(raw) is not str and type(raw) is not int:
        return None
    name = str(raw).strip().lower()
    known = LEVELS.get(name)
    return known or (name if name.isalpha() and len(name) <= 20 else None)


def _ip(raw: Any) -> str | None:
    found = address(raw) if type(raw) is str else None
    return found[0] if found else None


def _port(raw: Any) -> int | None:
    port = _whole(raw)
    return port if port is not None and 0 < port <= 65_535 else None


def _status(raw: Any) -> int | None:
    status = _whole(raw)
    return status if status is not None and 100 <= status <= 599 else None


def _method(raw: Any) -> str | None:
    return raw if type(raw) is str and raw.upper() in METHODS else None


def _path(raw: Any) -> str | None:
    return raw if type(raw) is str and (raw[:1] == "/" or "://" in raw[:10]) else None


def _stack(raw: Any) -> str | None:
    if type(raw) is list:
        return render_stacks(raw)
    return raw if type(raw) is str and raw.strip() else None


def _nanoseconds(factor: float) -> Convert:
    def convert(raw: Any) -> int | None:
        if (type(raw) is int or type(raw) is float) and 0 <= raw * factor < 9.2e18:
            return round(raw * factor)
        return None

    return convert


_BY_KIND: dict[str, Convert] = {"keyword": _keyword, "text": _text, "long": _whole, "ip": _ip}
_BY_NAME: dict[str, Convert] = {
    "log.level": _level,
    "source.port": _port,
    "http.response.status_code": _status,
    "http.request.method": _method,
    "url.path": _path,
    "error.stack_trace": _stack,
}
_FLAT: dict[str, tuple[str, int, Convert]] = {}
_NESTED: dict[str, list[tuple[str, str, int, Convert]]] = {}

for _field in TABLE:
    if _field.kind != "date":
        _convert = _BY_NAME.get(_field.name) or _BY_KIND[_field.kind] if _field.aliases else _text
        for _rank, _alias in enumerate(_field.aliases):
            _FLAT.setdefault(_alias, (_field.name, _rank, _convert))
            if "." in _alias:
                _root = _alias.partition(".")[0]
                _NESTED.setdefault(_root, []).append((_alias, _field.name, _rank, _convert))
for _rank, (_alias, _factor) in enumerate(DURATIONS_NS.items(), start=1):
    _FLAT[_alias] = ("event.duration", _rank, _nanoseconds(_factor))
