"""`shipper tier restore`: what it takes is told, what can be read comes into Elasticsearch, once, and goes again."""

import re
import time

import orjson
import pytest
import yaml

from shipper.cli import tier_restore
from shipper.cli.main import Settings, run_command
from shipper.cli.tier_restore import restore
from shipper.clock import iso
from shipper.elastic.connect import Connection, Elastic
from shipper.elastic.privileges import roles
from shipper.elastic.template import restored_template
from shipper.errors import LockHeld, ShipperError, UsageError
from shipper.lock import hold
from shipper.objects.folder import FolderStore
from shipper.state import State
from shipper.tier.policy import DAY_S
from shipper.tier.restore import expire, restored
from tests.tier.archived_days import archive, doc
from tests.tier.slow_objects import SlowFolder

DAYS = ("2026.11.18", "2026.11.19", "2026.11.20")
SINCE, UNTIL = "--since=2026-11-18", "--until=2026-11-21"


class Place:
    """A data folder with three archived days of three records each, and the command over it."""

    def __init__(self, folder, capsys, monkeypatch):
        self.data, self._capsys = folder / "data", capsys
        self.data.mkdir()
        self.state = State(self.data / "state.db")
        self.slow = SlowFolder(self.data / "slow")
        self.pipeline = folder / "pipeline.yml"
        monkeypatch.setattr(tier_restore, "open_place", self._open)
        self.into(None)

    def _open(self, place, data, _):
        return self.slow if place == "slow" else FolderStore(data / place)

    def into(self, url, name="app", **how):
        """From now on the pipeline's sink is an Elasticsearch there, or the embedded store."""
        sink = {"type": "elasticsearch", "url": url, **how} if url else {"type": "embedded"}
        source = {"type": "tail", "paths": ["/nowhere/*.log"]}
        rules = {"rules": [], "secrets": []}
        tiers = {"hot": "30d", "warm": {"until": "60d", "to": "archive"}, "cold": {"until": "3650d"}}
        fees = {"GLACIER": {"Standard": 0.01, "Bulk": 0}, "DEEP_ARCHIVE": {"Standard": 0.02}}
        tiers["prices"] = {"as_of": "2026-03-01", "restore": fees}
        self.pipeline.write_text(
            yaml.safe_dump({"name": name, "sources": [source], "detect": rules, "sinks": [sink], "tiers": tiers})
        )
        return self

    def fill(self, place="archive", days=DAYS, **how):
        objects = self._open(place, self.data, None)
        for day in days:
            docs = [doc(day, number, level="ERROR" if number == 1 else "INFO") for number in range(3)]
            archive(self.state, objects, place, day, docs, **how)
        return self

    def __call__(self, *options):
        """Exit code, lines on stdout, lines on stderr but for the log's."""
        settings = Settings()
        settings.data = self.data
        code = restore.main([*options, str(self.pipeline)], "shipper tier restore", standalone_mode=False, obj=settings)
        said = self._capsys.readouterr()
        return code, said.out.splitlines(), [line for line in said.err.splitlines() if line[:1] != "{"]

    def json(self, *options):
        code, out, _ = self("--format=json", *options)
        return code, [orjson.loads(line) for line in out]


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    for variable in ("ELASTICSEARCH_URL", "ELASTICSEARCH_CLOUD_ID"):
        monkeypatch.delenv(variable, raising=False)
    opened = Place(tmp_path, capsys, monkeypatch)
    yield opened
    opened.state.close()


# ── the embedded store alone ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_can_be_read_at_any_time_needs_nothing(place):
    """Search reads it where it is."""
    code, out, err = place.fill()(SINCE, UNTIL)
    assert (code, err, out[0].split()) == (0, [], ["day", "dataset", "tier", "size", "stands"])
    assert [line.split()[0] for line in out[1:4]] == list(DAYS)
    assert all(line.endswith("readable at any time") for line in out[1:4])
    assert out[4:] == ["Nothing to wait for: shipper search reads these days in the archive."]


def test_a_slow_class_is_asked_for_waited_for_and_ready(place):
    """The same command each time; size, cost and waiting time stand there."""
    place.fill("slow", DAYS[:1])
    asked, waiting = place(SINCE, "--speed=bulk"), place(SINCE)
    place.slow.thaw(time.time())
    ready = place(SINCE)
    assert [code for code, _, _ in (asked, waiting, ready)] == [0, 0, 0]
    assert "asked for just now: 5-12 h, free" in asked[1][1]
    assert asked[1][2] == "1 day to wait for; the same command says when they are there."
    assert "asked for already, GLACIER takes its time" in waiting[1][1]
    assert "ready until 20" in ready[1][1]


def test_a_dry_run_asks_for_nothing(place):
    """It says what it would take."""
    _, out, _ = place.fill("slow")(SINCE, UNTIL, "--dry-run")
    assert (place.slow.asked, restored(place.state)) == ({}, [])
    assert [line.partition("B  ")[2] for line in out[1:4]] == ["to be asked for: 3-5 h, under 0.01 USD"] * 3
    assert re.fullmatch(r"In all [\d.]+ KiB, under 0\.01 USD \(prices of 2026-03-01\)\.", out[4])


def test_what_has_no_price_costs_what_nobody_knows(place):
    """No sum is made of the others."""
    _, out, _ = place.fill("slow")(SINCE, UNTIL, "--dry-run", "--speed=expedited")
    assert [line.partition("B  ")[2] for line in out[1:4]] == ["to be asked for: 1-5 min"] * 3
    assert re.fullmatch(r"In all [\d.]+ KiB\.", out[4])


def test_as_json_it_is_an_object_a_day(place):
    """With what asking takes."""
    place.slow.storage_class = "DEEP_ARCHIVE"
    code, (day,) = place.fill("slow", DAYS[:1]).json(SINCE)
    size = day.pop("bytes")
    assert (code, size > 0, day) == (
        0,
        True,
        {
            "day": DAYS[0],
            "dataset": "backend",
            "tier": "cold",
            "place": "slow",
            "storage_class": "DEEP_ARCHIVE",
            "standing": "asked",
            "until": None,
            "waits": "12 h",
            "cost": 0.0,
            "currency": "USD",
        },
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (("--since=2026-11-22",), ShipperError, "no day of that time is archived; what is archived says"),
        (("--since=soon",), UsageError, "--since: 'soon' is not a time"),
        ((SINCE, "--until=soon"), UsageError, "--until: 'soon' is not a time"),
        ((SINCE, "--query=level:("), UsageError, "--query: "),
        ((SINCE, "--speed=Expedited"), UsageError, "DEEP_ARCHIVE knows no --speed Expedited; write Standard or Bulk"),
    ],
)
def test_what_cannot_be_done_is_one_line(place, options, error, words):
    """And nothing is asked for."""
    place.slow.storage_class = "DEEP_ARCHIVE"
    place.fill("slow")
    with pytest.raises(error) as caught:
        place(*options)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert place.slow.asked == {}


def test_a_folder_that_holds_nothing_stays_as_it_is(place):
    """No state is made in it."""
    place.data = place.data / "other"
    with pytest.raises(ShipperError, match="nothing has been stored here yet"):
        place(SINCE)
    assert not place.data.exists()


def test_it_waits_for_no_other_who_moves(place):
    """The lock says who."""
    with hold(place.data, "move"), pytest.raises(LockHeld, match="in use by shipper"):
        place.fill()(SINCE)


# ── with Elasticsearch ────────────────────────────────────────────────────────────────────────────────────────────────


def documents(elasticsearch, name):
    elasticsearch.request("POST", f"/restored-{name}-*/_refresh")
    return sorted(elasticsearch.documents(f"restored-{name}-*"), key=lambda one: one["event.id"])


def test_records_come_back_into_indices_of_their_own(place, elasticsearch, name):
    """As they were stored, a day each, mapped as records; a second time they are the same."""
    place.into(elasticsearch.url, name).fill()
    first, second = place(SINCE, UNTIL), place(SINCE, UNTIL)
    found = documents(elasticsearch, name)
    assert (first[0], first[1][4:], second[1][4:]) == (0, second[1][4:], first[1][4:])
    assert first[1][4:] == [f"restored-{name}-{day}: 3 records of backend" for day in DAYS]
    assert found == [orjson.loads(doc(day, n, level="ERROR" if n == 1 else "INFO")) for day in DAYS for n in range(3)]
    mapped = elasticsearch.request("GET", f"/restored-{name}-{DAYS[0]}/_mapping")[f"restored-{name}-{DAYS[0]}"]
    assert mapped["mappings"]["_meta"]["managed_by"] == "shipper"
    assert elasticsearch.request("GET", f"/{name}", allow=[404])["status"] == 404


def test_only_what_a_query_finds_comes_back_and_is_named_nowhere(place, elasticsearch, name):
    """The query may name a person."""
    place.into(elasticsearch.url, name).fill()
    code, told = place.json(SINCE, "--until=2026-11-18T00:00:02Z", "--query=level:ERROR")
    assert (code, told[1:]) == (
        0,
        [{"day": DAYS[0], "dataset": "backend", "index": f"restored-{name}-{DAYS[0]}", "rows": 1, "refused": 0}],
    )
    assert [found["message"] for found in documents(elasticsearch, name)] == ["record 1"]
    assert not any(b"level:ERROR" in file.read_bytes() for file in place.data.iterdir() if file.is_file())


def test_days_that_are_there_come_at_once_the_others_later(place, elasticsearch, name):
    """Exit 1 as long as one is missing."""
    place.into(elasticsearch.url, name).fill("slow", DAYS[:1]).fill("archive", DAYS[1:])
    code, _, err = place(SINCE, UNTIL)
    early = len(documents(elasticsearch, name))
    place.slow.thaw(time.time())
    assert (code, early, err) == (
        1,
        6,
        ["shipper tier restore: 1 day can't be read yet; run the same command again when it can"],
    )
    assert (place(SINCE, UNTIL)[0], len(documents(elasticsearch, name))) == (0, 9)


def test_an_index_goes_when_its_days_are_over(place, elasticsearch, name):
    """Not before; and what is said of it."""
    place.into(elasticsearch.url, name).fill()
    place(SINCE, UNTIL, "--days=3")
    elastic = Elastic(Connection(url=elasticsearch.url))
    now = time.time()
    early = expire(place.state, elastic, now + 3 * DAY_S - 60)
    late = expire(place.state, elastic, now + 3 * DAY_S + 60)
    elastic.close()
    assert (early, late) == ([], [f"restored-{name}-{day}" for day in DAYS])
    assert elasticsearch.request("GET", f"/restored-{name}-*") == {}


def test_the_daily_move_lets_them_go_and_the_status_shows_them(place, elasticsearch, name, capsys):
    """Also one that can't be reached says only that it stays."""
    place.into(elasticsearch.url, name).fill()
    place(SINCE, UNTIL, "--days=3")
    tier = ["tier", "--data", str(place.data)]

    def run(*words):
        code = run_command([*tier[:1], *words, str(place.pipeline), *tier[1:]])
        return code, capsys.readouterr().out

    shown = orjson.loads(run("status", "--format=json")[1])["restored"]
    assert [(each["day"], each["index"]) for each in shown] == [(day, f"restored-{name}-{day}") for day in DAYS]
    assert f"restored: restored-{name}-{DAYS[0]} until 20" in run("status")[1]
    later = iso(time.time() + 3 * DAY_S + 60)
    place.into("http://127.0.0.1:9", name)
    run("run", "--now", later)
    assert len(restored(place.state)) == 3
    place.into(elasticsearch.url, name)
    assert (run("run", "--now", later)[0], restored(place.state)) == (0, [])
    assert elasticsearch.request("GET", f"/restored-{name}-*") == {}


def test_what_elasticsearch_refuses_is_told(place, elasticsearch, name):
    """The archive has it, so nothing is lost; exit 1."""
    objects = FolderStore(place.data / "archive")
    odd = orjson.dumps({"event.id": "f-1", "@timestamp": "soon"})
    archive(place.state, objects, "archive", DAYS[0], [doc(DAYS[0], 0), odd])
    code, out, err = place.into(elasticsearch.url, name)("--since=2026-11-18")
    assert (code, out[-1]) == (1, f"restored-{name}-{DAYS[0]}: 1 record of backend")
    assert err[0].startswith("shipper tier restore: not taken by Elasticsearch: f-1: ")


@pytest.mark.parametrize("who", ["tier", "run"])
def test_the_role_that_setup_prints_is_enough(place, secure_elasticsearch, name, who):
    """Once somebody who may has made the template; who may not write there is told what is missing."""
    (template,) = restored_template(name).items()
    secure_elasticsearch.request("PUT", f"/_index_template/{template[0]}", template[1])
    body = {"name": "test", "role_descriptors": {who: roles(name)[who]}}
    key = secure_elasticsearch.request("POST", "/_security/api_key", body)["encoded"]
    place.into(secure_elasticsearch.url, name, ca=secure_elasticsearch.ca, api_key=key).fill()
    if who == "run":
        with pytest.raises(ShipperError, match=r"granted by the index privileges .*; what is restored so far stays"):
            place(SINCE, UNTIL)
    else:
        assert (place(SINCE, UNTIL)[0], len(documents(secure_elasticsearch, name))) == (0, 9)
        settings = Connection(url=secure_elasticsearch.url, ca=secure_elasticsearch.ca, api_key=key)
        assert len(expire(place.state, Elastic(settings), time.time() + 8 * DAY_S)) == 3


def test_a_server_that_is_away_is_one_line(place):
    """Before anything is read."""
    place.into("http://127.0.0.1:9").fill()
    with pytest.raises(ShipperError, match=r"127\.0\.0\.1:9: refuses the connection; is Elasticsearch running there\?"):
        place(SINCE)
    assert restored(place.state) == []
