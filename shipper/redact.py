"""The last stage before the sinks: what leaves here holds no secret that the loaded rules know.

A row that may hold one is looked at leaf by leaf, so that every key and value keeps its place. All others are rendered
as they are, and the bytes that go out are searched once more.
"""

import contextlib
import json
import math
import os
import re
import secrets as chance
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import orjson

from shipper import log
from shipper.errors import UsageError
from shipper.metrics import Metrics
from shipper.model import Batch, Doc

KEY_FILE = "redaction.key"
KEY_ENV = "SHIPPER_REDACTION_KEY"
SHORTEST_KEY = 32
"""Characters."""
IDENTITY = (
    "@timestamp",
    "event.id",
    "event.dataset",
    "event.ingested",
    "service.name",
    "host.name",
    "log.file.path",
    "log.offset",
)
"""What a record keeps when nothing else of it can be kept."""

_TRAILING = re.compile(r"[A-Za-z0-9_\-+/=.~]{8,}\Z")
_LEADING = re.compile(r"\A(?:[A-Za-z0-9_\-+/=.~]{0,40}[^A-Za-z0-9_\-+/=.~]{1,8}){0,2}[A-Za-z0-9_\-+/=.~]{8,}")
"""What a cut may have parted from the words that make it a secret is struck with the rest of them: `_key: …`."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Render = Callable[[Batch, Sequence[int]], list[bytes]]


class Secrets(Protocol):
    """What redaction needs of a set of secret rules (`detect/secrets.py` has one)."""

    def keyed(self, key: bytes) -> "Secrets": ...

    def placeholder(self, rule_id: str, secret: str) -> str: ...

    def hits(self, block: bytes) -> list[int]: ...

    def worth_a_look(self, value: Any) -> bool: ...

    def strike(self, text: str, name: str = "") -> tuple[str, int]: ...

    def strike_key(self, key: str) -> tuple[str, int]: ...


def load_key(data: Path, env: Mapping[str, str]) -> bytes:
    """The key for fingerprints: from the environment, else `DATA/redaction.key`, which is made when it is missing.

    Raises UsageError when either is no key.
    """
    if given := env.get(KEY_ENV, "").strip():
        return _checked(given, KEY_ENV, "set it to what another host has in redaction.key, or unset it")
    path = data / KEY_FILE
    try:
        if not path.exists():
            _make_key(path)
            if (data / "hot").exists():
                log.say(
                    "warning", "made a new redaction key: fingerprints differ from those stored so far", path=str(path)
                )
        path.chmod(0o600)
        text = path.read_text("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise UsageError(f"{path}: can't be used as redaction key: {error.strerror}; mend its rights") from None
    return _checked(text, str(path), "restore it, or delete it: then fingerprints differ from earlier ones")


def _checked(key: str, place: str, remedy: str) -> bytes:
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise UsageError(f"{place}: not a redaction key of at least {SHORTEST_KEY} ASCII characters; {remedy}")
    return key.encode()


def _make_key(path: Path) -> None:
    """Writes a new key whole or not at all; another process that was first keeps its own."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{KEY_FILE}.{chance.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(chance.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def render_exactly(batch: Batch, rows: Sequence[int]) -> list[bytes]:
    """The rows as JSON, each from its record."""
    return [dumps(batch.record(row)) for row in rows]


def dumps(record: Any) -> bytes:
    """A record as JSON in UTF-8; also what orjson refuses: numbers over 64 bits, lone surrogates, deep nesting.

    Raises RecursionError for what is nested too deeply for any reader.
    """
    try:
        return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        text = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
        return _SURROGATE.sub("\ufffd", text).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Redactor:
    """Strikes secrets out of texts, values and batches. `render` gives the bytes of rows that need no look."""

    def __init__(
        self,
        secrets: Secrets,
        key: bytes,
        metrics: Metrics | None = None,
        render: Render = render_exactly,
    ) -> None:
        self._key = key
        self._metrics = metrics or Metrics()
        self._render = render
        self._secrets = secrets.keyed(key)
        self._cut_at: dict[str, int] = {}
        """File → the byte behind its last line that was cut."""

    def replace(self, secrets: Secrets) -> None:
        """From the next row on these rules count."""
        self._secrets = secrets.keyed(self._key)

    def text(self, text: str) -> str:
        """The text with a placeholder for each secret."""
        return self._struck(text, "")

    def value(self, value: Any) -> Any:
        """A value of any shape, keys included, with a placeholder for each secret; itself when it has none."""
        return self._walk(value, "") if self._secrets.worth_a_look(value) else value

    def __call__(self, batch: Batch) -> Batch:
        """Fills `batch.out`, and strikes secrets out of `batch.alerts`."""
        looked_at = batch.suspects.union(batch.odd)
        if looked_at:
            out = self._render(batch, [row for row in range(len(batch)) if row not in looked_at])
            for row in sorted(looked_at):  # ascending, so each one finds its place
                out.insert(row, self._row(batch, row))
        else:
            out = self._render(batch, range(len(batch)))
        assert len(out) == len(batch), "render gives one line of bytes a row"
        self._search_again(batch, out, looked_at)
        batch.out = out
        self._alerts(batch)
        return batch

    def _row(self, batch: Batch, row: int) -> bytes:
        try:
            record = self._without_cut(batch, row, batch.record(row))
            return dumps(self.value(record))
        except RecursionError:
            text = batch.lines[row].decode("utf-8", "replace")
            return self._as_text(batch, row, text, "nested too deeply to be stored as it is")

    def _search_again(self, batch: Batch, out: list[bytes], looked_at: set[int]) -> None:
        """The bytes that leave: what enrichment derived stands in them, and was not in the raw line."""
        ends = self._secrets.hits(b"\n".join(out))
        if not ends:
            return
        borders = list(accumulate([len(rendered) + 1 for rendered in out], initial=-1))[1:]
        for row in sorted({bisect_left(borders, end) for end in ends} - looked_at):
            out[row] = self._bytes(batch, row, out[row])

    def _bytes(self, batch: Batch, row: int, rendered: bytes) -> bytes:
        try:
            record = orjson.loads(rendered)
            struck = self.value(record)
            return rendered if struck is record else dumps(struck)
        except (orjson.JSONDecodeError, RecursionError):
            return self._as_text(batch, row, rendered.decode("utf-8", "replace"), "can't be struck as JSON")

    def _as_text(self, batch: Batch, row: int, text: str, reason: str) -> bytes:
        added = batch.added[row] if batch.added else None
        kept = {name: added[name] for name in IDENTITY if added and name in added}
        kept.setdefault("event.id", batch.event_id(row))
        if batch.times:
            kept.setdefault("@timestamp", batch.times[row])
        return dumps(
            {
                "message": self.text(text),
                **self.value(kept),
                "event.kind": "pipeline_error",
                "event.reason": reason,
            }
        )

    def _without_cut(self, batch: Batch, row: int, record: Doc) -> Doc:
        """Where a line was cut by force stands perhaps half a secret, which no rule would know."""
        edges = self._edges(batch, row)
        if not edges:
            return record
        texts = (batch.lines[row].decode("utf-8", "replace"), str(record.get("message", "")))
        halves = {(edge, found.group()) for edge in edges for text in texts if (found := edge.search(text))}
        for edge, half in sorted(halves, key=lambda found: -len(found[1])):
            record = _replaced(record, half, self._secrets.placeholder("cut", half), first=edge is _LEADING)
            self._metrics.redactions += 1
        return record

    def _edges(self, batch: Batch, row: int) -> list[re.Pattern[str]]:
        """The ends of a row's text that a cut made. What goes on with joined lines is only said to be cut."""
        why, offset, file_id = batch.odd.get(row, ""), batch.offsets[row], batch.origin(row).file_id
        continued = "continued" in why.partition(":")[0] or self._cut_at.get(file_id) == offset
        edges = [_LEADING] if continued else []
        if why.startswith("cut"):
            self._cut_at[file_id] = offset + len(batch.lines[row])
            edges.append(_TRAILING)
        return edges

    def _alerts(self, batch: Batch) -> None:
        for alert in batch.alerts:
            alert.group = self.value(alert.group)
            alert.description = self.text(alert.description)

    def _struck(self, text: str, name: str) -> str:
        struck, count = self._secrets.strike(text, name)
        self._metrics.redactions += count
        return struck

    def _struck_key(self, key: str) -> str:
        struck, count = self._secrets.strike_key(key)
        self._metrics.redactions += count
        return struck

    def _walk(self, value: Any, name: str) -> Any:
        if isinstance(value, str):
            return self._struck(value, name)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list | tuple):
            return [self._walk(entry, name) for entry in value]
        if isinstance(value, int | float) and name and not isinstance(value, bool):
            text = str(value)
            struck = self._struck(text, name)
            return value if struck == text else struck
        return value

    def _object(self, record: Doc) -> Doc:
        struck: Doc = {}
        for key, value in record.items():
            new = self._struck_key(key) if isinstance(key, str) else key
            while new in struck or (new != key and new in record):
                new = f"{new}+"  # two keys that read the same once struck: no value is lost
            struck[new] = self._walk(value, key if isinstance(key, str) else str(key))
        return struck


def _replaced(value: Any, old: str, new: str, *, first: bool) -> Any:
    """Only the first or the last occurrence: the words may stand again where they end a private key."""
    if isinstance(value, str):
        return value.replace(old, new, 1) if first else new.join(value.rsplit(old, 1))
    if isinstance(value, dict):
        pairs = ((key, entry) for key, entry in value.items())
        return {_replaced(key, old, new, first=first): _replaced(entry, old, new, first=first) for key, entry in pairs}
    if isinstance(value, list):
        return [_replaced(entry, old, new, first=first) for entry in value]
    return value
