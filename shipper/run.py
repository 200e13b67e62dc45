"""The loop: source → stages → writer. Signals end it cleanly; rule files are taken up while it runs."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from shipper import log
from shipper.assembly import Assembly, assemble
from shipper.build import Plan, load_rules_of
from shipper.clock import SystemClock
from shipper.context import Context
from shipper.lock import hold, make_data_folder
from shipper.model import Batch
from shipper.signals import heard
from shipper.state import State
from shipper.store.recover import fresh_state as begin_anew
from shipper.store.recover import refuse_lost_state
from shipper.tier.policy import stages
from shipper.tier.quiet import Rest
from shipper.tiering import DailyMove
from shipper.writer import Abandoned, Writer

RELOAD_EVERY_S = 2.0
REST_EVERY_S = 0.5
STOP_WITHIN_S = 8.0
NOTIFY_ONCE_S = 10.0
ELASTICSEARCH = "elasticsearch"
"""The type of a sink whose records are not in the data folder."""


class Runner:
    """One run of a pipeline over one data folder."""

    def __init__(
        self,
        assembly: Assembly,
        context: Context,
        committed: Callable[[Batch], None] | None = None,
        daily: DailyMove | None = None,
    ) -> None:
        """`daily` moves older data beside the run."""
        self._assembly = assembly
        self._daily = daily
        self._context = context
        self._told = committed
        self._writer = Writer(
            assembly.sinks,
            context,
            status=self._status,
            committed=self._committed,
            told=assembly.outbox.wake,
            waiting=assembly.source.keep_in_sight,
        )
        self._stopping = threading.Event()
        self._reload_asked = threading.Event()
        self._reload_at = time.monotonic()
        self._started = context.clock.now()
        self._rest = Rest(context.data, context.state, SystemClock())
        self._rest_at = 0.0

    def stop(self) -> None:
        """Stop reading, flush, commit. May be called from a signal handler or another thread."""
        self._stopping.set()
        self._assembly.source.stop()
        if self._daily is not None:
            self._daily.stop()
        timer = threading.Timer(STOP_WITHIN_S, self._writer.stop_holding)
        timer.daemon = True
        timer.start()

    def reload(self) -> None:
        """Rules are read again before the next batch."""
        self._reload_asked.set()

    def run(self) -> None:
        """Until the source ends. Raises `ShipperError`."""
        _calm_garbage_collector()
        self._writer.start()
        self._assembly.outbox.start()
        if self._daily is not None:
            self._daily.start()
        try:
            for batch in self._assembly.source:
                self._pass_on(batch)
                self._writer.check()
        except Abandoned:
            log.say("warning", "stopped while nothing could be written; the next run reads on from the last commit")
        except BaseException:
            self._writer.stop_holding()
            raise
        finally:
            self._end()

    def _pass_on(self, batch: Batch) -> None:
        self._take_up_rules()
        self._rest_if_asked()
        for stage in self._assembly.stages:
            batch = stage(batch)
        if len(batch) or batch.progress or batch.changes:
            batch.forget_inputs()
            self._writer.put(batch)

    def _committed(self, batch: Batch) -> None:
        if batch.alerts:
            self._assembly.outbox.wake()
        if self._told is not None:
            self._told(batch)

    def _end(self) -> None:
        self._assembly.source.close()
        try:
            self._writer.finish()
        finally:
            for sink in self._assembly.sinks:
                sink.close()
            if self._context.once:
                self._assembly.outbox.drain(NOTIFY_ONCE_S)
            self._assembly.outbox.stop(2.0)
            if self._daily is not None:
                self._daily.end()

    def _take_up_rules(self) -> None:
        now = time.monotonic()
        if self._reload_asked.is_set() or now - self._reload_at > RELOAD_EVERY_S:
            forced = self._reload_asked.is_set()
            self._reload_asked.clear()
            self._reload_at = now
            self._assembly.rules.take_up(forced)

    def _rest_if_asked(self) -> None:
        """Somebody erases records: what was remembered of them in windows and alerts is read again afterwards."""
        now = time.monotonic()
        if now - self._rest_at < REST_EVERY_S:
            return
        self._rest_at = now
        if token := self._rest.asked():
            log.say("info", "rests while stored records are erased")
            go_on = self._writer.rest()
            self._rest.keep(token, self._stopping.is_set)
            if self._rest.asked() == token:
                # Nothing may be written now, and what is remembered of the erased records never.
                self._writer.stop_holding()
                raise Abandoned("stored records are being erased")
            self._assembly.remember_anew()
            go_on()
            log.say("info", "goes on")

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started": self._started,
            "read": self._assembly.source.read(),
            "rules": self._assembly.rules.counts(),
        }


def run_pipeline(
    plan: Plan,
    data: Path,
    *,
    once: bool = False,
    fresh_state: bool = False,
    committed: Callable[[Batch], None] | None = None,
    started: Callable[[Runner], None] | None = None,
) -> None:
    """Runs a pipeline until it is stopped, or, with `once`, until all that is there is stored.

    Raises `UsageError` for rules that cannot be loaded, before anything is written, `LockHeld` when another process has
    the folder, `StateMismatch`, `ShipperError`.
    """
    with heard() as signals:
        loaded = load_rules_of(plan)
        make_data_folder(data)
        with contextlib.closing(hold(data, "tail")):
            if fresh_state:
                # A mover would go on with the old one.
                with contextlib.closing(hold(data, "move")):
                    begin_anew(data)
            refuse_lost_state(data)
            context = Context(data, State(data / "state.db"), base=plan.path.parent, once=once, name=plan.pipeline.name)
            daily = DailyMove(plan, data, context.clock) if plan.tiers is not None and not once else None
            runner = Runner(assemble(plan, loaded, context), context, committed, daily)
            noted = where_records_go(plan, context.state, context.clock.now())
            context.state.set_meta("sinks", noted)
            if started is not None:
                started(runner)
            signals.govern(runner)
            runner.run()
            context.state.close()


def where_records_go(plan: Plan, state: State, now: float) -> str:
    """A note for `shipper search`, which may be called with another environment.

    When the last run stored records in Elasticsearch and this one does not, it says so: `left`, in seconds since the
    epoch, and after how long (`hot_s`) no hot store would have them, if there is such a time. `places`: of the archive.
    """
    sinks = [part.module.__name__.rpartition(".")[2] for part in plan.parts["sinks"]]
    note: dict[str, Any] = {"pipeline": str(plan.path.absolute()), "sinks": sinks}
    last = orjson.loads(state.meta("sinks", "{}"))
    if ELASTICSEARCH not in sinks:
        was_there = ELASTICSEARCH in last.get("sinks", ()) and state.rows(
            "SELECT 1 FROM files WHERE offset > 0 LIMIT 1"
        )
        left = now if was_there else last.get("left")
        if left is not None:
            note |= {"left": left, "hot_s": plan.tiers.hot if plan.tiers is not None else last.get("hot_s")}
    elif plan.tiers is not None:
        note["hot_s"] = plan.tiers.hot
    if plan.tiers is not None:
        note["places"] = list(dict.fromkeys(stage.place for stage in stages(plan.tiers, "")))
    return orjson.dumps(note).decode()


def _calm_garbage_collector() -> None:
    """Many live dicts make the collector walk them again and again; batches are freed by reference counts."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
