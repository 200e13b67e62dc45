"""What people are told of an alert, as plain text."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from shipper.alerts import MESSAGE, group_text, load_alert, printable, rank, summary, techniques
from shipper.model import Alert

TITLE_CHARS = 200
DIGEST_LINES = 40
"""Alerts that a digest names; of the others it gives the number."""


class Message(NamedTuple):
    """The arguments of `Notifier.send`."""

    title: str
    body: str
    level: str
    dedup_key: str


def of_alert(alert: Alert) -> Message:
    """What happened, since when, how often, to whom, which records show it, how to see more."""
    lines = [
        summary(alert),
        "",
        f"level      {alert.level}",
        f"first      {alert.first}",
        f"last       {alert.last}",
        f"count      {alert.count}",
        *([f"group      {group_text(alert.group)}"] if alert.group else []),
        *([f"ATT&CK     {', '.join(techniques(alert.tags))}"] if techniques(alert.tags) else []),
        *([f"evidence   {_evidence(alert.evidence)}"] if alert.evidence else []),
        *(["", alert.description.strip()] if alert.description.strip() else []),
        "",
        f"look further: {search_command(alert)}",
        f"alert id: {alert.id}",
    ]
    group = f" ({group_text(alert.group)})" if alert.group else ""
    state = "" if alert.state == "open" else f"{alert.state}: "
    return Message(f"[{alert.level}] {state}{alert.rule}{group}"[:TITLE_CHARS], "\n".join(lines), alert.level, alert.id)


def of_digest(alerts: Sequence[Alert]) -> Message:
    """Alerts on old records, in one message; the gravest first."""
    alerts = sorted({alert.id: alert for alert in alerts}.values(), key=lambda alert: -rank(alert.level))
    named = [f"[{alert.level}] {summary(alert)}, {alert.first} to {alert.last}" for alert in alerts[:DIGEST_LINES]]
    rest = len(alerts) - len(named)
    what = "1 alert on older records" if len(alerts) == 1 else f"{len(alerts)} alerts on older records"
    lines = [
        f"Records that were read over an hour after they were written hold {what}:",
        "",
        *named,
        *([f"… and {rest} more"] if rest else []),
        "",
        "look further: shipper alerts",
    ]
    return Message(what, "\n".join(lines), alerts[0].level, f"digest-{alerts[0].id}")


def of_row(kind: str, payload: bytes) -> Message:
    """The message that a row of the outbox stands for."""
    if kind == MESSAGE:
        return Message(*orjson.loads(payload))
    return of_alert(load_alert(payload))


def search_command(alert: Alert) -> str:
    """A command that shows the records around an alert, or what shipper does when it is about no record."""
    if not alert.evidence:
        return "shipper status"
    fields = {name: value for name, value in alert.group.items() if name not in ("fingerprint", "field")}
    if not fields:
        fields = {"event.id": alert.evidence[0]}
    terms = " AND ".join(f'{name}:"{_escaped(printable(value))}"' for name, value in fields.items())
    return f"shipper search {shlex.quote(terms)} --since {alert.first}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _evidence(ids: Sequence[str]) -> str:
    shown = list(ids) if len(ids) <= 5 else [*ids[:4], "…", ids[-1]]
    return " ".join(shown)
