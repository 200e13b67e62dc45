"""Stores records in Elasticsearch: one index a UTC day (`xionimus-2026.11.23`), one a month for alerts.

A row's `_id` is its `event.id` and it is only ever created, so what is sent again after a lost answer is there once.
Rows are stored when Elasticsearch has acknowledged them. While it is away, or says no to who we are, nothing is
dropped: the sink raises `Retry`, reading waits. Of a batch only the rows that are not settled are sent again.

A row that Elasticsearch refuses for one of its fields is sent once more with that field as text under `labels`, then
with all fields there that the template does not know. What it refuses even so goes to the quarantine. `labels.NAME`
that a record has flat is stored as a member of `labels`: only there Elasticsearch would find it.
"""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pydantic import ByteSize, Field

from shipper.context import Context
from shipper.elastic.connect import INSTALL, NDJSON, Connection, Elastic, ElasticError
from shipper.elastic.setup import ensure
from shipper.elastic.template import mapping
from shipper.errors import Blocked, Retry, UsageError
from shipper.model import Batch, Doc, Gather, Refused
from shipper.sink.bulk import NEWLINE, Compressor, Item, Verdict, actions_of, cut, indices_of, items, pack, size_of
from shipper.sink.delivery import Delivery
from shipper.sink.labels import Fields, are_too_many, fields_of, reason_of
from shipper.sink.pace import Pace, wait_s

ANSWER = "filter_path=errors,items.*.status,items.*.error"
PATIENCE = 3
"""A third of the time that we wait for an answer the server may wait for a shard that is not there: a minute, which it
takes by itself, is longer than we wait, and no row of the request would ever have an answer."""
HEADERS = {
    False: {"content-type": NDJSON},
    True: {"content-type": NDJSON, "content-encoding": "gzip", "accept-encoding": "gzip"},
}
GZIP = 31
"""Of zlib's `wbits`: with the header and the checksum of gzip."""
BROKEN = ElasticError("not one line of JSON")
"""Of a bulk that was not sent."""


class Config(Connection):
    """How records are sent."""

    bulk_bytes: ByteSize = Field(
        default=ByteSize(5 << 20), gt=0, description="Largest body of a request before compression: bytes, or `5MiB`."
    )
    bulk_rows: int = Field(default=10_000, gt=0, description="Most rows in a request.")
    age_s: float = Field(default=0.25, ge=0, description="Seconds that rows may wait for others to share a request.")
    requests: int = Field(default=2, gt=0, le=32, description="Requests at a time.")
    compress: bool = Field(default=True, description="Whether bodies are sent in gzip.")
    manage_templates: bool = Field(
        default=True, description="Whether index templates are installed and upgraded before the first write."
    )
    spool_bytes: ByteSize = Field(
        default=ByteSize(1 << 30),
        ge=0,
        description="Disk for rows that would be lost to rotation while Elasticsearch is away: bytes, `1GiB`; 0: none.",
    )
    spool_after_s: float = Field(
        default=5.0, ge=0, description="Seconds that Elasticsearch has to be away before rows are spooled."
    )


class ElasticsearchSink:
    """Sends a few requests at a time. Used by one thread."""

    name = "elasticsearch"

    def __init__(self, config: Config, context: Context) -> None:
        """Does not speak to the server yet: a run starts without it. Raises `UsageError`."""
        self.elastic = Elastic(config)
        # Nine tenths: what is joined has no action lines yet, and shall not need one request more.
        most = config.bulk_bytes * config.requests * 9 // 10
        self.gather: Gather | None = Gather(config.bulk_rows * config.requests, most, config.age_s)
        self._config, self._context = config, context
        self._pool = ThreadPoolExecutor(config.requests, "elasticsearch")
        self._pace = Pace(config.bulk_bytes, config.requests)
        self._delivery: Delivery | None = None
        self._failures = 0
        self._ready: set[str] = set()
        """Indices that the templates are there for, as far as we know."""
        self._query = f"{ANSWER}&timeout={max(1, round(config.timeout_s * 1000 / PATIENCE))}ms"
        self._compressor = _compressor(config.compress)

    def write(self, batch: Batch) -> list[Refused]:
        """Sends what of the batch is not settled. Raises `Retry`, and `Blocked` when only blocked rows are left."""
        delivery = self._delivery
        if delivery is None or delivery.batch is not batch:
            delivery = self._begin(batch)
        if not delivery.left:
            return delivery.refused
        self._delivery = delivery
        self._check_templates(set(delivery.indices))
        delivery.blocked = {}
        while len(delivery.left) > len(delivery.blocked):
            self._send_some(delivery)
        if delivery.blocked:
            self._failures += 1
            why = ", ".join(sorted(set(delivery.blocked.values())))
            why = self._context.scrub(f"{self.elastic.where}: {why}")
            raise Blocked(why, list(delivery.left), list(delivery.refused), self._wait())
        self._delivery, self._failures = None, 0
        return sorted(delivery.refused, key=lambda each: each.row)

    def close(self) -> None:
        """May be called again."""
        self._pool.shutdown()
        self.elastic.close()

    def _begin(self, batch: Batch) -> Delivery:
        if not batch.out:
            return Delivery(batch, [], [], [], [])
        indices = indices_of(self._context.name, batch)
        return Delivery(batch, list(range(len(batch.out))), batch.out, actions_of(batch), indices)

    def _check_templates(self, indices: set[str]) -> None:
        """Before the first rows of an index: somebody may have removed them since yesterday's. Again when the server
        was away: it may be another one, or empty."""
        if not self._config.manage_templates or indices <= self._ready:
            return
        try:
            ensure(self.elastic, self._context.name, [max(indices - self._ready)])
        except ElasticError as error:
            raise self._retry(error) from None
        self._ready |= indices

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _send_some(self, delivery: Delivery) -> None:
        """As many requests as there may be at a time. Raises `Retry`."""
        todo = Delivery(delivery.batch, delivery.left, delivery.rows, delivery.actions, delivery.indices)
        if delivery.blocked:
            todo.keep(set(delivery.left) - delivery.blocked.keys())
        runs = cut(map(len, todo.rows), self._pace.bytes, self._config.bulk_rows, self._pace.requests)
        runs = runs[: self._pace.requests]
        if len(runs) == 1:
            answers: Iterable[list[Item] | ElasticError] = [self._request(todo, runs[0])]
        else:
            answers = list(self._pool.map(lambda run: self._request(todo, run), runs))
        self._settle(delivery, todo, list(zip(runs, answers, strict=True)))

    def _request(self, todo: Delivery, run: range) -> list[Item] | ElasticError:
        """One bulk: its answer, empty when all is stored."""
        part = slice(run.start, run.stop)
        indices = todo.indices[part]
        one = indices.count(indices[0]) == len(indices)
        body = pack(todo.rows[part], todo.actions[part], () if one else indices, self._compressor)
        if body is None:
            return BROKEN
        path = f"/{indices[0]}/_bulk?{self._query}" if one else f"/_bulk?{self._query}"
        try:
            answer = self.elastic.raw("POST", path, body, headers=HEADERS[self._config.compress])
        except ElasticError as error:
            return error
        found = items(answer, len(run))
        return ElasticError(f"{self.elastic.where}: not an answer to this bulk") if found is None else found

    # ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle(
        self, delivery: Delivery, todo: Delivery, answers: list[tuple[range, list[Item] | ElasticError]]
    ) -> None:
        """Takes what is settled out of the delivery. Raises `Retry` for what is to be sent again after a while."""
        settled: set[int] = set()
        unfit: list[tuple[int, Doc]] = []
        waiting: dict[tuple[str, Verdict], Item] = {}
        failures: list[ElasticError] = []
        for run, answer in answers:
            rows = todo.left[run.start : run.stop]
            if isinstance(answer, ElasticError):
                failures += self._failed(delivery, todo, run, answer, settled)
            elif not answer:
                settled.update(rows)
            else:
                for place, (row, item) in enumerate(zip(rows, answer, strict=True), run.start):
                    if item.verdict is Verdict.STORED:
                        settled.add(row)
                    elif item.verdict is Verdict.UNFIT:
                        unfit.append((place, item.error))
                    elif item.verdict is Verdict.BLOCKED:
                        delivery.blocked[row] = f"{todo.indices[place]}: {reason_of(item.error)}"
                    else:
                        waiting.setdefault((todo.indices[place], item.verdict), item)
        failures += [self._of_item(item, index) for (index, _), item in waiting.items()]
        settled |= self._mend(delivery, todo, unfit)
        self._failures = 0 if settled else self._failures
        if len(settled) == len(delivery.left):
            delivery.left = []
        elif settled:
            delivery.keep(set(delivery.left) - settled)
        self._adapt(failures)

    def _failed(
        self, delivery: Delivery, todo: Delivery, run: range, error: ElasticError, settled: set[int]
    ) -> list[ElasticError]:
        if error is BROKEN:
            broken = [todo.left[place] for place in run if NEWLINE in todo.rows[place]]
            settled.update(broken)
            delivery.refused += [Refused(row, self.name, str(error)) for row in broken]
            return []
        if error.status != 413:
            return [error]
        self._pace.was_too_large(size_of(todo.rows[run.start : run.stop]))
        if len(run) == 1:
            row, size = todo.left[run.start], len(todo.rows[run.start])
            settled.add(row)
            delivery.refused.append(Refused(row, self.name, f"{size} bytes are more than the server takes at once"))
        return []

    def _of_item(self, item: Item, index: str) -> ElasticError:
        grave = item.verdict is Verdict.HOLD
        reason = self._context.scrub(self.elastic.censor(reason_of(item.error)))
        return ElasticError(f"{self.elastic.where}: {index}: {reason}", 0 if grave else 429, grave=grave)

    def _adapt(self, failures: list[ElasticError]) -> None:
        """To what the server can take now. Raises `Retry` when there were failures."""
        if not failures:
            self._pace.went_well()
            return
        if any(error.status in (0, 429) and not error.grave for error in failures):
            self._pace.was_busy()
        # A new server behind the same address, or one that was emptied, has no templates.
        if any(error.status == 0 and not error.grave for error in failures):
            self._ready.clear()
        raise self._retry(max(failures, key=lambda error: error.grave))

    def _retry(self, error: ElasticError) -> Retry:
        self._failures += 1
        return Retry(str(error), max(self._wait(), error.after), grave=error.grave)

    def _wait(self) -> float:
        return wait_s(self._failures, random.random())

    # ── rows that do not fit ──────────────────────────────────────────────────────────────────────────────────────

    def _mend(self, delivery: Delivery, todo: Delivery, unfit: list[tuple[int, Doc]]) -> set[int]:
        """Moves fields of rows under `labels`, in place; refuses, and returns, those where that is no help."""
        refused: set[int] = set()
        known: dict[str, Fields] = {}
        place_of = {row: place for place, row in enumerate(delivery.left)} if unfit else {}
        for place, error in unfit:
            row, index = todo.left[place], todo.indices[place]
            if are_too_many(error) and index not in known:
                known[index] = self._fields_of_index(index, delivery.batch.stream)
            mended = delivery.mended(row, todo.rows[place], error, known.get(index))
            if mended is None:
                refused.add(row)
                reason = self._context.scrub(self.elastic.censor(reason_of(error)))
                delivery.refused.append(Refused(row, self.name, reason))
            else:
                if delivery.rows is delivery.batch.out:
                    delivery.rows = list(delivery.rows)
                delivery.rows[place_of[row]] = mended
        return refused

    def _fields_of_index(self, index: str, stream: str) -> Fields:
        """What the index has; what its template has, when we may not look."""
        try:
            found = self.elastic.request("GET", f"/{index}/_mapping")
        except ElasticError:
            return fields_of(mapping(stream))
        return fields_of(next(iter(found.values()))["mappings"])


def _compressor(wanted: bool) -> Callable[[], Compressor] | None:
    if not wanted:
        return None
    # Optional, as all that Elasticsearch takes.
    try:
        from isal import isal_zlib  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"elasticsearch: `isal` is not installed; run: {INSTALL}, or set `compress: false`") from None
    return partial(isal_zlib.compressobj, 1, isal_zlib.DEFLATED, GZIP)


def build(config: Config, context: Context) -> ElasticsearchSink:
    """The sink of a pipeline file's `type: elasticsearch`."""
    return ElasticsearchSink(config, context)
