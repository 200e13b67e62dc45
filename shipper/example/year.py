"""Months and years of a backend's life, the ordinary way: each simulated day's log is followed by the shipped pipeline
into the embedded store and sealed, and the mover runs at 03:00 of the next day. Only the clocks are made up.

As in `shipper run` a day is moved while the next one is followed. One child process seals all days and another one
exports them: both cost more to start than a small day costs.
"""

import random
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from pathlib import Path

from shipper.alerts import DIGEST, NOTIFY
from shipper.archive.ledger import EXPIRE, Move
from shipper.assembly import assemble
from shipper.build import Plan, load_rules_of
from shipper.clock import ManualClock, iso
from shipper.context import Context
from shipper.errors import ShipperError
from shipper.example.day import DAY_S, log_of_a_day
from shipper.lock import hold
from shipper.model import Sink, Source, StateChange
from shipper.run import where_records_go
from shipper.state import State
from shipper.store.layout import period
from shipper.store.seal import Sealing
from shipper.store.sealer import Sealer
from shipper.store.segments import Limits, Segments
from shipper.tiering import LAST, Opened, last_due, tiering, tiers_of
from shipper.writer import Writer

SEALED_TOGETHER = 6
"""Days at most."""


@dataclass(slots=True)
class Passed:
    """What has happened so far."""

    day: str = ""
    days: int = 0
    lines: int = 0
    moves: int = 0
    """To another tier, with the deletion behind it."""
    gone: list[Move] = field(default_factory=list)
    """Days of a dataset whose time was over."""


def log_of(data: Path) -> Path:
    """The backend's log of all days; there is a pipeline to be made over it."""
    return data / "demo" / "log" / "backend.out.log"


class Life:
    """Over a data folder that is its own. One thread uses it."""

    def __init__(self, plan: Plan, data: Path, days: int, until: float, chance: random.Random) -> None:
        """The last of the days is the last one whose move was due at `until`, in seconds since the epoch."""
        self.days, self.passed = days, Passed()
        self._plan, self._data = plan, data
        moved = last_due(tiers_of(plan), until)
        self._first_move = moved - (days - 1) * DAY_S
        self._midnight = moved // DAY_S * DAY_S - days * DAY_S
        self.clock = ManualClock(self._midnight)
        """The mover's."""
        self._days = Days(plan, data, chance)

    def live(self) -> Generator[Passed, None, None]:
        """Day by day; what is given is the same object each time. Raises `ShipperError` when a move fails."""
        with ExitStack() as stack:
            stack.enter_context(closing(hold(self._data, "move")))
            state = stack.enter_context(closing(State(self._data / "state.db")))
            days = stack.enter_context(closing(self._days))
            opened = stack.enter_context(tiering(self._plan, self._data, state, self.clock))
            ahead = stack.enter_context(ThreadPoolExecutor(1, "days"))
            coming = ahead.submit(days.live, self._midnight)
            for number in range(self.days):
                self.passed.lines += coming.result()
                following = self._midnight + (number + 1) * DAY_S
                if number + 1 < self.days:
                    coming = ahead.submit(days.live, following)
                self._move(opened, state, number)
                yield self.passed
            days.end(following)

    def _move(self, opened: Opened, state: State, number: int) -> None:
        self.clock.advance(self._first_move + number * DAY_S - self.clock.now())
        report = opened.mover.run()
        state.set_meta(LAST, str(self.clock.now()))
        for move in report.failed:
            raise ShipperError(f"demo: {move.day} could not be moved: {move.failure}")
        self.passed.day, self.passed.days = period("records", iso(self._midnight + number * DAY_S)), number + 1
        self.passed.gone += [move for move in report.done if move.kind == EXPIRE]
        self.passed.moves += sum(move.kind != EXPIRE for move in report.done)


class Days:
    """The backend's log, and the pipeline behind it: its stages live on, source and sinks are opened anew each day."""

    def __init__(self, plan: Plan, data: Path, chance: random.Random) -> None:
        self._plan, self._data, self._chance = plan, data, chance
        self._clock, self._sealing, self._unsealed = ManualClock(), Sealing(), 0
        # The mover has to find sealed what it takes.
        self._sealed_together = max(1, min(SEALED_TOGETHER, int(tiers_of(plan).hot // DAY_S) - 1))
        state = State(data / "state.db")
        self._context = Context(data, state, self._clock, base=plan.path.parent, once=True, name=plan.pipeline.name)
        state.set_meta("sinks", where_records_go(plan, state, self._clock.now()))
        first = assemble(plan, load_rules_of(plan), self._context)
        self._stages = first.stages
        _close([first.source], first.sinks)
        self._log = log_of(data)
        self._log.parent.mkdir(mode=0o700, parents=True)

    def close(self) -> None:
        self._sealing.close()
        self._context.state.close()

    def live(self, midnight: float) -> int:
        """A day that begins at `midnight`, in seconds since the epoch; returns how many lines were logged."""
        written = log_of_a_day(midnight, self._chance)
        with self._log.open("ab") as file:
            file.write(written)
        self._clock.advance(midnight + DAY_S - self._clock.now())
        self._follow()
        self._unsealed += 1
        if self._unsealed == self._sealed_together:
            self._seal()
        return written.count(b"\n")

    def end(self, now: float) -> None:
        """Stores what is left to be stored: the mover has audited its last acts."""
        self._clock.advance(now - self._clock.now())
        self._follow()
        self._seal()
        # Nobody is to be told of what is made up.
        self._context.state.run(StateChange("DELETE FROM outbox WHERE kind IN (?, ?)", (NOTIFY, DIGEST)))

    def _follow(self) -> None:
        """Returns when all that is there is committed."""
        with closing(hold(self._data, "tail")):
            sources, sinks = self._plan.sources(self._context), self._plan.spooled_sinks(self._context)
            writer = Writer(sinks, self._context)
            writer.start()
            try:
                for batch in chain.from_iterable(sources):
                    done = reduce(lambda passed, stage: stage(passed), self._stages, batch)
                    done.forget_inputs()
                    writer.put(done)
            finally:
                writer.finish()
                _close(sources, sinks)

    def _seal(self) -> None:
        """Not by `seal_now`: what that asks for belongs to the mover."""
        with closing(hold(self._data, "tail")), closing(self._segments()) as segments:
            Sealer(segments, run=self._sealing).seal_due()
        self._unsealed = 0

    def _segments(self) -> Segments:
        return Segments(self._data, self._context.state, Limits(seal_rows=1), self._clock)


def _close(sources: Sequence[Source], sinks: Sequence[Sink]) -> None:
    for source in sources:
        source.close()
    for sink in sinks:
        sink.close()
