"""Tells people of moves that stopped: one alert a move, under the rule id `shipper-tier-move`, until it goes through.

It takes the same way as every alert: its state in `state.db`, a record for the sinks, a notification.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from shipper import log
from shipper.alerts import NOTIFY, RECORD, load_alert
from shipper.archive.ledger import Move
from shipper.clock import Clock, iso
from shipper.model import Alert, StateChange
from shipper.state import State, post, save_alert

RULE_ID = "shipper-tier-move"
RULE = "Older data could not be moved"
OPEN, RESOLVED = "open", "resolved"
NAMES = ("day", "dataset", "kind")


class Alarm:
    """Used by one thread."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def failed(self, move: Move) -> list[StateChange]:
        """What tells of a move whose `failure` is set: at first a notification, then only what is new in the record."""
        alert = self._open_alerts().get(_group(move))
        reason = log.scrub(move.failure)
        if alert is None:
            return self._changed(self._first(move, reason), RECORD, NOTIFY)
        return self._changed(replace(alert, description=reason), RECORD) if alert.description != reason else []

    def over(self, moves: Iterable[Move]) -> list[StateChange]:
        """What ends the alerts that are on none of these moves, which have failed."""
        still = {_group(move) for move in moves}
        return [
            change
            for group, alert in self._open_alerts().items()
            if group not in still
            for change in self._changed(
                replace(alert, state=RESOLVED, description=f"It went through. It had said: {alert.description}"), RECORD
            )
        ]

    def _first(self, move: Move, reason: str) -> Alert:
        began = iso(self._clock.now())
        values = dict(zip(NAMES, _group(move), strict=True))
        return Alert(
            id=blake2b(f"{RULE_ID} {_group(move)} {began}".encode(), digest_size=16).hexdigest(),
            rule_id=RULE_ID,
            rule=RULE,
            level="high",
            group={name: value for name, value in values.items() if value},
            count=0,
            first=began,
            last=began,
            description=reason,
        )

    def _changed(self, alert: Alert, *kinds: str) -> list[StateChange]:
        """No two states of an alert share a count."""
        now = iso(self._clock.now())
        alert = replace(alert, count=alert.count + 1, last=now, updated=now)
        return [save_alert(alert), *(post(kind, alert) for kind in kinds)]

    def _open_alerts(self) -> dict[tuple[str, ...], Alert]:
        rows = self._state.rows("SELECT alert FROM alerts WHERE rule_id = ? ORDER BY first", (RULE_ID,))
        alerts = [load_alert(row["alert"]) for row in rows]
        return {tuple(alert.group.get(name, "") for name in NAMES): alert for alert in alerts if alert.state == OPEN}


def _group(move: Move) -> tuple[str, ...]:
    return move.day, move.dataset, move.kind
