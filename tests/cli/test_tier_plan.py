"""`shipper tier plan`: told and not done, over either hot store, before anything was archived and after."""

from contextlib import closing
from dataclasses import replace

import orjson
import pytest
from click.testing import CliRunner

from shipper.archive import ledger
from shipper.archive.ledger import ARCHIVE, EXPORTED, MARKED
from shipper.archive.parquet import Exporter
from shipper.cli import tier_plan
from shipper.cli.main import Settings
from shipper.clock import ManualClock
from shipper.elastic.connect import Connection, Elastic
from shipper.errors import ShipperError, UsageError
from shipper.model import StateChange
from shipper.objects.folder import FolderStore
from shipper.state import State
from tests.tier.archived_days import doc
from tests.tier.days import archived, at, day, move

TIERS = """
tiers:
  hot: 7d
  warm: {until: 30d, to: "s3://bucket/logs", storage_class: STANDARD_IA}
  cold: {until: 365d, storage_class: GLACIER_IR}
  datasets: {audit: 7y}
"""
PRICES = "  prices: {as_of: 2026-11-01, storage: {hot: 0.1, STANDARD_IA: 0.0125, GLACIER_IR: 0.004}}\n"


class Folder:
    """A data folder, a pipeline, and the command over both on a morning."""

    def __init__(self, tmp_path, monkeypatch):
        self.data, self.pipeline, self.name = tmp_path / "data", tmp_path / "pipeline.yml", "app"
        self.clock = ManualClock()
        monkeypatch.setattr(tier_plan, "SystemClock", lambda: self.clock)
        monkeypatch.setenv("COLUMNS", "80")
        self.policy()

    def policy(self, tiers=TIERS, sink="{type: embedded}"):
        self.pipeline.write_text(
            f"name: {self.name}\nsources:\n  - {{type: tail, paths: [x]}}\nsinks:\n  - {sink}\n{tiers}"
        )

    def state(self):
        self.data.mkdir(exist_ok=True)
        return State(self.data / "state.db")

    def hot(self, *numbers, rows=1000, size=5_000_000):
        state = self.state()
        for number in numbers:
            values = (number + 1, "records", day(number), "parquet", size, rows, "", "")
            state.run(StateChange("INSERT INTO segments VALUES (?,?,?,?,?,?,?,?)", values))
        state.close()

    def archive(self, *some):
        state = self.state()
        for one in some:
            state.run(ledger.save_archived(one.place, one.manifest, 0.0))
        state.close()

    def __call__(self, morning, *options):
        self.clock.advance(at(morning) - self.clock.now())
        settings = Settings()
        settings.data = self.data
        result = CliRunner().invoke(
            tier_plan.plan, [*options, str(self.pipeline)], obj=settings, catch_exceptions=False
        )
        return result.stdout

    def objects(self, morning):
        return [orjson.loads(line) for line in self(morning, "--format", "json").splitlines()]

    def moves(self, morning):
        return [
            (one["when"], one["move"], one["day"], one["dataset"])
            for one in self.objects(morning)
            if one["kind"] == "move"
        ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return Folder(tmp_path, monkeypatch)


def test_a_folder_where_nothing_was_stored_has_nothing_to_move(folder):
    """And is not made."""
    assert folder(0).startswith("Nothing is to be moved now.")
    assert not folder.data.exists()


def test_what_moves_is_told_with_its_reason(folder):
    """In eighty columns, with what every tier holds before and after, and costs."""
    folder.policy(TIERS + PRICES)
    folder.hot(40, 41, 48)
    folder.archive(archived(9, rows=1000, size=1_000_000), archived(10, rows=1000, size=1_000_000))
    told = folder(49)
    assert max(map(len, told.splitlines())) <= 80
    assert "These would be moved now, by: shipper tier run" in told
    rows = [line.split() for line in told.splitlines()]
    assert [day(40), "all", "1,000", "4.8", "MiB", "hot", "warm", "8d", "old,", "hot", "keeps", "7d"] in rows
    assert [day(9), "backend", "1,000", "976.6", "KiB", "warm", "cold", "39d", "old,", "warm", "keeps", "30d"] in rows
    assert ["hot", "3", "3,000", "14.3", "MiB", "<", "0.01", "1", "4.8", "MiB", "<", "0.01"] in rows
    assert ["warm", "2", "2,000", "1.9", "MiB", "<", "0.01", "2", "1.9", "MiB", "<", "0.01"] in rows
    assert "archive: s3://bucket/logs" in told
    assert "Cost: USD a month for storage alone, at prices of 2026-11-01." in told


def test_nothing_is_done(folder):
    """It only looks."""
    folder.hot(0)
    assert folder.moves(20) == folder.moves(20) == [("now", "archive", day(0), None)]
    state = folder.state()
    assert (ledger.moves(state), ledger.archived(state)) == ([], [])
    state.close()


def test_a_move_is_an_object_of_its_own(folder):
    """With all that is known of it."""
    folder.archive(archived(0, dataset="audit"))
    assert folder.objects(31)[0] == {
        "kind": "move",
        "when": "now",
        "move": "copy",
        "day": day(0),
        "dataset": "audit",
        "from": "warm",
        "to": "cold",
        "place": "s3://bucket/logs",
        "storage_class": "GLACIER_IR",
        "locked_until": None,
        "rows": 100,
        "bytes": 200_000,
        "due": "2026-02-01T00:00:00.000Z",
        "reason": "30d old, warm keeps 30d",
        "blocked_by": None,
    }


def test_tiers_prices_and_notes_are_objects_too(folder):
    """For whoever draws them."""
    folder.policy(TIERS + PRICES)
    found = folder.objects(0)
    nothing = {"days": 0, "rows": 0, "bytes": 0, "cost": 0}
    assert [one for one in found if one["kind"] == "tier"] == [
        {"kind": "tier", "tier": tier, "now": nothing, "after": nothing} for tier in ("hot", "warm", "cold")
    ]
    assert {"kind": "prices", "as_of": "2026-11-01", "currency": "USD", "per": "month"} in found
    assert [one["note"] for one in found if one["kind"] == "note"] == [
        "warm: STANDARD_IA bills at least 30d, a day stays 24d; `until: 36d` costs no more"
    ]


def test_without_prices_no_cost_is_made_up(folder):
    """A dash stands there."""
    folder.hot(0)
    told = folder(1)
    assert ["hot", "1", "1,000", "4.8", "MiB", "–", "1", "4.8", "MiB", "–"] in [
        line.split() for line in told.splitlines()
    ]
    assert "Cost:" not in told


def test_moves_under_way_are_told_with_what_stopped_them(folder):
    """And are not planned again."""
    folder.hot(0, 1)
    state = folder.state()
    ledger.begin_move(state, move(ARCHIVE, 0, EXPORTED, failure="the bucket is gone"), at(8))
    state.close()
    assert f"under way: {day(0)} hot → warm, exported since 2026-01-09T03:00Z; the bucket is gone" in " ".join(
        folder(9).split()
    )
    assert folder.moves(9) == [("now", "archive", day(1), None)]


def test_days_in_grace_are_told_in_one_line(folder):
    """After the first run there are many."""
    state = folder.state()
    for number in range(30):
        ledger.begin_move(state, move(ARCHIVE, number, MARKED, detail={"point": {"segments": []}}), at(40))
    state.close()
    told = f"in grace: {day(0)} and 29 more; old copies go from 2026-02-11T03:00Z on"
    assert told in " ".join(folder(40).split())


def test_what_came_since_a_day_was_archived_is_told(folder):
    """It goes along before the day is deleted."""
    folder.hot(0, 1)
    state = folder.state()
    point = {"segments": [1]}
    ledger.begin_move(state, move(ARCHIVE, 0, MARKED, detail={"point": point}), at(8))
    values = (7, "records", day(0), "parquet", 10, 3, "", "")
    state.run(*ledger.mark_segments([1], at(8)))
    state.run(StateChange("INSERT INTO segments VALUES (?,?,?,?,?,?,?,?)", values))
    state.close()
    (late,) = [one for one in folder.objects(8) if one["kind"] == "move" and one["day"] == day(0)]
    assert (late["when"], late["rows"], late["due"]) == ("later", 3, "2026-01-10T03:00:00.000Z")


def test_a_hold_is_told(folder, tmp_path):
    """Of a day with a record on hold; the other one goes."""
    objects = FolderStore(folder.data / "archive")
    with closing(folder.state()) as state, closing(Exporter()) as exporter:
        for number, level in enumerate(("error", "info")):
            (tmp_path / "day.ndjson").write_bytes(doc(day(number), 1, **{"log.level": level}))
            folder_of_day = tmp_path / level
            folder_of_day.mkdir()
            (written,) = exporter.export([tmp_path / "day.ndjson"], folder_of_day).written
            one = archived(number, "cold", place="archive")
            (part,) = one.manifest.parts
            objects.put(part.key, written.path)
            told = replace(part, bytes=written.path.stat().st_size, **written.facts._asdict())
            state.run(ledger.save_archived("archive", replace(one.manifest, parts=(told,)), 0.0))
        sql = "INSERT INTO holds(query, since, until, reason, who, added) VALUES (?, '', '', 'court', 'me', 0)"
        state.run(StateChange(sql, ("log.level:error",)))
    found = [(one["day"], one["when"], one["blocked_by"]) for one in folder.objects(400) if one["kind"] == "move"]
    assert found == [(day(1), "now", None), (day(0), "blocked", "hold")]
    assert f"not now: {day(0)} backend cold → gone (hold)" in folder(400)


def test_many_moves_are_cut_short(folder):
    """Not in JSON."""
    folder.hot(*range(40))
    assert "… and 20 more: --format json" in folder(60)
    assert len(folder.moves(60)) == 40


def test_the_pipeline_of_the_last_run_is_taken(folder):
    """When none is named."""
    folder.hot(0)
    state = folder.state()
    state.set_meta("sinks", orjson.dumps({"pipeline": str(folder.pipeline), "sinks": ["embedded"]}).decode())
    state.close()
    assert tier_plan.chosen(folder.data, None).path == folder.pipeline


def test_a_pipeline_without_tiers_says_what_to_write(folder):
    """Nothing would ever move."""
    folder.policy("")
    with pytest.raises(UsageError, match="has no `tiers`, so everything stays in the hot store; write for example"):
        folder(0)


def test_an_elasticsearch_that_is_away_is_one_line(folder):
    """With its address."""
    folder.policy(sink="{type: elasticsearch, url: 'http://127.0.0.1:1', timeout_s: 1}")
    with pytest.raises(ShipperError) as raised:
        folder(0)
    assert "127.0.0.1:1" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_days_of_elasticsearch_are_planned(folder, elasticsearch, name):
    """Also where nothing was stored in the data folder."""
    elastic = Elastic(Connection(url=elasticsearch.url))
    for number in (0, 19):
        elastic.request("PUT", f"/{name}-{day(number)}/_doc/1?refresh=true", {"message": "hello"})
    elastic.close()
    folder.name = name
    folder.policy(sink=f"{{type: elasticsearch, url: '{elasticsearch.url}'}}")
    assert folder.moves(20) == [("now", "archive", day(0), None), ("later", "archive", day(19), None)]
