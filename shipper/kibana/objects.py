"""The saved objects that a description stands for, ready to be imported. Pure: the same description, the same bytes.

Versions: what Kibana 8.9 wrote, which every later one migrates on import; `LOWEST` says since when all is drawn.
`managed`: newer Kibanas offer a copy instead of an edit in place, so that importing again destroys nobody's work.
"""

import json
from typing import Any

from shipper.kibana import lens, retention
from shipper.kibana.columns import lucene
from shipper.kibana.dashboard import attributes as dashboard
from shipper.kibana.description import Description, Panel, Search, object_id, search_id

Json = dict[str, Any]

NAME = "xionimus"
"""Of the pipeline that the committed file is for."""
LOWEST = (8, 12)
"""Kibana's first version that draws a text (the health status) as a metric."""

CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {
    "dashboard": "8.9.0",
    "index-pattern": "8.0.0",
    "lens": "8.9.0",
    "search": "8.0.0",
    "visualization": "8.5.0",
}
SOURCE_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def saved_objects(about: Description, name: str = NAME) -> list[Json]:
    """Data views, saved searches, panels and dashboards of a pipeline, what is referred to before what refers to it."""
    return [
        *(_view(about, name, view) for view in about.views),
        *(_search(about, name, search) for search in about.searches),
        *(_panel(about, name, panel) for panel in about.panels),
        *(_object("dashboard", object_id(name, one), *dashboard(about, name, one)) for one in about.dashboards),
    ]


def ndjson(objects: list[Json]) -> bytes:
    """One object a line, keys in order."""
    return b"".join(as_text(one).encode() + b"\n" for one in objects)


def as_text(value: Any) -> str:
    """JSON in one line; saved objects hold much of themselves as such texts."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _object(kind: str, own_id: str, attributes: Json, references: list[Json]) -> Json:
    texts = {key: as_text(value) for key, value in attributes.items() if key.endswith("JSON")}
    return {
        "type": kind,
        "id": own_id,
        "attributes": attributes | texts,
        "references": references,
        "managed": True,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
    }


def _view(about: Description, name: str, slug: str) -> Json:
    """`allowNoIndex`: a pipeline that has not alerted yet is no error."""
    view = about.views[slug]
    attributes = {
        "title": view.title.format(name=name),
        "name": f"{view.name} [{name}]",
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,
    }
    return _object("index-pattern", object_id(name, slug), attributes, [])


def _search(about: Description, name: str, slug: str) -> Json:
    search = about.searches[slug]
    source = {"query": lucene(about.lucene(search.query)), "filter": [], "indexRefName": SOURCE_INDEX}
    attributes = {
        "title": f"{search.title} [{name}]",
        "description": search.tells,
        "columns": search.columns,
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": as_text(source)},
    }
    return _object("search", search_id(name, slug), attributes, [_view_of(name, search, SOURCE_INDEX)])


def _panel(about: Description, name: str, slug: str) -> Json:
    panel = about.panels[slug]
    title = {"title": f"{panel.title} [{name}]", "description": panel.tells}
    if panel.kind == "retention":
        spec = retention.specification(panel, about.views[panel.view].title.format(name=name))
        return _object("visualization", object_id(name, slug), title | _vega(title["title"], spec), [])
    reference = _view_of(name, panel, f"indexpattern-datasource-layer-{lens.LAYER}")
    return _object("lens", object_id(name, slug), title | lens.attributes(about, panel), [reference])


def _view_of(name: str, one: Panel | Search, reference: str) -> Json:
    return {"name": reference, "type": "index-pattern", "id": object_id(name, one.view)}


def _vega(title: str, spec: Json) -> Json:
    params = {"spec": json.dumps(spec, ensure_ascii=False, indent=2)}
    return {
        "visState": as_text({"title": title, "type": "vega", "aggs": [], "params": params}),
        "uiStateJSON": {},
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": as_text({"query": lucene(""), "filter": []})},
    }
