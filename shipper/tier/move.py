"""The mover: takes up what an earlier run left, plans, carries out. Killed anywhere, the next run goes on.

Each step of a move is in `state.db` before the next begins: planned, exported, verified, published, marked, deleted.
Before a move is published nothing belongs to the archive: what it had put there is deleted, and it is planned anew.
A move that fails stops where it is, deletes nothing, and people are told; the others go on.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shipper import log
from shipper.archive import ledger
from shipper.archive.ledger import ARCHIVE, COPY, DELETED, EXPIRE, MARKED, PUBLISHED, Move
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Locked, Unreachable
from shipper.tier import plan as planning
from shipper.tier.acts import unsettled
from shipper.tier.adopt import adopt
from shipper.tier.alarm import Alarm
from shipper.tier.colder import Colder, Expiry, OnHold
from shipper.tier.erase_archive import delete_erased
from shipper.tier.intake import Intake
from shipper.tier.moving import Moving, Stopped
from shipper.tier.planned import Plan, Planned
from shipper.tier.policy import stages

RUN = "run"
"""Stands for the kind of a move where it is the run itself that failed."""
ROUNDS = 4
"""A day that came in late may be due for its next tier at once."""


class Kind(Protocol):
    """What carries moves of one kind on."""

    def carry_on(self, move: Move) -> None: ...


@dataclass(slots=True)
class Report:
    """What a run of the mover did."""

    done: list[Move] = field(default_factory=list)
    waiting: list[Move] = field(default_factory=list)
    """Published: the copy at the source waits for its grace to end."""
    failed: list[Move] = field(default_factory=list)
    """See `Move.failure`."""
    blocked: list[Planned] = field(default_factory=list)
    """Due, but something stands against them."""
    adopted: int = 0
    """Receipts of an archive that was taken over."""


class Mover:
    """One thread uses it, which holds the lock `move`. `begun` is told of every move: which of how many."""

    def __init__(self, moving: Moving, begun: Callable[[Move, int, int], None] = lambda *_: None) -> None:
        self._moving, self._begun = moving, begun
        self._alarm = Alarm(moving.state, moving.clock)
        self._kinds: dict[str, Kind] = {ARCHIVE: Intake(moving), COPY: Colder(moving), EXPIRE: Expiry(moving)}

    def run(self) -> Report:
        """Does all that is due now. Raises `ShipperError` when it can't begin, `Stopped` when it was asked to end."""
        report = Report()
        self._moving.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._carry_out(report)
        except Stopped:
            raise
        except Exception as error:
            self._told(Move(RUN, "", "", "", "", "", failure=str(error)))
            raise
        finally:
            shutil.rmtree(self._moving.scratch, ignore_errors=True)
        return report

    def plan(self) -> Plan:
        """What is due now, and what will be."""
        moving = self._moving
        return planning.plan(
            moving.tiers,
            list(moving.hot.days()),
            late={},
            archived=ledger.archived(moving.state, grace=True),
            under_way=ledger.moves(moving.state),
            held=lambda dataset, day: bool(moving.held(dataset, day)),
            now=moving.clock.now(),
        )

    # ── carrying out ──────────────────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, report: Report) -> None:
        report.adopted = self.prepare()
        left = self._taken_up()
        reached = all(self._carry_on(move, report, number, len(left)) for number, move in enumerate(left, 1))
        for _ in range(ROUNDS):
            plan = self.plan()
            report.blocked = plan.blocked
            if not plan.moves or not reached:
                break
            for number, planned in enumerate(plan.moves, 1):
                reached = self._carry_on(self._moving.begin(planned), report, number, len(plan.moves))
                if not reached:
                    return
        if reached:
            done = ledger.forget_done(self._moving.clock.now())
            self._moving.state.run(done, *self._alarm.over(report.failed))

    def prepare(self) -> int:
        """Brings `state.db` and the archive together: takes an archive over that it knows nothing of (returns how many
        receipts that has), and ends acts and erasures that were cut short."""
        for place in unsettled(self._moving.state):
            self._moving.archives(place).settle()
        try:
            delete_erased(self._moving.state, self._moving.archives)
        except ShipperError as error:
            log.say("warning", "what an erasure has replaced could not be deleted, tried again", reason=error)
        return self.adopt()

    def adopt(self) -> int:
        """Takes over archives that `state.db` knows nothing of; returns how many receipts they have."""
        places = [(place, self._moving.archives(place).objects) for place in self._places()]
        return sum(adopt(objects, place, self._moving.state) for place, objects in places)

    def _places(self) -> list[str]:
        named = [stage.place for stage in stages(self._moving.tiers, "")]
        return [*dict.fromkeys([*named, *(one.place for one in ledger.archived(self._moving.state, grace=True))])]

    def _taken_up(self) -> list[Move]:
        """The moves that go on where they are. The others are forgotten, with all that they have put."""
        goes_on = []
        for move in ledger.moves(self._moving.state):
            published = self._moving.published(move.day)
            if any(each["part"]["key"] in published for each in move.detail.get("parts", [])):
                goes_on.append(move)
                continue
            self._moving.discard(move)
            for name in ("parts", "next"):
                move.detail.pop(name, None)
            if move.step in (PUBLISHED, MARKED):
                self._moving.state.run(self._moving.change(move, move.step))
                goes_on.append(move)
            else:
                self._moving.state.run(ledger.forget_move(move))
        return goes_on

    def _carry_on(self, move: Move, report: Report, number: int, of: int) -> bool:
        """False: the archive can't be reached, and there is no use in trying others."""
        self._begun(move, number, of)
        move.failure = ""
        try:
            self._kinds[move.kind].carry_on(move)
        except Stopped:
            raise
        except Exception as error:
            self._failed(move, error, report)
            return not isinstance(error, Unreachable)
        if move.step == DELETED:
            report.done.append(move)
        else:
            report.waiting.append(move)
        return True

    def _failed(self, move: Move, error: Exception, report: Report) -> None:
        """Nothing of the move changes but what is said of it."""
        known = str(error) or type(error).__name__
        move.failure = known
        report.failed.append(move)
        now = self._moving.clock.now()
        stored = StateChange("UPDATE moves SET failure = ?, changed = ? WHERE seq = ?", (known, now, move.seq))
        tells = [] if isinstance(error, Locked | OnHold) else self._alarm.failed(move)
        self._moving.state.run(stored, *tells)
        log.say("error", "a move stopped, nothing was deleted", kind=move.kind, day=move.day, reason=known)

    def _told(self, move: Move) -> None:
        self._moving.state.run(*self._alarm.failed(move))


def spoken(move: Move) -> str:
    """`backend 2026.11.16: warm → cold`."""
    what = f"{move.dataset} {move.day}" if move.dataset else move.day
    return f"{what}: {move.from_tier} → {move.to_tier}"


def summary(report: Report) -> str:
    """One line."""
    counted: Sequence[tuple[int, str]] = (
        (len(report.done), "done"),
        (len(report.waiting), "in grace"),
        (len(report.failed), "failed"),
        (len(report.blocked), "blocked"),
    )
    return ", ".join(f"{count} {name}" for count, name in counted if count) or "nothing to move"
