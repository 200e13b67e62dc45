"""The fast path of enrichment: a plain row leaves as its own bytes with the added fields spliced in behind them.

`derive` says what a row is given; this gives the same, field for field, without making the record (a test compares the
two). A *plan* is made once for each sequence of keys that rows come with, and holds only for what it understands: a
handful of flat, known fields. Every row that is anything else is rendered exactly.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import orjson

from shipper.clock import iso
from shipper.enrich.extract import from_message
from shipper.enrich.rename import from_fields
from shipper.enrich.stage import Config
from shipper.fields import DURATIONS_NS, FIELDS
from shipper.model import Batch, Doc, Origin

Render = Callable[[Batch, Sequence[int]], list[bytes]]

FEW = ("log.level", "log.logger", "log.origin.file.name", "log.origin.function", "gen_ai.provider.name",
       "gen_ai.request.model")  # fmt: skip
"""Fields with few values: what they become is remembered for each combination that was seen."""
REMEMBERED = 20_000
"""Combinations, and users, that are remembered."""
PLANS = 500

_TARGETS = {alias: field.name for field in FIELDS.values() for alias in reversed(field.aliases)}
_ROOTS = {name.partition(".")[0] for name in (*FIELDS, *_TARGETS) if "." in name}


class Plan:
    """How rows with one sequence of keys are spliced."""

    __slots__ = ("duration", "factor", "few", "line", "many", "message", "user")

    def __init__(self, keys: tuple[str, ...]) -> None:
        few = [key for key in keys if _TARGETS.get(key) in FEW]
        self.few = itemgetter(*few) if len(few) > 1 else None
        self.user = "user_id" if "user_id" in keys else ""
        self.line = "line" if "line" in keys else ""
        self.duration = next((key for key in keys if key in DURATIONS_NS), "")
        self.factor = DURATIONS_NS.get(self.duration, 1.0)
        self.message = "message" in keys
        self.many = few


def plan_of(keys: tuple[str, ...]) -> Plan | None:
    """The plan for rows with these keys; None when they have to be rendered exactly."""
    known = [key for key in keys if key in _TARGETS or key in DURATIONS_NS]
    if "timestamp" not in keys or not {"message", "timestamp", "user_id", "line", *DURATIONS_NS}.issuperset(
        key for key in known if _TARGETS.get(key) not in FEW
    ):
        return None
    if sum(key in DURATIONS_NS for key in keys) > 1 or any(
        "." in key or key in _ROOTS or key[:1] == "@" for key in keys
    ):
        return None
    plan = Plan(keys)
    return plan if plan.few is not None else None


class Splicer:
    """`render(batch, rows)` for the redact stage; rows that no plan covers are given to `exact`."""

    def __init__(self, config: Config, exact: Render) -> None:
        self._config = config
        self._exact = exact
        self._plans: dict[tuple[str, ...], Plan | None] = {}
        self._few: dict[tuple[str, ...], str] = {}
        self._users: dict[str, str] = {}

    def __call__(self, batch: Batch, rows: Sequence[int]) -> list[bytes]:
        """The rows, ascending, as they leave."""
        out: list[bytes] = []
        place = 0
        for span in batch.spans:
            first = place
            while place < len(rows) and rows[place] < span.stop:
                place += 1
            if place > first:
                out += self._span(batch, rows[first:place], span.origin)
        return out

    def _span(self, batch: Batch, rows: Sequence[int], origin: Origin) -> list[bytes]:
        constant = self._constant(batch, origin)
        docs, lines, offsets, times = batch.docs, batch.lines, batch.offsets, batch.times
        plans, few_known, users, added, untimed = self._plans, self._few, self._users, batch.added, batch.untimed
        out: list[bytes] = []
        append = out.append
        for row in rows:
            doc, line = docs[row], lines[row]
            keys = tuple(doc)
            plan = plans.get(keys)
            if plan is None:
                plan = self._plan(keys)
            if plan is None or added[row] is not None or row in untimed or line[-1] != 125 or b"\r" in line:
                append(self._exact(batch, (row,))[0])
                continue
            try:
                few = few_known.get(plan.few(doc))  # type: ignore[misc]
            except TypeError:
                few = None
            if few is None:
                few = self._few_of(plan, doc)
            user = number = duration = told = ""
            if plan.user:
                key = doc["user_id"]
                user = users.get(key, "") if type(key) is str else _fields(doc, "user_id")
                user = user or self._user_of(key)
            if plan.line:
                at = doc["line"]
                number = f',"log.origin.file.line":{at}' if type(at) is int else _fields(doc, "line")
            if plan.duration:
                took = doc[plan.duration]
                took = took * plan.factor if type(took) is float or type(took) is int else -1
                duration = f',"event.duration":{round(took)}' if 0 <= took < 9.2e18 else ""
            if plan.message:
                message = doc["message"]
                if type(message) is str and (found := from_message(message)):
                    told = _inner(found)
            tail = (
                f"{few}{user}{number}{duration}{told}{constant}{offsets[row]}"
                f'","log.offset":{offsets[row]},"@timestamp":"{times[row]}"}}'
            )
            append(line[:-1] + tail.encode())
        return out

    def _plan(self, keys: tuple[str, ...]) -> Plan | None:
        if len(self._plans) >= PLANS:
            self._plans.clear()
        plan = self._plans[keys] = plan_of(keys)
        return plan

    def _few_of(self, plan: Plan, doc: Doc) -> str:
        values = [doc[key] for key in plan.many]
        found = _inner(from_fields(dict(zip(plan.many, values, strict=True))))
        # Of other types some are equal and not the same (1, True), and would be taken for one another.
        if all(type(value) is str for value in values):
            if len(self._few) >= REMEMBERED:
                self._few.clear()
            self._few[tuple(values)] = found
        return found

    def _user_of(self, user: Any) -> str:
        if type(user) is not str:
            return ""
        if len(self._users) >= REMEMBERED:
            self._users.clear()
        found = self._users[user] = _inner(from_fields({"user_id": user}))
        return found

    def _constant(self, batch: Batch, origin: Origin) -> str:
        names = {
            "event.dataset": origin.dataset,
            "service.name": self._config.service or origin.dataset,
            "log.file.path": origin.path,
            **({"host.name": self._config.host} if self._config.host else {}),
            "event.kind": "event",
            "event.ingested": iso(batch.clock),
        }
        return f'{_inner(names)},"event.id":"{origin.file_id}-'


def _fields(doc: Doc, key: str) -> str:
    return _inner(from_fields({key: doc[key]}))


def _inner(fields: Doc) -> str:
    """`,"name":value,…`; empty for no fields."""
    return "," + orjson.dumps(fields).decode()[1:-1] if fields else ""
