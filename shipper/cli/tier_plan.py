"""`shipper tier plan`: what moves now and why, what comes next, what every tier holds and costs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipper.archive import ledger
from shipper.archive.ledger import ARCHIVE, MARKED, PUBLISHED, Move
from shipper.build import Plan as Chosen
from shipper.build import plan as plan_of
from shipper.cli.sizes import human_bytes
from shipper.cli.stores import noted_by_run
from shipper.cli.tier_common import FORMAT, PIPELINE
from shipper.clock import Clock, SystemClock, iso
from shipper.config import default_pipeline
from shipper.elastic.connect import Connection, Elastic
from shipper.everywhere import Everywhere
from shipper.state import State
from shipper.tier.cost import Held
from shipper.tier.elastic import ElasticHot
from shipper.tier.embedded import EmbeddedHot
from shipper.tier.hot import Hot, HotDay
from shipper.tier.plan import IsHeld
from shipper.tier.plan import plan as planned_by
from shipper.tier.planned import Plan, Planned
from shipper.tier.policy import Prices, Tiers, stages
from shipper.tiering import tiers_of

SHOWN, SHOWN_NEXT = 20, 3


class Found(NamedTuple):
    """All that the command shows."""

    tiers: Tiers
    plan: Plan
    under_way: list[Move]


@click.command(name="plan", short_help="What would move now and why, what each tier holds and costs.")
@FORMAT
@PIPELINE
@click.pass_context
def plan(ctx: click.Context, pipeline: Path | None, form: str) -> None:
    """Say which days would move now and why, what each tier holds and costs; moves nothing.

    PIPELINE is by default that of the last run, else pipelines/xionimus.yml.
    """
    data: Path = ctx.obj.data
    found = look(data, chosen(data, pipeline), SystemClock())
    if form == "json":
        for line in as_objects(found):
            click.echo(orjson.dumps(line))
    else:
        _show(found)


def chosen(data: Path, pipeline: Path | None) -> Chosen:
    """The pipeline that was named, or that of the last run, or the default one. Raises `UsageError`."""
    noted = noted_by_run(data)
    last = noted.pipeline if noted is not None and noted.pipeline is not None and noted.pipeline.exists() else None
    return plan_of(pipeline or last or default_pipeline())


def look(data: Path, pipeline: Chosen, clock: Clock) -> Found:
    """The plan of this moment. Raises `ShipperError` when the hot store can't be asked, `UsageError` without tiers."""
    tiers = tiers_of(pipeline)
    with ExitStack() as stack:
        state = stack.enter_context(closing(_state(data))) if (data / "state.db").exists() else None
        hot = _hot(data, pipeline, state, clock)
        if hot is not None:
            stack.callback(hot.close)
        days = list(hot.days()) if hot is not None else []
        under_way = ledger.moves(state) if state is not None else []
        held = _held(stack, data, pipeline, state)
        plan = planned_by(
            tiers,
            days,
            late=_late(hot, days, under_way),
            archived=ledger.archived(state, grace=True) if state is not None else [],
            under_way=under_way,
            held=held,
            now=clock.now(),
        )
    return Found(tiers, plan, under_way)


def _state(data: Path) -> State:
    return State(data / "state.db", readonly=True)


def _hot(data: Path, pipeline: Chosen, state: State | None, clock: Clock) -> Hot | None:
    """None: nothing was ever stored here."""
    for part in pipeline.parts["sinks"]:
        if isinstance(part.config, Connection):
            return ElasticHot(Elastic(part.config), pipeline.pipeline.name, clock)
    return EmbeddedHot(data, state) if state is not None else None


def _late(hot: Hot | None, days: Sequence[HotDay], under_way: Sequence[Move]) -> dict[str, int]:
    """What came since of days that are published, and still in the hot store."""
    there = {day.day for day in days}
    points = {
        move.day: move.detail["point"]
        for move in under_way
        if move.kind == ARCHIVE and move.step in (PUBLISHED, MARKED) and move.day in there
    }
    return {day: hot.late(day, point) for day, point in points.items()} if hot is not None else {}


def _held(stack: ExitStack, data: Path, pipeline: Chosen, state: State | None) -> IsHeld:
    """Asked of the records themselves, wherever they are, when there is a hold at all."""
    if state is None or not ledger.holds(state):
        return lambda _dataset, _day: False
    holds = stack.enter_context(closing(Everywhere(data, state, pipeline))).holds()
    return lambda dataset, day: bool(holds.held(dataset, day))


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_objects(found: Found) -> Iterator[dict[str, Any]]:
    """One for each move, tier and note."""
    plan = found.plan
    for when, moves in (("now", plan.moves), ("blocked", plan.blocked), ("later", plan.coming)):
        yield from (_move_object(when, one) for one in moves)
    yield from map(_under_way_object, found.under_way)
    for now, after in zip(plan.now, plan.after, strict=True):
        yield {"kind": "tier", "tier": now.tier, "now": _held_object(now), "after": _held_object(after)}
    prices = found.tiers.prices
    if prices is not None:
        yield {"kind": "prices", "as_of": prices.as_of.isoformat(), "currency": prices.currency, "per": "month"}
    yield from ({"kind": "note", "note": note} for note in plan.notes)


def _move_object(when: str, one: Planned) -> dict[str, Any]:
    return {
        "kind": "move",
        "when": when,
        "move": one.kind,
        "day": one.day,
        "dataset": one.dataset or None,
        "from": one.from_tier,
        "to": one.to_tier,
        "place": one.place,
        "storage_class": one.storage_class or None,
        "locked_until": iso(one.lock_until) if one.lock_until else None,
        "rows": one.rows,
        "bytes": one.bytes,
        "due": iso(one.due),
        "reason": one.reason,
        "blocked_by": one.blocked_by or None,
    }


def _under_way_object(move: Move) -> dict[str, Any]:
    return {
        "kind": "under_way",
        "move": move.kind,
        "day": move.day,
        "dataset": move.dataset or None,
        "from": move.from_tier,
        "to": move.to_tier,
        "step": move.step,
        "since": iso(move.changed),
        "failure": move.failure or None,
    }


def _held_object(held: Held) -> dict[str, Any]:
    return {"days": held.days, "rows": held.rows, "bytes": held.bytes, "cost": held.cost}


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(found: Found) -> None:
    console = Console(highlight=False)
    plan = found.plan
    _show_moves(console, plan.moves)
    _show_under_way(console, found)
    for one in plan.blocked[:SHOWN]:
        way = f"{one.day} {one.dataset} {one.from_tier} → {one.to_tier}"
        console.print(f"[bold]not now[/bold]: {escape(way)} ({escape(one.blocked_by)})")
    _say_more(console, len(plan.blocked), SHOWN)
    console.print()
    console.print(_totals(plan, found.tiers.prices))
    for place in dict.fromkeys(stage.place for stage in stages(found.tiers, "")):
        console.print(f"[dim]archive:[/dim] {escape(place)}")
    _show_next(console, plan)
    for note in plan.notes:
        console.print(f"[dim]note:[/dim] {escape(note)}")
    if found.tiers.prices is not None and any(held.cost for held in (*plan.now, *plan.after)):
        as_of, currency = found.tiers.prices.as_of, found.tiers.prices.currency
        console.print(f"[dim]Cost: {escape(currency)} a month for storage alone, at prices of {as_of}.[/dim]")


def _show_moves(console: Console, moves: Sequence[Planned]) -> None:
    if not moves:
        console.print("Nothing is to be moved now.")
        return
    console.print("These would be moved now, by: shipper tier run")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, right in (("day", 0), ("dataset", 0), ("rows", 1), ("size", 1), ("from", 0), ("to", 0), ("why", 0)):
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=name in {"day", "size"})
    for one in moves[:SHOWN]:
        cells = (f"{one.rows:,}", human_bytes(one.bytes), one.from_tier, one.to_tier, escape(one.reason))
        table.add_row(one.day, escape(one.dataset) or "all", *cells)
    console.print(table)
    _say_more(console, len(moves), SHOWN)


def _say_more(console: Console, count: int, shown: int) -> None:
    if count > shown:
        console.print(f"[dim]… and {count - shown} more: --format json[/dim]")


def _show_under_way(console: Console, found: Found) -> None:
    """Days in grace together: there may be a year of them after the first run."""
    waiting = [move for move in found.under_way if move.step == MARKED and not move.failure]
    others = [move for move in found.under_way if move.step != MARKED or move.failure]
    for move in others[:SHOWN]:
        console.print(f"under way: {_under_way(move)}")
    _say_more(console, len(others), SHOWN)
    if waiting:
        first = min(move.detail.get("marked", move.changed) for move in waiting) + found.tiers.grace
        oldest = f"{waiting[0].day} and {len(waiting) - 1} more" if len(waiting) > 1 else waiting[0].day
        console.print(f"in grace: {oldest}; old copies go from {iso(first)[:16]}Z on")


def _under_way(move: Move) -> str:
    what = f"{move.day} {escape(move.dataset)}".rstrip()
    told = f"{what} {move.from_tier} → {move.to_tier}, {move.step} since {iso(move.changed)[:16]}Z"
    return f"{told}; [bold red]{escape(move.failure)}[/bold red]" if move.failure else told


def _totals(plan: Plan, prices: Prices | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("tier", "days", "rows", "size", "cost", "afterwards: days", "size", "cost"):
        table.add_column(name, justify="left" if name == "tier" else "right")
    for now, after in zip(plan.now, plan.after, strict=True):
        first = (f"{now.days:,}", f"{now.rows:,}", human_bytes(now.bytes), _cost(now.cost, prices))
        table.add_row(now.tier, *first, f"{after.days:,}", human_bytes(after.bytes), _cost(after.cost, prices))
    return table


def _cost(cost: float | None, prices: Prices | None) -> str:
    if cost is None or prices is None:
        return "–"
    return f"{cost:,.2f}" if cost >= 0.005 or not cost else "< 0.01"


def _show_next(console: Console, plan: Plan) -> None:
    for one in plan.coming[:SHOWN_NEXT]:
        what = f"{one.day} {one.dataset}".rstrip()
        console.print(f"[dim]next:[/dim] from {iso(one.due)[:10]} on {escape(what)} {one.from_tier} → {one.to_tier}")
