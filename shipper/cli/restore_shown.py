"""What `shipper tier restore` prints: how each day stands, what it takes to get it, what came back."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import orjson
from rich.console import Console
from rich.table import Table

from shipper.cli.sizes import human_bytes
from shipper.clock import iso
from shipper.objects.thaw import Fees
from shipper.tier.refill import Filled, Wanted
from shipper.tier.restore import ASKED, NEEDED, READABLE, READY, WAITING, Day, speed_of


class Asked(NamedTuple):
    """What the command was given."""

    wanted: Wanted
    days: int
    speed: str


def show_days(days: Sequence[Day], asked: Asked, fees: Fees, form: str) -> None:
    if form == "json":
        for day in days:
            click.echo(orjson.dumps(_object(day, asked, fees)))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("day", "dataset", "tier", "size", "stands"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for day in days:
        one = day.one
        table.add_row(one.day, one.dataset or "-", one.tier, human_bytes(day.bytes), _standing(day, asked, fees))
    Console().print(table)
    _show_total([day for day in days if day.standing in (NEEDED, ASKED)], asked, fees)


def _show_total(days: Sequence[Day], asked: Asked, fees: Fees) -> None:
    """Of all that is to be asked for, or was just now; the price stands for whoever pays."""
    costs = [cost for day in days if (cost := _cost(day, asked, fees)) is not None]
    if len(days) > 1:
        total = fees.spoken(sum(costs)) + fees.dated if len(costs) == len(days) else ""
        click.echo(f"In all {human_bytes(sum(day.bytes for day in days))}{total}.")


def _object(day: Day, asked: Asked, fees: Fees) -> dict[str, Any]:
    speed = speed_of(day, asked.speed) if not day.is_readable else None
    cost = _cost(day, asked, fees) if speed else None
    return {
        "day": day.one.day,
        "dataset": day.one.dataset,
        "tier": day.one.tier,
        "place": day.one.place,
        "bytes": day.bytes,
        "storage_class": day.storage_class or None,
        "standing": day.standing,
        "until": iso(day.until) if day.until is not None else None,
        "waits": speed.waits if speed else None,
        "cost": round(cost, 4) if cost is not None else None,
        "currency": fees.currency or None,
    }


def _standing(day: Day, asked: Asked, fees: Fees) -> str:
    if day.standing == READY and day.until is not None:
        return f"ready until {iso(day.until)[:16]}Z"
    if day.standing == READABLE:
        return "readable at any time"
    if day.standing == WAITING:
        return f"asked for already, {day.storage_class} takes its time"
    speed = speed_of(day, asked.speed)
    takes = f"{speed.waits}{fees.spoken(_cost(day, asked, fees))}" if speed else ""
    return f"{'asked for just now' if day.standing == ASKED else 'to be asked for'}: {takes}"


def _cost(day: Day, asked: Asked, fees: Fees) -> float | None:
    return fees.cost(day.storage_class, asked.speed, day.bytes)


def show_filled(day: Day, index: str, filled: Filled, form: str) -> None:
    one = day.one
    if form == "json":
        told = {"day": one.day, "dataset": one.dataset, "index": index, "rows": filled.rows}
        click.echo(orjson.dumps({**told, "refused": len(filled.refused)}))
    else:
        records = "record" if filled.rows == 1 else "records"
        click.echo(f"{index}: {filled.rows:,} {records} of {one.dataset or 'no dataset'}")


def say_where(waiting: list[Day], form: str) -> None:
    if form == "json":
        return
    if waiting:
        click.echo(f"{count(waiting)} to wait for; the same command says when they are there.")
    else:
        click.echo("Nothing to wait for: shipper search reads these days in the archive.")


def count(days: Sequence[Day]) -> str:
    number = len({day.one.day for day in days})
    return f"{number} day" if number == 1 else f"{number} days"
