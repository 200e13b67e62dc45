"""Users seen again: the one panel that Lens cannot draw, hence Vega over a scripted aggregation.

A user's days are bits of one number, bit 0 the last day of the window: no bucket for each user and day, of which
Elasticsearch allows 65,536. Days are UTC days; what lies more than 64 days back is left out.
"""

from typing import Any

from shipper.kibana.description import Panel

Json = dict[str, Any]

INIT = "state.days = new HashMap(); state.today = ((Number) params.to).longValue() / 86400000L"

MAP = """
if (doc[params.user].size() == 0) { return; }
long back = state.today - doc['@timestamp'].value.toInstant().toEpochMilli() / 86400000L;
if (back < 0 || back > 63) { return; }
String user = doc[params.user].value;
long days = state.days.containsKey(user) ? (long) state.days.get(user) : 0L;
state.days.put(user, days | (1L << (int) back));
"""

COMBINE = "return state.days"

REDUCE = """
Map users = new HashMap();
for (days in states) {
  if (days == null) { continue; }
  for (one in days.entrySet()) {
    long known = users.containsKey(one.getKey()) ? (long) users.get(one.getKey()) : 0L;
    users.put(one.getKey(), known | ((Number) one.getValue()).longValue());
  }
}
long today = ((Number) params.to).longValue() / 86400000L;
Map rows = new TreeMap();
for (long days : users.values()) {
  int first = 63 - Long.numberOfLeadingZeros(days);
  for (later in params.days) {
    if (later > first) { continue; }
    boolean again = ((days >> (first - later)) & 1L) == 1L;
    for (cohort in [LocalDate.ofEpochDay(today - first).toString(), 'all']) {
      String key = cohort + ' ' + later;
      if (!rows.containsKey(key)) { rows.put(key, ['cohort': cohort, 'day': later, 'users': 0, 'again': 0]); }
      Map row = rows.get(key);
      row.users += 1;
      if (again) { row.again += 1; }
    }
  }
}
return new ArrayList(rows.values());
"""

LAYERS: tuple[Json, ...] = (
    {
        "mark": "rect",
        "encoding": {
            "color": {
                "field": "share",
                "type": "quantitative",
                "title": "Seen again",
                "scale": {"range": ["#f5f7fa", "#54b399"], "domain": [0, 1]},
                "legend": {"format": ".0%"},
            }
        },
    },
    {
        "mark": {"type": "text", "fontSize": 11, "color": "#1a1c21"},
        "encoding": {"text": {"field": "label", "type": "nominal"}},
    },
)
"""The share as a colour, and on it as a text: of how many."""


def aggregations(panel: Panel, to: Any) -> Json:
    """Rows `{cohort, day, users, again}` at `seen.rows.value`. `to`: end of the window in ms since the epoch."""
    params = {"user": panel.field, "days": panel.days, "to": to}
    scripts = {"init_script": INIT, "map_script": MAP, "combine_script": COMBINE, "reduce_script": REDUCE}
    script = {name: " ".join(text.split()) for name, text in scripts.items()}
    return {
        "seen": {
            "filter": {"exists": {"field": panel.field}},
            "aggs": {"rows": {"scripted_metric": {"params": params, **script}}},
        }
    }


def specification(panel: Panel, index: str) -> Json:
    """The Vega-Lite drawing: a row for each day on which users came first, a column for each number of days later."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {
            "url": {
                "%context%": True,
                "%timefield%": "@timestamp",
                "index": index,
                "body": {"size": 0, "aggs": aggregations(panel, {"%timefilter%": "max"})},
            },
            "format": {"property": "aggregations.seen.rows.value"},
        },
        "transform": [
            {"calculate": "datum.again / datum.users", "as": "share"},
            {"calculate": "format(datum.share, '.0%') + ' of ' + datum.users", "as": "label"},
        ],
        "encoding": {
            "x": {"field": "day", "type": "ordinal", "title": "Days later", "axis": {"labelAngle": 0, "orient": "top"}},
            "y": {"field": "cohort", "type": "ordinal", "sort": "descending", "title": "First seen"},
            "tooltip": [
                {"field": "cohort", "type": "nominal", "title": "First seen"},
                {"field": "day", "type": "quantitative", "title": "Days later"},
                {"field": "users", "type": "quantitative", "title": "Users"},
                {"field": "again", "type": "quantitative", "title": "Seen again"},
            ],
        },
        "layer": list(LAYERS),
    }
