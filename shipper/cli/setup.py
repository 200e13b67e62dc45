"""`shipper setup`: makes Elasticsearch ready, Kibana when asked to, and says what its users have to be allowed."""

import difflib
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from shipper import build
from shipper.clock import iso
from shipper.config import default_pipeline
from shipper.elastic import privileges
from shipper.elastic.connect import Connection, Elastic, ElasticError
from shipper.elastic.setup import Change, apply, missing_privilege, plan
from shipper.errors import ShipperError, UsageError
from shipper.kibana.load import import_all

LONGEST_SHOWN = 50
"""Characters of a text in a diff; of a longer one its beginning and a checksum are shown."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would change, as a diff, and change nothing.")
@click.option("--kibana", metavar="URL", help="Also import data views, searches and dashboards into this Kibana.")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
def setup(pipeline: Path | None, dry_run: bool, kibana: str | None) -> None:
    """Index templates, alias and alerts index in the Elasticsearch that PIPELINE (default: pipelines/xionimus.yml)
    writes to; older indices get the fields that are new.

    Running it again changes nothing. What shipper did not make is never touched. At the end it prints commands that
    make roles and API keys with no more than the needed privileges.
    """
    path = pipeline or default_pipeline()
    chosen = build.plan(path)
    settings = connection_of(path, chosen)
    name = chosen.pipeline.name
    elastic = Elastic(settings)
    try:
        prepare(elastic, name, dry_run=dry_run)
    except ElasticError as error:
        if error.status == 403:
            _show_commands(elastic, name, settings)
        raise ShipperError(told(elastic, error)) from None
    finally:
        elastic.close()
    for line in import_all(kibana, name, settings, dry_run=dry_run) if kibana else ():
        click.echo(line)
    _show_commands(elastic, name, settings)


def connection_of(path: Path, chosen: build.Plan) -> Connection:
    """Of the pipeline's Elasticsearch sink. Raises `UsageError` when it has none now."""
    for part in chosen.parts["sinks"]:
        if isinstance(part.config, Connection):
            return part.config
    raise UsageError(
        f"{path}: no sink of type elasticsearch is on; set ELASTICSEARCH_URL, for example http://localhost:9200, "
        "or ELASTICSEARCH_CLOUD_ID"
    )


def prepare(elastic: Elastic, name: str, *, dry_run: bool) -> None:
    """Makes or shows all changes, and says what a person should know."""
    found = plan(elastic, name, iso(time.time()))
    for warning in found.warnings:
        _warn(warning)
    for change in found.changes:
        if dry_run:
            _show_diff(change)
        elif problem := apply(elastic, change):
            _warn(problem)
        else:
            click.echo(f"{'made' if change.before is None else 'changed'}: {change.what}")
    if not found.changes:
        click.echo(f"{elastic.where}: nothing to do, {found.fine} templates and indices are as they should be")
    elif dry_run:
        click.echo(f"{elastic.where}: {len(found.changes)} to change; nothing was changed")


def told(elastic: Elastic, error: ElasticError) -> str:
    """One line: where, what, what to do."""
    needed = missing_privilege(error)
    if not needed:
        return str(error)
    return f"{elastic.where}: not allowed, the {needed} is missing; above are the commands for a key that may"


def diff(change: Change) -> Iterator[str]:
    """A change as a unified diff of pretty JSON."""
    before = "/dev/null" if change.before is None else f"{change.what} (now)"
    return difflib.unified_diff(
        _pretty(change.before), _pretty(change.after), before, f"{change.what} (after)", lineterm=""
    )


def _pretty(value: Any) -> list[str]:
    return (
        []
        if value is None
        else json.dumps(_shortened(value), indent=2, sort_keys=True, ensure_ascii=False).splitlines()
    )


def _shortened(value: Any) -> Any:
    """Long texts cut, so that a line fits a terminal; two that differ still look different."""
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        rest = f"… ({len(value)} characters, {zlib.crc32(value.encode()):08x})"
        return value[: LONGEST_SHOWN - len(rest)] + rest
    return value


def _show_diff(change: Change) -> None:
    colors = {"+": "green", "-": "red", "@": "cyan"}
    for line in diff(change):
        click.secho(line, fg=colors.get(line[:1]))


def _show_commands(elastic: Elastic, name: str, settings: Connection) -> None:
    click.echo(
        "\nRoles and API keys with the least that is needed. ELASTICSEARCH_API_KEY is\n"
        "the `encoded` of an answer; make only those that you want.\n"
    )
    click.echo("\n".join(privileges.commands(name, elastic.where.split(", ")[0], settings.ca)))


def _warn(text: str) -> None:
    click.echo(f"shipper: warning: {text}", err=True)
