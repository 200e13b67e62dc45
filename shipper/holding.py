"""Which sinks hold, and telling people of it: at once when waiting alone will not mend it, else after a minute.

One alert a hold, under the rule id `shipper-sink-holding`; a hold that begins soon after the last one ended goes on
with it. It takes the same way as every alert: its state in `state.db`, a record for the sinks, a notification.
"""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from shipper import log
from shipper.alerts import NOTIFY, RECORD, load_alert
from shipper.clock import Clock, iso
from shipper.errors import Retry
from shipper.model import Alert, StateChange
from shipper.state import State, post, save_alert

RULE_ID = "shipper-sink-holding"
RULE = "A sink takes no records"
TELL_AFTER_S = 60.0
SETTLED_AFTER_S = 300.0
"""So long a sink has to go on before people are told that it does; till then a new hold is the old one."""
OPEN, RESOLVED = "open", "resolved"
SAID_AFTER_S = 5.0
REMIND_EVERY_S = 60.0


class Remarks:
    """What our own log says of holds: nothing of one that is over within seconds, as a busy server's is; of a longer or
    grave one that it holds, once a minute, and that it goes on. Used by one thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def holds(self, name: str, failure: Retry, wait: float) -> None:
        """It took nothing, and is asked again in so many seconds."""
        now = self._monotonic()
        lasts = now + wait - self._since.setdefault(name, now)
        due = now - self._said.get(name, float("-inf")) > REMIND_EVERY_S
        if due and (failure.grave or lasts > SAID_AFTER_S):
            self._said[name] = now
            log.say("error", "holding, nothing is lost, reading waits", sink=name, reason=str(failure))
        else:
            log.say("debug", "not taken, tried again", sink=name, reason=str(failure), seconds=wait)

    def goes_on(self, name: str) -> None:
        """It took something."""
        self._since.pop(name, None)
        if self._said.pop(name, None) is not None:
            log.say("info", "goes on", sink=name)


class Holding:
    """The holds of one run. Times are seconds since the epoch. Used by one thread."""

    def __init__(self, state: State, clock: Clock, scrub: Callable[[str], str], told: Callable[[], None]) -> None:
        """Takes up what an earlier run left open or untold. `told`: something new waits in the outbox."""
        self._state, self._clock, self._scrub, self._told = state, clock, scrub, told
        self._reasons: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._alerts: dict[str, Alert] = {}
        """What people were told of and is not over, or not for long."""
        self._over: dict[str, float] = {}
        """Since when those go on of which people are not told yet that they do."""
        for row in state.rows("SELECT alert FROM alerts WHERE rule_id = ? ORDER BY first", (RULE_ID,)):
            self._take_up(load_alert(row["alert"]))

    def _take_up(self, alert: Alert) -> None:
        if alert.state == OPEN or alert.notify:
            self._alerts[alert.group["sink"]] = alert
        if alert.state == RESOLVED and alert.notify:
            self._over[alert.group["sink"]] = self._clock.now()

    @property
    def text(self) -> str:
        """Who holds, and why; empty when nobody does."""
        return "; ".join(f"{sink}: {reason}" for sink, reason in self._reasons.items())

    @property
    def since(self) -> float | None:
        """Of the longest hold."""
        return min(self._since.values(), default=None)

    def is_held(self, sink: str) -> bool:
        return sink in self._since

    def holds(self, sink: str, reason: str, *, grave: bool = False, tell: bool = True) -> None:
        """It took nothing just now; `tell`: and that is no part of going on."""
        now = self._clock.now()
        self._reasons[sink] = reason
        if not tell:
            return
        since = self._since.setdefault(sink, now)
        alert = self._alerts.get(sink)
        if alert is not None and alert.state == OPEN:
            return
        if alert is not None:
            self._reopen(sink, alert, reason, now)
        elif grave or now - since >= TELL_AFTER_S:
            self._open(sink, since, reason, now)

    def goes_on(self, sink: str) -> None:
        """It took something."""
        self._reasons.pop(sink, None)
        self._since.pop(sink, None)
        alert = self._alerts.get(sink)
        if alert is not None and alert.state == OPEN:
            now = self._clock.now()
            over = f"Went on at {iso(now)}, after {_duration(now - _seconds(alert.first))}. It had said: "
            if self._change(replace(alert, state=RESOLVED, description=over + alert.description, notify=True), now):
                self._over[sink] = now

    def only(self, names: Collection[str]) -> None:
        """Nothing else can hold from now on: what is open of a sink that left the pipeline is over, which is told."""
        now = self._clock.now()
        for sink, alert in list(self._alerts.items()):
            if alert.state == OPEN and sink not in names:
                over = f"The pipeline has no sink {sink} any more, since {iso(now)} at the latest. It had said: "
                if self._change(replace(alert, state=RESOLVED, description=over + alert.description), now, NOTIFY):
                    del self._alerts[sink]

    def tick(self, *, ending: bool = False) -> None:
        """Tells of sinks that have gone on for a while; of all that go on when the run is `ending`."""
        for sink, over in list(self._over.items()):
            if ending or self._clock.now() - over >= SETTLED_AFTER_S:
                alert = replace(self._alerts[sink], notify=False)
                if self._run(save_alert(alert), post(NOTIFY, alert)):
                    del self._over[sink], self._alerts[sink]

    def _open(self, sink: str, since: float, reason: str, now: float) -> None:
        began = iso(since)
        alert = Alert(
            id=blake2b(f"{RULE_ID} {sink} {began}".encode(), digest_size=16).hexdigest(),
            rule_id=RULE_ID,
            rule=RULE,
            level="high",
            group={"sink": sink},
            count=0,
            first=began,
            last=began,
            description=self._scrub(reason),
        )
        self._change(alert, now, NOTIFY)

    def _reopen(self, sink: str, alert: Alert, reason: str, now: float) -> None:
        if self._change(replace(alert, state=OPEN, description=self._scrub(reason), notify=False), now):
            self._over.pop(sink, None)

    def _change(self, alert: Alert, now: float, *kinds: str) -> bool:
        """Stores a new state of an alert, with a record of it; no two of them share a count."""
        alert = replace(alert, count=alert.count + 1, last=iso(now), updated=iso(now))
        if not self._run(save_alert(alert), *(post(kind, alert) for kind in (RECORD, *kinds))):
            return False
        self._alerts[alert.group["sink"]] = alert
        return True

    def _run(self, *changes: StateChange) -> bool:
        try:
            self._state.run(*changes)
        except sqlite3.OperationalError as error:
            log.say("warning", "an alert on a hold could not be stored, tried again", reason=str(error))
            return False
        self._told()
        return True


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
