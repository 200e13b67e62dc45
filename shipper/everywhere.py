"""All stores behind a data folder, for what has to be told of every record: holds, and erasing."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson

from shipper.archive import ledger
from shipper.archive.ledger import Archived
from shipper.archive.parquet import OTHER
from shipper.build import Plan
from shipper.elastic.connect import Connection, Elastic
from shipper.elastic.documents import parsed
from shipper.elastic.names import RESTORED
from shipper.errors import ShipperError
from shipper.fields import value
from shipper.objects.place import open_place
from shipper.objects.settings import S3
from shipper.objects.store import ObjectStore
from shipper.query.parse import parse
from shipper.query.tree import And, Equals, Exists, Node, Not, Or
from shipper.search.archive import ArchiveStore
from shipper.search.elastic import ElasticStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question, Store
from shipper.state import State
from shipper.store.read import Reader
from shipper.tier.adopt import adopt
from shipper.tier.hold import Holds
from shipper.tier.policy import DAY_S, end_of, stages

ELASTICSEARCH = "elasticsearch"


class Everywhere:
    """Used by one thread. `close` it."""

    def __init__(self, data: Path, state: State, plan: Plan) -> None:
        """Raises `UsageError` for a connection that can't be right."""
        self.data, self.state, self.plan = data, state, plan
        self.name = plan.pipeline.name
        self._stack = ExitStack()
        self._s3 = plan.pipeline.tiers.s3 if plan.pipeline.tiers is not None else S3()
        self._places: dict[str, ObjectStore] = {}
        self._one: Archived | None = None
        self.elastic = self._elastic()
        self._single = ArchiveStore(data, lambda day: [self._one] if self._one is not None else [], self.place)
        self._stack.callback(self._single.close)

    def close(self) -> None:
        self._stack.close()

    def place(self, name: str) -> ObjectStore:
        """An archive's place as the ledger names it."""
        if name not in self._places:
            self._places[name] = open_place(name, self.data, self._s3)
        return self._places[name]

    def holds(self) -> Holds:
        return Holds(self.state, self.count, self.place)

    def adopt(self) -> None:
        """Takes over archives that `state.db` knows nothing of. Raises `ShipperError` when one can't be read."""
        if self.plan.tiers is not None:
            for place in dict.fromkeys(stage.place for stage in stages(self.plan.tiers, "")):
                adopt(self.place(place), place, self.state)

    @property
    def missing(self) -> str:
        """What holds records of this folder and is not named by the pipeline now, in one line; or empty."""
        sinks = orjson.loads(self.state.meta("sinks", "{}")).get("sinks", ())
        if ELASTICSEARCH not in sinks or self.elastic is not None:
            return ""
        return (
            f"records of {self.data} are in Elasticsearch, which {self.plan.path} does not name now; "
            "set ELASTICSEARCH_URL as in its run"
        )

    # ── counting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, query: str, since: float | None, until: float | None, dataset: str, day: str) -> int:
        """See `tier.hold.Count`."""
        if self.missing:
            raise ShipperError(self.missing)
        question = Question(of_dataset(parse(query), dataset), since, until)
        with ExitStack() as stack:
            return sum(store.count(question, day) for store in self._stores(stack) if day in store.days(question))

    def count_archived(self, tree: Node, one: Archived) -> int:
        """Of one dataset and day of a tier, also of a copy in grace. Raises `NeedsRestore`."""
        self._one = one
        return self._single.count(Question(tree), one.day)

    def remaining(self, tree: Node, kind: tuple[str, str] | None = None) -> tuple[int, list[str]]:
        """How many records a search over all tiers finds, and what could not be searched, a line each. `kind`: dataset
        and day, of these alone."""
        problems: list[str] = [self.missing] if self.missing else []
        with ExitStack() as stack:
            stores = list(self._stores(stack))
            found = count(stores, _question(tree, kind), lambda what, why: problems.append(f"{what}: {why}"))
        return found, problems

    def ids(self, tree: Node, kind: tuple[str, str] | None = None) -> Iterator[str]:
        """The `event.id` of the records that such a search finds, in what can be read now."""
        with ExitStack() as stack:
            for doc in search(list(self._stores(stack)), _question(tree, kind), 0, lambda *_: None):
                if event_id := value(parsed(doc), "event.id", ""):
                    yield str(event_id)

    def indexed(self, tree: Node, *, restored: bool = False) -> Iterator[tuple[str, str, bytes]]:
        """Index, day and document of all that match in Elasticsearch, those too that belong to the archive already."""
        if self.elastic is None:
            return
        name = f"{RESTORED}-{self.name}" if restored else self.name
        store, question = ElasticStore(self.elastic, name), Question(tree)
        for day in store.days(question):
            for doc in store.docs(question, day, 0):
                yield f"{name}-{day}", day, doc

    def _stores(self, stack: ExitStack) -> Iterator[Store]:
        """Those that a search asks, opened anew: what is archived changes."""
        reader = Reader(self.data)
        stack.callback(reader.close)
        yield EmbeddedStore(reader)
        if self.elastic is not None:
            yield ElasticStore(self.elastic, self.name, lambda: ledger.days_in_grace(self.state))
        archive = ArchiveStore(self.data, lambda day: ledger.archived(self.state, day=day), self.place)
        stack.callback(archive.close)
        yield archive

    def _elastic(self) -> Elastic | None:
        for part in self.plan.parts["sinks"]:
            if isinstance(part.config, Connection):
                elastic = Elastic(part.config)
                self._stack.callback(elastic.close)
                return elastic
        return None


def _question(tree: Node, kind: tuple[str, str] | None) -> Question:
    if kind is None:
        return Question(tree)
    dataset, end = kind[0], end_of(kind[1])
    return Question(of_dataset(tree, dataset), end - DAY_S, end)


def of_dataset(tree: Node, dataset: str) -> Node:
    """What a query asks of a dataset as an archive names it."""
    if dataset == OTHER or dataset.startswith("["):
        # Many datasets went into the first, and a list of several is named by its text: any record may be meant.
        return tree
    if dataset:
        return And((tree, Equals("event.dataset", dataset)))
    return And((tree, Or((Not(Exists("event.dataset")), Equals("event.dataset", "")))))


def log_files(state: State) -> list[str]:
    """The files that the stored records were read from: out of the reach of an erasure."""
    rows = state.rows("SELECT DISTINCT path FROM files ORDER BY path")
    return [row["path"] for row in rows if os.fspath(row["path"])]
