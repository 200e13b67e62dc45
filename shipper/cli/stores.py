"""Where the records of a data folder are: in the folder itself, in Elasticsearch, in both, and in an archive."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.archive import names
from shipper.archive.ledger import Archived, archived, chain, days_in_grace
from shipper.archive.reading import Reading
from shipper.clock import iso
from shipper.errors import ShipperError, UsageError
from shipper.objects.thaw import Fees
from shipper.search.embedded import EmbeddedStore
from shipper.search.store import Store
from shipper.state import State
from shipper.store.read import Reader

HOT = "hot"
DAY_S = 86_400.0
TIERS = (HOT, *names.TIERS)
ELASTICSEARCH = "elasticsearch"
ADDRESSES = ("ELASTICSEARCH_URL", "ELASTICSEARCH_CLOUD_ID")
"""Variables that the shipped pipeline takes the address of Elasticsearch from."""
EMPTY = "empty_archives"
"""Key in `meta`: places that a search has found to be empty. Nobody else writes there, so it looks once."""


class Noted(NamedTuple):
    """What the last `shipper run` over a data folder said of itself."""

    pipeline: Path | None
    sinks: tuple[str, ...]
    left: float | None = None
    """Since when records no longer go to Elasticsearch, as they did before, in seconds since the epoch."""
    hot_s: float | None = None
    """The age at which they would have left it for the archive."""
    places: tuple[str, ...] = ()
    """Of the archive."""


class Stores(NamedTuple):
    """All stores that can be asked, and one line on what cannot be asked at all."""

    stores: list[Store]
    missing: str
    place: Callable[[str], Any] | None = None
    """Opens a place of the archive as an `ObjectStore`; None: there is no archive."""
    left: Noted | None = None
    """There: an earlier run wrote to an Elasticsearch that is not asked."""


def stores(data: Path, tiers: Sequence[str] = TIERS, reading: Reading | None = None) -> Stores:
    """The stores behind a data folder in today's environment, those of some tiers alone. `reading` watches the archive.

    Raises `ShipperError` when there is none, `UsageError` for a pipeline file whose connection can't be right.
    """
    noted = noted_by_run(data)
    found: list[Store] = []
    missing = ""
    if HOT in tiers:
        found, missing = _in_elasticsearch(data, noted)
        if noted is not None or not found:
            found.insert(0, EmbeddedStore(Reader(data)))
    elif noted is None:
        State(data / "state.db", readonly=True).close()
    cooler = [tier for tier in tiers if tier != HOT]
    if noted is None:
        return Stores(found, missing or (_not_here(data) if cooler else ""))
    left = noted if noted.left is not None and len(found) == 1 else None
    if not cooler:
        return Stores(found, missing, left=left)
    place = _places(data, noted)
    missing = "; ".join(filter(None, (missing, _take_over(data, noted, place))))
    return Stores([*found, *_in_archive(data, place, cooler, reading or Reading())], missing, place, left)


def elsewhere(chosen: Stores, since: float | None, now: float) -> str:
    """A line on records of an earlier run in an Elasticsearch that is not asked; empty where none can be wanted: all
    are older than what a hot store keeps, or than `since`. Times are seconds since the epoch."""
    if chosen.left is None or chosen.left.left is None:
        return ""
    left, hot_s = chosen.left.left, chosen.left.hot_s
    end_of_day = (left // DAY_S + 1) * DAY_S
    if (since is not None and since >= left) or (hot_s is not None and now >= end_of_day + hot_s):
        return ""
    until = f"{iso(left)[:19]}Z"
    return f"records up to {until} went to Elasticsearch, which is not asked; set {' or '.join(ADDRESSES)} as then"


def _not_here(data: Path) -> str:
    """Of Elasticsearch alone, on a machine that has stored nothing: which archive is not searched, or nothing."""
    config, path = _pipeline(None)
    value = config.read_document(path).value
    tiers = value.get("tiers") if isinstance(value, dict) else None
    named = [stage.get("to", "") for stage in (tiers or {}).values() if isinstance(stage, dict)]
    buckets = [place for place in named if str(place).startswith("s3://")]
    if not buckets:
        return ""
    return f"{buckets[0]} is not searched, for {data} knows nothing of it; search with the --data of its shipper run"


def _take_over(data: Path, noted: Noted, place: Callable[[str], Any]) -> str:
    """Takes over an archive that `state.db` knows nothing of, as that of a new machine before its first move; returns
    why that can't be done, or nothing."""
    with closing(State(data / "state.db", readonly=True)) as state:
        empty = orjson.loads(state.meta(EMPTY, "[]"))
        unknown = [name for name in noted.places if name not in empty and not chain(state, name)[0]]
    if not unknown:
        return ""
    try:
        with closing(State(data / "state.db")) as state:
            for name in unknown:
                if not import_module("shipper.tier.adopt").adopt(place(name), name, state):
                    empty.append(name)
            state.set_meta(EMPTY, orjson.dumps(empty).decode())
    except (ShipperError, sqlite3.Error) as error:
        return f"what is archived is not known here yet, so it is not searched: {error}"
    return ""


def _in_archive(data: Path, place: Callable[[str], Any], tiers: Sequence[str], reading: Reading) -> list[Store]:
    """Nothing but a look into `state.db` as long as no day was archived."""
    state = State(data / "state.db", readonly=True)
    if not state.rows("SELECT 1 FROM moves UNION ALL SELECT 1 FROM archived LIMIT 1"):
        state.close()
        return []

    def listed(day: str) -> list[Archived]:
        return archived(state, day=day)

    made = import_module("shipper.search.archive").ArchiveStore(data, listed, place, tiers, reading=reading)
    made.at_close(state.close)
    return [made]


def _places(data: Path, noted: Noted) -> Callable[[str], Any]:
    """Opens the places that the ledger names, with the rights that the pipeline of the last run gives."""

    def opened(name: str) -> Any:
        # A folder needs no look into the pipeline file, which takes a sixth of a second.
        places, model = import_module("shipper.objects.place"), import_module("shipper.objects.settings").S3
        return places.open_place(name, data, _s3(noted) if places.is_bucket(name) else model())

    return opened


def _s3(noted: Noted) -> Any:
    """What the pipeline of the last run says of its bucket, as `S3`. Raises `UsageError`."""
    return _of_tiers(noted, "s3", import_module("shipper.objects.settings").S3, {})


def fees_of_run(data: Path) -> Fees:
    """What getting archived days back costs, as the pipeline of the last run says. Raises `UsageError`."""
    policy = import_module("shipper.tier.policy")
    fees: Fees = policy.fees_of(_of_tiers(noted_by_run(data), "prices", policy.Prices, None))
    return fees


def _of_tiers(noted: Noted | None, name: str, model: Any, otherwise: Any) -> Any:
    """One part of the section `tiers`. Raises `UsageError`."""
    config, path = _pipeline(noted)
    document = config.read_document(path)
    tiers = document.value.get("tiers") if isinstance(document.value, dict) else None
    given = (tiers.get(name) if isinstance(tiers, dict) else None) or otherwise
    if given is None:
        return None
    found = config.validate(document, model, given, ("tiers", name))
    if found is None:
        raise UsageError("\n".join(map(str, document.mistakes)))
    return found


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
    return Noted(
        pipeline, tuple(note.get("sinks", ())), note.get("left"), note.get("hot_s"), tuple(note.get("places", ()))
    )


def _in_elasticsearch(data: Path, noted: Noted | None) -> tuple[list[Store], str]:
    if (
        noted is not None
        and noted.sinks
        and ELASTICSEARCH not in noted.sinks
        and not any(map(os.environ.get, ADDRESSES))
    ):
        # To ask the pipeline file as well would take a sixth of a second.
        return [], ""
    config, path = _pipeline(noted)
    sink = _sink(config, path)
    if sink is not None:
        settings, name = sink
        elastic = import_module("shipper.elastic.connect").Elastic(settings)
        points = partial(_points, data) if noted is not None else dict
        return [import_module("shipper.search.elastic").ElasticStore(elastic, name, points)], ""
    if noted is not None and ELASTICSEARCH in noted.sinks:
        told = f"records of {data} are in Elasticsearch, which {noted.pipeline or path} does not name now"
        return [], f"{told}; set {' or '.join(ADDRESSES)} as in its run"
    return [], ""


def _points(data: Path) -> dict[str, Any]:
    """Days of the hot store that belong to the archive, and up to where."""
    with closing(State(data / "state.db", readonly=True)) as state:
        return days_in_grace(state)


def _pipeline(noted: Noted | None) -> tuple[Any, Path]:
    """The module that reads pipeline files, and the file: that of the last run, or else the default."""
    config = import_module("shipper.config")
    path = noted.pipeline if noted is not None and noted.pipeline is not None else None
    return config, path if path is not None and path.exists() else config.default_pipeline()


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
