"""Records as people read them: a line of a table, a row of CSV. Text from a log can't drive the terminal."""

import csv
import io
import re
import unicodedata
from typing import Any

import orjson

from shipper.fields import value
from shipper.model import Doc

COLUMNS = (
    "@timestamp",
    "log.level",
    "event.dataset",
    "log.logger",
    "message",
    "user.id",
    "source.ip",
    "http.request.method",
    "url.path",
    "http.response.status_code",
    "event.duration",
    "error.type",
    "error.message",
    "event.id",
)
"""Columns of the CSV, always all of them and in this order."""

COLOURS = {
    "critical": "bright_red",
    "error": "red",
    "warning": "yellow",
    "debug": "bright_black",
    "trace": "bright_black",
}

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]|[ -/]+[0-~])|\x9b[0-?]*[ -/]*[@-~]"
)
_TIME, _LEVEL, _SOURCE = 19, 8, 16


def read(doc: bytes) -> Doc:
    """A stored document; one that is no JSON object is shown as its text."""
    try:
        found = orjson.loads(doc)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"message": doc.decode(errors="replace")}


def header(width: int) -> str:
    """The names over the table."""
    return _cut(f"{'time (UTC)':<{_TIME}} {'level':<{_LEVEL}} {'source':<{_SOURCE}} message", width)


def line(record: Doc, width: int) -> tuple[str, str]:
    """One record as one line of at most `width` cells, and its level."""
    level = _text(record, "log.level", "level")
    cells = (
        _cut(_text(record, "@timestamp").replace("T", " "), _TIME, mark=""),
        _cut(level, _LEVEL),
        _cut(_text(record, "log.logger", "event.dataset"), _SOURCE),
    )
    start = " ".join(_pad(text, size) for text, size in zip(cells, (_TIME, _LEVEL, _SOURCE), strict=True))
    message = _text(record, "message", "error.message") or plain(orjson.dumps(record).decode())
    return _cut(f"{start} {message}", width).rstrip(), level


def row(record: Doc) -> str:
    """One record as a row of CSV (RFC 4180, without the line's end).

    Control characters are taken out, and a text that a spreadsheet would take for a formula gets a `'` before it.
    """
    return csv_row([_cell(value(record, name)) for name in COLUMNS])


def csv_row(cells: list[str]) -> str:
    """Cells joined and quoted as RFC 4180 has it."""
    target = io.StringIO()
    csv.writer(target, lineterminator="").writerow(cells)
    return target.getvalue()


def plain(text: str, keep: str = "") -> str:
    """Text without escape sequences; other characters that can't be printed become blanks, but for those in `keep`."""
    if text.isprintable():
        return text
    stripped = _SEQUENCE.sub("", text)
    return "".join(one if one.isprintable() or one in keep else " " for one in stripped)


def _text(record: Doc, *names: str) -> str:
    """The first of these fields that is there, on one line."""
    for name in names:
        found = value(record, name)
        if found is not None:
            text = found if isinstance(found, str) else orjson.dumps(found).decode()
            return " ".join(plain(text).split(" ")).strip()
    return ""


def _cell(found: Any) -> str:
    if found is None:
        return ""
    if not isinstance(found, str):
        return orjson.dumps(found).decode()
    text = plain(found, keep="\n\t")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, size: int, mark: str = "…") -> str:
    """At most `size` cells of a text, with a mark where something was left out."""
    if len(text) <= size and text.isascii():
        return text
    used, ends = 0, []
    for character in text:
        used += _width(character)
        ends.append(used)
        if used > size:
            fits = sum(end <= size - len(mark) for end in ends)
            return text[:fits] + mark
    return text


def _pad(text: str, size: int) -> str:
    return text + " " * (size - sum(map(_width, text)))
