"""Where the records of a data folder are: in the folder itself, in Elasticsearch, or in both."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.errors import UsageError
from shipper.search.embedded import EmbeddedStore
from shipper.search.store import Store
from shipper.state import State
from shipper.store.read import Reader

ELASTICSEARCH = "elasticsearch"
ADDRESSES = ("ELASTICSEARCH_URL", "ELASTICSEARCH_CLOUD_ID")
"""Variables that the shipped pipeline takes the address of Elasticsearch from."""


class Noted(NamedTuple):
    """What the last `shipper run` over a data folder said of itself."""

    pipeline: Path | None
    sinks: tuple[str, ...]


class Stores(NamedTuple):
    """All stores that can be asked, and one line on what cannot be asked at all."""

    stores: list[Store]
    missing: str


def stores(data: Path) -> Stores:
    """The stores behind a data folder in today's environment.

    Raises `ShipperError` when there is none, `UsageError` for a pipeline file whose connection can't be right.
    """
    noted = noted_by_run(data)
    found, missing = _in_elasticsearch(data, noted)
    if noted is not None or not found:
        found.insert(0, EmbeddedStore(Reader(data)))
    return Stores(found, missing)


def noted_by_run(data: Path) -> Noted | None:
    """None: nothing has been stored there yet."""
    if not (data / "state.db").exists():
        return None
    state = State(data / "state.db", readonly=True)
    try:
        note = orjson.loads(state.meta("sinks", "{}"))
    finally:
        state.close()
    pipeline = Path(note["pipeline"]) if note.get("pipeline") else None
    return Noted(pipeline, tuple(note.get("sinks", ())))


def _in_elasticsearch(data: Path, noted: Noted | None) -> tuple[list[Store], str]:
    if (
        noted is not None
        and noted.sinks
        and ELASTICSEARCH not in noted.sinks
        and not any(map(os.environ.get, ADDRESSES))
    ):
        # To ask the pipeline file as well would take a sixth of a second.
        return [], ""
    config = import_module("shipper.config")
    path = noted.pipeline if noted is not None and noted.pipeline is not None else config.default_pipeline()
    sink = _sink(config, path if path.exists() else config.default_pipeline())
    if sink is not None:
        settings, name = sink
        elastic = import_module("shipper.elastic.connect").Elastic(settings)
        return [import_module("shipper.search.elastic").ElasticStore(elastic, name)], ""
    if noted is not None and ELASTICSEARCH in noted.sinks:
        told = f"records of {data} are in Elasticsearch, which {path} does not name now"
        return [], f"{told}; set {' or '.join(ADDRESSES)} as in its run"
    return [], ""


def _sink(config: Any, path: Path) -> tuple[Any, str] | None:
    """Settings of a pipeline's Elasticsearch sink, and the pipeline's name. Raises `UsageError`."""
    document = config.read_document(path)
    value = document.value if isinstance(document.value, dict) else {}
    sinks = value.get("sinks")
    for place, entry in enumerate(sinks if isinstance(sinks, list) else ()):
        if isinstance(entry, dict) and entry.get("type") == ELASTICSEARCH:
            model: Callable[..., Any] = import_module("shipper.sink.elasticsearch").Config
            given = {key: found for key, found in entry.items() if key != "type"}
            settings = config.validate(document, model, given, ("sinks", place))
            if settings is None:
                raise UsageError("\n".join(map(str, document.mistakes)))
            return settings, str(value.get("name", "xionimus"))
    return None
