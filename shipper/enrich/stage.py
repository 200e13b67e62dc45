"""The enrich stage: the time of every row at once, all other added fields when somebody asks for them.

What it adds never replaces an original field, but for what identifies the record (`event.id`, `@timestamp`, …): an
original of that name stays beside it as `NAME_original`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shipper.clock import iso
from shipper.context import Context
from shipper.enrich import date, level
from shipper.enrich.error import from_stack, stack_in_text
from shipper.enrich.extract import from_message
from shipper.enrich.rename import from_fields, presence
from shipper.fields import value
from shipper.model import Batch, Doc

DAY = 86_400.0
OLDEST_DAYS, OLDEST_INDEX_DAYS = 3_653.0, 400.0
TEXT_FIELDS = frozenset(("message", "error.stack_trace", "event.original"))
"""All that decode makes of a text line."""


class Config(BaseModel):
    """What records of this pipeline have in common, and which times are believed."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field("", description="`service.name` of records that name none; empty: their dataset.")
    host: str = Field("", description="`host.name` of records that name none; empty: no such field.")
    oldest_days: float | None = Field(
        None,
        gt=0,
        description="Days before the reading of a line; an older time is not believed. Unset: 400 where a sink makes "
        "an index a day, so that a wrong clock cannot make thousands of them, else 3653.",
    )
    ahead_seconds: float = Field(
        3_600.0, ge=0, description="Seconds after the reading of a line; a later time is not believed."
    )

    def oldest(self, *, index_a_day: bool = False) -> float:
        """`oldest_days`, or what holds where it is unset."""
        return self.oldest_days or (OLDEST_INDEX_DAYS if index_a_day else OLDEST_DAYS)


def build(config: Config, context: Context) -> "Enrich":
    """The stage, knowing the time of each file's last committed record."""
    times = {file_id: progress.time for file_id, progress in context.state.files().items()}
    return Enrich(config, times)


class Enrich:
    """Fills `times`, `added` and `derive`. Remembers the time of each file's last row."""

    def __init__(self, config: Config | None = None, last_times: dict[str, str] | None = None) -> None:
        """`last_times`: file id → `@timestamp` of its last committed record."""
        self._config = config or Config()  # type: ignore[call-arg]
        self._last = dict(last_times or {})

    def __call__(self, batch: Batch) -> Batch:
        """Takes a decoded batch over and hands it on."""
        self._set_times(batch)
        batch.added = [None] * len(batch)
        batch.derive = partial(derive, self._config)
        for file_id, progress in batch.progress.items():
            progress.time = self._last.get(file_id) or progress.time
        return batch

    def _set_times(self, batch: Batch) -> None:
        low, high = self._bounds(batch.clock)
        times: list[str] = []
        for span in batch.spans:
            file_id = span.origin.file_id
            last = self._last.get(file_id) or (batch.progress[file_id].time if file_id in batch.progress else "")
            rows = range(span.start, span.stop)
            own: list[Any] = [
                doc.get("@timestamp") or doc.get("timestamp") for doc in batch.docs[span.start : span.stop]
            ]
            odd = sorted(batch.odd.keys() & rows) if batch.odd else []
            whole = [raw for row, raw in zip(rows, own, strict=True) if row not in batch.odd] if odd else own
            for row in odd if date.all_canonical(whole, low, high) else rows:
                place = row - span.start
                if not date.is_canonical(own[place], low, high):
                    own[place] = self._slow_time(batch, row, own[place - 1] if place else last, low, high)
            times += own
            self._last[file_id] = own[-1]
        batch.times = times

    def _slow_time(self, batch: Batch, row: int, last: str, low: str, high: str) -> str:
        """The time of a row in any other notation; without one that can be believed its predecessor's, or the clock."""
        own = date.own_time(batch.docs[row], batch.origin(row).timezone, is_text(batch, row))
        if own is not None:
            if low <= own <= high:
                return own
            batch.clocked = True
        batch.untimed.add(row)
        if last:
            return last
        batch.clocked = True
        return _read_at(batch.clock)

    def _bounds(self, clock: float) -> tuple[str, str]:
        return date.bounds(clock, self._config.oldest() * DAY, self._config.ahead_seconds)


def is_text(batch: Batch, row: int) -> bool:
    """True for a row that was no JSON object."""
    return row in batch.odd and batch.docs[row].keys() <= TEXT_FIELDS


def derive(config: Config, batch: Batch, row: int) -> Doc:
    """All that is added to one row: flat ECS names. A pure function of the row, its batch's clock and its place."""
    doc, origin = batch.docs[row], batch.origin(row)
    has, text = presence(doc), is_text(batch, row)
    added = from_fields(doc, has)
    _add_told(doc, added, has, text)
    _add_error(doc, added, has)
    if text and "error.stack_trace" in doc:
        added.setdefault("log.level", "error")
    names = {
        "event.dataset": origin.dataset,
        "service.name": config.service or origin.dataset,
        "log.file.path": origin.path,
    }
    if config.host:
        names["host.name"] = config.host
    _add_missing(added, names, has)
    _add_identity(doc, added, batch, row, has)
    _add_time(doc, added, batch, row, text)
    return added


def _add_missing(added: Doc, found: Doc, has: Callable[[str], bool]) -> None:
    for name, known in found.items():
        if name not in added and not has(name):
            added[name] = known


def _add_told(doc: Doc, added: Doc, has: Callable[[str], bool], text: bool) -> None:
    """What the message tells beside the fields."""
    message = doc.get("message") or added.get("message")
    if type(message) is not str:
        return
    told = from_message(message)
    if "url.query" in told and ("url.path" in added or has("url.path")):
        # Half of another request's target would be no target at all.
        del told["url.query"]
    _add_missing(added, told, has)
    if text:
        _add_missing(added, level.from_text(message), has)


def _add_error(doc: Doc, added: Doc, has: Callable[[str], bool]) -> None:
    stack = added.get("error.stack_trace") or value(doc, "error.stack_trace")
    if stack is None:
        stack = stack_in_text(doc)
        if stack is not None:
            added["error.stack_trace"] = stack
    if type(stack) is str:
        _add_missing(added, from_stack(stack), has)


def _add_identity(doc: Doc, added: Doc, batch: Batch, row: int, has: Callable[[str], bool]) -> None:
    """What the store goes by is ours, whatever the record says."""
    identity: Doc = {
        "event.id": batch.event_id(row),
        "event.ingested": _read_at(batch.clock),
        "log.offset": batch.offsets[row],
    }
    why = batch.odd.get(row)
    if why:
        identity |= {"event.kind": "pipeline_error", "event.reason": why}
    elif not has("event.kind"):
        added["event.kind"] = "event"
    for name, known in identity.items():
        if name in doc:
            added[f"{name}_original"] = doc[name]
        added[name] = known


def _add_time(doc: Doc, added: Doc, batch: Batch, row: int, text: bool) -> None:
    time = batch.times[row]
    added["@timestamp"] = time
    original = doc.get("@timestamp", time)
    if original != time:
        added["event.timestamp_original"] = original
    if (doc.get("@timestamp") or doc.get("timestamp")) != time and date.own_time(
        doc, batch.origin(row).timezone, text
    ) != time:
        added["event.timestamp_source"] = "clock" if time == _read_at(batch.clock) else "predecessor"


@lru_cache(maxsize=8)
def _read_at(clock: float) -> str:
    return iso(clock)
