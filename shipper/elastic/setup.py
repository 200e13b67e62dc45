"""What Elasticsearch has to hold before records come: templates, the alias, an index for alerts; and older indices.

`plan` looks and changes nothing, `apply` makes one change of it. Both touch only what shipper made: a template whose
`_meta.managed_by` is ours, an index whose mapping says so. `ensure` is what a run does by itself.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from shipper.elastic.connect import Elastic, ElasticError
from shipper.elastic.names import ALERTS, day_of, index_of, pattern_of
from shipper.elastic.template import MANAGER, PRIORITY, VERSION, mapping, restored_template, templates
from shipper.log import say

FOREIGN = "foreign_template"
"""`ElasticError.kind` of a template that has our name and is not ours."""

_DATES = {"created_date", "created_date_millis", "modified_date", "modified_date_millis"}
"""What a server writes into a template by itself."""

_NEEDED = re.compile(r"granted by the (cluster|index) privileges \[([^,\]]+)")
_MONTH = re.compile(r"\d{4}\.\d\d")

Json = dict[str, Any]


class Change(NamedTuple):
    """One request that makes `before` (None: not there) into `after`."""

    what: str
    method: str
    path: str
    body: Json
    before: Json | None
    after: Json
    certain: bool = True
    """False: Elasticsearch may find it impossible, and nothing is lost then."""


class Plan(NamedTuple):
    """What is to be done, what a person should know, and how many things are as they should be."""

    changes: list[Change]
    warnings: list[str]
    fine: int


def plan(elastic: Elastic, name: str, today: str) -> Plan:
    """All that has to change for a pipeline; `today` is a time in RFC 3339. Raises `ElasticError`."""
    changes, warnings, fine = _plan_templates(elastic, name, templates(name) | restored_template(name))
    warnings += _overruled(elastic, name, [index_of(name, "records", today), index_of(name, ALERTS, today)])
    indices = _indices(elastic, name)
    mine = {index: version for index, version in _made_by_us(elastic, name).items() if index in indices}
    strangers = sorted(indices.keys() - mine.keys())
    if strangers:
        warnings.append(f"{_listed(strangers)}: not made with shipper's template, left as it is; search may miss in it")
    changes += _missing_alias(name, {index: indices[index] for index in mine})
    for index, version in sorted(mine.items()):
        if version < VERSION:
            change, kept = _newer_mapping(elastic, name, index)
            changes.append(change)
            warnings += kept
    if not any(_stream_of(name, index) == ALERTS for index in indices):
        changes.append(_alerts_index(name, today))
    touched = {change.what.removeprefix("index ") for change in changes}
    return Plan(changes, warnings, fine + len(mine.keys() - touched))


def apply(elastic: Elastic, change: Change) -> str:
    """Makes one change; why it could not be made, or nothing. Raises `ElasticError` when that is not to be accepted."""
    try:
        elastic.request(change.method, change.path, change.body)
    except ElasticError as error:
        if change.certain or not (error.status == 400 or error.kind == "cluster_block_exception"):
            raise
        return f"{change.what}: stays as it is: {error}"
    return ""


def ensure(elastic: Elastic, name: str, indices: Iterable[str] = ()) -> None:
    """What a run makes sure of before it writes: our templates are there, not older than we are, and no other one comes
    before them for these `indices`.

    Without the permission to look, or to replace an older one, it says so and returns. Raises `ElasticError`, `grave`
    when a template is foreign, or is missing and may not be made: what is written without it can't be searched well.
    """
    _ensure(elastic, name, templates(name), indices)


def ensure_restored(elastic: Elastic, name: str) -> None:
    """The same before days come back from the archive. Raises `ElasticError` as `ensure`."""
    _ensure(elastic, name, restored_template(name), ())


def _ensure(elastic: Elastic, name: str, wanted: dict[str, Json], indices: Iterable[str]) -> None:
    try:
        changes, warnings, _ = _plan_templates(elastic, name, wanted)
        warnings += _overruled(elastic, name, indices)
    except ElasticError as error:
        if error.status != 403:
            raise
        say("warning", _ask_somebody("index templates were not checked"), missing=missing_privilege(error))
        return
    for warning in warnings:
        say("warning", warning)
    for change in changes:
        if _is_urgent(change):
            _ensure_one(elastic, change)


def missing_privilege(error: Exception) -> str:
    """`cluster privilege manage_index_templates`, as a server names it in a 403; empty when it does not."""
    found = _NEEDED.search(str(error))
    return f"{found[1]} privilege {found[2]}" if found else ""


def _ensure_one(elastic: Elastic, change: Change) -> None:
    try:
        elastic.request(change.method, change.path, change.body)
    except ElasticError as error:
        if error.status != 403:
            raise
        if change.before is None:
            why = _ask_somebody(f"{elastic.where}: {change.what} is missing")
            raise ElasticError(why, 403, grave=True, kind=error.kind) from None
        say("warning", _ask_somebody(f"{change.what} is older than this shipper"), missing=missing_privilege(error))
    else:
        say("info", f"{change.what} {'installed' if change.before is None else 'replaced'}", version=VERSION)


def _is_urgent(change: Change) -> bool:
    return change.before is None or change.before.get("version", 0) < VERSION


def _ask_somebody(what: str) -> str:
    return f"{what}, and these credentials may not do it; let somebody who may run: shipper setup"


# ── templates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plan_templates(elastic: Elastic, name: str, wanted: dict[str, Json]) -> Plan:
    changes, warnings, fine = [], [], 0
    for own_name, body in wanted.items():
        there = _template(elastic, own_name)
        if there is not None:
            _refuse_foreign(elastic, own_name, name, there)
        version = 0 if there is None else int(there.get("version", 0))
        if version > VERSION:
            warnings.append(f"index template {own_name} is of a newer shipper (version {version}), left as it is")
        elif there == body:
            fine += 1
        else:
            what = f"index template {own_name}"
            changes.append(Change(what, "PUT", f"/_index_template/{own_name}", body, there, body))
    return Plan(changes, warnings, fine)


def _template(elastic: Elastic, own_name: str) -> Json | None:
    try:
        found = _shown(elastic, f"/_index_template/{own_name}")
    except ElasticError as error:
        if error.status != 404:
            raise
        return None
    if not found:
        return None
    body: Json = found[0]["index_template"]
    return {key: value for key, value in body.items() if key not in _DATES}


def _shown(elastic: Elastic, path: str) -> list[Json]:
    answer = elastic.request("GET", path)
    # What stands before a server, or in the place of one in a test, may answer anything.
    found = answer.get("index_templates") if isinstance(answer, dict) else None
    return found or []


def _refuse_foreign(elastic: Elastic, own_name: str, name: str, there: Json) -> None:
    """Also another pipeline's: `alerts-a` is the records of a pipeline `alerts-a`, and the alerts of `a`."""
    meta = there.get("_meta") or {}
    if (meta.get("managed_by"), meta.get("pipeline")) != (MANAGER, name):
        raise ElasticError(
            f"{elastic.where}: index template {own_name} was not made by shipper for this pipeline, and is not "
            "touched; rename or remove it, or give the pipeline another `name`",
            grave=True,
            kind=FOREIGN,
        )


def _overruled(elastic: Elastic, name: str, indices: Iterable[str]) -> Iterator[str]:
    """A line for every foreign template that comes before one of ours, for one of these indices."""
    shown = "index_templates.name,index_templates.index_template.index_patterns,index_templates.index_template.priority"
    found = _shown(elastic, f"/_index_template?filter_path={shown}")
    for index in indices:
        own_name = name if day_of(name, index) else f"alerts-{name}"
        for other in found:
            priority = other["index_template"].get("priority", 0)
            patterns = other["index_template"]["index_patterns"]
            if priority > PRIORITY and any(fnmatchcase(index, pattern) for pattern in patterns):
                yield (
                    f"index template {other['name']} (priority {priority}) takes {index} away from {own_name} "
                    f"(priority {PRIORITY}); narrow its patterns: {', '.join(patterns)}"
                )


# ── indices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _patterns(name: str) -> str:
    return f"{pattern_of(name, 'records')},{pattern_of(name, ALERTS)}"


def _stream_of(name: str, index: str) -> str:
    """Empty for an index that only looks like one of ours: `app-2-2026.11.23` is of the pipeline `app-2`."""
    if day_of(name, index):
        return "records"
    prefix = f"{ALERTS}-{name}-"
    return ALERTS if index.startswith(prefix) and _MONTH.fullmatch(index, len(prefix)) else ""


def _indices(elastic: Elastic, name: str) -> dict[str, set[str]]:
    """Index → its aliases, of all that are named as ours. Raises `ElasticError` when the alias is an index."""
    found = elastic.request("GET", f"/{name},{_patterns(name)}/_alias?ignore_unavailable=true&expand_wildcards=open")
    if name in found:
        raise ElasticError(
            f"{elastic.where}: there is an index {name}, which is to be the alias of {name}-*; rename or remove it, "
            "or give the pipeline another `name`",
            grave=True,
        )
    return {index: set(entry["aliases"]) for index, entry in found.items() if _stream_of(name, index)}


def _made_by_us(elastic: Elastic, name: str) -> dict[str, int]:
    """Index → version of its mapping."""
    path = f"/{_patterns(name)}/_mapping?expand_wildcards=open&filter_path=*.mappings._meta"
    metas = {index: entry["mappings"]["_meta"] for index, entry in elastic.request("GET", path).items()}
    return {
        index: meta.get("version", 0)
        for index, meta in metas.items()
        if meta.get("managed_by") == MANAGER and _stream_of(name, index)
    }


def _missing_alias(name: str, aliases: dict[str, set[str]]) -> list[Change]:
    missing = sorted(index for index, own in aliases.items() if day_of(name, index) and name not in own)
    if not missing:
        return []
    actions = [{"add": {"index": index, "alias": name}} for index in missing]
    after: Json = {index: {"aliases": {name: {}}} for index in missing}
    what = f"alias {name} of {_listed(missing)}"
    return [Change(what, "POST", "/_aliases", {"actions": actions}, {index: {"aliases": {}} for index in after}, after)]


def _newer_mapping(elastic: Elastic, name: str, index: str) -> tuple[Change, list[str]]:
    """What can be added to the mapping of an older index, and a line on what can't be changed in it."""
    now = elastic.request("GET", f"/{index}/_mapping")[index]["mappings"]
    wanted = mapping(_stream_of(name, index))
    there = now.get("properties", {})
    new = {field: kind for field, kind in wanted["properties"].items() if field not in there}
    other = sorted(field for field, kind in wanted["properties"].items() if field in there and there[field] != kind)
    body = {key: wanted[key] for key in ("_meta", "dynamic_templates")} | {"properties": new}
    before = {key: now[key] for key in ("_meta", "dynamic_templates") if key in now} | {"properties": {}}
    warnings = (
        [f"{index}: {_listed(other)} stays of its older type; only new indices have the new one"] if other else []
    )
    return Change(f"index {index}", "PUT", f"/{index}/_mapping", body, before, body, certain=False), warnings


def _alerts_index(name: str, today: str) -> Change:
    """Kibana takes a data view without any index for a mistake; days come with the first record."""
    index = index_of(name, ALERTS, today)
    return Change(f"index {index}", "PUT", f"/{index}", {}, None, {"by": f"index template alerts-{name}"})


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
