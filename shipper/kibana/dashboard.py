"""A dashboard as Kibana saves it: panels in their places, each a reference to a saved object of its own."""

from itertools import accumulate
from typing import Any

from shipper.kibana.columns import lucene
from shipper.kibana.description import GRID, SEARCH, Dashboard, Description, object_id, search_id

Json = dict[str, Any]

PANEL_VERSION = "8.9.0"
LINKS_HEIGHT = 3


def attributes(about: Description, name: str, slug: str) -> tuple[Json, list[Json]]:
    """Attributes, in which what ends on `JSON` is yet to be made a text, and references."""
    board = about.dashboards[slug]
    placed = _grid(board)
    made: Json = {
        "title": f"{board.title} [{name}]",
        "description": board.tells,
        "panelsJSON": [_links(about, name, slug), *(_shown(about, panel, grid) for panel, grid in placed)],
        "optionsJSON": {
            "useMargins": True,
            "syncColors": False,
            "syncCursor": True,
            "syncTooltips": False,
            "hidePanelTitles": False,
        },
        "timeRestore": True,
        "timeFrom": f"now-{board.time}",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60_000},
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": '{"filter":[],"query":{"language":"lucene","query":""}}'},
    }
    return made, [_reference(about, name, panel, grid["i"]) for panel, grid in placed]


def _grid(board: Dashboard) -> list[tuple[str, Json]]:
    """Each panel with its place, row by row below the links."""
    tops = accumulate((row.height for row in board.rows), initial=LINKS_HEIGHT)
    return [
        (panel, {"x": left, "y": top, "w": width, "h": row.height, "i": panel.replace(" ", "-")})
        for row, top in zip(board.rows, tops, strict=False)
        for (panel, width), left in zip(row.panels.items(), accumulate(row.panels.values(), initial=0), strict=False)
    ]


def _shown(about: Description, panel: str, grid: Json) -> Json:
    one = _described(about, panel)
    last = "" if panel.startswith(SEARCH) else about.panels[panel].last
    return {
        "version": PANEL_VERSION,
        "type": _kind(about, panel),
        "title": one.title,
        "gridData": grid,
        "panelIndex": grid["i"],
        "panelRefName": f"panel_{grid['i']}",
        "embeddableConfig": {
            "enhancements": {},
            **({"timeRange": {"from": f"now-{last}", "to": "now"}} if last else {}),
        },
    }


def _reference(about: Description, name: str, panel: str, index: str) -> Json:
    slug = panel.removeprefix(SEARCH)
    to = search_id(name, slug) if panel.startswith(SEARCH) else object_id(name, slug)
    return {"name": f"{index}:panel_{index}", "type": _kind(about, panel), "id": to}


def _described(about: Description, panel: str) -> Any:
    return about.searches[panel.removeprefix(SEARCH)] if panel.startswith(SEARCH) else about.panels[panel]


def _kind(about: Description, panel: str) -> str:
    if panel.startswith(SEARCH):
        return "search"
    return "visualization" if about.panels[panel].kind == "retention" else "lens"


def _links(about: Description, name: str, slug: str) -> Json:
    """The other dashboards and the saved searches, as links that hold under any base path and in any space."""
    others = [
        f"[{other.title}](dashboards#/view/{object_id(name, one)})"
        for one, other in about.dashboards.items()
        if one != slug
    ]
    searches = [
        f"[{about.searches[one].title}](discover#/view/{search_id(name, one)})" for one in about.dashboards[slug].links
    ]
    text = f"**Dashboards:** {' · '.join(others)} — **Discover:** {' · '.join(searches)}"
    return {
        "version": PANEL_VERSION,
        "type": "visualization",
        "gridData": {"x": 0, "y": 0, "w": GRID, "h": LINKS_HEIGHT, "i": "links"},
        "panelIndex": "links",
        "embeddableConfig": {
            "enhancements": {},
            "hidePanelTitles": True,
            "savedVis": {
                "type": "markdown",
                "title": "",
                "description": "",
                "params": {"fontSize": 12, "openLinksInNewTab": False, "markdown": text},
                "uiState": {},
                "data": {"aggs": [], "searchSource": {"query": lucene(""), "filter": []}},
            },
        },
    }
