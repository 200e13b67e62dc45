"""A record is found the same way wherever its day lies: hot, in a folder, in a bucket, and partly here, partly there."""

import os
import shutil
import subprocess

import pytest
import yaml

from shipper.archive.ledger import archived, save_archived
from shipper.archive.manifest import Manifest, Part
from shipper.archive.names import part_key
from shipper.archive.parquet import Exporter
from shipper.clock import parse_when
from shipper.model import StateChange
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.search.archive import ArchiveStore
from shipper.search.elastic import ElasticStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.state import State
from shipper.store.read import Reader
from tests import conftest
from tests.search.both import COMMAND, both, found, ids, sample
from tests.search.queries import CUTS, QUERIES
from tests.services.elasticsearch import Servers

KINDS = ("folder", "moto", "versitygw", "half")
SHARE = 1 if os.environ.get("SHIPPER_CAMPAIGN") == "full" else len(KINDS)
"""In the short form each kind answers a share of the queries."""


def nothing(what, reason):
    """No day may be unreadable."""
    raise AssertionError(f"{what}: {reason}")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder after a run over ordinary and odd lines of several days."""
    folder = tmp_path_factory.mktemp("hot")
    log, pipeline, data = folder / "app.log", folder / "pipeline.yml", folder / "data"
    log.write_bytes(sample(folder))
    pipeline.write_text(
        yaml.safe_dump(
            {
                "name": "tiers",
                "sources": [{"type": "tail", "paths": [str(log)], "dataset": "app"}],
                "enrich": {"service": "app", "host": "h", "oldest_days": 3000},
                "detect": {"rules": [], "secrets": []},
                "sinks": [{"type": "embedded", "quiet_seconds": 0}],
            }
        )
    )
    command = [*COMMAND, "run", "--once", str(pipeline), "--data", str(data)]
    subprocess.run(command, check=True, capture_output=True)
    return data


class Exported:
    """The days of a data folder as the archive keeps them."""

    def __init__(self, data, folder):
        self.parts = {}
        exporter, reader = Exporter(), EmbeddedStore(Reader(data))
        for day in reader.days(Question(parse("*"))):
            source, target = folder / f"{day}.ndjson", folder / day
            source.write_bytes(b"".join(doc + b"\n" for doc in reader.docs(Question(parse("*")), day, 0)))
            target.mkdir()
            self.parts[day] = exporter.export([source], target).written
        exporter.close()
        reader.close()

    def into(self, objects, state, days, tier):
        """Puts some days there, and notes them in a ledger."""
        for day in days:
            for dataset, path, facts in self.parts[day]:
                key = part_key(tier, dataset, day)
                stored = objects.put(key, path)
                part = Part(key, stored.bytes, stored.sha256, *facts)
                manifest = Manifest(tier, dataset, day, (part,), "embedded", "2026-01-01T00:00:00Z")
                state.run(save_archived("place", manifest, 0.0))


@pytest.fixture(scope="module")
def exported(data, tmp_path_factory):
    return Exported(data, tmp_path_factory.mktemp("exported"))


class Tiers:
    """Stores over a data folder of their own."""

    def __init__(self, folder, exported, objects, archived_days, hot_data=None):
        self.data = folder / "data"
        if hot_data is None:
            self.data.mkdir(parents=True)
        else:
            shutil.copytree(hot_data, self.data)
        self.state = State(self.data / "state.db")
        for day in archived_days:
            self.state.run(StateChange("DELETE FROM segments WHERE day = ?", (day,)))
        exported.into(objects, self.state, archived_days[::2], "warm")
        exported.into(objects, self.state, archived_days[1::2], "cold")
        archive = ArchiveStore(self.data, lambda day: archived(self.state, day=day), lambda place: objects)
        hot = [] if hot_data is None else [EmbeddedStore(Reader(self.data))]
        self.stores = [*hot, archive]

    def close(self):
        for store in self.stores:
            store.close()
        self.state.close()

    def answer(self, query, limit=0, since=None, until=None):
        return list(search(self.stores, Question(parse(query), since, until), limit, nothing))

    def count(self, query, since=None, until=None):
        return count(self.stores, Question(parse(query), since, until), nothing)


class Hot(Tiers):
    """All of it where it was stored."""

    def __init__(self, data):
        self.stores = [EmbeddedStore(Reader(data))]
        self.known = {}

    def answer(self, query, limit=0, since=None, until=None):
        asked = (query, limit, since, until)
        if asked not in self.known:
            self.known[asked] = super().answer(*asked)
        return self.known[asked]


@pytest.fixture(scope="module")
def hot(data):
    """Asked once for all that is compared with it."""
    found = Hot(data)
    yield found
    found.stores[0].close()


@pytest.fixture(scope="module", params=KINDS)
def tiers(request, data, exported, tmp_path_factory):
    """All days in an archive in a folder, or in a bucket; or every second day still in the hot store."""
    folder = tmp_path_factory.mktemp(request.param)
    half = request.param == "half"
    if request.param in ("folder", "half"):
        objects = FolderStore(folder / "place")
    else:
        objects = conftest._s3_server(request.param).bucket(conftest._bucket_name()).store()
    days = sorted(exported.parts)
    made = Tiers(folder, exported, objects, days[::2] if half else days, data if half else None)
    made.queries = QUERIES[KINDS.index(request.param) % SHARE :: SHARE]
    yield made
    made.close()


def test_every_record_is_there_in_the_same_order(hot, tiers):
    """The same bytes, newest first."""
    everything = hot.answer("*")
    assert tiers.answer("*") == everything
    assert tiers.count("*") == len(everything) > 1_000


def test_the_same_queries_find_the_same(hot, tiers):
    """Which records, in which order, and how many."""
    wrong = []
    for query in tiers.queries:
        expected = hot.answer(query)
        if tiers.answer(query) != expected or tiers.count(query) != len(expected):
            wrong.append(query)
    assert (wrong, len(tiers.queries) > 90) == ([], True)


@pytest.mark.parametrize("limit", [1, 7, 150])
def test_limits_cut_the_same(hot, tiers, limit):
    """The newest so many."""
    for query in ("*", "level:ERROR", "NOT user_id:*", "refused"):
        assert tiers.answer(query, limit) == hot.answer(query, limit)


@pytest.mark.parametrize(("since", "until"), CUTS)
def test_times_cut_the_same(hot, tiers, since, until):
    """`since` is included and `until` is not, to the microsecond and over days."""
    asked = {"since": since and parse_when(since, 0.0), "until": until and parse_when(until, 0.0)}
    for query in ("*", "level:ERROR"):
        expected = hot.answer(query, **asked)
        assert tiers.answer(query, **asked) == expected
        assert tiers.count(query, **asked) == len(expected)


# ── Elasticsearch as the hot store ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["8"])
def beside(request, tmp_path_factory):
    """One run into both hot stores; then one of every three days is only in the archive, and one is in its grace."""
    server = conftest._or_leave_out(request.param, lambda: Servers.of_this_run().shared(request.param))
    folder = tmp_path_factory.mktemp("beside")
    with both(folder, server, f"tbeside{os.getpid()}", sample(folder)) as stored:
        exported = Exported(stored.data, folder)
        days = sorted(exported.parts)
        tiers = Tiers(folder / "archive", exported, FolderStore(folder / "place"), [*days[::3], *days[1::3]])
        points = {day: _point(stored, day) for day in days[1::3]}
        for day in days[::3]:
            stored.elastic._elastic.request("DELETE", f"/{stored.name}-{day}")
        tiers.stores.insert(0, ElasticStore(stored.elastic._elastic, stored.name, lambda: points))
        yield stored.embedded, tiers
        tiers.close()


def _point(stored, day):
    """All that an index has now."""
    index = f"{stored.name}-{day}"
    about = stored.elastic._elastic.request("GET", f"/{index}/_stats?level=shards")["indices"][index]
    numbers = {number: copies[0]["seq_no"]["max_seq_no"] for number, copies in about["shards"].items()}
    return {"index": about["uuid"], "seq_no": numbers}


def test_elasticsearch_and_the_archive_answer_as_one(beside):
    """Which records, in which order, and how many: every record once."""
    embedded, tiers = beside
    wrong = []
    for query in ["*", *QUERIES[:: 12 if SHARE > 1 else 1]]:
        expected = ids(found(embedded, query))
        if ids(tiers.answer(query)) != expected or tiers.count(query) != len(expected):
            wrong.append(query)
    assert wrong == []
