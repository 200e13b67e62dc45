"""One notifier's way through the outbox: in order, one at a time, again until it is taken.

Each notifier has a lane of its own, so one that is down or hangs holds up no other.
"""

import random
import re
from sqlite3 import Row

from shipper.alerts import MESSAGE, NOTIFY, load_alert
from shipper.clock import Clock
from shipper.errors import Retry
from shipper.log import say, scrub
from shipper.metrics import Metrics
from shipper.model import Notifier
from shipper.notify.message import of_row
from shipper.state import State

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S*")


class Lane:
    """Sends what waits to one notifier, and remembers in `state.db` what it took."""

    def __init__(
        self, name: str, notifier: Notifier, state: State, *, clock: Clock, metrics: Metrics, chance: random.Random
    ) -> None:
        self.name = name
        self.holding = False
        """The last attempt failed."""
        self._notifier, self._state, self._clock = notifier, state, clock
        self._metrics, self._chance = metrics, chance
        self._taken_to = 0
        self._hurry = False

    def hurry(self) -> None:
        """The next attempt is made at once, whatever failed before."""
        self._hurry, self.holding = True, False

    def step(self) -> float | None:
        """Makes one attempt if one is due; seconds until the next (0: go on), None when nothing waits."""
        row = self._next()
        if row is None:
            return None
        wait = float(row["next_at"]) - self._clock.now()
        if wait > 0 and not self._hurry:
            return min(wait, LONGEST_WAIT_S)
        self._hurry = False
        if self._silenced(row):
            self._take(row["seq"])
            return 0.0
        try:
            self._notifier.send(*of_row(row["kind"], row["payload"]))
        except Exception as error:  # whatever a receiver's library raises: the message stays until it is taken
            return self._failed(row, error)
        self._take(row["seq"])
        self._metrics.notifications += 1
        self.holding = False
        return 0.0

    def _next(self) -> Row | None:
        found = self._state.rows(
            "SELECT o.seq, o.kind, o.payload, coalesce(d.attempts, 0) AS attempts, "
            "max(o.next_at, coalesce(d.next_at, 0)) AS next_at "
            "FROM outbox o LEFT JOIN deliveries d ON d.seq = o.seq AND d.notifier = ? "
            "WHERE o.seq > ? AND o.kind IN (?, ?) AND coalesce(d.taken, 0) = 0 ORDER BY o.seq LIMIT 1",
            (self.name, self._taken_to, NOTIFY, MESSAGE),
        )
        return found[0] if found else None

    def _silenced(self, row: Row) -> bool:
        if row["kind"] == MESSAGE:
            return False
        alert = load_alert(row["payload"])
        return silenced(self._state, alert.rule_id, alert.rule, self._clock.now())

    def _take(self, seq: int) -> None:
        with self._state.transaction() as db:
            db.execute("INSERT OR REPLACE INTO deliveries(seq, notifier, taken) VALUES (?, ?, 1)", (seq, self.name))
        self._taken_to = seq

    def _failed(self, row: Row, error: Exception) -> float:
        attempts = int(row["attempts"]) + 1
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20)) * self._chance.uniform(0.5, 1.0)
        if isinstance(error, Retry):
            wait = max(wait, min(error.after, LONGEST_WAIT_S))
        reason = plain(error)
        with self._state.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO deliveries(seq, notifier, attempts, next_at) VALUES (?, ?, ?, ?)",
                (row["seq"], self.name, attempts, self._clock.now() + wait),
            )
            db.execute(
                "UPDATE outbox SET attempts = max(attempts, ?), last_error = ? WHERE seq = ?",
                (attempts, f"{self.name}: {reason}", row["seq"]),
            )
        self._metrics.notification_failures += 1
        self.holding = True
        say(
            "warning", "notification not taken, tried again later", notifier=self.name, attempts=attempts, reason=reason
        )
        return wait


def silenced(state: State, rule_id: str, rule: str, now: float) -> bool:
    """Whether a person asked not to be told of a rule (by id or title) at this time."""
    found = state.rows("SELECT rule_id FROM silences WHERE until > ?", (now,))
    return any(row["rule_id"].casefold() in (rule_id.casefold(), rule.casefold()) for row in found)


def plain(error: Exception) -> str:
    """An error in one line without URLs: a webhook's URL is a secret."""
    text = _URL.sub("[URL]", " ".join(str(error).split()))
    return scrub(text)[:300] if isinstance(error, Retry) else f"{type(error).__name__}: {scrub(text)[:300]}"
