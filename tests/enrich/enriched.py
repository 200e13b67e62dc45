"""Lines → an enriched batch, as the first two stages make it."""

from typing import Any

from shipper.decode.stage import Decode
from shipper.enrich.stage import Config, Enrich
from shipper.model import Batch
from tests.decode.batches import batch_of


def enriched(*lines: bytes, config: Config | None = None, **more: Any) -> Batch:
    return Enrich(config)(Decode()(batch_of(lines, **more)))


def record(line: bytes) -> dict[str, Any]:
    """The record that one line becomes."""
    batch = enriched(line)
    assert len(batch) == 1
    return batch.record(0)
