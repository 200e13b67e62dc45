"""`shipper alerts`: what people were told, newest first; silences; a test of the notifiers."""

import time
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shipper.alerts import LEVELS, group_text, listed_object, load_alert, printable, rank
from shipper.clock import iso, parse_duration, parse_when
from shipper.errors import ShipperError
from shipper.model import Alert, StateChange
from shipper.notify.outbox import send_test
from shipper.state import State

_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow"}


@click.group(invoke_without_command=True)
@click.option("--since", metavar="TIME", help="Alerts with evidence since then: 15m, 7d or RFC 3339. [default: all]")
@click.option("--level", type=click.Choice(LEVELS), help="This level and above.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def alerts(ctx: click.Context, since: str | None, level: str | None, form: str) -> None:
    """Alerts, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    state = State(ctx.obj.data / "state.db", readonly=True)
    after = parse_when(since, time.time()) if since else None
    found = list_alerts(state, after, level)
    if form == "json":
        for alert in found:
            click.echo(orjson.dumps(listed_object(alert)))
    elif found:
        _show(found)
    else:
        click.echo("no alerts")


def list_alerts(state: State, since: float | None, level: str | None) -> list[Alert]:
    """Alerts whose last evidence is not before `since` (seconds since the epoch), newest first."""
    # Times are stored with or without fractions; cut to the second they compare as text.
    after = "" if since is None else iso(since)[:19]
    rows = state.rows("SELECT alert FROM alerts WHERE last >= ? ORDER BY last DESC, id", (after,))
    found = (load_alert(row["alert"]) for row in rows)
    return [alert for alert in found if level is None or rank(alert.level) >= rank(level)]


def _show(found: list[Alert]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("last (UTC)", no_wrap=True)
    table.add_column("level", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("rule", overflow="fold", ratio=3)
    table.add_column("group", overflow="fold", ratio=2)
    for alert in found:
        table.add_row(*_row(alert))
    console.print(table)


def _row(alert: Alert) -> list[Text]:
    when = alert.last[:19].replace("T", " ")
    level = Text("info" if alert.level == "informational" else alert.level, _COLOURS.get(alert.level, ""))
    group = group_text(alert.group)
    return [Text(when), level, Text(str(alert.count)), Text(printable(alert.rule)), Text(group)]


@alerts.command()
@click.argument("rule")
@click.option("--for", "how_long", metavar="DURATION", required=True, help="How long: 2h, 7d; 0s ends a silence.")
@click.option("--reason", required=True, help="Why, for those who find it later.")
@click.pass_context
def silence(ctx: click.Context, rule: str, how_long: str, reason: str) -> None:
    """Tell nobody of RULE (its name, id or title) for a while. Its alerts are still recorded."""
    seconds = parse_duration(how_long)
    wanted = ctx.obj.rule_id(rule)
    path = ctx.obj.data / "state.db"
    State(path, readonly=True).close()
    state = State(path)
    until = time.time() + seconds
    if seconds == 0:
        state.run(StateChange("DELETE FROM silences WHERE lower(rule_id) IN (lower(?), lower(?))", (rule, wanted)))
        click.echo(f"{rule} is no longer silenced")
    else:
        state.run(StateChange("INSERT INTO silences(rule_id, until, reason) VALUES (?, ?, ?)", (wanted, until, reason)))
        click.echo(f"{rule} is silenced until {iso(until)[:19]}Z")
    if not _known(state, wanted):
        click.echo(f"no alert of a rule {rule!r} so far; names and titles: shipper rules list", err=True)
    state.close()


def _known(state: State, rule: str) -> bool:
    rows = state.rows("SELECT DISTINCT rule_id, json_extract(CAST(alert AS TEXT), '$.rule') AS rule FROM alerts")
    return any(rule.casefold() in (row["rule_id"].casefold(), row["rule"].casefold()) for row in rows)


@alerts.command()
@click.pass_context
def test(ctx: click.Context) -> None:
    """Send a marked message through every notifier of the pipeline."""
    notifiers: list[Any] = ctx.obj.notifiers()
    if not notifiers:
        raise ShipperError("the pipeline has no notifier; add one under `notify:`")
    problems = send_test(notifiers)
    if problems:
        raise ShipperError(f"not taken by {'; '.join(problems)}")
    click.echo(f"sent through {', '.join(notifier.name for notifier in notifiers)}")
