"""Every panel of the committed file, as the search that Kibana makes of it, on records that the pipeline has stored."""

import json
import random
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from shipper.elastic.template import templates
from shipper.kibana.description import load
from shipper.kibana.objects import saved_objects
from tests.e2e.shipper import Shipper
from tests.kibana import traffic
from tests.kibana.lens_search import query_of, rows_of, search_of
from tests.services.elasticsearch import Elasticsearch

Json = dict[str, Any]

ABOUT = load()
UNTIL = traffic.NOW.strftime("%Y-%m-%dT%H:%M:%SZ")


class Filled(NamedTuple):
    """A server that holds the records of `traffic`, and the saved objects for them by type and id."""

    server: Elasticsearch
    name: str
    objects: dict[tuple[str, str], Json]

    def drawn(self, dashboard: str, panel: str) -> list[Json]:
        """What a panel draws on its dashboard, at the time that both say."""
        board = self.objects["dashboard", f"shipper-{self.name}-{dashboard}"]
        place = next(one for one in json.loads(board["attributes"]["panelsJSON"]) if one["panelIndex"] == panel)
        since = place["embeddableConfig"].get("timeRange", {}).get("from") or board["attributes"]["timeFrom"]
        shown = self.objects[next(self._references(board, f"{panel}:panel_{panel}"))]
        return self._rows(shown, since.replace("now", f"{UNTIL}||"))

    def _rows(self, shown: Json, since: str) -> list[Json]:
        if shown["type"] == "lens":
            return rows_of(shown, self._search(shown, search_of(shown, since, UNTIL)))
        if shown["type"] == "search":
            source = json.loads(shown["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            return list(self._search(shown, {"query": query_of(source["query"])})["hits"]["hits"])
        url = json.loads(json.loads(shown["attributes"]["visState"])["params"]["spec"])["data"]["url"]
        to = int(traffic.NOW.timestamp() * 1000)
        body = json.loads(json.dumps(url["body"]).replace('{"%timefilter%": "max"}', str(to)))
        time = {"range": {url["%timefield%"]: {"gte": since, "lte": UNTIL}}}
        answer = self.server.request("POST", f"/{url['index']}/_search", {**body, "query": time})
        return list(answer["aggregations"]["seen"]["rows"]["value"])

    def _search(self, shown: Json, body: Json) -> Json:
        view = self.objects[next(self._references(shown))]
        answer: Json = self.server.request("POST", f"/{view['attributes']['title']}/_search", body)
        assert answer["_shards"]["failed"] == 0
        return answer

    def _references(self, one: Json, name: str = "") -> Iterator[tuple[str, str]]:
        return ((to["type"], to["id"]) for to in one["references"] if name in ("", to["name"]))


@pytest.fixture(scope="module")
def filled(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Filled by a real run, once for all tests of this file."""
    name = "t" + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=10))
    for template, body in templates(name).items():
        elasticsearch.request("PUT", f"/_index_template/{template}", body)
    shipper = Shipper(tmp_path_factory.mktemp("kibana"))
    sources = []
    for dataset in ("backend", "health", "host"):
        file = shipper.logs / f"{dataset}.log"
        file.write_bytes(getattr(traffic, dataset)())
        sources.append({"type": "tail", "paths": [str(file)], "dataset": dataset})
    shipper.write_pipeline(name=name, sources=sources, sinks=[{"type": "elasticsearch", "url": elasticsearch.url}])
    shipper.once()
    elasticsearch.request("POST", f"/{name}-*,alerts-{name}-*/_refresh")
    objects = {(one["type"], one["id"]): one for one in saved_objects(ABOUT, name)}
    yield Filled(elasticsearch, name, objects)
    elasticsearch.forget(name)


PLACED = [
    (dashboard, panel.replace(" ", "-"))
    for dashboard, board in ABOUT.dashboards.items()
    for row in board.rows
    for panel in row.panels
]


@pytest.mark.parametrize(("dashboard", "panel"), PLACED)
def test_every_panel_shows_something(filled: Filled, dashboard: str, panel: str):
    """At least one number that is there and not 0."""
    rows = filled.drawn(dashboard, panel)
    assert any(value for row in rows for key, value in row.items() if not key.startswith(("time", "split"))), rows


@pytest.mark.parametrize("search", ABOUT.searches)
def test_every_saved_search_finds_something(filled: Filled, search: str):
    """Of the kind that it is named after."""
    assert filled._rows(filled.objects["search", f"shipper-{filled.name}-search-{search.replace('_', '-')}"], "")


def test_error_rates(filled: Filled):
    """4 of 40 requests of the last hour, 20 of 100 of the last day."""
    rates = [filled.drawn("operations", f"error_rate_{hours}") for hours in ("1h", "24h")]
    assert rates == [[{"number0": 0.1}], [{"number0": 0.2}]]


def test_request_rates(filled: Filled):
    """40 requests in 60 minutes; 100 in 1,440; never more than 60 in an hour."""
    rates = [filled.drawn("operations", f"requests_{hours}")[0]["number0"] for hours in ("1h", "24h")]
    over_time = [row["number0"] for row in filled.drawn("operations", "request_rate")]
    assert (rates, max(over_time), round(sum(over_time) * 3600)) == ([40 / 60, 100 / 1440], 60 / 3600, 100)


def test_active_sessions(filled: Filled):
    """Those whose last message is at most 15 minutes old."""
    active = [user for user, minutes in traffic.SESSIONS.items() if minutes <= 15]
    assert filled.drawn("operations", "active_sessions") == [{"number0": len(active)}]


def test_response_times_are_milliseconds(filled: Filled):
    """The slowest of the day took 16 seconds; each percentile is at least the one before."""
    rows = [row for row in filled.drawn("operations", "response_time") if row["number0"] is not None]
    assert all(row["number0"] <= row["number1"] <= row["number2"] for row in rows)
    assert max(row["number2"] for row in rows) == pytest.approx(16_000, rel=0.05)


def test_health_is_the_last_answer(filled: Filled):
    """Not the one of three minutes before."""
    assert filled.drawn("operations", "health_status") == [{"number0": "degraded"}]


def test_memory_and_cpu_are_shares(filled: Filled):
    """26.9 of 100, and the mean of 0.2 and 0.4."""
    (row,) = [row for row in filled.drawn("operations", "memory_and_cpu") if row["number0"] is not None]
    assert (row["number0"], row["number1"]) == (pytest.approx(0.269), pytest.approx(0.3))


def test_errors_by_module(filled: Filled):
    """The most frequent first."""
    assert filled.drawn("operations", "errors_by_module") == [
        {"split0": "chat", "number0": 3},
        {"split0": "auth", "number0": 1},
    ]


def test_an_alert_that_changes_is_one(filled: Filled):
    """Seven failed logins of one user make one alert, whatever the number of its records."""
    rows = filled.drawn("operations", "security_alerts")
    assert {"split0": "Failed logins of one user", "split1": "high", "number0": 1} in rows


def test_messages_and_users_by_day(filled: Filled):
    """Counted by hand for each day; days without any are 0."""
    by_day = traffic.messages_by_day()
    users = {row["time"][:10]: row["number0"] for row in filled.drawn("business", "daily_active_users")}
    sent = {row["time"][:10]: row["number0"] for row in filled.drawn("business", "messages_a_day")}
    assert {day: count for day, count in users.items() if count} == {day: len(who) for day, who in by_day.items()}
    assert {day: count for day, count in sent.items() if count} == {day: len(who) for day, who in by_day.items()}


def test_messages_by_week(filled: Filled):
    """All of them, each week once."""
    weeks = filled.drawn("business", "messages_a_week")
    assert sum(row["number0"] for row in weeks) == sum(map(len, traffic.messages_by_day().values()))


def test_retention(filled: Filled):
    """Of those for whom the day has come; whoever was first seen today is not counted yet."""
    rows = [row for row in filled.drawn("business", "retention") if row["cohort"] == "all"]
    assert [(row["day"], row["again"], row["users"]) for row in sorted(rows, key=lambda row: row["day"])] == [
        (1, 3, 5),
        (7, 2, 4),
        (30, 1, 3),
    ]
