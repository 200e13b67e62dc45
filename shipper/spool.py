"""Holds rows for a sink that is away, when the log files that have them would be rotated away meanwhile.

A log file is the better buffer, so as long as the live one is enough, reading waits. What is spooled counts as stored:
positions are committed with it. Once the sink takes rows again it gets the spool first, in order, then what follows.
Rows whose index alone takes nothing are parked, and given again on their own while everything else goes on.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from shipper import log
from shipper.clock import Clock
from shipper.context import Context
from shipper.errors import Blocked, Retry
from shipper.metrics import Metrics
from shipper.model import Batch, Gather, Refused, Sink
from shipper.quarantine import check_budget, quarantine_changes
from shipper.sink.embedded import unfit
from shipper.source.listing import Folders
from shipper.source.risk import would_be_rotated_away
from shipper.state import State
from shipper.store.layout import PARKED, SPOOLED, Segment, listed
from shipper.store.waiting import Waiting

TICK_S = 0.5
"""How often a batch that is held is looked at again, whatever the sink's own pace: files may be rotated any time."""
RISK_EVERY_S = 1.0
LONGEST_PARKED_S = 30.0


class Spool:
    """Stands in the place of a sink, with its name. Used by one thread; `tend` it when there is nothing to write."""

    def __init__(
        self,
        inner: Sink,
        waiting: Waiting,
        *,
        after_s: float,
        at_risk: Callable[[], bool],
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        """`after_s`: seconds that the sink has to be away before anything is spooled; `at_risk`: whether log files
        would be rotated away."""
        self.name = inner.name
        self.gather: Gather | None = inner.gather
        self.away: Retry | None = None
        """Why the sink takes nothing, also while the spool takes its rows."""
        self._inner, self._waiting = inner, waiting
        self._after_s, self._clock, self._metrics = after_s, clock, metrics or Metrics()
        self._at_risk = _now_and_then(at_risk, clock)
        self._away_since = 0.0
        self._ask_at = float("-inf")
        self._parked = Patience(clock)
        self._spooling = bool(waiting.spooled())
        if self._spooling:
            log.say("info", "rows of an earlier run wait in the spool", sink=self.name, rows=self._rows())

    def write(self, batch: Batch) -> list[Refused]:
        """As the sink's, but that it accepts rows for it. Raises `Retry` with `after=0` while it is drained."""
        if self._clock.monotonic() < self._ask_at:
            return self._take_over(batch)
        left, refused = 0, []
        try:
            self._give_parked()
            left = self._drain_one()
            if not left:
                refused = self._give(batch)
        except Retry as error:
            self._went_away(error)
            return self._take_over(batch)
        self.away = None
        return self._keep_behind(left, batch) if left else refused

    def tend(self) -> bool:
        """Gives the sink something of what waits; True when there is more to give at once."""
        if self._clock.monotonic() < self._ask_at or not (self._spooling or self._parked.due()):
            return False
        try:
            more = self._give_parked()
            more = self._drain_one() > 0 or more
        except Retry as error:
            self._went_away(error)
            return False
        self.away = None
        return more

    def refresh(self) -> None:
        """What waits was rewritten while the writer was at rest."""
        self._waiting.refresh()

    def close(self) -> None:
        self._inner.close()
        self._waiting.close()

    # ── the sink is away ──────────────────────────────────────────────────────────────────────────────────────────

    def _went_away(self, error: Retry) -> None:
        now = self._clock.monotonic()
        if self.away is None:
            self._away_since = now
        self.away = error
        self._ask_at = now + max(error.after, TICK_S)

    def _take_over(self, batch: Batch) -> list[Refused]:
        """Keeps the batch for the sink, if it would be lost otherwise. Raises `Retry`."""
        assert self.away is not None
        lasted = self._clock.monotonic() - self._away_since
        if lasted < self._after_s or not self._at_risk():
            raise Retry(str(self.away), TICK_S, grave=self.away.grave)
        try:
            return self._keep(batch)
        except Retry as full:
            raise Retry(f"{self.away}; {full}", TICK_S, grave=self.away.grave) from None

    def _keep(self, batch: Batch) -> list[Refused]:
        refused = [Refused(row, self.name, reason) for row, reason in unfit(batch.out)]
        without = {each.row for each in refused}
        batch.changes += self._waiting.spool(batch, [row for row in range(len(batch)) if row not in without])
        if not self._spooling:
            self._spooling = True
            what = "log files would be rotated away while the sink is away, spooling"
            log.say("warning", what, sink=self.name, reason=str(self.away))
        return refused

    def _keep_behind(self, left: int, batch: Batch) -> list[Refused]:
        """While it is drained, of which so many segments are left. Raises `Retry`."""
        if self._at_risk():
            # Full: there is room after the next segments.
            with suppress(Retry):
                return self._keep(batch)
        raise Retry(f"draining the spool: {left} segments left", after=0.0)

    # ── it takes rows ─────────────────────────────────────────────────────────────────────────────────────────────

    def _give(self, batch: Batch) -> list[Refused]:
        """To the sink; what is blocked is parked. Raises `Retry`."""
        try:
            return self._inner.write(batch)
        except Blocked as error:
            batch.changes += self._waiting.park(batch, error.rows)
            self._parked.begin(str(error))
            return error.refused

    def _drain_one(self) -> int:
        """Gives the oldest segment; the number of those that are left. Raises `Retry`."""
        if not self._spooling:
            return 0
        segments = self._waiting.spooled()
        if segments:
            batch = self._waiting.load(segments[0])
            batch.changes = []
            self._settle(segments[0], batch, self._give(batch))
        if len(segments) <= 1:
            self._spooling = False
            log.say("info", "the spool is drained", sink=self.name)
        return max(0, len(segments) - 1)

    def _give_parked(self) -> bool:
        """Gives the oldest parked rows of one day whose turn it is; True when they were taken. Raises `Retry`."""
        if not self._parked.due():
            return False
        key, segment = self._parked.choose(self._waiting.parked())
        if key is None or segment is None:
            return False
        batch = self._waiting.load(segment)
        batch.changes = []
        try:
            refused = self._inner.write(batch)
        except Blocked:
            self._parked.failed(key)
            return False
        self._settle(segment, batch, refused)
        self._parked.worked(key)
        return True

    def _settle(self, segment: Segment, batch: Batch, refused: list[Refused]) -> None:
        check_budget(self._waiting.state, batch, refused)
        self._metrics.refused += len(refused)
        self._waiting.settle(segment, *batch.changes, *quarantine_changes(batch, refused, self._clock.now()))

    def _rows(self) -> int:
        return sum(segment.rows for segment in self._waiting.spooled())


class Patience:
    """When the parked rows of a day are tried again: after a second, then twice as long each time, up to 30 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[tuple[str, str], float] = {}
        self._at: dict[tuple[str, str], float] = {}
        self._next = float("-inf")

    def begin(self, reason: str) -> None:
        """Rows were parked."""
        if self._next == float("inf"):
            log.say("warning", "an index takes nothing, its rows are parked, everything else goes on", reason=reason)
        self._next = min(self._next, self._clock.monotonic() + 1.0)

    def due(self) -> bool:
        return self._clock.monotonic() >= self._next

    def choose(self, parked: dict[tuple[str, str], Segment]) -> tuple[tuple[str, str] | None, Segment | None]:
        """The one that has waited longest for its turn; none when none is due."""
        now = self._clock.monotonic()
        due = sorted((self._at.get(key, 0.0), key) for key in parked if self._at.get(key, 0.0) <= now)
        if due:
            return due[0][1], parked[due[0][1]]
        self._next = min((self._at[key] for key in parked), default=float("inf"))
        return None, None

    def failed(self, key: tuple[str, str]) -> None:
        wait = self._waits[key] = min(self._waits.get(key, 0.5) * 2, LONGEST_PARKED_S)
        self._at[key] = self._clock.monotonic() + wait

    def worked(self, key: tuple[str, str]) -> None:
        self._waits.pop(key, None)
        self._at.pop(key, None)


def around(inner: Sink, context: Context, *, max_bytes: int, after_s: float) -> Sink:
    """The sink with a spool, if it is to have one or one was left that it has to be given."""
    if not max_bytes and not listed(context.state, *SPOOLED.values(), *PARKED.values()):
        return inner
    waiting = Waiting(context.data, max_bytes, context.clock)
    at_risk = partial(_files_at_risk, waiting.state, Folders())
    return Spool(inner, waiting, after_s=after_s, at_risk=at_risk, clock=context.clock, metrics=context.metrics)


def _files_at_risk(state: State, folders: Folders) -> bool:
    return would_be_rotated_away(state.files().values(), folders)


def _now_and_then(ask: Callable[[], bool], clock: Clock) -> Callable[[], bool]:
    """The same question, asked once a second at most."""
    known, until = False, float("-inf")

    def answer() -> bool:
        nonlocal known, until
        if clock.monotonic() >= until:
            known, until = ask(), clock.monotonic() + RISK_EVERY_S
        return known

    return answer
