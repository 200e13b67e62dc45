"""What `shipper tier restore` prints: how each day stands, what it takes to get it, what came back."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import orjson
from rich.console import Console
from rich.table import Table

from shipper.cli.sizes import human_bytes
from shipper.clock import iso
from shipper.objects.thaw import AS_OF, GIB
from shipper.tier.refill import Filled, Wanted
from shipper.tier.restore import ASKED, NEEDED, READABLE, READY, WAITING, Day, speed_of


class Asked(NamedTuple):
    """What the command was given."""

    wanted: Wanted
    days: int
    speed: str


def show_days(days: Sequence[Day], asked: Asked, form: str) -> None:
    if form == "json":
        for day in days:
            click.echo(orjson.dumps(_object(day, asked)))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("day", "dataset", "tier", "size", "stands"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for day in days:
        one = day.one
        table.add_row(one.day, one.dataset or "-", one.tier, human_bytes(day.bytes), _standing(day, asked))
    Console().print(table)
    _show_total([day for day in days if day.standing in (NEEDED, ASKED)], asked)


def _show_total(days: Sequence[Day], asked: Asked) -> None:
    """Of all that is to be asked for, or was just now; the price stands for whoever pays."""
    prices = [(speed.usd_per_gib, day.bytes) for day in days if (speed := speed_of(day, asked.speed)) is not None]
    if len(prices) > 1:
        size, usd = sum(size for _, size in prices), sum(price * size for price, size in prices)
        click.echo(f"In all {human_bytes(size)}, {_cost(usd / size, size)} (S3 in us-east-1, {AS_OF}).")


def _object(day: Day, asked: Asked) -> dict[str, Any]:
    speed = speed_of(day, asked.speed) if not day.is_readable else None
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
        "cost_usd": round(speed.usd_per_gib * day.bytes / GIB, 4) if speed else None,
    }


def _standing(day: Day, asked: Asked) -> str:
    if day.standing == READY and day.until is not None:
        return f"ready until {iso(day.until)[:16]}Z"
    if day.standing == READABLE:
        return "readable at any time"
    if day.standing == WAITING:
        return f"asked for already, {day.storage_class} takes its time"
    speed = speed_of(day, asked.speed)
    takes = f"{speed.waits}, {_cost(speed.usd_per_gib, day.bytes)}" if speed else ""
    return f"{'asked for just now' if day.standing == ASKED else 'to be asked for'}: {takes}"


def _cost(usd_per_gib: float, size: int) -> str:
    cost = usd_per_gib * size / GIB
    return "free" if not cost else f"{cost:.2f} USD" if cost >= 0.01 else "under 0.01 USD"


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
