"""`shipper erase`: all records that a query finds, and what was derived from them, with a certificate at the end."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipper.build import Plan
from shipper.cli.hold import checked
from shipper.cli.tier_common import FORMAT, PIPELINE, refuse_empty
from shipper.cli.tier_plan import chosen
from shipper.clock import SystemClock
from shipper.erasing import adopt_all, reach, subject_key
from shipper.errors import ShipperError, UsageError
from shipper.lock import hold
from shipper.query.parse import parse
from shipper.query.tree import Everything
from shipper.state import State
from shipper.tier.certificate import Line, Proof
from shipper.tier.erase import Erasure, Report
from shipper.tier.reach import Reach
from shipper.tier.subject import Subject

SHOWN = 40


@click.command()
@click.option("--where", "query", required=True, metavar="QUERY", help="Records, as shipper search finds them.")
@click.option("--yes", is_flag=True, help="Erase. Without it nothing is changed.")
@click.option("--reason", default="", help="For the certificate and the audit record.")
@FORMAT
@PIPELINE
@click.pass_context
def erase(ctx: click.Context, pipeline: Path | None, *, query: str, yes: bool, reason: str, form: str) -> int:
    """Erase records in all tiers, their alerts and whatever else holds them; say first what would go.

    What is on hold or locked stays and is named; then the exit code is 1. The log files themselves, backups, and
    records that arrive later are out of its reach. The certificate names the query by a keyed hash alone. Cut short, it
    goes on where it was when the same command is run again.
    """
    checked(query, "where")
    tree = parse(query)
    if isinstance(tree, Everything):
        raise UsageError("--where: this is every record; write a query, for example user_id:alice")
    data: Path = ctx.obj.data
    selected, clock, subject = chosen(data, pipeline), SystemClock(), Subject(query, tree)
    refuse_empty(data, selected)
    with ExitStack() as stack:
        if not yes:
            state = stack.enter_context(closing(State(data / "state.db")))
            reached = stack.enter_context(reach(selected, data, state, clock))
            unknown = _unknown(selected, reached)
            _show_look(Erasure(reached, subject).look(), form)
            return 1 if unknown else 0
        stack.enter_context(closing(hold(data, "move")))
        state = stack.enter_context(closing(State(data / "state.db")))
        key = subject_key(data)
        reached = stack.enter_context(reach(selected, data, state, clock, key=key))
        adopt_all(selected, reached)
        report = Erasure(reached, subject).carry_out(reason.strip())
    _show_report(report, form)
    return 0 if report.is_whole else 1


def _unknown(plan: Plan, reached: Reach) -> bool:
    """Whether it can't be told what is archived, which is said."""
    try:
        adopt_all(plan, reached)
    except ShipperError as error:
        click.echo(f"shipper erase: what is archived is not known here yet, and left out: {error}", err=True)
        return True
    return False


def line_object(kind: str, line: Line) -> dict[str, Any]:
    """A line as `--format json` prints it. `kind`: `would_go`, `erased`, `stays`."""
    shown: dict[str, Any] = {
        "kind": kind,
        "where": line.where,
        "dataset": line.dataset or None,
        "day": line.day or None,
    }
    return {**shown, "records": line.rows, **({"why": line.refused} if line.refused else {})}


def _show_look(lines: Sequence[Line], form: str) -> None:
    if form == "json":
        for line in lines:
            click.echo(orjson.dumps(line_object("stays" if line.refused else "would_go", line)))
        return
    console = Console(highlight=False)
    going, staying = ([line for line in lines if bool(line.refused) is stays] for stays in (False, True))
    if not lines:
        console.print("Nothing is found: there is nothing to erase.")
        return
    _print_lines(console, "This would be erased:", going)
    _print_lines(console, "This would stay:", staying)
    console.print("Nothing was changed. To erase it, say the same with --yes.")


def _show_report(report: Report, form: str) -> None:
    if form == "json":
        for kind, lines in (("erased", report.erased), ("stays", report.refused)):
            for line in lines:
                click.echo(orjson.dumps(line_object(kind, line)))
        told = {"kind": "certificate", "certificate": report.number, "path": str(report.path)}
        click.echo(orjson.dumps(told | _proof_object(report.proof)))
    else:
        console = Console(highlight=False)
        _print_lines(console, "Erased:", report.erased)
        _print_lines(console, "[bold red]Stays:[/bold red]", report.refused)
        console.print(_proven(report))
        console.print(f"certificate {report.number}: {escape(str(report.path))}", soft_wrap=True)
    for problem in (*report.proof.problems, *report.problems):
        click.echo(f"shipper erase: {problem}", err=True)


def _proof_object(proof: Proof) -> dict[str, Any]:
    return {
        "absent": proof.is_absent,
        "found": proof.found,
        "of_these_refused": proof.refused,
        "not_searched": proof.problems,
    }


def _proven(report: Report) -> str:
    proof = report.proof
    if proof.problems:
        return "Searched again, but not everywhere: run the same command again when all can be read."
    if not proof.found:
        return "Searched again in all tiers: none is found."
    found = "1 record is found" if proof.found == 1 else f"{proof.found} records are found"
    if proof.is_as_told:
        return f"Searched again in all tiers: {found}, and had to stay."
    return f"Searched again in all tiers: {found} that should not be, maybe new. Run the same command again."


def _print_lines(console: Console, heading: str, lines: Sequence[Line]) -> None:
    if not lines:
        return
    console.print(heading)
    table = Table(box=None, pad_edge=False, header_style="dim")
    reasons = any(line.refused for line in lines)
    for name in ("where", "dataset", "day", "records", *(["why"] if reasons else [])):
        table.add_column(name, justify="right" if name == "records" else "left", overflow="fold")
    for line in lines[:SHOWN]:
        rows = "?" if line.rows is None else f"{line.rows:,}"
        why = [escape(line.refused)] if reasons else []
        table.add_row(line.where, escape(line.dataset), line.day, rows, *why)
    console.print(table)
    if len(lines) > SHOWN:
        console.print(f"… and {len(lines) - SHOWN} more: --format json")
