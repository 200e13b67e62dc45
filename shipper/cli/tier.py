"""`shipper tier`: older data, and moving it now."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shipper.archive.ledger import Move
from shipper.cli.sizes import human_bytes
from shipper.cli.tier_common import FORMAT, PIPELINE, move_object
from shipper.cli.tier_plan import chosen, plan
from shipper.cli.tier_restore import restore
from shipper.cli.tier_status import status
from shipper.cli.tier_verify import verify
from shipper.clock import Clock, SystemClock, parse_when
from shipper.lock import hold, make_data_folder
from shipper.state import State
from shipper.tier.move import Report, spoken, summary
from shipper.tiering import LAST, Told, let_restored_go, tiering, tiers_of


@click.group()
def tier() -> None:
    """Older data: what lies where, moving it, proving it, getting it back."""


@tier.command()
@click.option("--now", "at", hidden=True, metavar="TIME", help="As if it were this time.")
@FORMAT
@PIPELINE
@click.pass_context
def run(ctx: click.Context, pipeline: Path | None, form: str, at: str | None) -> int:
    """Move now what is due: what an earlier run left goes on first.

    A day is deleted where it was only after it was read back from where it is, and a grace (by default 24 hours). What
    can't be moved or does not match stays where it is; then the exit code is 1. Run it again as often as you like.
    """
    data: Path = ctx.obj.data
    selected, clock = chosen(data, pipeline), _clock(at)
    tiers_of(selected)
    make_data_folder(data)
    with ExitStack() as stack:
        stack.enter_context(closing(hold(data, "move")))
        state = stack.enter_context(closing(State(data / "state.db")))
        opened = stack.enter_context(tiering(selected, data, state, clock, stack.enter_context(_bar())))
        report = opened.mover.run()
        let_restored_go(opened)
        state.set_meta(LAST, str(clock.now()))
    if form == "json":
        for move in (*report.done, *report.waiting, *report.failed):
            click.echo(orjson.dumps(move_object(move)))
    else:
        _show_report(report)
    return 1 if report.failed else 0


class _Shifted(SystemClock):
    """Shows another time, and goes on as every clock."""

    def __init__(self, now: float) -> None:
        self._ahead = now - super().now()

    def now(self) -> float:
        return super().now() + self._ahead


def _clock(at: str | None) -> Clock:
    return SystemClock() if at is None else _Shifted(parse_when(at, SystemClock().now()))


@contextmanager
def _bar() -> Iterator[Told]:
    """A line on a terminal for what is moved, with the bytes that have gone to the archive."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Told()
        return
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[sent]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task, sent = bar.add_task("looking", total=None, sent=""), [0]

        def stored(count: int) -> None:
            sent[0] += count
            bar.update(task, sent=human_bytes(sent[0]))

        def begun(move: Move, number: int, of: int) -> None:
            bar.update(task, description=escape(spoken(move)), completed=number - 1, total=of)

        yield Told(stored=stored, begun=begun)


def _show_report(report: Report) -> None:
    console = Console(highlight=False)
    for move in report.done:
        console.print(f"[green]done[/green]      {escape(spoken(move))} [dim]{escape(move.reason)}[/dim]")
    for move in report.waiting:
        console.print(f"in grace  {escape(spoken(move))}")
    for move in report.failed:
        console.print(f"[bold red]failed[/bold red]    {escape(spoken(move))}: {escape(move.failure)}")
    for one in report.blocked:
        what = f"{one.dataset} {one.day}".strip()
        console.print(f"not now   {escape(what)}: {one.from_tier} → {one.to_tier} ({escape(one.blocked_by)})")
    if report.adopted:
        console.print(f"took over an archive with {report.adopted} receipts")
    console.print(summary(report))


for command in (plan, status, verify, restore):
    tier.add_command(command)
