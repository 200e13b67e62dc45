"""`shipper tier restore`: days of the archive, readable again or back in Elasticsearch."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from shipper.archive import ledger
from shipper.build import Plan
from shipper.cli.restore_shown import Asked, count, say_where, show_days, show_filled
from shipper.cli.tier_common import FORMAT, PIPELINE, refuse_empty
from shipper.cli.tier_plan import chosen
from shipper.clock import Clock, SystemClock, parse_when
from shipper.context import Context
from shipper.elastic.connect import Connection, ElasticError
from shipper.elastic.names import RESTORED, index_of
from shipper.elastic.setup import ensure_restored
from shipper.errors import ShipperError, UsageError
from shipper.lock import hold
from shipper.objects.place import open_place
from shipper.objects.settings import S3
from shipper.objects.store import ObjectStore, Told
from shipper.objects.thaw import Fees
from shipper.query.error import QueryError
from shipper.query.parse import parse
from shipper.sink.elasticsearch import ElasticsearchSink
from shipper.state import State
from shipper.tier import restore as restoring
from shipper.tier.adopt import adopt
from shipper.tier.policy import DAY_S, fees_of, stages
from shipper.tier.refill import Filled, Wanted, refill
from shipper.tier.restore import NEEDED, Day, speed_of

SPEEDS = ("Expedited", "Standard", "Bulk")
SHOWN_REFUSALS = 3


@click.command(name="restore")
@click.option("--since", required=True, metavar="TIME", help="Not older than this: 90d, 2026-08-01.")
@click.option("--until", metavar="TIME", help="Older than this, in the same forms.")
@click.option("--query", default="", help="Only records that shipper search would find with it.")
@click.option(
    "--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long they stay, in days from now."
)
@click.option(
    "--speed",
    type=click.Choice(SPEEDS, case_sensitive=False),
    default="Standard",
    show_default=True,
    help="Of a class that can't be read at once: the quicker, the dearer.",
)
@click.option("--dry-run", is_flag=True, help="Say what it takes, and ask for nothing.")
@FORMAT
@PIPELINE
@click.pass_context
def restore(ctx: click.Context, /, pipeline: Path | None, *, dry_run: bool, form: str, **asked: Any) -> int:
    """Get archived days back.

    A day in a class that can't be read at once (GLACIER, DEEP_ARCHIVE) is asked for; the same command says later
    whether it is there. With Elasticsearch what can be read comes into restored-NAME-YYYY.MM.DD, which is deleted when
    its time is over. Without it shipper search reads the archive itself. Running it again doubles nothing.
    """
    clock = SystemClock()
    given = _given(clock, **asked)
    data: Path = ctx.obj.data
    selected = chosen(data, pipeline)
    refuse_empty(data, selected)
    with closing(hold(data, "move")), closing(State(data / "state.db")) as state, ExitStack() as stack:
        work = _Work(data, state, clock, selected, given)
        work.adopt()
        days = work.look(dry_run=dry_run)
        show_days(days, given, work.fees, form)
        if dry_run:
            return 0
        waiting = [day for day in days if not day.is_readable]
        sink = work.sink(stack)
        if sink is None:
            say_where(waiting, form)
            return 0
        problems = work.fill([day for day in days if day.is_readable], sink, form)
        if waiting:
            _say(f"{count(waiting)} can't be read yet; run the same command again when it can")
    return 1 if problems or waiting else 0


def _given(clock: Clock, *, since: str, until: str | None, query: str, days: int, speed: str) -> Asked:
    try:
        tree = parse(query)
    except QueryError as error:
        raise UsageError(f"--query: {error}") from None
    end = None if until is None else _when(until, "until", clock)
    return Asked(Wanted(tree, _when(since, "since", clock), end), days, speed.capitalize())


def _when(text: str, name: str, clock: Clock) -> float:
    try:
        return parse_when(text, clock.now())
    except UsageError as error:
        raise UsageError(f"--{name}: {error}") from None


class _Work:
    """One call of the command."""

    def __init__(self, data: Path, state: State, clock: Clock, plan: Plan, asked: Asked) -> None:
        self._data, self._state, self._clock = data, state, clock
        self._plan, self._asked = plan, asked
        self._places: dict[str, ObjectStore] = {}

    @property
    def fees(self) -> Fees:
        return fees_of(self._plan.tiers.prices if self._plan.tiers is not None else None)

    def adopt(self) -> None:
        """Takes over an archive that `state.db` knows nothing of."""
        if self._plan.tiers is not None:
            for place in {stage.place for stage in stages(self._plan.tiers, "")}:
                adopt(self._objects(place), place, self._state)

    def look(self, *, dry_run: bool) -> list[Day]:
        """How the wanted days stand; those that need it are asked for."""
        wanted = self._asked.wanted
        found = restoring.covered(ledger.archived(self._state), wanted.since, wanted.until)
        if not found:
            raise ShipperError(
                f"{self._data}: no day of that time is archived; what is archived says: shipper tier status"
            )
        days = [restoring.look(self._objects(one.place), one, parts) for one, parts in found]
        self._refuse_speed(days)
        return days if dry_run else list(map(self._ask, days))

    def _refuse_speed(self, days: list[Day]) -> None:
        for day in days:
            if day.standing == NEEDED and speed_of(day, self._asked.speed) is None:
                raise UsageError(f"{day.storage_class} knows no --speed {self._asked.speed}; write Standard or Bulk")

    def _ask(self, day: Day) -> Day:
        objects = self._objects(day.one.place)
        now = self._clock.now()
        return restoring.ask(objects, self._state, day, days=self._asked.days, speed=self._asked.speed, now=now)

    def _objects(self, place: str) -> ObjectStore:
        if place not in self._places:
            settings = self._plan.tiers.s3 if self._plan.tiers is not None else S3()
            self._places[place] = open_place(place, self._data, settings)
        return self._places[place]

    # ── into Elasticsearch ────────────────────────────────────────────────────────────────────────────────────────

    def sink(self, stack: ExitStack) -> ElasticsearchSink | None:
        """That of the pipeline, ready for restored days; None: it has none."""
        name = self._plan.pipeline.name
        for part in self._plan.parts["sinks"]:
            if isinstance(part.config, Connection):
                managed = bool(getattr(part.config, "manage_templates", True))
                config = part.config.model_copy(update={"manage_templates": False})
                context = Context(self._data, self._state, clock=self._clock, name=name)
                sink: ElasticsearchSink = stack.enter_context(closing(part.module.build(config, context)))
                if managed:
                    _ensure(sink, name)
                return sink
        return None

    def fill(self, days: list[Day], sink: ElasticsearchSink, form: str) -> list[str]:
        """All of these days into their indices; what was not taken, a line each."""
        problems: list[str] = []
        with _bar(sum(day.bytes for day in days)) as told:
            for day in days:
                index = index_of(self._plan.pipeline.name, RESTORED, day.one.day.replace(".", "-"))
                filled = self._fill_one(day, sink, index, told)
                show_filled(day, index, filled, form)
                problems += filled.refused
        for line in problems[:SHOWN_REFUSALS]:
            _say(f"not taken by Elasticsearch: {line}")
        if len(problems) > SHOWN_REFUSALS:
            _say(
                f"and {len(problems) - SHOWN_REFUSALS} records more; the archive has them, and search finds them there"
            )
        return problems

    def _fill_one(self, day: Day, sink: ElasticsearchSink, index: str, told: Told) -> Filled:
        now = self._clock.now()
        restoring.announce(self._state, day.one.day, index, now + self._asked.days * DAY_S)
        objects, scratch = self._objects(day.one.place), self._data / "tmp"
        wanted = self._asked.wanted
        filled = refill(objects, day, wanted, sink, clock=self._clock, scratch=scratch, told=told)
        narrowed = wanted.on(day.one.day) != Wanted(parse(""))
        restoring.arrived(self._state, day.one, index, filled.rows, self._clock.now(), narrowed=narrowed)
        return filled


def _ensure(sink: ElasticsearchSink, name: str) -> None:
    try:
        ensure_restored(sink.elastic, name)
    except ElasticError as error:
        raise ShipperError(str(error)) from None


@contextmanager
def _bar(size: int) -> Iterator[Told]:
    """Counts fetched bytes, when somebody looks."""
    columns = (TextColumn("restoring"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=size)
        yield lambda count: progress.advance(task, count)


def _say(message: str) -> None:
    click.echo(f"{click.get_current_context().command_path}: {message}", err=True)
