"""The columns of a Lens layer: what is counted, of which records, split by what.

A number that is more than one aggregation (a share, milliseconds of nanoseconds) is a *formula*: its text, for who
edits it, and the columns that Lens made of the text, which it draws. Both are written here.
"""

from typing import Any

from shipper.clock import parse_duration
from shipper.kibana.description import Description, Measure, Panel, Split

Json = dict[str, Any]

TIME = "time"
RECORDS = "___records___"
"""What Lens counts when it counts no field."""


def lucene(query: str) -> Json:
    """A query as saved objects hold it."""
    return {"language": "lucene", "query": query}


def columns(about: Description, panel: Panel) -> dict[str, Json]:
    """Column id → column, buckets before numbers, each number before the parts it is computed from."""
    made: dict[str, Json] = {}
    if panel.every:
        made[TIME] = _histogram(panel.every)
    for place, split in enumerate(panel.split):
        made[f"split{place}"] = _terms(split)
    for place, measure in enumerate(panel.measures):
        made |= _measured(about, panel, measure, f"number{place}")
    return made


def _histogram(every: str) -> Json:
    return {
        "label": "@timestamp",
        "dataType": "date",
        "operationType": "date_histogram",
        "sourceField": "@timestamp",
        "isBucketed": True,
        "scale": "interval",
        "params": {"interval": every, "includeEmptyRows": True, "dropPartials": False},
    }


def _terms(split: Split) -> Json:
    return {
        "label": split.name,
        "customLabel": True,
        "dataType": "string",
        "operationType": "terms",
        "sourceField": split.field,
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": split.top,
            "orderBy": {"type": "column", "columnId": "number0"},
            "orderDirection": "desc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        },
    }


def _measured(about: Description, panel: Panel, measure: Measure, column: str) -> dict[str, Json]:
    """The column of a measure, and the columns behind it when it is a formula."""
    if measure.calc == "share":
        part, whole = (_count(about.lucene(query)) for query in (measure.query, measure.of))
        return _formula(measure, column, [part, whole])
    plain = _plain(about, measure)
    divisor = _divisor(panel, measure)
    if divisor != 1:
        return _formula(measure, column, [plain], divisor)
    if measure.per:
        plain["timeScale"] = measure.per[0]
    return {column: {**plain, "label": measure.name, "customLabel": True, "params": plain["params"] | _format(measure)}}


def _divisor(panel: Panel, measure: Measure) -> int:
    """A rate over time is Lens's own business; one over a fixed time is a number of units in it."""
    if measure.per and not panel.every:
        return int(parse_duration(panel.last) // parse_duration(f"1{measure.per[0]}"))
    return measure.divide


def _plain(about: Description, measure: Measure) -> Json:
    """A column that is one aggregation."""
    if measure.calc == "count":
        return _count(about.lucene(measure.query))
    column: Json = {
        "label": f"{measure.calc} of {measure.field}",
        "dataType": "number",
        "operationType": {"unique": "unique_count", "last": "last_value"}.get(measure.calc, measure.calc),
        "sourceField": measure.field,
        "isBucketed": False,
        "scale": "ratio",
        "params": {"emptyAsNull": measure.calc != "unique"},
    }
    if measure.calc == "percentile":
        column["params"] = {"percentile": measure.percent}
    if measure.calc == "last":
        column |= {"dataType": "string", "scale": "ordinal", "filter": lucene(f"_exists_:{measure.field}")}
        column["params"] = {"sortField": "@timestamp", "showArrayValues": False}
    return column


def _count(query: str) -> Json:
    column: Json = {
        "label": "Count of records",
        "dataType": "number",
        "operationType": "count",
        "sourceField": RECORDS,
        "isBucketed": False,
        "scale": "ratio",
        "params": {"emptyAsNull": False},
    }
    return {**column, "filter": lucene(query)} if query else column


def _formula(measure: Measure, column: str, parts: list[Json], *divisors: int) -> dict[str, Json]:
    """`part / part` or `part / number`, in the columns that Lens itself makes of such a text."""
    label = f"Part of {measure.name}"
    names = [f"{column}X{place}" for place in range(len(parts) + 1)]
    operands = [*(_as_text(part) for part in parts), *map(str, divisors)]
    text = " / ".join(operands)
    number: Json = {"dataType": "number", "isBucketed": False, "scale": "ratio", "customLabel": True}
    tree = {
        "type": "function",
        "name": "divide",
        "args": [*names[:-1], *divisors],
        "location": {"min": 0, "max": len(text)},
        "text": text,
    }
    return {
        column: {
            **number,
            "label": measure.name,
            "operationType": "formula",
            "params": {"formula": text, "isFormulaBroken": False, **_format(measure)},
            "references": [names[-1]],
        },
        **{name: {**part, "label": label, "customLabel": True} for name, part in zip(names[:-1], parts, strict=True)},
        names[-1]: {
            **number,
            "label": label,
            "operationType": "math",
            "params": {"tinymathAst": tree},
            "references": names[:-1],
        },
    }


def _as_text(part: Json) -> str:
    """A column as a formula has it: `count(lucene='…')`, `percentile(event.duration, percentile=95)`."""
    operation = part["operationType"]
    arguments = [] if part["sourceField"] == RECORDS else [part["sourceField"]]
    if operation == "percentile":
        arguments.append(f"percentile={part['params']['percentile']}")
    if "filter" in part:
        arguments.append(f"lucene='{part['filter']['query']}'")
    return f"{operation}({', '.join(arguments)})"


def _format(measure: Measure) -> Json:
    if measure.calc == "last":
        return {}
    kind = "percent" if measure.unit == "percent" else "number"
    params: Json = {"decimals": measure.decimals}
    if measure.unit == "ms":
        params["suffix"] = " ms"
    return {"format": {"id": kind, "params": params}}
