"""The hot store of a life: the data folder's own, or Elasticsearch."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson

from shipper.archive import ledger
from shipper.elastic.template import templates
from shipper.lock import hold
from shipper.state import State
from shipper.store.layout import listed
from shipper.store.recover import recover
from shipper.store.sealer import Sealer
from shipper.store.segments import Limits, Segments
from tests.search.stored import day_of, store
from tests.services.elasticsearch import Elasticsearch

WRITE_EVERY_S = 0.02

Write = Callable[[list[bytes]], list[bytes]]
"""Commits records of one day; returns those that are stored."""


class Hot(Protocol):
    """Where records go that were just written."""

    pipeline: dict[str, Any]
    """Its part of a pipeline file."""

    def begin(self) -> None: ...

    def write(self, docs: list[bytes]) -> list[bytes]: ...

    @contextmanager
    def writer(self) -> Iterator[Write]: ...

    def rows(self) -> Counter[str]:
        """Day → how many records are not the archive's."""
        ...

    def left(self) -> list[str]:
        """All that is there."""
        ...


@contextmanager
def writing(hot: Hot, docs: Callable[[], list[bytes]], wrote: Callable[[list[bytes]], None]) -> Iterator[None]:
    """Meanwhile a writer adds records."""
    with hot.writer() as write:
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(WRITE_EVERY_S):
                wrote(write(docs()))

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class InFolder:
    """The segments of a data folder."""

    def __init__(self, data: Path) -> None:
        self.pipeline: dict[str, Any] = {"sinks": [{"type": "embedded"}]}
        self._data = data

    def begin(self) -> None:
        store(self._data)

    def write(self, docs: list[bytes]) -> list[bytes]:
        store(self._data, *docs)
        return docs

    @contextmanager
    def writer(self) -> Iterator[Write]:
        """What a run does: holds its lock, appends, seals when it is asked to."""
        with ExitStack() as stack:
            stack.enter_context(closing(hold(self._data, "tail")))
            state = stack.enter_context(closing(State(self._data / "state.db")))
            recover(self._data, state)
            segments = stack.enter_context(closing(Segments(self._data, state, Limits())))
            sealer = Sealer(segments, every=WRITE_EVERY_S)
            stack.callback(sealer.stop)
            sealer.start()

            def write(docs: list[bytes]) -> list[bytes]:
                times = sorted(orjson.loads(doc)["@timestamp"] for doc in docs)
                state.run(segments.append("records", day_of(docs[0]), docs, times[0], times[-1]))
                return docs

            yield write

    def rows(self) -> Counter[str]:
        rows: Counter[str] = Counter()
        with closing(State(self._data / "state.db")) as state:
            marked = ledger.marked_segments(state)
            for segment in listed(state, "records"):
                rows[segment.day] += 0 if segment.number in marked else segment.rows
        return rows

    def left(self) -> list[str]:
        return [str(path) for path in (self._data / "hot").rglob("*") if path.is_file()]


class InElasticsearch:
    """The daily indices of a pipeline. Records that are kept out of one that is about to be deleted are not stored."""

    def __init__(self, data: Path, server: Elasticsearch, name: str) -> None:
        self.pipeline: dict[str, Any] = {"name": name, "sinks": [{"type": "elasticsearch", "url": server.url}]}
        self._data, self._server, self._name = data, server, name

    def begin(self) -> None:
        store(self._data)
        self._server.request("PUT", f"/_index_template/{self._name}", templates(self._name)[self._name])

    def write(self, docs: list[bytes]) -> list[bytes]:
        rows = []
        for doc in docs:
            where = {"_index": f"{self._name}-{day_of(doc)}", "_id": orjson.loads(doc)["event.id"]}
            rows += [orjson.dumps({"create": where}), doc]
        items = self._server.request("POST", "/_bulk?refresh=true", b"\n".join(rows) + b"\n")["items"]
        return [doc for doc, item in zip(docs, items, strict=True) if item["create"]["status"] == 201]

    @contextmanager
    def writer(self) -> Iterator[Write]:
        yield self.write

    def rows(self) -> Counter[str]:
        with closing(State(self._data / "state.db")) as state:
            points = ledger.days_in_grace(state)
        return Counter({name[-10:]: self._behind(name, points.get(name[-10:])) for name in self.left()})

    def _behind(self, index: str, point: dict[str, Any] | None) -> int:
        uuid = self._server.request("GET", f"/{index}/_settings")[index]["settings"]["index"]["uuid"]
        number = point["seq_no"]["0"] if point is not None and point["index"] == uuid else -1
        query = {"range": {"_seq_no": {"gt": number}}}
        return int(self._server.request("POST", f"/{index}/_count", {"query": query})["count"])

    def left(self) -> list[str]:
        return list(self._server.request("GET", f"/{self._name}-20*/_settings"))
