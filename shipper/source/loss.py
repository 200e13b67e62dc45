"""Tells people of bytes that were gone before they could be read: one alert a file, under the rule id
`shipper-lost-bytes`.

It is committed with the count of the loss, so both are told once through any crash, and takes the way of every alert:
its state in `state.db`, a record for the sinks, a notification.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from shipper import log
from shipper.alerts import NOTIFY, RECORD, load_alert
from shipper.clock import Clock, iso
from shipper.model import Alert, StateChange
from shipper.state import State, post, save_alert

RULE_ID = "shipper-lost-bytes"
RULE = "Lines were gone before they could be read"
PATH = "file.path"
REALERT_S = 3600.0
"""So long after the last loss of a file the next one adds to its alert; people are told again when it is another."""


class Loss(NamedTuple):
    """`path`: of the file that was lost, a rotated one mostly; `what` became of its `bytes`."""

    path: str
    bytes: int
    what: str


class Losses:
    """Used by one thread."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Alert] = {}
        self._bytes: dict[str, int] = {}
        for row in state.rows("SELECT alert FROM alerts WHERE rule_id = ? ORDER BY first", (RULE_ID,)):
            alert = load_alert(row["alert"])
            self._open[alert.group[PATH]] = alert
            self._bytes[alert.id] = _told_bytes(alert)

    def alert(self, file: str, losses: Sequence[Loss]) -> tuple[Alert, list[StateChange]]:
        """The alert on a file, and what the commit has to write of it. `losses`: those since the last call."""
        now = self._clock.now()
        known = self._open.get(file)
        grows = known is not None and now - datetime.fromisoformat(known.last).timestamp() < REALERT_S
        alert = known if known is not None and grows else self._first(file, now)
        lost = self._bytes[alert.id] = self._bytes.get(alert.id, 0) + sum(loss.bytes for loss in losses)
        last = losses[-1]
        alert = replace(
            alert,
            count=alert.count + len(losses),
            last=iso(now),
            updated=iso(now),
            notify=not grows,
            description=f"{lost} bytes in all. The last: {last.bytes} bytes of {log.scrub(last.path)} {last.what}",
        )
        self._open[file] = alert
        return alert, [save_alert(alert), *(post(kind, alert) for kind in (RECORD, *([] if grows else [NOTIFY])))]

    def _first(self, file: str, now: float) -> Alert:
        began = iso(now)
        return Alert(
            id=blake2b(f"{RULE_ID} {file} {began}".encode(), digest_size=16).hexdigest(),
            rule_id=RULE_ID,
            rule=RULE,
            level="high",
            group={PATH: log.scrub(file)},
            count=0,
            first=began,
            last=began,
        )


def _told_bytes(alert: Alert) -> int:
    """How many an alert speaks of so far."""
    number = alert.description.partition(" ")[0]
    return int(number) if number.isdigit() else 0
