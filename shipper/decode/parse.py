"""One line that may be JSON → one document, and why it is not the plain case. Never raises on any bytes."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from shipper.model import Doc

MAX_DEPTH = 100
"""Levels of nesting that are taken as fields; a deeper line is stored as text: no later stage runs out of stack."""

NUL, COMMA, BRACKET, BACKSLASH, OPENING_BRACE, CLOSING_BRACE = 0, 44, 91, 92, 123, 125

_UNLIKELY = 1 << 64
_BOM = b"\xef\xbb\xbf"
_LOOKS_LIKE_OBJECT = re.compile(r'\{\s{0,64}["}]')
_CONTROL = re.compile(r"[\x00-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,32}m")


class Parsed(NamedTuple):
    """`why`: None for one plain JSON object, `""` for a good record of another shape, else what is wrong with it."""

    doc: Doc
    why: str | None


def parse(lines: Sequence[bytes]) -> list[Any]:
    """What each line is as JSON; None when it is none."""
    values: list[Any] = []
    rest = iter(lines)
    while len(values) < len(lines):
        try:
            # Stops behind the line that is no JSON, with all before it taken.
            values.extend(map(orjson.loads, rest))
        except orjson.JSONDecodeError:
            values.append(None)
    return values


def not_plain(lines: Sequence[bytes], values: Sequence[Any]) -> list[int]:
    """The rows that are not surely one flat JSON object without a duplicate key, so that the value says all.

    Every pair but the first stands behind a comma of its own: as many commas as that means no pair was lost. Commas in
    the message are known, and are the same in the line when nothing in it is escaped.
    """
    return [
        row
        for row, (line, doc) in enumerate(zip(lines, values, strict=True))
        if type(doc) is not dict
        or BRACKET in line
        or line[-1] != CLOSING_BRACE
        or line.rfind(OPENING_BRACE)
        or (
            (more := line.count(COMMA) - len(doc) + 1)
            and (BACKSLASH in line or type(message := doc.get("message")) is not str or message.count(",") != more)
        )
        or not doc
    ]


def examine(line: bytes, doc: Doc) -> Parsed:
    """A line that is a JSON object (`doc`), looked at closely: depth, duplicate keys, JSON inside its message."""
    pairs, depth = _shape(doc)
    if depth > MAX_DEPTH:
        return _too_deep(line.decode())
    if _may_repeat_a_key(line, pairs):
        repeated = _repeated_keys(line)
        if repeated:
            return Parsed({**doc, "event.original": line.decode()}, _name_repeated(repeated))
    other = lift_message(doc) or type(doc.get("exception")) is list
    exact = line[0] == OPENING_BRACE and line[-1] == CLOSING_BRACE
    return Parsed(doc, "" if other or not exact else None)


def read(line: bytes) -> Parsed | None:
    """A line that the fast parser refused. None: plain text, which may belong to its neighbours."""
    body, holes = _without_hole(line)
    text, why = decode_text(body.removeprefix(_BOM).removesuffix(b"\r"))
    reasons = [reason for reason in (holes, why) if reason]
    if text.lstrip()[:1] == "{":
        parsed = _read_object(text.strip(), reasons)
        if parsed is not None:
            return parsed
    if reasons and (holes or NUL in body):
        return Parsed({"message": text}, "; ".join(reasons))
    return None


def read_text(raw: bytes) -> Parsed:
    """One or more lines of text as a record; a JSON value that is no object says so."""
    text, why = decode_text(raw)
    if not why and "\n" not in text:
        kind = _json_kind(text)
        if kind:
            why = f"a JSON {kind}, not an object"
    if "\x1b" in text:
        plain = _COLOUR.sub("", text)
        if plain != text:
            return Parsed({"message": plain, "event.original": text}, why)
    return Parsed({"message": text}, why)


def decode_text(raw: bytes) -> tuple[str, str]:
    """The text, and what had to be done to get it (`""`: nothing)."""
    try:
        return raw.decode(), "NUL bytes in the text" if NUL in raw else ""
    except UnicodeDecodeError as error:
        return raw.decode("utf-8", "replace"), f"not UTF-8 at byte {error.start}: replaced by U+FFFD"


def lift_message(doc: Doc) -> bool:
    """Lifts the fields of a JSON object inside `message` to the top, overwriting none. True when there was one."""
    message = doc.get("message")
    if type(message) is not str or message.lstrip()[:1] != "{":
        return False
    try:
        inner = orjson.loads(message)
    except ValueError:
        return False
    if type(inner) is not dict or _shape(inner)[1] >= MAX_DEPTH:
        return False
    for name, value in inner.items():
        doc.setdefault(name, value)
    return True


def _without_hole(line: bytes) -> tuple[bytes, str]:
    body = line.lstrip(b"\0")
    hole = len(line) - len(body)
    return body, f"a hole of {hole} NUL bytes before the line" if hole else ""


def _read_object(text: str, reasons: list[str]) -> Parsed | None:
    """What starts with a brace: an object, a broken one, or None when it only looks a bit like it."""
    try:
        doc, notes = _lenient(text)
    except RecursionError:
        return _too_deep(text)
    except ValueError as error:
        if not _LOOKS_LIKE_OBJECT.match(text):
            return None
        return Parsed({"message": text}, "; ".join([*reasons, _broken(error)]))
    if _shape(doc)[1] > MAX_DEPTH:
        return _too_deep(text)
    clean = _without_surrogates(doc)
    if clean != doc:
        notes.append("lone surrogates, kept as their escapes")
    lift_message(clean)
    if reasons or notes:
        if notes:
            clean["event.original"] = _escape_surrogates(text)
        return Parsed(clean, "; ".join(reasons + notes))
    return Parsed(clean, "")


def _broken(error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return "not valid JSON"
    if error.msg == "Extra data":
        return f"more than one JSON value, the second at character {error.pos}"
    return f"not valid JSON at character {error.pos}: {error.msg}"


def _too_deep(text: str) -> Parsed:
    return Parsed({"message": text}, f"nested deeper than {MAX_DEPTH} levels")


def _lenient(text: str) -> tuple[Doc, list[str]]:
    """Parses what strict parsers refuse; raises ValueError, or RecursionError when it is nested too deep."""
    notes: set[str] = set()
    repeated: list[str] = []

    def constant(_: str) -> None:
        notes.add("NaN or Infinity is no JSON: stored as null")

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        notes.add("a number is out of range: stored as null")
        return None

    def integer(digits: str) -> float | None:
        value = int(digits) if len(digits) <= 20 else _UNLIKELY
        return value if -(1 << 63) <= value < 1 << 64 else number(digits)

    def pairs(items: list[tuple[str, Any]]) -> Doc:
        doc = dict(items)
        if len(doc) < len(items):
            repeated.extend(_repeats(items))
        return doc

    doc = json.loads(
        text,
        strict=False,
        parse_constant=constant,
        parse_float=number,
        parse_int=integer,
        object_pairs_hook=pairs,
    )
    if _CONTROL.search(text):
        notes.add("raw control characters inside the JSON")
    return doc, sorted(notes) + ([_name_repeated(repeated)] if repeated else [])


def _shape(doc: Doc) -> tuple[int, int]:
    """How many pairs a document has on all levels, and how many levels. Without recursion: any depth is safe."""
    pairs, depth, level = 0, 0, [doc]
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            children: Any = item
            if type(item) is dict:
                pairs += len(item)
                children = item.values()
            below += [child for child in children if type(child) is dict or type(child) is list]
        level = below
    return pairs, depth


def _may_repeat_a_key(line: bytes, pairs: int) -> bool:
    """False only when no key can stand twice: as many `":` as pairs, counting none that is inside a string, in a line
    where no white space can stand between a key and its colon."""
    if b'" ' in line or b'"\t' in line or b'"\r' in line or b'\\\\":' in line:
        return True
    return line.count(b'":') - line.count(b'\\":') != pairs


def _repeated_keys(line: bytes) -> list[str]:
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> Doc:
        doc = dict(items)
        if len(doc) < len(items):
            repeated.extend(_repeats(items))
        return doc

    json.loads(line, object_pairs_hook=pairs, parse_int=float)
    return repeated


def _repeats(items: list[tuple[str, Any]]) -> list[str]:
    return [name for name, count in Counter(name for name, _ in items).items() if count > 1]


def _name_repeated(names: list[str]) -> str:
    shown = ", ".join(_escape_surrogates(name[:50]) for name in sorted(set(names))[:5])
    return f"duplicate keys, the last one counts: {shown}"


def _without_surrogates(value: Any) -> Any:
    if type(value) is str:
        return _escape_surrogates(value)
    if type(value) is dict:
        return {_escape_surrogates(name): _without_surrogates(inner) for name, inner in value.items()}
    if type(value) is list:
        return [_without_surrogates(inner) for inner in value]
    return value


def _escape_surrogates(text: str) -> str:
    """Half a surrogate pair can't be written as UTF-8: it stays readable as `\\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode() if _SURROGATE.search(text) else text


def _json_kind(text: str) -> str:
    """What JSON value a text is that is no object; `""` when it is none."""
    stripped = text.strip()
    if stripped[:1] not in _VALUE_STARTS:
        return ""
    try:
        value = json.loads(stripped, parse_int=float)
    except ValueError:
        return ""
    except RecursionError:
        return "list"
    return _KINDS.get(type(value), "")


_VALUE_STARTS = frozenset('["-0123456789tfnNI')
_KINDS: dict[type, str] = {list: "list", str: "string", float: "number", bool: "boolean", type(None): "null"}
