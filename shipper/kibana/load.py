"""Brings the dashboards into Kibana, through its import API: all objects in one request, what is there is replaced.

Replaced are only objects with ids of ours (`shipper-NAME-…`). They are *managed*: to change one, people duplicate it,
and the copy is theirs.
"""

import re
from collections import Counter
from typing import Any

from shipper.elastic.connect import Connection
from shipper.errors import ShipperError
from shipper.kibana.description import load
from shipper.kibana.objects import LOWEST, ndjson, saved_objects
from shipper.kibana.server import LOGIN, Kibana, kibana_at, refusal, short

Json = dict[str, Any]

KINDS = {
    "index-pattern": "data view",
    "search": "saved search",
    "lens": "chart",
    "visualization": "Vega chart",
    "dashboard": "dashboard",
}
BOUNDARY = "shipper-saved-objects-7d1f0b"

_WHY = {
    "conflict": "another object has this id, in this or another space; delete it there",
    "ambiguous_conflict": "several objects were imported from it before; delete all but one",
    "unsupported_type": "this Kibana does not know objects of this type",
    "missing_references": "what it refers to was not imported",
}


def import_all(url: str, name: str, settings: Connection, *, dry_run: bool = False) -> list[str]:
    """Imports the data views, searches and dashboards of a pipeline; the lines that say what was done.

    `settings`: who we are, as at Elasticsearch. `dry_run`: only asks Kibana who it is, and says what would be done.
    Raises `UsageError` for what is no address, `ShipperError` with a line for each thing that is wrong.
    """
    kibana = kibana_at(url, settings)
    version = _version(kibana)
    _check(kibana, version)
    objects = saved_objects(load(), name)
    what = f"{len(objects)} objects ({_counted(objects)})"
    into = f"Kibana {version} at {kibana.where}"
    if dry_run:
        return [f"would import {what} into {into}", *_dashboards(kibana, objects, {})]
    done = _import(kibana, ndjson(objects))
    replaced = sum(1 for one in done if one.get("overwrite"))
    moved: dict[str, str] = {one["id"]: one["destinationId"] for one in done if one.get("destinationId")}
    return [
        f"imported {what} into {into}" + (f"; {replaced} were there and are as shipped again" if replaced else ""),
        *_dashboards(kibana, objects, moved),
        "To change a dashboard, duplicate it in Kibana: the next setup makes this one as shipped again.",
    ]


def _version(kibana: Kibana) -> str:
    answer = kibana.request("GET", "/api/status")
    body = answer.body if isinstance(answer.body, dict) else {}
    version = body.get("version")
    # A Kibana that is not well answers 503, but says who it is.
    if isinstance(version, dict) and version.get("number") and answer.status in (200, 503):
        if answer.status == 503:
            raise refusal(kibana, answer)
        return short(version["number"])
    if answer.status == 200 and "status" in body:
        raise ShipperError(f"Kibana at {kibana.where} tells its version only to those who log in; {LOGIN}")
    if answer.status == 200 and "tagline" not in body:
        raise ShipperError(f"what answers at {kibana.where} is not Kibana; check the address")
    raise refusal(kibana, answer)


def _check(kibana: Kibana, version: str) -> None:
    """Raises `ShipperError` when this Kibana cannot show what we have, or has no such space."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < LOWEST:
        lowest = ".".join(map(str, LOWEST))
        raise ShipperError(
            f"Kibana {version} at {kibana.where} cannot show the dashboards, nothing was imported: their charts need "
            f"Kibana {lowest} or later; upgrade it, or make a data view and search in Discover"
        )
    if kibana.space and kibana.request("GET", f"/api/spaces/space/{kibana.space}", root=True).status == 404:
        raise ShipperError(
            f"Kibana at {kibana.where} has no space {kibana.space}; make it in Stack Management, or leave out /s/…"
        )


def _import(kibana: Kibana, content: bytes) -> list[Json]:
    """The objects that were imported. Raises `ShipperError` with a line for each that was not."""
    answer = kibana.request(
        "POST",
        "/api/saved_objects/_import?overwrite=true",
        multipart(content),
        kind=f"multipart/form-data; boundary={BOUNDARY}",
    )
    body = answer.body
    if answer.status != 200:
        raise refusal(kibana, answer)
    if not isinstance(body, dict) or "success" not in body:
        raise ShipperError(f"Kibana at {kibana.where} answered nothing that an import answers; check the address")
    if not body["success"]:
        failed = [_failure(one) for one in body.get("errors", ())]
        head = f"Kibana at {kibana.where} did not import everything: {body.get('successCount', 0)} objects imported"
        raise ShipperError("\n".join([f"{head}, {len(failed)} not", *failed]))
    return list(body.get("successResults", ()))


def multipart(content: bytes) -> bytes:
    """A form with one file."""
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="shipper.ndjson"\r\n'
        "content-type: application/ndjson\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def _failure(one: Json) -> str:
    error = one.get("error") or {}
    why = _WHY.get(error.get("type", "")) or short(error.get("message") or error.get("type") or "no reason given")
    return f"{one.get('type')} {one.get('id')}: {why}"


def _counted(objects: list[Json]) -> str:
    counts = Counter(one["type"] for one in objects)
    return ", ".join(f"{counts[kind]} {_plural(called, counts[kind])}" for kind, called in KINDS.items())


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + ("es" if word.endswith("h") else "s")


def _dashboards(kibana: Kibana, objects: list[Json], moved: dict[str, str]) -> list[str]:
    """Title and address of each dashboard. `moved`: ids that are another's in this Kibana."""
    return [
        f"{one['attributes']['title']}: {kibana.page('/app/dashboards#/view/' + (moved.get(one['id']) or one['id']))}"
        for one in objects
        if one["type"] == "dashboard"
    ]
