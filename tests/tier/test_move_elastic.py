"""The mover over a real Elasticsearch, real Parquet and a folder: each record is found once, wherever it was killed."""

from collections import Counter

import duckdb
import orjson
import pytest

from shipper.archive import ledger
from shipper.clock import ManualClock
from shipper.elastic.connect import Elastic
from shipper.elastic.connection import Connection
from shipper.elastic.template import templates
from shipper.objects.folder import FolderStore
from shipper.search.elastic import ElasticStore
from shipper.state import State
from shipper.store.columns import text
from shipper.tier.archive import Archive
from shipper.tier.elastic import ElasticHot
from shipper.tier.move import Mover
from shipper.tier.moving import Moving
from tests.search.test_elastic import ALL
from tests.tier.days import at, day, policy
from tests.tier.test_move_embedded import KeptExporter
from tests.tier.world import POLICY, Killed, record

on_8 = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)


@pytest.fixture(scope="module")
def exporter():
    """One child for all movers."""
    kept = KeptExporter()
    yield kept
    kept.end()


class Cluster:
    """A day in Elasticsearch that is old enough to move."""

    def __init__(self, server, name, data, exporter):
        self.server, self.name, self.data, self.exporter = server, name, data, exporter
        self.clock, self.state = ManualClock(at(8)), State(data / "state.db")
        self.elastic = Elastic(Connection(url=server.url))
        self.objects = FolderStore(data / "archive", data)
        self.written = []
        server.request("PUT", f"/_index_template/{name}", templates(name)[name])

    def add(self, *numbers, dataset="backend"):
        """Those that a block keeps out are tried again by the sink: here they are not written."""
        docs = [record(number, day(0), dataset) for number in numbers]
        rows = []
        for doc in docs:
            where = {"_index": f"{self.name}-{day(0)}", "_id": orjson.loads(doc)["event.id"]}
            rows += [orjson.dumps({"create": where}), doc]
        items = self.server.request("POST", "/_bulk?refresh=true", b"\n".join(rows) + b"\n")["items"]
        self.written += [doc for doc, item in zip(docs, items, strict=True) if item["create"]["status"] == 201]

    def run(self, kill_at=""):
        def passed(what):
            if kill_at and what == kill_at:
                raise Killed(what)

        scratch = self.data / "tmp" / "tier"
        how = {"clock": self.clock, "exporter": self.exporter, "scratch": scratch, "passed": passed}
        mover = Mover(
            Moving(
                policy(**POLICY, datasets={}),
                ElasticHot(self.elastic, self.name, self.clock),
                self.state,
                lambda place: Archive(self.objects, place, self.state, **how),
                self.exporter,
                scratch,
                self.clock,
                passed=passed,
            )
        )
        return mover.run()

    def hot(self):
        store = ElasticStore(self.elastic, self.name, lambda: ledger.days_in_grace(self.state))
        return [doc for found in store.days(ALL) for doc in store.docs(ALL, found, 0)]

    def archived(self):
        parts = [part.key for one in ledger.archived(self.state) for part in one.manifest.parts]
        files = ", ".join(text(self.data / "archive" / key) for key in parts)
        rows = duckdb.sql(f"SELECT doc FROM read_parquet([{files}])").fetchall() if parts else []
        return [row[0].encode() for row in rows]

    def found(self):
        """What a search over all tiers finds, how often each."""
        return Counter([*self.hot(), *self.archived()])

    def indices(self):
        return list(self.server.request("GET", f"/{self.name}-20*/_settings"))


@pytest.fixture
def cluster(elasticsearch, name, tmp_path, exporter):
    made = Cluster(elasticsearch, name, tmp_path, exporter)
    made.add(*range(50))
    made.add(100, dataset="audit")
    yield made
    made.elastic.close()
    made.state.close()


def two_days_go_by(cluster):
    """Each record is found once at any time, and is in the archive alone at the end."""
    for _ in range(2):
        assert cluster.run().failed == []
        assert cluster.found() == Counter(cluster.written)
        cluster.clock.advance(86_400)
    assert (cluster.indices(), sorted(cluster.archived())) == ([], sorted(cluster.written))


def test_a_day_goes_into_the_archive_and_its_index_is_deleted(cluster):
    """With what came while it was in grace; a record that comes still later makes the index anew, and is added."""
    assert cluster.run().failed == []
    assert (cluster.hot(), len(cluster.archived())) == ([], 51)
    cluster.add(60, 61)
    assert (len(cluster.hot()), cluster.found()) == (2, Counter(cluster.written))
    cluster.clock.advance(86_400)
    assert cluster.run().failed == []
    assert (cluster.indices(), cluster.found()) == ([], Counter(cluster.written))
    cluster.add(70)
    assert (len(cluster.hot()), cluster.found()) == (1, Counter(cluster.written))
    two_days_go_by(cluster)


@on_8
@pytest.mark.parametrize("step", ["exported", "verified", "published", "marked"])
def test_killed_on_its_way_in_each_record_is_found_once(cluster, step):
    """With one that comes late, after the kill."""
    with pytest.raises(Killed):
        cluster.run(kill_at=step)
    assert cluster.found() == Counter(cluster.written)
    cluster.add(60)
    two_days_go_by(cluster)


@on_8
@pytest.mark.parametrize("step", ["blocked", "deleted at the source"])
def test_killed_on_its_way_out_each_record_is_found_once(cluster, step):
    """With one that came late, and one that is kept out by the block or makes the day anew."""
    cluster.run()
    cluster.add(60)
    cluster.clock.advance(86_400)
    with pytest.raises(Killed):
        cluster.run(kill_at=step)
    cluster.add(61)
    for _ in range(3):
        assert cluster.found() == Counter(cluster.written)
        assert cluster.run().failed == []
        cluster.clock.advance(86_400)
    assert (cluster.indices(), sorted(cluster.archived())) == ([], sorted(cluster.written))


@on_8
def test_what_was_erased_meanwhile_stops_nothing(cluster):
    """A deletion has a number of its own."""
    cluster.run()
    cluster.server.request("POST", f"/{cluster.name}-{day(0)}/_delete_by_query", {"query": {"match_all": {}}})
    cluster.clock.advance(86_400)

    assert (cluster.run().failed, cluster.indices(), len(cluster.archived())) == ([], [], 51)
