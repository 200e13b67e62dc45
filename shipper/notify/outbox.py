"""Tells people of alerts: takes what commits left in the outbox to the notifiers, at least once, until it is taken.

Everything that has to survive a restart lies in `state.db`: what waits, who took it, how often it was tried. Alerts on
old records are put together into one message an hour.
"""

import random
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import orjson

from shipper.alerts import DIGEST, MESSAGE, NOTIFY, alert_batch, load_alert, pending_records
from shipper.clock import Clock, SystemClock
from shipper.log import say
from shipper.metrics import Metrics
from shipper.model import Notifier
from shipper.notify.lane import Lane, plain, silenced
from shipper.notify.message import of_digest
from shipper.state import State

__all__ = ["Outbox", "alert_batch", "pending_records", "send_test"]

DIGEST_EVERY_S = 3600.0
DIGEST_AFTER_S = 60.0
"""The first old alert waits so long for others."""
POLL_S = 5.0
"""Other processes write to the state as well (silences); a missed `wake` costs no more than this."""
_DIGEST_AT = "digest_at"


class Outbox:
    """`start`, then `wake` after commits; `drain` before `stop` when nothing may be left."""

    def __init__(
        self,
        state_path: Path,
        notifiers: Sequence[Notifier],
        clock: Clock | None = None,
        metrics: Metrics | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._state = State(state_path)
        self._lock = threading.Lock()
        self._digest_since: float | None = None
        chance, metrics = chance or random.Random(), metrics or Metrics()
        self._states = [State(state_path) for _ in notifiers]
        self.lanes = [
            Lane(name, notifier, state, clock=self._clock, metrics=metrics, chance=chance)
            for name, notifier, state in zip(_names(notifiers), notifiers, self._states, strict=True)
        ]
        self._workers = [_Worker(lane.name, lane.step, self._tidied) for lane in self.lanes]
        self._keeper = _Worker("outbox", self.keep)

    def start(self) -> None:
        """Starts a thread for each notifier and one that keeps order."""
        for worker in (*self._workers, self._keeper):
            worker.start()

    def wake(self) -> None:
        """Something may be new for the notifiers; what the keeper does can wait for its own time."""
        for worker in self._workers:
            worker.wake()

    def stop(self, timeout: float) -> None:
        """Ends the threads; one that hangs in a notifier is left behind after `timeout` seconds."""
        until = monotonic() + timeout
        for worker in (*self._workers, self._keeper):
            worker.end()
        for worker, state in zip((*self._workers, self._keeper), (*self._states, self._state), strict=True):
            worker.wait(until - monotonic())
            if not worker.is_alive():
                state.close()

    def drain(self, timeout: float) -> bool:
        """Sends all that waits, the digest included; False when something was not taken within `timeout` seconds.

        Every notifier gets one attempt at least. What is left is sent by the next run.
        """
        until = monotonic() + timeout
        self.keep(force_digest=True)
        for lane in self.lanes:
            lane.hurry()
        pause = threading.Event()
        while waiting := self.waiting():
            self.wake()
            stuck = all(lane.holding for lane in self.lanes if lane.name in waiting)
            if stuck or monotonic() >= until:
                say("warning", "alerts were not told, the next run tries again", notifiers=", ".join(sorted(waiting)))
                return False
            pause.wait(0.02)
        self.keep()
        return True

    def waiting(self) -> set[str]:
        """The notifiers that have something to take."""
        with self._lock:
            rows = self._state.rows("SELECT seq FROM outbox WHERE kind IN (?, ?)", (NOTIFY, MESSAGE))
            taken = self._state.rows("SELECT notifier, seq FROM deliveries WHERE taken = 1")
        have = {(row["notifier"], row["seq"]) for row in taken}
        return {lane.name for lane in self.lanes for row in rows if (lane.name, row["seq"]) not in have}

    def keep(self, force_digest: bool = False) -> float | None:
        """Makes the digest when it is due and removes what all have taken; None: nothing to hurry for."""
        with self._lock:
            self._make_digest(force_digest)
            self._remove_taken()
        return None

    def _tidied(self) -> None:
        self._keeper.wake()

    def _make_digest(self, force: bool) -> None:
        now = self._clock.now()
        if not self._state.rows("SELECT 1 FROM outbox WHERE kind = ? LIMIT 1", (DIGEST,)):
            self._digest_since = None
            return
        self._digest_since = now if self._digest_since is None else self._digest_since
        earliest = max(float(self._state.meta(_DIGEST_AT, "0")) + DIGEST_EVERY_S, self._digest_since + DIGEST_AFTER_S)
        if now < earliest and not force:
            return
        rows = self._state.rows("SELECT seq, payload FROM outbox WHERE kind = ? ORDER BY seq", (DIGEST,))
        alerts = [load_alert(row["payload"]) for row in rows]
        told = [alert for alert in alerts if not silenced(self._state, alert.rule_id, alert.rule, now)]
        with self._state.transaction() as db:
            if told:
                message = of_digest(told)
                db.execute(
                    "INSERT INTO outbox(kind, alert_id, payload) VALUES (?, ?, ?)",
                    (MESSAGE, message.dedup_key, orjson.dumps(list(message))),
                )
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_DIGEST_AT, str(now)))
            db.execute("DELETE FROM outbox WHERE kind = ? AND seq <= ?", (DIGEST, rows[-1]["seq"]))
        self._digest_since = None
        for worker in self._workers:
            worker.wake()

    def _remove_taken(self) -> None:
        names = [lane.name for lane in self.lanes]
        marks = ",".join("?" * len(names))
        taken = (
            "kind IN (?, ?) AND ? <= (SELECT count(*) FROM deliveries d "
            f"WHERE d.seq = outbox.seq AND d.taken = 1 AND d.notifier IN ({marks}))"
        )
        values = (NOTIFY, MESSAGE, len(names), *names)
        stale = "seq NOT IN (SELECT seq FROM outbox)"
        # A look first: it holds up nobody, while a transaction waits for the writer's.
        if not self._state.rows(
            f"SELECT 1 FROM outbox WHERE {taken} UNION ALL SELECT 1 FROM deliveries WHERE {stale} LIMIT 1", values
        ):
            return
        with self._state.transaction() as db:
            db.execute(f"DELETE FROM outbox WHERE {taken}", values)
            db.execute(f"DELETE FROM deliveries WHERE {stale}")


class _Worker(threading.Thread):
    """Calls `step` until it says how long to wait, then waits so long or until it is woken."""

    def __init__(self, name: str, step: Callable[[], float | None], after: Callable[[], None] | None = None) -> None:
        super().__init__(name=f"notify-{name}", daemon=True)
        self._step, self._after = step, after
        self._woken = threading.Event()
        self._ending = False

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self._ending = True
        self._woken.set()

    def wait(self, timeout: float) -> None:
        if self.is_alive():
            self.join(max(0.0, timeout))

    def run(self) -> None:
        while not self._ending:
            self._woken.wait(self._pass())
            self._woken.clear()

    def _pass(self) -> float:
        sent = False
        try:
            while not self._ending and (wait := self._step()) == 0.0:
                sent = True
        except sqlite3.Error as error:
            say("warning", "the outbox can't be read now, tried again", reason=plain(error))
            wait = None
        if sent and self._after is not None:
            self._after()
        return POLL_S if wait is None else min(wait, POLL_S)


def send_test(notifiers: Sequence[Notifier]) -> list[str]:
    """Sends a marked message through every notifier; a line for each that did not take it."""
    problems = []
    for name, notifier in zip(_names(notifiers), notifiers, strict=True):
        try:
            notifier.send(
                "[test] shipper can reach you",
                "This is a test of the way that alerts take. Nothing has happened.",
                "critical",
                "shipper-test",
            )
        except Exception as error:  # told to the person who asked, whatever it is
            problems.append(f"{name}: {plain(error)}")
    return problems


def _names(notifiers: Sequence[Notifier]) -> list[str]:
    """A name for each, the same in every run; the second of a kind is `apprise#2`."""
    names: list[str] = []
    for notifier in notifiers:
        same = sum(1 for name in names if name.partition("#")[0] == notifier.name)
        names.append(f"{notifier.name}#{same + 1}" if same else notifier.name)
    return names
