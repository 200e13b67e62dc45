"""Rows that Elasticsearch refuses for what is in them: which field it is, and the row with it moved under `labels`, as
text. And rows that it takes and does not index: flat names `labels.NAME`, which become members of `labels`. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson
import re2

from shipper.elastic.template import LABELS
from shipper.model import Doc

NEVER = frozenset(
    ("@timestamp", "event.id", "event.ingested", "event.kind", "event.dataset", "log.file.path", "log.offset")
)
"""What a record is found by stays in its place."""
LONGEST_NAME = 512
"""Characters of a name under `labels`: name and text together have a limit."""
LONGEST_REASON = 300

FLAT = f"{LABELS}."
_FLAT_KEY = f'"{FLAT}'.encode()
# Most of what costs is how often the first of these letters occurs in a row. 0.2 µs a row; `in` takes 0.7.
_PIECE_OF_FLAT = re2.compile(re2.escape(FLAT[FLAT.index("b") :]).encode())

_OFFENDERS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"failed to parse field \[(.*?)\] of type \[",
        r"mapper \[(.*?)\] cannot be changed from type",
        r"can't merge a non object mapping \[(.*?)\] with an object mapping",
        r"object mapping for \[(.*?)\] tried to parse",
        r"Cannot write to a field alias \[(.*?)\]\.",
        r"dynamic introduction of \[(?P<inner>.*?)\] within \[(?P<outer>.*?)\] is not allowed",
        r'immense term in field="(.*?)" \(',
        r"exceeded due to object field \[(.*?)\]",
        r"[Ff]ield name cannot (?:contain only whitespace|be an empty string)(?:: \['?(.*?)'?\])?$",
        r"makes object resolution ambiguous: \[(.*?)\]$",
    )
]
_TOO_MANY = "Limit of total fields ["
_VALUES = re.compile(
    r" in document with id '|\. Preview of field's value|, all of which were skipped|\n| for key starting with"
    r"|\. Offending key"
)
"""Behind these a reason shows what stands in the row."""
_PLACE = re.compile(r"^(?:\[\d+:\d+\] ?)+")


class Fields(NamedTuple):
    """The fields of an index."""

    names: frozenset[str]
    under: tuple[str, ...]
    """`labels.`: whatever is under a flattened field is no field of its own."""

    def has(self, name: str) -> bool:
        return name in self.names or name.startswith(self.under)


def fields_of(mapping: Doc) -> Fields:
    """The fields of a mapping, as a template or an index has it."""
    kinds = dict(_kinds(mapping.get("properties", {}), ""))
    return Fields(frozenset(kinds), tuple(f"{name}." for name, kind in kinds.items() if kind == "flattened"))


def _kinds(properties: Doc, prefix: str) -> Iterator[tuple[str, str]]:
    for key, entry in properties.items():
        if "properties" in entry:
            yield from _kinds(entry["properties"], f"{prefix}{key}.")
        else:
            yield prefix + key, str(entry.get("type"))


def offender(error: Doc) -> str | None:
    """The field that the error of an item is about, None when it names none."""
    for reason in _reasons(error):
        for pattern in _OFFENDERS:
            found = pattern.search(reason)
            if found is not None and found.groupdict():
                outer = found["outer"]
                return found["inner"] if outer == "_doc" else f"{outer}.{found['inner']}"
            if found is not None:
                return found[1] or ""
    return None


def are_too_many(error: Doc) -> bool:
    """True when the index has no room for the new fields of the row."""
    return any(_TOO_MANY in reason for reason in _reasons(error))


def reason_of(error: Doc) -> str:
    """One short line for people, without the values of the row."""
    first, *causes = [_PLACE.sub("", _VALUES.split(reason, maxsplit=1)[0]) for reason in _reasons(error)] or [""]
    text = first or str(error.get("type", "no reason given"))
    if causes:
        text = f"{text} ({' '.join(str(_last(error).get('type', '')).split('_'))})"
    return " ".join(text.split())[:LONGEST_REASON]


def _reasons(error: Doc) -> list[str]:
    found = []
    each: Any = error
    while isinstance(each, dict):
        found.append(str(each.get("reason", "")))
        each = each.get("caused_by")
    return found


def _last(error: Doc) -> Doc:
    while isinstance(error.get("caused_by"), dict):
        error = error["caused_by"]
    return error


def relabelled(row: bytes, names: Sequence[str]) -> bytes | None:
    """The row with these fields under `labels`; None when it has none of them, or cannot be read."""
    doc = _read(gathered(row))
    if doc is None:
        return None
    moved: Doc = {}
    for name in names:
        if name != LABELS:
            moved |= _take(doc, name, "")
    labels = doc.get(LABELS, {})
    if (LABELS in names and LABELS in doc) or not isinstance(labels, dict):
        moved, labels = {LABELS: labels, **moved}, {}
    if not moved:
        return None
    doc[LABELS] = {**labels, **{_safe(name): _text(value) for name, value in moved.items()}}
    return _write(doc)


def may_be_flat(body: bytes) -> bool:
    """False when no row in it has a key `labels.NAME`; a quick look."""
    return _PIECE_OF_FLAT.search(body) is not None and _FLAT_KEY in body


def gathered(row: bytes) -> bytes:
    """The row with its keys `labels.NAME` as members of `labels`: of others Elasticsearch takes no notice. A name that
    is a member already has both values."""
    doc = _read(row) if _FLAT_KEY in row else None
    flat = [key for key in doc or () if key.startswith(FLAT) and key != FLAT]
    if not doc or not flat:
        return row
    labels = doc.get(LABELS, {})
    members: Doc = labels if isinstance(labels, dict) else {LABELS: labels}
    for key in flat:
        name, value = _safe(key.removeprefix(FLAT)), doc.pop(key)
        members[name] = [value, members[name]] if name in members else value
    return _write({**doc, LABELS: members})


def strangers(row: bytes, known: Fields) -> list[str]:
    """The fields of a row that are none of these."""
    return [name for name in _leaves(_read(row) or {}, "") if not known.has(name)]


def _take(doc: Doc, name: str, prefix: str) -> Doc:
    """Takes a dotted name out, whichever way it is written: whole name → value."""
    if name in doc:
        return {prefix + name: doc.pop(name)} if prefix + name not in NEVER else {}
    found: Doc = {}
    for key, value in list(doc.items()):
        if key.startswith(f"{name}.") and prefix + key not in NEVER:
            found[prefix + key] = doc.pop(key)
        elif key and name.startswith(f"{key}."):
            if isinstance(value, dict):
                found |= _take(value, name[len(key) + 1 :], f"{prefix}{key}.")
                if not value:
                    del doc[key]
            elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
                found[prefix + key] = doc.pop(key)
    return found


def _leaves(doc: Doc, prefix: str) -> Iterator[str]:
    for key, value in doc.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _leaves(each, f"{prefix}{key}.")
            else:
                yield prefix + key


def _read(row: bytes) -> Doc | None:
    # Numbers are kept as they are written: some are longer than a float.
    try:
        doc = json.loads(row, parse_int=_number, parse_float=_number, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return doc if isinstance(doc, dict) else None


def _number(text: str) -> orjson.Fragment:
    return orjson.Fragment(text.encode())


def _write(doc: Doc) -> bytes:
    try:
        return orjson.dumps(doc)
    except TypeError:
        # Halves of surrogate pairs are no characters.
        return orjson.dumps(_whole(doc))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _write(value).decode()


def _safe(name: str) -> str:
    return name[:LONGEST_NAME].replace("\0", "\ufffd")
