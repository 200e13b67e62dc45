"""`shipper demo --days N`: days and months in a minute, and then what is where."""

import random
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from shipper.archive import ledger
from shipper.archive.ledger import Archived, Move
from shipper.archive.names import TIERS
from shipper.build import Plan
from shipper.cli.sizes import human_bytes
from shipper.clock import SystemClock
from shipper.errors import UsageError
from shipper.example.sweep import fleeting
from shipper.example.year import Life, Passed, log_of
from shipper.lock import make_data_folder
from shipper.objects.store import ObjectStore
from shipper.query.parse import parse
from shipper.search.archive import ArchiveStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count
from shipper.search.store import Question
from shipper.state import State
from shipper.store.read import Reader
from shipper.tier.hot import HotDay
from shipper.tier.policy import spoken, stages
from shipper.tier.verify import Verifier, Wanted
from shipper.tiering import tiering, tiers_of

TOLD_EVERY_DAYS = 50
QUERY = "log.level:error"
PREFIX = "shipper-demo-"

INTRO = """\
{days} days in the life of a small backend: each day's log is followed by the
pipeline, and at 03:00 the mover moves what is due and proves it before anything
is deleted. All of it is real but the calendar.

  data    {data}
  policy  {policy}
"""
KEPT = """
It is all there. Look further:

  {program} search '{query}'{suffix}
  {program} tier status{suffix}
  {program} tier plan{suffix}
  {program} tier verify{suffix}
"""
REMOVED = """
The folder is removed again. To keep it and look further:

  {program} demo --days {days} --data {example}
"""


def run_year(
    given: Path | None, planned: Callable[[Path], Plan], days: int, *, program: str, console: Console, stop: Event
) -> None:
    """In a folder that was given, and is kept, or else in one that is gone afterwards.

    `planned` makes the pipeline over a folder of logs. Raises `ShipperError`.
    """
    with folder_for(given) as data:
        plan = planned(log_of(data).parent)
        policy = ", ".join(f"{stage.tier} {spoken(stage.until)}" for stage in stages(tiers_of(plan), ""))
        policy = f"hot {spoken(tiers_of(plan).hot)}, {policy}, then gone"
        console.print(INTRO.format(days=days, data=data, policy=policy), markup=False, soft_wrap=True)
        began = time.monotonic()
        life = Life(plan, data, days, SystemClock().now(), random.Random())
        passed = live(life, console, stop)
        if stop.is_set():
            console.print(f"Stopped after {passed.days} days, nothing is left running.")
            return
        console.print(f"\nWhat is where after {days} days, {time.monotonic() - began:.0f} seconds later:\n")
        show(plan, data, life, passed, console)
    suffix = f" --data {shlex.quote(str(data))}"
    told = {"program": program, "query": QUERY, "suffix": suffix, "days": days, "example": "year"}
    console.print((KEPT if given else REMOVED).format(**told), end="", markup=False, soft_wrap=True)


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """Raises `UsageError` when there is something in the folder that was given."""
    if given is None:
        with fleeting(PREFIX) as folder:
            yield folder
        return
    if given.exists() and any(given.iterdir()):
        raise UsageError(f"demo: {given}: is not empty; --days takes a folder of its own: name a new one")
    make_data_folder(given)
    yield given


def live(life: Life, console: Console, stop: Event) -> Passed:
    """All days, or as many as there were before `stop` was set."""
    with ExitStack() as stack:
        days = stack.enter_context(closing(life.live()))
        bar = stack.enter_context(_bar(console))
        task = bar.add_task("building the pipeline", total=life.days)
        for passed in days:
            bar.update(task, completed=passed.days, description=f"{passed.day}, {told(passed)}")
            if not console.is_terminal and passed.days % TOLD_EVERY_DAYS == 0:
                console.print(f"{passed.day}  day {passed.days:>3}: {told(passed)}")
            if stop.is_set():
                break
    return life.passed


def told(passed: Passed) -> str:
    return f"{passed.lines:,} lines, {passed.moves} moves, {len(passed.gone)} gone"


def _bar(console: Console) -> Progress:
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def show(plan: Plan, data: Path, life: Life, passed: Passed, console: Console) -> None:
    """What each tier holds, what is gone, whether the archive is whole, and a search over all of it."""
    with ExitStack() as stack:
        state = stack.enter_context(closing(State(data / "state.db")))
        opened = stack.enter_context(tiering(plan, data, state, life.clock))
        console.print(table(rows_of(list(opened.moving.hot.days()), ledger.archived(state), passed.gone)))
        place = stages(tiers_of(plan), "")[-1].place
        scratch = opened.moving.scratch
        verifier = Verifier(
            opened.everywhere.place(place), place, state, clock=life.clock, exporter=opened.exporter, scratch=scratch
        )
        found = verifier.run(Wanted(quick=True))
        number, seconds = searched(data, state, opened.everywhere.place)
    verdict = "whole" if not found.problems else f"{len(found.problems)} problems"
    parts = f"{found.receipts:,} receipts, {found.days:,} manifests, {found.rows:,} records"
    console.print(f"\ntier verify --quick: {verdict}, {parts}")
    console.print(f"search '{QUERY}': {number:,} records in all tiers, found in {seconds:.1f} s")


def searched(data: Path, state: State, place: Callable[[str], ObjectStore]) -> tuple[int, float]:
    """Records that `QUERY` finds in all tiers, and after how many seconds. No other store is asked."""
    began = time.monotonic()
    archive = ArchiveStore(data, lambda day: ledger.archived(state, day=day), place)
    with closing(archive), closing(EmbeddedStore(Reader(data))) as hot:
        number = count([hot, archive], Question(parse(QUERY)), lambda _, reason: None)
    return number, time.monotonic() - began


class Row(NamedTuple):
    """Days of one dataset in one place."""

    tier: str
    dataset: str
    days: Sequence[str]
    rows: int
    bytes: int


def rows_of(hot: Sequence[HotDay], archived: Sequence[Archived], gone: Sequence[Move]) -> list[Row]:
    """In the order in which days pass through."""
    found = [Row("hot", "all", [each.day for each in hot], sum(e.rows for e in hot), sum(e.bytes for e in hot))]
    for tier, dataset in sorted({(one.tier, one.dataset) for one in archived}, key=_tier_first):
        some = [one for one in archived if (one.tier, one.dataset) == (tier, dataset)]
        days = [one.day for one in some]
        sizes = (sum(one.manifest.rows for one in some), sum(one.manifest.bytes for one in some))
        found.append(Row(tier, dataset, days, *sizes))
    for dataset in sorted({move.dataset for move in gone}):
        over = [move for move in gone if move.dataset == dataset]
        sizes = (sum(move.detail["rows"] for move in over), sum(move.detail["bytes"] for move in over))
        found.append(Row("gone", dataset, [move.day for move in over], *sizes))
    return found


def _tier_first(name: tuple[str, str]) -> tuple[int, str]:
    return TIERS.index(name[0]), name[1]


def table(rows: Sequence[Row]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("tier", "dataset", "days", "from", "to", "records", "size"):
        made.add_column(name, justify="right" if name in {"days", "records", "size"} else "left")
    for row in rows:
        span = (min(row.days, default=""), max(row.days, default=""))
        made.add_row(row.tier, row.dataset, f"{len(row.days)}", *span, f"{row.rows:,}", human_bytes(row.bytes))
    return made
