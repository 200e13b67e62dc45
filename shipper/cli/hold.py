"""`shipper hold`: what nobody may delete, in no tier."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipper.alerts import printable
from shipper.archive import ledger
from shipper.archive.ledger import Hold
from shipper.cli.tier_common import FORMAT, PIPELINE
from shipper.cli.tier_plan import chosen
from shipper.clock import Clock, SystemClock, iso, parse_when
from shipper.errors import ShipperError, UsageError
from shipper.everywhere import Everywhere
from shipper.lock import hold as lock
from shipper.lock import make_data_folder
from shipper.query.error import QueryError
from shipper.query.parse import parse
from shipper.state import State
from shipper.tier.hold import Holds, Protection

SHOWN = 5


@click.group()
def hold() -> None:
    """What nobody may delete: neither the mover nor `shipper erase`, in no tier, until it is released."""


@hold.command(short_help="Keep each day of a dataset that has such a record.")
@click.option("--where", "query", required=True, metavar="QUERY", help="Records, as shipper search finds them.")
@click.option("--reason", required=True, help="Why; it is shown wherever something stays because of it.")
@click.option("--since", metavar="TIME", help="Only records that are not older: 90d, 2026-08-01.")
@click.option("--until", metavar="TIME", help="Only records that are older, in the same forms.")
@PIPELINE
@click.pass_context
def add(
    ctx: click.Context, pipeline: Path | None, *, query: str, reason: str, since: str | None, until: str | None
) -> int:
    """Keep each day of a dataset that has such a record, also one that comes later.

    In a bucket with Object Lock the objects of these days get a legal hold as well.
    """
    checked(query, "where")
    clock = SystemClock()
    low, high = (_when(text, name, clock) for text, name in ((since, "since"), (until, "until")))
    if low and high and low >= high:
        raise UsageError(f"--since {since} is not before --until {until}; nothing would be on hold")
    if not reason.strip():
        raise UsageError("--reason: say in a few words why, for who wants to delete it later")
    with _holds(ctx.obj.data, pipeline) as (holds, unknown):
        number, protection = holds.add(query, low, high, reason.strip(), clock.now())
    click.echo(f"hold {number} is in force: {_days(protection, unknown)}")
    return _told(protection, unknown, "has a legal hold of the bucket now", "have a legal hold of the bucket now")


@hold.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that were released as well.")
@FORMAT
@click.pass_context
def list_(ctx: click.Context, *, everything: bool, form: str) -> None:
    """The holds in force, oldest first."""
    with closing(State(ctx.obj.data / "state.db", readonly=True)) as state:
        found = ledger.holds(state, released=everything)
    if form == "json":
        for each in found:
            click.echo(orjson.dumps(listed_object(each)))
    elif found:
        _show(found)
    else:
        click.echo("nothing is on hold")


@hold.command()
@click.argument("number", type=int, metavar="ID")
@click.option("--reason", required=True, help="Why it ends.")
@PIPELINE
@click.pass_context
def release(ctx: click.Context, pipeline: Path | None, *, number: int, reason: str) -> int:
    """End a hold. What it kept expires from now on as everything else; legal holds that it set are taken off."""
    with _holds(ctx.obj.data, pipeline) as (holds, unknown):
        protection = holds.release(number, reason.strip(), SystemClock().now())
    click.echo(f"hold {number} is released")
    return _told(protection, unknown, "has no legal hold of ours any more", "have no legal hold of ours any more")


def checked(query: str, option: str) -> None:
    """Raises `UsageError` for a query that can't be read."""
    try:
        parse(query)
    except QueryError as error:
        raise UsageError(f"--{option}: {error}") from None


def listed_object(one: Hold) -> dict[str, object]:
    """A hold as `--format json` prints it."""
    released = iso(one.released) if one.released is not None else None
    return {**one._asdict(), "added": iso(one.added), "released": released}


@contextmanager
def _holds(data: Path, pipeline: Path | None) -> Iterator[tuple[Holds, str]]:
    """For who changes them, with the lock of all who delete; and why it is not known what is archived, if so."""
    selected = chosen(data, pipeline)
    make_data_folder(data)
    with ExitStack() as stack:
        stack.enter_context(closing(lock(data, "move")))
        state = stack.enter_context(closing(State(data / "state.db")))
        everywhere = stack.enter_context(closing(Everywhere(data, state, selected)))
        unknown = ""
        try:
            everywhere.adopt()
        except ShipperError as error:
            unknown = str(error)
        yield everywhere.holds(), unknown


def _when(text: str | None, name: str, clock: Clock) -> str:
    try:
        return "" if text is None else iso(parse_when(text, clock.now()))
    except UsageError as error:
        raise UsageError(f"--{name}: {error}") from None


def _days(protection: Protection, unknown: str) -> str:
    """Which archived days it keeps; what is hot is kept too, and told by no list."""
    days = [f"{dataset or '-'} {day}" for dataset, day in protection.days]
    if not days and unknown:
        return "it is asked at every delete; what is archived is not known here yet"
    if not days:
        return "no archived day has such a record yet; of what is hot, and of what comes, it is asked at every delete"
    more = f" and {len(days) - SHOWN} more" if len(days) > SHOWN else ""
    many = "1 archived day" if len(days) == 1 else f"{len(days)} archived days"
    return f"it keeps {many}: {', '.join(map(printable, days[:SHOWN]))}{more}"


def _told(protection: Protection, unknown: str, one: str, several: str) -> int:
    """The exit code."""
    if protection.objects:
        click.echo(
            f"{protection.objects} object{'s' * (protection.objects > 1)} {one if protection.objects == 1 else several}"
        )
    for problem in protection.problems:
        click.echo(f"shipper hold: the bucket's own hold was not changed: {problem}", err=True)
    if unknown:
        click.echo(f"shipper hold: objects that are archived already were not looked at: {unknown}", err=True)
    return 1 if protection.problems or unknown else 0


def _show(found: list[Hold]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "query", "since", "until", "reason", "by", "added"):
        table.add_column(name, overflow="fold")
    for one in found:
        reason = f"{one.reason} (released: {one.why})" if one.released is not None else one.reason
        cells = (one.query, one.since[:10], one.until[:10], reason, one.who, iso(one.added)[:10])
        table.add_row(str(one.id), *(escape(printable(cell)) for cell in cells))
    Console(highlight=False).print(table)
