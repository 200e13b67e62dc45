"""`shipper tier status`: what is where."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipper.archive import ledger
from shipper.archive.ledger import MARKED, Archived
from shipper.archive.names import TIERS
from shipper.cli.sizes import human_bytes
from shipper.cli.tier_common import FORMAT, PIPELINE, adopt_all, move_object, places, refuse_empty
from shipper.cli.tier_plan import chosen
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.state import State
from shipper.tier.cost import HOT, Held
from shipper.tier.forecast import held_now
from shipper.tier.policy import DAY_S
from shipper.tier.restore import Restored, restored
from shipper.tiering import LAST, Opened, last_due, tiering, tiers_of


@click.command(short_help="What is where, moves under way, holds, the chain of receipts.")
@FORMAT
@PIPELINE
@click.pass_context
def status(ctx: click.Context, pipeline: Path | None, form: str) -> None:
    """What is where: days, rows and bytes of every tier and dataset, moves under way, holds, the chain of receipts."""
    data: Path = ctx.obj.data
    selected = chosen(data, pipeline)
    refuse_empty(data, selected)
    tiers_of(selected)
    with ExitStack() as stack:
        state = stack.enter_context(closing(State(data / "state.db")))
        opened = stack.enter_context(tiering(selected, data, state))
        adopt_all(opened)
        found = collect(opened, state)
    if form == "json":
        click.echo(orjson.dumps(found))
    else:
        _show_status(found)


def collect(opened: Opened, state: State) -> dict[str, Any]:
    """All that is shown, as one object."""
    tiers, archived = opened.moving.tiers, ledger.archived(state, grace=True)
    hot: list[Any] = []
    problem = ""
    try:
        hot = list(opened.moving.hot.days())
    except ShipperError as error:
        problem = str(error)
    last = float(state.meta(LAST, "0"))
    now = opened.moving.clock.now()
    return {
        "tiers": [_held_object(held) for held in held_now(tiers, hot, archived)],
        "hot_days": [min(day.day for day in hot), max(day.day for day in hot)] if hot else [],
        "datasets": _by_dataset(archived),
        "hot_problem": problem,
        "moves": [move_object(move) for move in ledger.moves(state)],
        "holds": [{"id": each.id, "query": each.query, "reason": each.reason} for each in ledger.holds(state)],
        "restored": [_restored_object(each) for each in restored(state)],
        "places": [_place_object(opened, state, place) for place in places(opened, state)],
        "last": iso(last) if last else None,
        "next": iso(last_due(tiers, now) + DAY_S),
    }


def _place_object(opened: Opened, state: State, place: str) -> dict[str, Any]:
    number, sha256 = ledger.chain(state, place)
    return {"place": place, "where": opened.everywhere.place(place).where, "receipts": number, "sha256": sha256}


def _restored_object(one: Restored) -> dict[str, Any]:
    return {"day": one.day, "place": one.place, "until": iso(one.until), "index": one.detail.get("index")}


def _by_dataset(archived: Sequence[Archived]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Archived]] = defaultdict(list)
    for one in archived:
        groups[one.tier, one.dataset].append(one)
    return [
        {
            "tier": tier_,
            "dataset": dataset,
            "days": len(some),
            "first": min(one.day for one in some),
            "last": max(one.day for one in some),
            "rows": sum(one.manifest.rows for one in some),
            "bytes": sum(one.manifest.bytes for one in some),
            "in_grace": sum(one.grace for one in some),
        }
        for (tier_, dataset), some in sorted(groups.items(), key=lambda item: (TIERS.index(item[0][0]), item[0][1]))
    ]


def _held_object(held: Held) -> dict[str, Any]:
    return {"tier": held.tier, "days": held.days, "rows": held.rows, "bytes": held.bytes, "cost": held.cost}


def _show_status(found: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(_tiers_table(found))
    if found["hot_problem"]:
        console.print(f"[bold red]hot[/bold red]: {escape(found['hot_problem'])}")
    _show_moves(console, found["moves"])
    for each in found["holds"]:
        console.print(f"hold {each['id']}: {escape(each['query'])} ({escape(each['reason'])})")
    _show_restored(console, found["restored"])
    for place in found["places"]:
        head = f"receipt {place['receipts']}, {place['sha256'][:16]}…" if place["receipts"] else "nothing yet"
        console.print(f"[dim]archive:[/dim] {escape(place['where'])} [dim]({head})[/dim]")
    console.print(f"[dim]last moved:[/dim] {found['last'] or 'never'}[dim], next:[/dim] {found['next']}")


def _show_restored(console: Console, restored: Sequence[dict[str, Any]]) -> None:
    for each in restored:
        what = each["index"] or f"{each['day']} asked for in {each['place']}, readable"
        console.print(f"restored: {escape(what)} until {'' if each['index'] else 'about '}{each['until'][:16]}Z")


def _show_moves(console: Console, moves: Sequence[dict[str, Any]]) -> None:
    in_grace = [move for move in moves if move["step"] == MARKED and not move["failure"]]
    if in_grace:
        days = f"{in_grace[0]['day']}" + (f" and {len(in_grace) - 1} more" if len(in_grace) > 1 else "")
        console.print(f"in grace, to be deleted where they were: {days}")
    for move in moves:
        if move not in in_grace:
            what = f"{move['dataset'] or 'all of'} {move['day']}: {move['from']} → {move['to']}, {move['step']}"
            failure = f"; [bold red]{escape(move['failure'])}[/bold red]" if move["failure"] else ""
            console.print(f"under way: {escape(what)} since {move['changed'][:16]}Z{failure}")


def _tiers_table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("tier", "dataset", "days", "rows", "size", "from", "to"):
        table.add_column(name, justify="right" if name in {"days", "rows", "size"} else "left", overflow="fold")
    for held in found["tiers"]:
        inside = [each for each in found["datasets"] if each["tier"] == held["tier"]]
        if not inside:
            span = found["hot_days"] if held["tier"] == HOT else ()
            table.add_row(
                held["tier"], "all", f"{held['days']}", f"{held['rows']:,}", human_bytes(held["bytes"]), *span
            )
        for each in inside:
            numbers = (f"{each['days']}", f"{each['rows']:,}", human_bytes(each["bytes"]))
            table.add_row(held["tier"], escape(each["dataset"]) or "none", *numbers, each["first"], each["last"])
    return table
