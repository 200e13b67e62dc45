"""`shipper tier verify`: whether the archive is what its receipts say."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from shipper.archive.manifest import Part
from shipper.archive.names import TIERS
from shipper.cli.sizes import human_bytes
from shipper.cli.tier_common import FORMAT, PIPELINE, adopt_all, places, refuse_empty
from shipper.cli.tier_plan import chosen
from shipper.clock import SystemClock, iso, parse_when
from shipper.errors import UsageError
from shipper.state import State
from shipper.tier.verify import Problem, Verified, Verifier, Wanted
from shipper.tiering import Opened, tiering, tiers_of


@click.command(short_help="Check the archive against its receipts, read all of it back.")
@click.option("--tier", "tier_", type=click.Choice(TIERS), help="Look at the parts of this tier alone.")
@click.option("--since", metavar="TIME", help="Of days not older than this: 90d, 2026-08-01.")
@click.option("--until", metavar="TIME", help="Of days older than this, in the same forms.")
@click.option("--quick", is_flag=True, help="Compare sizes and checksums that the store gives; read nothing back.")
@FORMAT
@PIPELINE
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    pipeline: Path | None,
    *,
    form: str,
    tier_: str | None,
    since: str | None,
    until: str | None,
    quick: bool,
) -> int:
    """Check the archive against its receipts: every object that was removed, changed or added is named.

    All parts are read back, so this costs what reading the whole archive costs; --quick looks, and reads nothing. The
    exit code is 1 when something is wrong. Nothing is changed.
    """
    data: Path = ctx.obj.data
    wanted = Wanted((tier_,) if tier_ else TIERS, _day(since, "since"), _day(until, "until", before=True), quick)
    selected = chosen(data, pipeline)
    refuse_empty(data, selected)
    tiers_of(selected)
    with ExitStack() as stack:
        state = stack.enter_context(closing(State(data / "state.db")))
        opened = stack.enter_context(tiering(selected, data, state))
        adopt_all(opened)
        found = {place: _verified(opened, state, place, wanted) for place in places(opened, state)}
    if form == "json":
        for place, each in found.items():
            click.echo(orjson.dumps(_verified_object(place, each)))
    else:
        _show_verified(found, wanted)
    return 1 if any(each.problems for each in found.values()) else 0


def _verified(opened: Opened, state: State, place: str, wanted: Wanted) -> Verified:
    scratch = opened.moving.scratch.parent / f"verify-{os.getpid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    objects = opened.everywhere.place(place)
    try:
        verifier = Verifier(objects, place, state, clock=opened.moving.clock, exporter=opened.exporter, scratch=scratch)
        with _reading(verifier.size(wanted)) as told:
            return verifier.run(wanted, told)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _reading(size: int) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(20), DownloadColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying", total=size)

        def told(part: Part) -> None:
            bar.update(task, advance=part.bytes, description=escape(part.key))

        yield told


def _day(text: str | None, name: str, *, before: bool = False) -> str:
    """The first day of a time; with `before` the last one that begins before it."""
    if text is None:
        return ""
    try:
        when = parse_when(text, SystemClock().now())
    except UsageError as error:
        raise UsageError(f"--{name}: {error}") from None
    return iso(when - (0.001 if before else 0.0))[:10].replace("-", ".")


def _verified_object(place: str, found: Verified) -> dict[str, Any]:
    return {
        "place": place,
        "problems": [problem._asdict() for problem in found.problems],
        "receipts": found.receipts,
        "days": found.days,
        "rows": found.rows,
        "bytes": found.bytes,
        "unread": found.unread,
    }


def _show_verified(found: dict[str, Verified], wanted: Wanted) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for place, each in found.items():
        for problem in each.problems:
            console.print(_told(place, problem))
        if each.unread:
            console.print(f"{len(each.unread)} parts need a restore to be read: only their sizes were compared")
        how = "looked at" if wanted.quick else "read back"
        verdict = f"[bold red]{_number(each.problems)}[/bold red]" if each.problems else "[green]whole[/green]"
        console.print(
            f"{escape(place)}: {verdict}, {each.receipts:,} receipts, {each.days:,} manifests, {each.rows:,} rows, "
            f"{human_bytes(each.bytes)} {how}"
        )


def _number(problems: Sequence[Problem]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"


def _told(place: str, problem: Problem) -> str:
    return f"[bold red]wrong[/bold red]  {escape(f'{place}/{problem.key}: {problem.what}')}"
