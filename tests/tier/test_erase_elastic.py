"""Erasing from real indices: what a search finds goes, a block comes back, restored days and alerts lose it too."""

from contextlib import closing

import orjson
import pytest

from shipper.build import plan
from shipper.clock import ManualClock
from shipper.elastic.template import restored_template, templates
from shipper.erasing import reach
from shipper.query.parse import parse
from shipper.state import State
from shipper.tier.erase import Erasure
from shipper.tier.subject import Subject

DAY = "2026.01.01"
ALICE = "user_id:alice"


def doc(number, user):
    when = f"2026-01-01T10:00:{number:02}.000Z"
    return {"@timestamp": when, "event.id": f"f-{number}", "event.dataset": "backend", "user_id": user}


def alert(number, user, evidence):
    group = {"user.id": user}
    fields = {"event.kind": "alert", "alert.id": f"a{number}", "alert.group": group, "alert.evidence": evidence}
    return {"@timestamp": "2026-01-01T10:00:00.000Z", "event.id": f"a{number}-1", **fields}


class Cluster:
    """A pipeline of its own, and an empty data folder."""

    def __init__(self, server, name, folder):
        self.server, self.name, self.data = server, name, folder / "data"
        self.data.mkdir()
        sink = {"type": "elasticsearch", "url": server.url}
        pipeline = {"name": name, "sources": [{"type": "tail", "paths": ["/nowhere/*"]}], "sinks": [sink]}
        (folder / "pipeline.yml").write_bytes(orjson.dumps(pipeline))
        self.plan = plan(folder / "pipeline.yml", {})
        for template, body in {**templates(name), **restored_template(name)}.items():
            server.request("PUT", f"/_index_template/{template}", body)
        State(self.data / "state.db").close()

    def put(self, index, *docs):
        lines = [part for each in docs for part in ({"create": {"_id": each["event.id"]}}, each)]
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        answer = self.server.request("POST", f"/{index}/_bulk?refresh=true", body)
        assert not answer["errors"], answer

    def erasure(self, act):
        with (
            closing(State(self.data / "state.db")) as state,
            reach(self.plan, self.data, state, ManualClock(), key=b"k" * 64) as reached,
        ):
            return act(Erasure(reached, Subject(ALICE, parse(ALICE))))

    def ids(self, index):
        hits = self.server.request("POST", f"/{index}/_search", {"size": 100})["hits"]["hits"]
        return sorted(hit["_id"] for hit in hits)


@pytest.fixture
def cluster(elasticsearch, name, tmp_path):
    made = Cluster(elasticsearch, name, tmp_path)
    made.put(f"{name}-{DAY}", *(doc(number, user) for number, user in enumerate(["alice", "bob", "alice"])))
    made.put(f"restored-{name}-{DAY}", doc(0, "alice"), doc(1, "bob"))
    alerts = [alert(0, "alice", ["f-1"]), alert(1, "bob", ["f-0", "f-1"]), alert(2, "bob", ["f-2"])]
    made.put(f"alerts-{name}-2026.01", *alerts, alert(3, "bob", ["f-1"]))
    return made


def test_the_subject_goes_from_records_restored_days_and_alerts(cluster):
    """Alerts of others lose the evidence; those that had no other go."""
    name = cluster.name
    looked = {line.where: line.rows for line in cluster.erasure(Erasure.look)}
    report = cluster.erasure(lambda erasure: erasure.carry_out(""))
    assert report.is_whole, (report.refused, report.proof)
    assert (looked["elasticsearch"], looked["restored"]) == (2, 1)
    assert cluster.ids(f"{name}-{DAY}") == ["f-1"]
    assert cluster.ids(f"restored-{name}-{DAY}") == ["f-1"]
    assert cluster.ids(f"alerts-{name}-2026.01") == ["a1-1", "a3-1"]
    kept = cluster.server.request("GET", f"/alerts-{name}-2026.01/_doc/a1-1")["_source"]
    assert kept["alert.evidence"] == ["f-1"]


def test_a_blocked_index_is_erased_from_and_blocked_again(cluster):
    """A mover that was killed has left it so; no setting of ours stays."""
    index = f"{cluster.name}-{DAY}"
    cluster.server.request("PUT", f"/{index}/_block/write")
    assert cluster.erasure(lambda erasure: erasure.carry_out("")).is_whole
    settings = cluster.server.request("GET", f"/{index}/_settings?flat_settings=true")[index]["settings"]
    assert cluster.ids(index) == ["f-1"]
    assert settings["index.blocks.write"] == "true"
    assert not [key for key in settings if "expunge" in key]


def test_a_server_that_is_away_is_named(cluster):
    """Nothing is proven then."""
    cluster.plan.parts["sinks"][0].config.url = "http://127.0.0.1:9"
    report = cluster.erasure(lambda erasure: erasure.carry_out(""))
    assert {"elasticsearch", "restored"} <= {line.where for line in report.refused}
    assert not report.proof.is_absent
