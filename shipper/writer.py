"""The second half of the way: finished batches go to the sinks and are committed, in order, in a thread of their own.

So reading and writing overlap, and a slow sink slows reading: the queue before it is short.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from shipper import log
from shipper.alerts import alert_batch, pending_records
from shipper.context import Context
from shipper.errors import Retry
from shipper.holding import Holding, Remarks
from shipper.inbox import Inbox, Rest
from shipper.join import limits_of
from shipper.metrics import Rate
from shipper.model import Batch, Refused, Sink
from shipper.quarantine import check_budget, quarantine_changes
from shipper.spool import Spool
from shipper.state import State, save_status
from shipper.tier.audit import act_batch, pending_acts

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
STATUS_EVERY_S = 1.0
ALERTS_AT_ONCE = 500
ALERTS_EVERY_S = 1.0
"""While batches queue up, alert records are stored so often: a commit for each batch would cost more than they do."""
ACTS_EVERY_S = 5.0
"""Other processes leave acts for the audit dataset in the outbox and tell nobody."""


class Abandoned(Exception):
    """The run is being stopped while a sink holds: what is not committed is read again by the next run."""


class Writer(threading.Thread):
    """`put` batches, then `finish`. A failure ends the thread and is raised by the next `put` or by `finish`."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        context: Context,
        *,
        status: Callable[[], dict[str, Any]] = dict,
        committed: Callable[[Batch], None] | None = None,
        told: Callable[[], None] = lambda: None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """`told` is called when the outbox holds something for people that came with no batch, `waiting` again and
        again while `put` or `rest` waits."""
        super().__init__(name="writer", daemon=True)
        self._sinks = sinks
        self._context = context
        self._status = status
        self._committed = committed
        self._inbox = Inbox(limits_of(sinks))
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._rate = Rate()
        self._status_at = 0.0
        self._alerts_wait = False
        self._alerts_at = 0.0
        self._acts_at = 0.0
        self._state = State(context.state.path)
        self._told = told
        self._waiting = waiting
        self._holding = Holding(self._state, context.clock, context.scrub, self._has_posted)
        self._remarks = Remarks(time.monotonic)

    def put(self, batch: Batch) -> None:
        """Hands a batch over; waits while the sinks are behind. Raises `Abandoned` when it is not to wait any more:
        nothing may follow what was left out."""
        self._put(batch)

    def rest(self) -> Callable[[], None]:
        """Returns when all that was put is committed, and from then on the writer does nothing until what is returned
        is called. Raises as `put`."""
        rest = Rest()
        self._put(rest)
        while not rest.reached.wait(0.2):
            self.check()
            if self._stopping.is_set():
                raise Abandoned(self._holding.text)
            self._waiting()
        return rest.over.set

    def _put(self, what: Batch | Rest) -> None:
        self.check()
        while not self._inbox.offer(what):
            if self._stopping.is_set():
                raise Abandoned(self._holding.text)
            self.check()
            self._waiting()

    def check(self) -> None:
        """Raises what ended the thread."""
        if self._failure is not None:
            raise self._failure

    def stop_holding(self) -> None:
        """From now on a sink that holds is not waited for."""
        self._stopping.set()

    def finish(self, timeout: float | None = None) -> None:
        """Writes what is queued and ends; raises what went wrong."""
        while self.is_alive() and not self._inbox.offer(None):
            pass
        self.join(timeout)
        if self._failure is not None and not isinstance(self._failure, Abandoned):
            raise self._failure

    def run(self) -> None:
        state = self._state
        self._holding.only({*(sink.name for sink in self._sinks), "quarantine", "state"})
        try:
            # What a crash left between a commit and its alerts' way to the sinks.
            self._write_alerts(state)
            while (taken := self._inbox.take(self._idle)) is not None:
                if isinstance(taken, Rest):
                    self._rest(taken)
                else:
                    self._write(state, taken)
            self._end(state)
        except BaseException as error:
            self._failure = error
        finally:
            state.close()

    def _end(self, state: State) -> None:
        """With `--once` what waits for a sink is given as far as it takes it."""
        while self._context.once and not self._stopping.is_set() and self._tend():
            self._save_status(state)
        self._holding.tick(ending=True)
        self._write_alerts(state)
        self._save_status(state, final=True)

    # ── between batches ───────────────────────────────────────────────────────────────────────────────────────────────

    def _rest(self, rest: Rest) -> None:
        """Others may rewrite meanwhile what waits for a sink. Raises `Abandoned`: who is stopped now writes no more."""
        rest.reached.set()
        while not rest.over.wait(0.2):
            if self._stopping.is_set():
                raise Abandoned(self._holding.text)
            self._save_status(self._state)
        for sink in self._sinks:
            if isinstance(sink, Spool):
                sink.refresh()

    def _idle(self) -> bool:
        more = self._tend()
        if not self._holding.text:
            self._write_waiting()
        self._save_status(self._state)
        return more

    def _tend(self) -> bool:
        """Between batches a spool gives what it keeps; True when there is more to give at once."""
        more = False
        for spool in [sink for sink in self._sinks if isinstance(sink, Spool)]:
            try:
                more = spool.tend() or more
            except sqlite3.OperationalError as error:
                log.say("warning", "the spool waits, tried again", sink=spool.name, reason=str(error))
            if self._holding.is_held(spool.name):
                self._took(spool.name, spool.away)
        self._holding.tick()
        return more

    # ── to the sinks ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, state: State, batch: Batch) -> None:
        if batch.clocked and len(batch):
            self._insist("state", partial(state.commit_intent, batch))
        self._store(state, batch)
        self._context.metrics.records += len(batch)
        self._rate.add(len(batch))
        if self._committed is not None:
            self._committed(batch)
        self._alerts_wait = self._alerts_wait or bool(batch.alerts)
        if self._inbox.empty or time.monotonic() - self._alerts_at >= ALERTS_EVERY_S:
            self._write_waiting()
        self._holding.tick()
        self._save_status(state)

    def _store(self, state: State, batch: Batch) -> None:
        """To every sink; what one refuses goes to the quarantine, in the same commit."""
        refused: list[Refused] = []
        for sink in self._sinks if len(batch) else ():
            refused += self._insist(sink.name, partial(sink.write, batch), partial(_away, sink)) or []
        if refused:
            self._insist("quarantine", partial(check_budget, state, batch, refused))
            batch.changes += quarantine_changes(batch, refused, self._context.clock.now())
            self._context.metrics.refused += len(refused)
        self._insist("state", partial(state.commit, batch))

    def _write_waiting(self) -> None:
        """What is known or may be thought to wait in the outbox for the sinks."""
        now = time.monotonic()
        if self._alerts_wait or now - self._acts_at >= ACTS_EVERY_S:
            self._alerts_at = self._acts_at = now
            self._write_alerts(self._state)

    def _write_alerts(self, state: State) -> None:
        """Alert records, and acts for the audit dataset, leave the outbox for the sinks only when the commit that made
        them holds."""
        self._alerts_wait = False
        while rows := pending_records(state, ALERTS_AT_ONCE):
            self._store(state, alert_batch(rows, self._context.clock.now()))
        while acts := pending_acts(state, ALERTS_AT_ONCE):
            self._store(state, act_batch(acts, self._context.clock.now(), self._context.scrub))

    def _has_posted(self) -> None:
        """The outbox holds something that came with no batch."""
        self._alerts_wait = True
        self._told()

    def _insist(self, name: str, act: Callable[[], Any], away: Callable[[], Retry | None] = lambda: None) -> Any:
        """Does it until it works: hold and say so, never drop. `away` tells whether a sink whose rows were taken takes
        nothing all the same."""
        wait = 0.0
        while True:
            try:
                result = act()
            except Retry as error:
                failure, wait = error, _wait(error.after, wait)
            except sqlite3.OperationalError as error:
                failure = Retry(str(error))
                wait = max(FIRST_WAIT_S, min(wait * 2, LONGEST_WAIT_S))
            else:
                self._took(name, away())
                return result
            self._holding.holds(name, str(failure), grave=failure.grave, tell=failure.after > 0)
            self._save_status(self._state)
            self._context.metrics.sink_retries += 1
            if failure.after:
                self._remarks.holds(name, failure, wait)
            if self._stopping.wait(wait):
                raise Abandoned(self._holding.text)

    def _took(self, name: str, away: Retry | None) -> None:
        if away is not None:
            self._holding.holds(name, f"{away}; its records are spooled", grave=away.grave)
            return
        self._remarks.goes_on(name)
        self._holding.goes_on(name)

    def _save_status(self, state: State, final: bool = False) -> None:
        now = time.monotonic()
        if now - self._status_at < STATUS_EVERY_S and not final:
            return
        self._status_at = now
        status = {
            "at": self._context.clock.now(),
            "records_per_second": round(self._rate.per_second(), 1),
            "holding": self._holding.text,
            "holding_since": self._holding.since,
            "metrics": self._context.metrics.as_dict(),
            **self._status(),
            **({"ended": True} if final else {}),
        }
        try:
            state.run(save_status("run", status))
            state.reserve()
        except sqlite3.OperationalError as error:
            log.say("warning", "the status could not be stored", reason=str(error))


def _wait(after: float, before: float) -> float:
    """Seconds until the next attempt: below a second as it was asked, else longer with every attempt."""
    return after if after < FIRST_WAIT_S else max(after, min(before * 2, LONGEST_WAIT_S))


def _away(sink: Sink) -> Retry | None:
    return sink.away if isinstance(sink, Spool) else None
