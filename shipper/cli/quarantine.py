"""`shipper quarantine`: rows that a sink refused for good; look at them, and give them to that sink again."""

from contextlib import closing
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipper.alerts import printable
from shipper.build import plan
from shipper.clock import iso
from shipper.config import default_pipeline
from shipper.context import Context
from shipper.lock import hold
from shipper.quarantine import Entry, Replayed, entries, replay
from shipper.state import State


@click.group()
def quarantine() -> None:
    """Rows that a sink refused for good, with the reason. They stay here until they are replayed."""


@quarantine.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--all", "everything", is_flag=True, help="Those replayed already as well.")
@click.pass_context
def list_(ctx: click.Context, form: str, everything: bool) -> None:
    """Refused rows, oldest first."""
    with closing(State(ctx.obj.data / "state.db", readonly=True)) as state:
        found = entries(state, waiting=not everything)
    if form == "json":
        for entry in found:
            click.echo(orjson.dumps(listed_object(entry)))
    elif found:
        _show_table(found)
    else:
        click.echo("nothing in quarantine")


@quarantine.command()
@click.argument("id_", metavar="ID")
@click.pass_context
def show(ctx: click.Context, id_: str) -> None:
    """One refused row as it would have been stored. ID as in `list`, or an `event.id`."""
    with closing(State(ctx.obj.data / "state.db", readonly=True)) as state:
        found = entries(state, [id_])
    for entry in found:
        click.echo(entry.doc)
        click.echo(printable(f"refused by {entry.sink} at {iso(entry.at)}: {entry.reason}"), err=True)


@quarantine.command("replay", short_help="Gives rows to the sink that refused them again.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--pipeline", type=click.Path(dir_okay=False, path_type=Path), help="The pipeline file with the sinks.")
@click.pass_context
def replay_(ctx: click.Context, ids: tuple[str, ...], pipeline: Path | None) -> int:
    """Gives rows to the sink that refused them again, under the same id; all that wait when no ID is given.

    Not while `shipper run` is at work on the same data folder.
    """
    done = replay_all(ctx.obj.data, pipeline, ids)
    waits = f", {done.blocked} not taken now: {printable(done.why)}" if done.blocked else ""
    click.echo(f"{done.taken} taken, {done.refused} refused again{waits}")
    return 1 if done.blocked else 0


def replay_all(data: Path, pipeline: Path | None, ids: tuple[str, ...]) -> Replayed:
    """Opens the pipeline's sinks for a replay, with the locks of all who write there, and closes them."""
    State(data / "state.db", readonly=True).close()  # a folder that holds nothing is an error, and stays as it is
    with closing(hold(data, "tail")), closing(hold(data, "move")), closing(State(data / "state.db")) as state:
        chosen = plan(pipeline or default_pipeline())
        context = Context(data, state, base=chosen.path.parent, name=chosen.pipeline.name)
        sinks = chosen.sinks(context)
        try:
            return replay(state, context.clock, {sink.name: sink for sink in sinks}, ids)
        finally:
            for sink in sinks:
                sink.close()


def listed_object(entry: Entry) -> dict[str, Any]:
    """An entry as `--format json` prints it."""
    return {
        "id": entry.id,
        "event.id": entry.event_id,
        "sink": entry.sink,
        "stream": entry.stream,
        "reason": entry.reason,
        "at": iso(entry.at),
        "bytes": len(entry.doc),
        "replayed": iso(entry.replayed) if entry.replayed else None,
    }


def _show_table(found: list[Entry]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "at", "sink", "reason", "event id"):
        table.add_column(name, overflow="fold")
    for entry in found:
        reason = escape(printable(entry.reason)) + (" (replayed)" if entry.replayed else "")
        table.add_row(str(entry.id), iso(entry.at)[:19] + "Z", entry.sink, reason, entry.event_id)
    Console().print(table)
