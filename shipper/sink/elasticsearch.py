"""Stores records in Elasticsearch: one index a UTC day (`xionimus-2026.11.23`), one a month for alerts.

A row's `_id` is its `event.id` and it is only ever created, so what is sent again after a lost answer is there once.
Rows are stored when Elasticsearch has acknowledged them. While it is away, or says no to who we are, nothing is
dropped: the sink raises `Retry`, reading waits. Of a batch only the rows that are not settled are sent again.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pydantic import ByteSize, Field

from shipper.context import Context
from shipper.elastic.connect import NDJSON, Connection, Elastic, ElasticError
from shipper.errors import Blocked, Retry
from shipper.model import Batch, Gather, Refused
from shipper.sink.bulk import Item, Verdict, cut, frame, ids_of, indices_of, items
from shipper.sink.embedded import unfit

ANSWER = "filter_path=errors,items.*.status,items.*.error"
LONGEST_WAIT_S = 60.0


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


@dataclass(slots=True)
class Delivery:
    """How far one batch is."""

    batch: Batch
    rows: list[bytes]
    """As they are sent."""
    ids: list[bytes]
    indices: list[str]
    left: list[int]
    """Rows that are not settled, ascending."""
    refused: list[Refused] = field(default_factory=list)


class ElasticsearchSink:
    """Sends from the thread that calls `write`, and from a small pool."""

    name = "elasticsearch"

    def __init__(self, config: Config, context: Context) -> None:
        """Does not speak to the server yet: a run starts without it."""
        self.elastic = Elastic(config)
        self.gather: Gather | None = Gather(
            config.bulk_rows * config.requests, config.bulk_bytes * config.requests, config.age_s
        )
        self._config = config
        self._index_name = context.name
        self._scrub = context.scrub
        self._pool = ThreadPoolExecutor(config.requests, "elasticsearch")
        self._delivery: Delivery | None = None
        self._failures = 0

    def write(self, batch: Batch) -> list[Refused]:
        """Sends what of the batch is not settled. Raises `Retry`, and `Blocked` when only blocked rows are left."""
        delivery = self._delivery
        if delivery is None or delivery.batch is not batch:
            delivery = self._delivery = self._begin(batch)
        if delivery.left:
            self._send(delivery)
        self._delivery = None
        return delivery.refused

    def close(self) -> None:
        self._pool.shutdown()
        self.elastic.close()

    def _begin(self, batch: Batch) -> Delivery:
        refused = [Refused(row, self.name, reason) for row, reason in unfit(batch.out)]
        without = {each.row for each in refused}
        left = [row for row in range(len(batch.out)) if row not in without]
        if not left:
            return Delivery(batch, [], [], [], [], refused)
        return Delivery(batch, batch.out, ids_of(batch), indices_of(self._index_name, batch), left, refused)

    def _send(self, delivery: Delivery) -> None:
        left = delivery.left
        runs = cut(
            [len(delivery.rows[row]) + 64 for row in left],
            self._config.bulk_bytes,
            self._config.bulk_rows,
            self._config.requests,
        )
        parts = [left[run.start : run.stop] for run in runs]
        sent = self._pool.map(lambda part: self._request(delivery, part), parts)
        again: list[int] = []
        blocked: list[int] = []
        failure: ElasticError | None = None
        said = ""
        for part, answer in zip(parts, sent, strict=True):
            if isinstance(answer, ElasticError):
                failure = answer
                again += part
                continue
            for row, item in zip(part, answer, strict=True):
                if item.verdict is Verdict.UNFIT:
                    delivery.refused.append(Refused(row, self.name, self._reason(item.error)))
                elif item.verdict is Verdict.BLOCKED:
                    blocked.append(row)
                    said = said or self._reason(item.error)
                elif item.verdict is not Verdict.STORED:
                    again.append(row)
                    failure = failure or ElasticError(self._reason(item.error), grave=item.verdict is Verdict.HOLD)
        delivery.left = sorted(again + blocked)
        if failure is not None:
            self._failures += 1
            raise Retry(str(failure), self._wait(), grave=failure.grave)
        self._failures = 0
        if blocked:
            raise Blocked(said, delivery.left, delivery.refused)

    def _request(self, delivery: Delivery, part: list[int]) -> list[Item] | ElasticError:
        indices = [delivery.indices[row] for row in part]
        one = len(set(indices)) == 1
        body = frame([delivery.rows[row] for row in part], [delivery.ids[row] for row in part], [] if one else indices)
        headers = {"content-type": NDJSON}
        if self._config.compress:
            from isal import igzip  # noqa: PLC0415

            body = igzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        path = f"/{indices[0]}/_bulk" if one else "/_bulk"
        try:
            answer = self.elastic.request("POST", f"{path}?{ANSWER}", body, headers=headers)
        except ElasticError as error:
            return error
        found = items(answer, len(part))
        return ElasticError(f"{self.elastic.where}: no answer to this request") if found is None else found

    def _wait(self) -> float:
        return min(LONGEST_WAIT_S, 0.25 * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)

    def _reason(self, error: dict[str, Any]) -> str:
        return self._scrub(" ".join(f"{error.get('type', '')}: {error.get('reason', '')}".split()))[:300]


def build(config: Config, context: Context) -> ElasticsearchSink:
    """The sink of a pipeline file's `type: elasticsearch`."""
    return ElasticsearchSink(config, context)
