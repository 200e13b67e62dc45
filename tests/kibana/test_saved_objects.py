"""The committed file: what is generated, whole in itself, and about fields that there are."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.elastic.template import mapping
from shipper.errors import UsageError
from shipper.kibana.__main__ import FILE
from shipper.kibana.description import GRID, folder, load
from shipper.kibana.objects import ndjson, saved_objects
from tests.kibana.lens_search import columns_of

Json = dict[str, Any]

COMMITTED = (folder() / FILE).read_bytes()
OBJECTS: list[Json] = [json.loads(line) for line in COMMITTED.splitlines()]
DASHBOARDS = [one for one in OBJECTS if one["type"] == "dashboard"]
LENS = [one for one in OBJECTS if one["type"] == "lens"]

FIELDS = {stream: mapping(stream)["properties"] for stream in ("records", "alerts", "restored")}
VIEWS = {f"shipper-xionimus-{stream}": FIELDS[stream] for stream in FIELDS}

NUMBERS = {"long", "double"}
EXACT = {"keyword", "ip", "boolean", *NUMBERS}
TAKES = {
    "date_histogram": {"date_nanos"},
    "terms": EXACT,
    "unique_count": EXACT,
    "average": NUMBERS,
    "percentile": NUMBERS,
    "last_value": EXACT,
}
"""Operation → types of fields that it can be asked of."""

ASKED_FOR = {
    "operations": {
        "Health Status (current)": "health_status",
        "Request Rate (1h)": "requests_1h",
        "Request Rate (24h)": "requests_24h",
        "request rate": "request_rate",
        "Error Rate (1h)": "error_rate_1h",
        "Error Rate (24h)": "error_rate_24h",
        "Response Time (P50, P95, P99)": "response_time",
        "errors by module": "errors_by_module",
        "Memory & CPU Usage": "memory_and_cpu",
        "Active Sessions Count": "active_sessions",
        "security alerts": "security_alerts",
    },
    "business": {
        "Daily Active Users": "daily_active_users",
        "Messages Sent (daily)": "messages_a_day",
        "Messages Sent (weekly)": "messages_a_week",
        "AI Provider Distribution": "providers",
        "Most Used Models": "models",
        "Error Types Breakdown": "error_types",
        "User Retention Metrics": "retention",
    },
}
"""Dashboard → what the monitoring guide names → panel."""


def panels_of(dashboard: Json) -> list[Json]:
    return list(json.loads(dashboard["attributes"]["panelsJSON"]))


def view_of(one: Json) -> Json:
    """The fields behind a panel or a search."""
    (view,) = [reference["id"] for reference in one["references"] if reference["type"] == "index-pattern"]
    return VIEWS[view]


def lucene_queries(value: Any) -> list[str]:
    """Every Lucene query within."""
    if isinstance(value, list):
        return [query for one in value for query in lucene_queries(one)]
    if not isinstance(value, dict):
        return []
    if value.get("language") == "lucene":
        return [value["query"]]
    return [query for one in value.values() for query in lucene_queries(one)]


def fields_in(query: str) -> set[str]:
    """`status:[400 TO *] AND _exists_:user.id` → both fields."""
    bare = re.sub(r'"[^"]*"', "", query)
    return set(re.findall(r"_exists_:([\w.@]+)", bare)) | set(re.findall(r"([\w.@]+):", bare)) - {"_exists_"}


def test_what_is_committed_is_what_is_generated():
    """`make kibana` writes it anew."""
    assert ndjson(saved_objects(load())) == COMMITTED


def test_the_versions_are_such_that_kibana_8_12_takes_them():
    """What it takes was written by 8.9 at the latest; later ones migrate it."""
    versions = {(one["coreMigrationVersion"], one["typeMigrationVersion"] <= "8.9.0") for one in OBJECTS}
    assert versions == {("8.8.0", True)}


def test_ids_are_ours_and_unique():
    """By type and id, which is what Kibana goes by."""
    ids = Counter((one["type"], one["id"]) for one in OBJECTS)
    assert (set(ids.values()), {one["id"].startswith("shipper-xionimus-") for one in OBJECTS}) == ({1}, {True})


def test_every_reference_leads_somewhere():
    """Within the file, to an object of that type, which stands before it."""
    known: set[tuple[str, str]] = set()
    dangling = []
    for one in OBJECTS:
        dangling += [to["id"] for to in one["references"] if (to["type"], to["id"]) not in known]
        known.add((one["type"], one["id"]))
    assert dangling == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one["id"])
def test_every_panel_of_a_dashboard_has_its_reference(dashboard: Json):
    """By the names that Kibana makes of the panel's."""
    named = {(one["name"], one["type"]) for one in dashboard["references"]}
    shown = {
        (f"{one['panelIndex']}:{one['panelRefName']}", one["type"])
        for one in panels_of(dashboard)
        if "panelRefName" in one
    }
    assert named == shown


@pytest.mark.parametrize("panel", LENS, ids=lambda one: one["id"])
def test_every_layer_has_its_data_view(panel: Json):
    """By the name that Lens looks for."""
    layers = panel["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]
    assert [one["name"] for one in panel["references"]] == [f"indexpattern-datasource-layer-{name}" for name in layers]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one["id"])
def test_panels_lie_beside_one_another(dashboard: Json):
    """On the grid, and no two of them on the same place; each knows its own name."""
    panels = panels_of(dashboard)
    places = [panel["gridData"] for panel in panels]
    overlapping = [(a["i"], b["i"]) for a, b in combinations(places, 2) if overlap(a, b)]
    outside = [one["i"] for one in places if one["x"] < 0 or one["x"] + one["w"] > GRID]
    assert (overlapping, outside, [one["i"] for one in places]) == ([], [], [one["panelIndex"] for one in panels])


def overlap(a: Json, b: Json) -> bool:
    return bool(
        a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    )


def test_links_lead_to_what_there_is():
    """Dashboards and saved searches, under any base path and in any space."""
    known = {f"{app}#/view/{one['id']}" for one in OBJECTS for app in (APPS.get(one["type"]),) if app}
    links = {
        link
        for dashboard in DASHBOARDS
        for panel in panels_of(dashboard)
        if "savedVis" in panel["embeddableConfig"]
        for link in re.findall(r"\]\(([^)]+)\)", panel["embeddableConfig"]["savedVis"]["params"]["markdown"])
    }
    assert links and links <= known


APPS = {"dashboard": "dashboards", "search": "discover"}


@pytest.mark.parametrize("dashboard", ASKED_FOR)
def test_every_panel_that_was_asked_for_is_there(dashboard: str):
    """On the dashboard that it was asked for."""
    (board,) = [one for one in DASHBOARDS if one["id"] == f"shipper-xionimus-{dashboard}"]
    assert set(ASKED_FOR[dashboard].values()) <= {panel["panelIndex"] for panel in panels_of(board)}


def test_times_of_dashboards_and_panels():
    """A day of operations, 35 days of business; what is named after a time looks at that time."""
    boards = {one["id"]: (one["attributes"]["timeRestore"], one["attributes"]["timeFrom"]) for one in DASHBOARDS}
    own = {
        panel["panelIndex"]: panel["embeddableConfig"]["timeRange"]["from"]
        for one in DASHBOARDS
        for panel in panels_of(one)
        if "timeRange" in panel["embeddableConfig"]
    }
    assert boards == {"shipper-xionimus-operations": (True, "now-24h"), "shipper-xionimus-business": (True, "now-35d")}
    assert own == {
        "requests_1h": "now-1h",
        "requests_24h": "now-24h",
        "error_rate_1h": "now-1h",
        "error_rate_24h": "now-24h",
        "active_sessions": "now-15m",
    }


@pytest.mark.parametrize("panel", LENS, ids=lambda one: one["id"])
def test_every_column_asks_a_field_for_what_it_has(panel: Json):
    """It is in the index template, of a type that the operation takes."""
    fields = view_of(panel)
    asked = [(one["operationType"], one["sourceField"]) for one in columns_of(panel).values() if "sourceField" in one]
    wrong = [
        (operation, field)
        for operation, field in asked
        if field != "___records___" and fields.get(field, {}).get("type") not in TAKES[operation]
    ]
    assert wrong == []


@pytest.mark.parametrize("panel", LENS, ids=lambda one: one["id"])
def test_what_is_drawn_and_referred_to_is_a_column(panel: Json):
    """No accessor, reference, order or operand that leads nowhere."""
    columns = columns_of(panel)
    text = json.dumps([panel["attributes"]["state"]["visualization"], *columns.values()])
    used = set(re.findall(r'"((?:time|split\d|number\d(?:X\d)?))"', text))
    assert used <= set(columns) and set(columns) - {"time"} <= used


@pytest.mark.parametrize("panel", LENS, ids=lambda one: one["id"])
def test_a_formula_says_what_its_columns_do(panel: Json):
    """Whoever opens it in Kibana finds a text that makes the same columns."""
    columns = columns_of(panel)
    for column in columns.values():
        if column["operationType"] == "formula":
            math = columns[column["references"][0]]
            tree = math["params"]["tinymathAst"]
            operands = [spelled(columns[arg]) if isinstance(arg, str) else str(arg) for arg in tree["args"]]
            text = column["params"]["formula"]
            assert (" / ".join(operands), text, len(text)) == (text, tree["text"], tree["location"]["max"])


def spelled(column: Json) -> str:
    """A column in the words of Lens's formulas."""
    field, query = column["sourceField"], column.get("filter", {}).get("query")
    return {
        "count": lambda: f"count(lucene='{query}')" if query else "count()",
        "average": lambda: f"average({field})",
        "percentile": lambda: f"percentile({field}, percentile={column['params']['percentile']})",
    }[column["operationType"]]()


@pytest.mark.parametrize(
    "one", [*LENS, *(one for one in OBJECTS if one["type"] == "search")], ids=lambda one: one["id"]
)
def test_queries_and_columns_name_fields_that_there_are(one: Json):
    """Panels, saved searches and their columns."""
    source = one["attributes"].get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}")
    queries = lucene_queries([one["attributes"], json.loads(source)])
    used = {field for query in queries for field in fields_in(query)} | set(one["attributes"].get("columns", ()))
    assert used - set(view_of(one)) == set()


def test_retention_asks_for_an_exact_field():
    """Its script reads doc values, which a text has none of."""
    (panel,) = [panel for panel in load().panels.values() if panel.kind == "retention"]
    assert FIELDS[panel.view][panel.field]["type"] == "keyword"


def test_everything_says_what_it_is():
    """A title, and a sentence for who looks at it."""
    silent = [one["id"] for one in OBJECTS if one["type"] != "index-pattern" and not one["attributes"]["description"]]
    assert silent == []


def test_another_pipeline_has_its_own():
    """Its indices, ids and titles, nothing of the first one's."""
    text = ndjson(saved_objects(load(), "shop")).decode()
    views = [one["attributes"]["title"] for one in saved_objects(load(), "shop") if one["type"] == "index-pattern"]
    assert ("xionimus" in text, views) == (False, ["shop-*", "alerts-shop-*", "restored-shop-*"])


CHANGES = {
    "there is no query gone": lambda raw: raw["panels"]["providers"].update(query="gone"),
    "there is no view gone": lambda raw: raw["searches"]["errors"].update(view="gone"),
    "there is no search gone": lambda raw: raw["dashboards"]["business"]["links"].append("gone"),
    "there is no panel gone": lambda raw: raw["dashboards"]["business"]["rows"][0].update(panels={"gone": 8}),
    "is wider than 48 columns": lambda raw: raw["dashboards"]["business"]["rows"][0]["panels"].update(providers=40),
    "`share` needs of": lambda raw: raw["panels"]["error_rate"]["measures"][0].update(of=""),
    "`percentile` needs percent": lambda raw: raw["panels"]["response_time"]["measures"][0].update(percent=0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_wrong_description_is_refused(tmp_path: Path, what: str):
    """In one line, which names what is wrong."""
    raw = yaml.safe_load((folder() / "dashboards.yml").read_text())
    CHANGES[what](raw)
    (tmp_path / "changed.yml").write_text(yaml.safe_dump(raw))
    with pytest.raises(UsageError) as refused:
        load(tmp_path / "changed.yml")
    assert (what in str(refused.value), "\n" in str(refused.value)) == (True, False)
