"""A Lens panel as the search that Kibana makes of its columns, and the numbers it then draws, out of the saved object.

Only what our panels use; anything else is a `KeyError`, so that nothing is taken for tested that is not.
"""

from typing import Any

Json = dict[str, Any]

HOUR = 3600
CALENDAR = {"1d": "day", "1w": "week"}
SECONDS = {"auto": HOUR, "15m": 900, "1d": 24 * HOUR, "1w": 7 * 24 * HOUR}
UNITS = {"s": 1, "m": 60, "h": HOUR}


def query_of(lucene: Json) -> Json:
    """As Kibana sends a Lucene query."""
    assert lucene["language"] == "lucene"
    return {"query_string": {"query": lucene["query"] or "*", "analyze_wildcard": True}}


def columns_of(panel: Json) -> Json:
    (layer,) = panel["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    assert layer["columnOrder"] == list(dict.fromkeys(layer["columnOrder"]))
    return {column: layer["columns"][column] for column in layer["columnOrder"]}


def search_of(panel: Json, since: str, until: str) -> Json:
    """The body of a search; times are Elasticsearch's date math."""
    columns = columns_of(panel)
    buckets = [(name, column) for name, column in columns.items() if column["isBucketed"]]
    metrics = {name: _metric(column) for name, column in columns.items() if column["operationType"] in METRICS}
    aggregations = metrics
    for name, column in reversed(buckets):
        # The numbers on every level: buckets are put in order by them.
        aggregations = {**metrics, name: {**_bucket(column, columns), "aggs": aggregations}}
    time = {"range": {"@timestamp": {"gte": since, "lte": until}}}
    query = query_of(panel["attributes"]["state"]["query"])
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [time, query]}}, "aggs": aggregations}


def rows_of(panel: Json, answer: Json) -> list[Json]:
    """What is drawn: one object a bucket, column → value; only the columns that people see."""
    columns = columns_of(panel)
    names = [name for name, column in columns.items() if column["isBucketed"]]
    whole = {**answer.get("aggregations", {}), "doc_count": answer["hits"]["total"]["value"]}
    return [
        {**keys, **{name: _value(columns, name, bucket) for name in _seen(columns)}}
        for keys, bucket in _leaves(names, whole)
    ]


def _seen(columns: Json) -> list[str]:
    inner = {name for column in columns.values() for name in column.get("references", ())}
    return [name for name, column in columns.items() if not column["isBucketed"] and name not in inner]


def _leaves(names: list[str], bucket: Json) -> list[tuple[Json, Json]]:
    if not names:
        return [({}, bucket)]
    found = []
    for one in bucket[names[0]]["buckets"]:
        key = one.get("key_as_string", one["key"])
        found += [({names[0]: key, **keys}, leaf) for keys, leaf in _leaves(names[1:], one)]
    return found


def _bucket(column: Json, columns: Json) -> Json:
    field, params = column["sourceField"], column["params"]
    if column["operationType"] == "date_histogram":
        every = params["interval"]
        width = (
            {"calendar_interval": CALENDAR[every]} if every in CALENDAR else {"fixed_interval": f"{SECONDS[every]}s"}
        )
        return {"date_histogram": {"field": field, "min_doc_count": 0, **width}}
    assert column["operationType"] == "terms"
    by = params["orderBy"]["columnId"]
    order = "_count" if columns[by]["operationType"] == "count" else by
    return {"terms": {"field": field, "size": params["size"], "order": {order: params["orderDirection"]}}}


METRICS = ("count", "unique_count", "average", "percentile", "last_value")


def _metric(column: Json) -> Json:
    field = column["sourceField"]
    made = {
        "count": lambda: {"value_count": {"field": "_index"}},
        "unique_count": lambda: {"cardinality": {"field": field}},
        "average": lambda: {"avg": {"field": field}},
        "percentile": lambda: {"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}},
        "last_value": lambda: _last(field, column["params"]["sortField"]),
    }[column["operationType"]]()
    return {"filter": query_of(column["filter"]), "aggs": {"value": made}} if "filter" in column else made


def _last(field: str, by: str) -> Json:
    """Kibana asks for `top_metrics`, which the servers of the tests do not have; `top_hits` says the same."""
    return {"top_hits": {"size": 1, "sort": {by: "desc"}, "_source": False, "fields": [field]}}


def _value(columns: Json, name: str, bucket: Json) -> Any:
    column = columns[name]
    operation = column["operationType"]
    if operation == "formula":
        return _value(columns, column["references"][0], bucket)
    if operation == "math":
        return _computed(columns, column["params"]["tinymathAst"], bucket)
    value = _plain(column, bucket[name]["value"] if "filter" in column else bucket[name])
    if scale := column.get("timeScale"):
        width = next(one["params"]["interval"] for one in columns.values() if one["operationType"] == "date_histogram")
        return value / (SECONDS[width] / UNITS[scale])
    return value


def _plain(column: Json, found: Json) -> Any:
    if column["operationType"] == "percentile":
        return next(iter(found["values"].values()))
    if column["operationType"] == "last_value":
        return next((hit["fields"][column["sourceField"]][0] for hit in found["hits"]["hits"]), None)
    return found["value"]


def _computed(columns: Json, tree: Any, bucket: Json) -> Any:
    if isinstance(tree, str):
        return _value(columns, tree, bucket)
    if not isinstance(tree, dict):
        return tree
    assert tree["name"] == "divide"
    left, right = (_computed(columns, part, bucket) for part in tree["args"])
    return left / right if left is not None and right else None
