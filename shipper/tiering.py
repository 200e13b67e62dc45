"""Opens all that moving days takes, and moves them once a day beside a run."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from shipper import log
from shipper.archive import ledger
from shipper.archive.ledger import MARKED
from shipper.archive.parquet import Exporter
from shipper.build import Plan
from shipper.clock import Clock, SystemClock
from shipper.elastic.connect import Connection, Elastic
from shipper.errors import LockHeld, ShipperError, UsageError
from shipper.everywhere import Everywhere
from shipper.lock import hold
from shipper.objects.cache import purge
from shipper.search.archive import CACHE
from shipper.state import State, save_status
from shipper.store.disk import make_folder
from shipper.store.recover import remove_spills
from shipper.tier.archive import Archive
from shipper.tier.elastic import ElasticHot
from shipper.tier.embedded import EmbeddedHot
from shipper.tier.hot import Hot
from shipper.tier.move import Mover, Report, summary
from shipper.tier.moving import Moving, Stopped, nothing
from shipper.tier.policy import Tiers
from shipper.tier.restore import expire

LOOK_S = 5.0
BUSY_S = 60.0
"""Until the next attempt where somebody else moves, holds or erases."""
FAILED_S = 3600.0
"""Until the next attempt after one that failed."""
LAST = "tiers_moved"
"""Key in `meta`: when the last daily move was begun, in seconds since the epoch."""
END_WITHIN_S = 1.0
"""After the end of all else."""


@dataclass(slots=True)
class Told:
    """Who is told of what a mover does."""

    passed: Callable[[str], None] = nothing
    """Steps and writes; may raise `Stopped`."""
    stored: Callable[[int], None] = nothing
    """Bytes on their way to the archive."""
    begun: Callable[..., None] = nothing
    """The move, its number, of how many."""


@dataclass(slots=True)
class Opened:
    """What moves and checks of an archive work with."""

    mover: Mover
    moving: Moving
    everywhere: Everywhere
    exporter: Exporter


def tiers_of(plan: Plan) -> Tiers:
    """Raises `UsageError` where everything stays in the hot store."""
    if plan.tiers is None:
        raise UsageError(
            f"{plan.path}: has no `tiers`, so everything stays in the hot store; write for example "
            "`tiers: {hot: 7d, warm: {until: 30d, to: archive}}`"
        )
    return plan.tiers


@contextmanager
def tiering(
    plan: Plan, data: Path, state: State, clock: Clock | None = None, told: Told | None = None
) -> Iterator[Opened]:
    """The mover of a data folder, for who holds the lock `move`. Nothing is asked of any store yet.

    Raises `UsageError` without `tiers`, and for a connection or place that can't be right.
    """
    clock, told = clock or SystemClock(), told or Told()
    tiers, scratch = tiers_of(plan), data / "tmp" / f"tier-{os.getpid()}"
    make_folder(scratch.parent, data)
    # A killed mover leaves up to a day of records behind; where Elasticsearch is the hot store nobody else clears it.
    remove_spills(scratch.parent)
    with ExitStack() as stack:
        everywhere = stack.enter_context(closing(Everywhere(data, state, plan)))
        hot = stack.enter_context(closing(hot_of(plan, data, state, clock)))
        exporter = stack.enter_context(closing(Exporter()))
        how: dict[str, Any] = {"clock": clock, "exporter": exporter, "scratch": scratch, "passed": told.passed}
        holds = everywhere.holds()
        moving = Moving(
            tiers,
            hot,
            state,
            cache(lambda place: Archive(everywhere.place(place), place, state, **how)),
            exporter,
            scratch,
            clock,
            held=holds.held,
            protect=holds.protect,
            let_go=holds.let_go,
            forget=partial(purge, data / CACHE),
            passed=told.passed,
            stored=told.stored,
        )
        yield Opened(Mover(moving, told.begun), moving, everywhere, exporter)


def hot_of(plan: Plan, data: Path, state: State, clock: Clock) -> Hot:
    """The hot store of a pipeline: Elasticsearch where it has one, else the data folder's own."""
    for part in plan.parts["sinks"]:
        if isinstance(part.config, Connection):
            return ElasticHot(Elastic(part.config), plan.pipeline.name, clock)
    return EmbeddedHot(data, state, clock)


def let_restored_go(opened: Opened) -> list[str]:
    """Deletes the indices of restored days whose time is over, and returns them; what can't be deleted now is told, and
    left for the next time."""
    moving = opened.moving
    try:
        gone = expire(moving.state, opened.everywhere.elastic, moving.clock.now())
    except ShipperError as error:
        log.say("warning", "restored indices could not be deleted, tried again with the next move", reason=error)
        return []
    for index in gone:
        log.say("info", "restored index deleted, its time was over", index=index)
    return gone


def last_due(tiers: Tiers, now: float) -> float:
    """When the daily move was to be begun last."""
    hour, minute = map(int, tiers.at.split(":"))
    today = datetime.fromtimestamp(now, UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (today if today.timestamp() <= now else today - timedelta(days=1)).timestamp()


def is_due(tiers: Tiers, state: State, now: float) -> bool:
    """Whether the time of the day has come, or the grace of a move has ended since."""
    if not state.meta(LAST):
        # A first run has missed nothing.
        state.set_meta(LAST, str(now))
    if float(state.meta(LAST)) < last_due(tiers, now):
        return True
    waiting = [move for move in ledger.moves(state, MARKED) if not move.failure]
    return any(now >= move.detail["marked"] + tiers.grace for move in waiting)


class DailyMove(threading.Thread):
    """Moves once a day beside a run, and at once when that was missed. A failure is told, and never ends the run."""

    def __init__(self, plan: Plan, data: Path, clock: Clock) -> None:
        super().__init__(name="tiers", daemon=True)
        self._plan, self._data, self._clock = plan, data, clock
        self._tiers = tiers_of(plan)
        self._stopping = threading.Event()
        self._failed = False

    def stop(self) -> None:
        """Nothing more is begun. May be called from a signal handler."""
        self._stopping.set()

    def end(self) -> None:
        """Waits a little for what is under way; what is cut off is taken up by the next run."""
        self._stopping.set()
        if self.is_alive():
            self.join(END_WITHIN_S)

    def run(self) -> None:
        with closing(State(self._data / "state.db")) as state:
            wait = 0.0
            while not self._stopping.wait(wait):
                wait = self.look(state)

    def look(self, state: State) -> float:
        """Moves when it is time; returns the seconds until the next look."""
        try:
            if not self._failed and not is_due(self._tiers, state, self._clock.now()):
                return LOOK_S
            with closing(hold(self._data, "move")):
                self._failed = bool(self._move(state).failed)
        except LockHeld:
            return BUSY_S
        except Stopped:
            return 0.0
        except Exception as error:  # a thread that ended would move nothing more, and say nothing
            log.say("error", "days could not be moved, tried again", reason=error, seconds=FAILED_S)
            self._failed = True
        return FAILED_S if self._failed else LOOK_S

    def _move(self, state: State) -> Report:
        began = self._clock.now()
        with tiering(self._plan, self._data, state, self._clock, Told(passed=self._go_on)) as opened:
            try:
                report = opened.mover.run()
                let_restored_go(opened)
            finally:
                if not self._stopping.is_set():
                    state.set_meta(LAST, str(began))
        if report.done or report.waiting or report.failed:
            log.say("info", "days were moved", result=summary(report))
        state.run(save_status("tiers", {"at": began, "result": summary(report)}))
        return report

    def _go_on(self, _: str) -> None:
        if self._stopping.is_set():
            raise Stopped
