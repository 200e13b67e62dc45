"""Which days move where, and why: ages → moves. Nothing is asked and nothing is done here; time is an argument."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from shipper.archive.ledger import ARCHIVE, COPY, EXPIRE, MARKED, Archived, Move
from shipper.archive.names import TIERS
from shipper.tier.cost import HOT, early_deletions
from shipper.tier.forecast import held_after, held_now
from shipper.tier.hot import HotDay
from shipper.tier.planned import GONE, Plan, Planned
from shipper.tier.policy import (
    DAY_S,
    Stage,
    Tiers,
    age,
    end_of,
    gone_at,
    lock_until,
    spoken,
    stage_at,
    stages,
)

KINDS = (ARCHIVE, COPY, EXPIRE)
HOLD = "hold"

IsHeld = Callable[[str, str], bool]
"""Dataset, day → whether any record of it is on hold."""


class _Known(NamedTuple):
    """What `plan` was told, in the shape in which it is asked."""

    tiers: Tiers
    archived_days: set[str]
    under_way: Sequence[Move]
    held: IsHeld
    now: float

    def days_old(self, day: str) -> str:
        return f"{age(day, self.now) // DAY_S:.0f}d old"


def plan(
    tiers: Tiers,
    hot_days: Sequence[HotDay],
    *,
    late: Mapping[str, int],
    archived: Sequence[Archived],
    under_way: Sequence[Move],
    held: IsHeld,
    now: float,
) -> Plan:
    """`late`: rows of days in grace that came behind their point. `archived` may hold copies in grace; they are counted
    and not moved. `under_way`: moves that are not done; what is in one is not planned again."""
    known = _Known(tiers, {one.day for one in archived}, under_way, held, now)
    found = [*_of_hot_days(known, hot_days, late), *_of_archived(known, archived)]
    due = _behind_late_records(sorted((one for one in found if one.due <= now), key=_order))
    moves = [one for one in due if not one.blocked_by]
    return Plan(
        moves=moves,
        blocked=[one for one in due if one.blocked_by],
        coming=sorted((one for one in found if one.due > now), key=lambda one: (one.due, *_order(one))),
        now=held_now(tiers, hot_days, archived),
        after=held_after(tiers, hot_days, archived, moves, under_way),
        notes=[*early_deletions(tiers), *_elsewhere(tiers, archived)],
    )


def _order(one: Planned) -> tuple[str, int, str, str]:
    return one.day, KINDS.index(one.kind), one.dataset, one.from_tier


# ── the hot store ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_hot_days(known: _Known, hot_days: Sequence[HotDay], late: Mapping[str, int]) -> Iterator[Planned]:
    leaving = {move.day: move for move in known.under_way if move.kind == ARCHIVE}
    for day in hot_days:
        stage = stage_at(known.tiers, "", age(day.day, known.now))
        if stage is not None and day.day not in leaving:
            yield _archive(known, day, stage)
        elif stage is not None and late.get(day.day):
            yield _addition(known, day, stage, leaving[day.day], late[day.day])


def _archive(known: _Known, day: HotDay, stage: Stage) -> Planned:
    in_the_way = [move for move in known.under_way if move.day == day.day and _is_at_work(move)]
    added = day.day in known.archived_days
    return Planned(
        kind=ARCHIVE,
        day=day.day,
        dataset="",
        from_tier=HOT,
        to_tier=stage.tier,
        place=stage.place,
        storage_class=stage.storage_class,
        lock_until=None,
        reason="came after its day was archived" if added else _why_archived(known, day.day, stage),
        rows=day.rows,
        bytes=day.bytes,
        # Records of a day that is archived belong to the archive, also where the policy has become longer since.
        due=end_of(day.day) + (0.0 if added else known.tiers.hot),
        blocked_by=_waits_for(in_the_way),
    )


def _why_archived(known: _Known, day: str, stage: Stage) -> str:
    if known.now >= gone_at(known.tiers, "", day):
        return f"{known.days_old(day)}: through {stage.tier}, then gone"
    return f"{known.days_old(day)}, hot keeps {spoken(known.tiers.hot)}"


def _addition(known: _Known, day: HotDay, stage: Stage, move: Move, rows: int) -> Planned:
    """Its own move takes these along before it deletes the day."""
    return _archive(known, day, stage)._replace(
        reason="came since its day was archived: goes along before the hot copy is deleted",
        rows=rows,
        bytes=day.bytes * rows // max(1, day.rows),
        due=max(move.detail.get("marked", move.changed) + known.tiers.grace, known.now + 1),
        blocked_by="",
    )


# ── the archive ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_archived(known: _Known, archived: Sequence[Archived]) -> Iterator[Planned]:
    moved = {(move.kind, move.day, move.dataset, move.from_tier) for move in known.under_way}
    for one in archived:
        found = stages(known.tiers, one.dataset)
        if found and not one.grace:
            planned = _next(known, one, found)
            if (planned.kind, one.day, one.dataset, one.tier) not in moved:
                yield planned


def _next(known: _Known, one: Archived, found: list[Stage]) -> Planned:
    """To the coldest tier where it belongs by now, else what comes next for it."""
    here, gone = TIERS.index(one.tier), found[-1].until
    before = Stage(tier=HOT, place="", storage_class="", until=known.tiers.hot, lock=False)
    colder = [
        (stage, until.until)
        for until, stage in pairwise((before, *found))
        if TIERS.index(stage.tier) > here and until.until < gone
    ]
    if not colder or age(one.day, known.now) >= gone:
        return _expire(known, one, found[-1])
    overdue = [(stage, until) for stage, until in colder if age(one.day, known.now) >= until]
    return _copy(known, one, *(overdue[-1] if overdue else colder[0]))


def _copy(known: _Known, one: Archived, stage: Stage, until: float) -> Planned:
    return _of_dataset(known, one, COPY, end_of(one.day) + until)._replace(
        to_tier=stage.tier,
        storage_class=stage.storage_class,
        lock_until=lock_until(known.tiers, one.dataset, one.day, stage.tier, known.now),
        reason=f"{known.days_old(one.day)}, {one.tier} keeps {spoken(until)}",
    )


def _expire(known: _Known, one: Archived, last: Stage) -> Planned:
    keeper = one.dataset if one.dataset in known.tiers.datasets else last.tier
    planned = _of_dataset(known, one, EXPIRE, end_of(one.day) + last.until)._replace(
        reason=f"{known.days_old(one.day)}, {keeper} keeps {spoken(last.until)}"
    )
    on_hold = planned.due <= known.now and known.held(one.dataset, one.day)
    return planned._replace(blocked_by=HOLD) if on_hold else planned


def _of_dataset(known: _Known, one: Archived, kind: str, due: float) -> Planned:
    in_the_way = [
        move
        for move in known.under_way
        if move.day == one.day and (move.dataset == one.dataset if move.dataset else _is_at_work(move))
    ]
    return Planned(
        kind=kind,
        day=one.day,
        dataset=one.dataset,
        from_tier=one.tier,
        to_tier=GONE,
        place=one.place,
        storage_class="",
        lock_until=None,
        reason="",
        rows=one.manifest.rows,
        bytes=one.manifest.bytes,
        due=due,
        blocked_by=_waits_for(in_the_way),
    )


# ── what stands in the way of what ────────────────────────────────────────────────────────────────────────────────────


def _is_at_work(move: Move) -> bool:
    """Whether a move may still put something into the archive by what it noted before."""
    return move.step != MARKED or bool(move.failure)


def _waits_for(moves: Sequence[Move]) -> str:
    return f"{moves[0].kind} of this day is under way ({moves[0].step})" if moves else ""


def _behind_late_records(due: list[Planned]) -> list[Planned]:
    """What comes late is added before its day goes on: it changes the day's manifest."""
    days = {one.day for one in due if one.kind == ARCHIVE and not one.blocked_by}
    waits = "records of this day that came late go first"
    return [
        one._replace(blocked_by=waits) if one.kind != ARCHIVE and one.day in days and not one.blocked_by else one
        for one in due
    ]


def _elsewhere(tiers: Tiers, archived: Sequence[Archived]) -> Iterator[str]:
    """Days in a place that the policy does not name any more."""
    named = {stage.place for stage in stages(tiers, "")}
    for place in sorted({one.place for one in archived} - named):
        days = len({one.day for one in archived if one.place == place})
        yield f"{place}: {days} days lie there, which the policy does not name now; they stay there until they are gone"
