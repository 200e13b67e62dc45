"""`shipper status`: how far each file is read, what the run does, what it holds."""

import time
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape

from shipper.archive import ledger
from shipper.cli.sizes import human_bytes
from shipper.cli.status_files import collect_files, files_table
from shipper.clock import iso
from shipper.lock import held_by
from shipper.state import State
from shipper.store.layout import PARKED, SPOOLED, STORED, listed


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def status(ctx: click.Context, form: str) -> None:
    """Lag of every file, records a second, what is stored, quarantined, waiting to be told."""
    data: Path = ctx.obj.data
    state = State(data / "state.db", readonly=True)
    found = collect(data, state)
    if form == "json":
        click.echo(orjson.dumps(found))
    else:
        _show(found)


def collect(data: Path, state: State) -> dict[str, Any]:
    """All that `status` shows, as one object."""
    run = state.status().get("run", {})
    holder = held_by(data, "tail")
    waiting = state.rows(
        "SELECT count(*) AS n, coalesce(max(attempts), 0) AS attempts FROM outbox WHERE kind NOT IN ('record', 'audit')"
    )
    return {
        "at": iso(time.time()),
        "data": str(data),
        "running": holder,
        "records_per_second": run.get("records_per_second", 0.0) if holder else 0.0,
        "holding": run.get("holding", "") if holder else "",
        "holding_since": iso(run["holding_since"]) if holder and run.get("holding_since") else None,
        **_sinks(state),
        "files": collect_files(state, run.get("read", {}) if holder else {}),
        "stored": _stored(state),
        "in_grace": _in_grace(state),
        "spool": {"spooled": _waiting(state, SPOOLED), "parked": _waiting(state, PARKED)},
        "windows": state.rows("SELECT count(*) AS n FROM windows")[0]["n"],
        "alerts": state.rows("SELECT count(*) AS n FROM alerts")[0]["n"],
        "untold": {"alerts": waiting[0]["n"], "attempts": waiting[0]["attempts"]},
        "quarantine": state.rows("SELECT count(*) AS n FROM quarantine WHERE replayed IS NULL")[0]["n"],
        "tiers": _tiers(state),
        "rules": run.get("rules", {}),
        "metrics": run.get("metrics", {}),
    }


def _sinks(state: State) -> dict[str, Any]:
    """Where the last run sends records, and by which pipeline file."""
    note = orjson.loads(state.meta("sinks", "{}"))
    return {"sinks": note.get("sinks", []), "pipeline": note.get("pipeline")}


def _stored(state: State) -> dict[str, Any]:
    rows = state.rows(
        "SELECT stream, count(*) AS segments, sum(rows) AS rows, sum(bytes) AS bytes, min(day) AS first, "
        "max(day) AS last FROM segments WHERE number NOT IN (SELECT number FROM marked) GROUP BY stream"
    )
    names = ("segments", "rows", "bytes", "first", "last")
    return {row["stream"]: {name: row[name] for name in names} for row in rows if row["stream"] in STORED}


def _in_grace(state: State) -> dict[str, int]:
    """What belongs to the archive by now, and waits in the store to be deleted."""
    (row,) = state.rows(
        "SELECT count(*) AS segments, coalesce(sum(rows), 0) AS rows, coalesce(sum(bytes), 0) AS bytes "
        "FROM segments WHERE number IN (SELECT number FROM marked)"
    )
    return {name: row[name] for name in ("segments", "rows", "bytes")}


def _waiting(state: State, streams: dict[str, str]) -> dict[str, Any]:
    """What was accepted for a sink that takes nothing; `oldest` is the lowest `@timestamp`."""
    segments = listed(state, *streams.values())
    return {
        "segments": len(segments),
        "rows": sum(segment.rows for segment in segments),
        "bytes": sum(segment.bytes for segment in segments),
        "oldest": min((segment.first for segment in segments), default=None),
    }


def _tiers(state: State) -> dict[str, Any]:
    """What `state.db` knows of older data, with nothing asked of the archive."""
    tiers: dict[str, dict[str, Any]] = {}
    for one in ledger.archived(state, grace=True):
        kept = tiers.setdefault(one.tier, {"days": set(), "rows": 0, "bytes": 0})
        kept["days"].add(one.day)
        kept["rows"] += one.manifest.rows
        kept["bytes"] += one.manifest.bytes
    moves = ledger.moves(state)
    return {
        "archived": {tier: {**kept, "days": len(kept["days"])} for tier, kept in sorted(tiers.items(), reverse=True)},
        "under_way": len(moves),
        "failed": [{"day": move.day, "kind": move.kind, "failure": move.failure} for move in moves if move.failure],
        "holds": len(ledger.holds(state)),
        "last": state.status().get("tiers"),
    }


def _show(found: dict[str, Any]) -> None:
    console = Console(highlight=False)
    running = f"running ({found['running']})" if found["running"] else "not running"
    console.print(f"[bold]{running}[/bold], {found['records_per_second']:g} records/s, data in {found['data']}")
    if found["sinks"]:
        go = "go" if found["running"] else "went"
        console.print(f"records {go} to {', '.join(found['sinks'])}, by {escape(found['pipeline'])}")
    if found["holding"]:
        since = f"since {found['holding_since']}: " if found["holding_since"] else ""
        console.print("[bold red]holding[/bold red] " + since + escape(found["holding"]))
    table, left_out = files_table(found["files"], console.width)
    console.print(table)
    if left_out:
        console.print(left_out, style="dim")
    for stream, kept in found["stored"].items():
        span = kept["first"] if kept["first"] == kept["last"] else f"{kept['first']} to {kept['last']}"
        console.print(
            f"{stream}: {kept['rows']:,} in {kept['segments']} segments, {human_bytes(kept['bytes'])}, {span}"
        )
    if (kept := found["in_grace"])["segments"]:
        size = human_bytes(kept["bytes"])
        console.print(f"archived: {kept['rows']:,} in {kept['segments']} segments wait to be deleted, {size}")
    for name, kept in found["spool"].items():
        if kept["rows"]:
            size = human_bytes(kept["bytes"])
            console.print(f"{name}: {kept['rows']:,} wait for their sink, {size}, oldest {kept['oldest']}")
    _show_tiers(console, found["tiers"])
    console.print(
        f"alerts: {found['alerts']}, {found['untold']['alerts']} not told yet; windows open: {found['windows']}; "
        f"quarantine: {found['quarantine']}"
    )
    if found["rules"]:
        console.print("rules: " + ", ".join(f"{count} {name}" for name, count in found["rules"].items()))


def _show_tiers(console: Console, tiers: dict[str, Any]) -> None:
    for tier, kept in tiers["archived"].items():
        console.print(f"{tier}: {kept['rows']:,} of {kept['days']} days, {human_bytes(kept['bytes'])}")
    for move in tiers["failed"]:
        what = f"{move['kind']} {move['day']}: {move['failure']}"
        console.print("[bold red]not moved[/bold red] " + escape(what))
