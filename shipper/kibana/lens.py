"""A panel as Kibana's Lens saves it: the columns of one layer, and how they are drawn."""

from typing import Any

from shipper.kibana.columns import TIME, columns, lucene
from shipper.kibana.description import Description, Panel

Json = dict[str, Any]

LAYER = "layer"
GREEN, YELLOW, RED = "#209280", "#d6bf57", "#cc5642"

_SERIES = {"line": "line", "stacked": "bar_stacked", "bars": "bar_horizontal"}


def attributes(about: Description, panel: Panel) -> Json:
    """The attributes of a saved object of type `lens`, but its title and description."""
    shown = columns(about, panel)
    return {
        "visualizationType": _TYPES[panel.kind],
        "state": {
            "adHocDataViews": {},
            "datasourceStates": {
                "formBased": {
                    "layers": {
                        LAYER: {
                            "columnOrder": list(shown),
                            "columns": shown,
                            "incompleteColumns": {},
                            "ignoreGlobalFilters": False,
                            "sampling": 1,
                        }
                    }
                },
                "indexpattern": {"layers": {}},
                "textBased": {"layers": {}},
            },
            "filters": [],
            "internalReferences": [],
            "query": lucene(about.lucene(panel.query)),
            "visualization": _DRAWN[panel.kind](panel),
        },
    }


def _numbers(panel: Panel) -> list[str]:
    return [f"number{place}" for place in range(len(panel.measures))]


def _splits(panel: Panel) -> list[str]:
    return [f"split{place}" for place in range(len(panel.split))]


def _draw_number(panel: Panel) -> Json:
    drawn: Json = {"layerId": LAYER, "layerType": "data", "metricAccessor": "number0", "showBar": False}
    if panel.yellow is not None and panel.red is not None:
        drawn["palette"] = _palette(panel.yellow, panel.red)
    return drawn


def _palette(yellow: float, red: float) -> Json:
    """Green below `yellow`, red from `red` on."""
    colours, ends, starts = (GREEN, YELLOW, RED), (yellow, red, None), (None, yellow, red)
    return {
        "type": "palette",
        "name": "custom",
        "params": {
            "name": "custom",
            "steps": 3,
            "maxSteps": 5,
            "reverse": False,
            "rangeType": "number",
            "rangeMin": None,
            "rangeMax": None,
            "progression": "fixed",
            "continuity": "all",
            "stops": [{"color": colour, "stop": stop} for colour, stop in zip(colours, ends, strict=True)],
            "colorStops": [{"color": colour, "stop": stop} for colour, stop in zip(colours, starts, strict=True)],
        },
    }


def _draw_axes(panel: Panel) -> Json:
    """Over time the splits are series; without time the first split is the axis."""
    splits = _splits(panel)
    layer: Json = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": _SERIES[panel.kind],
        "xAccessor": TIME if panel.every else splits[0],
        "accessors": _numbers(panel),
    }
    if panel.every and splits:
        layer["splitAccessor"] = splits[0]
    sides = {"x": True, "yLeft": True, "yRight": True}
    return {
        "layers": [layer],
        "preferredSeriesType": _SERIES[panel.kind],
        "legend": {"isVisible": True, "position": "bottom", "showSingleSeries": False},
        "valueLabels": "show" if panel.kind == "bars" else "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {**sides, "x": False, "yLeft": False},
        "tickLabelsVisibilitySettings": sides,
        "gridlinesVisibilitySettings": sides,
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
    }


def _draw_pie(panel: Panel) -> Json:
    return {
        "shape": "donut",
        "layers": [
            {
                "layerId": LAYER,
                "layerType": "data",
                "primaryGroups": _splits(panel),
                "metrics": _numbers(panel),
                "numberDisplay": "percent",
                "categoryDisplay": "default",
                "legendDisplay": "show",
                "nestedLegend": False,
            }
        ],
    }


def _draw_table(panel: Panel) -> Json:
    return {
        "layerId": LAYER,
        "layerType": "data",
        "columns": [{"columnId": column, "isTransposed": False} for column in (*_splits(panel), *_numbers(panel))],
    }


_DRAWN = {
    "number": _draw_number,
    "line": _draw_axes,
    "stacked": _draw_axes,
    "bars": _draw_axes,
    "pie": _draw_pie,
    "table": _draw_table,
}
_TYPES = {
    "number": "lnsMetric",
    "line": "lnsXY",
    "stacked": "lnsXY",
    "bars": "lnsXY",
    "pie": "lnsPie",
    "table": "lnsDatatable",
}
