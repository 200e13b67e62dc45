"""`type: tail` follows log files: growth, rotation to `.1`, `.2.gz`, …, truncation, restart where it stopped.

    sources:
      - type: tail
        paths: ["/var/log/supervisor/backend.*.log"]
        dataset: backend

A notice of the file system is a hint; a look every `poll_s` is the truth. What is read is committed only with the batch
that it became, so after a crash the same bytes are read again. A line that a rotation cut in two is put together. The
file itself is the buffer: while the sinks hold, nothing is read, and a file that is rotated away stays open. Files that
gzip or zstd compressed are read too, as siblings or, where a pattern means them, once from beginning to end.
"""

import os
import threading
from collections.abc import Iterator

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from shipper import log
from shipper.clock import parse_when
from shipper.context import Context
from shipper.model import Batch, Origin
from shipper.source.adopting import Adopting
from shipper.source.batching import Builder
from shipper.source.discovery import Discovery
from shipper.source.families import EVER, Families
from shipper.source.family import Family, Limits
from shipper.source.file import Tracked
from shipper.source.handles import Handles
from shipper.source.loss import Losses
from shipper.source.reading import Turn, flush_quiet, read, read_again
from shipper.source.watch import Watch

LINGER_S = 0.05
"""A batch with few rows is followed by this pause, so that a steady trickle is not a commit a line."""
FEW_ROWS = 500
RESTLESS = 3
"""So many looks in a row are taken when something moved meanwhile; then the next one waits."""
QUIET_S = 10.0
LONGEST_POLL = 8
"""A file that has long been quiet is looked at so many times less often."""


class Config(BaseModel):
    """How files are followed."""

    model_config = ConfigDict(extra="forbid")

    paths: list[str] = Field(
        min_length=1,
        description="Globs of the live files; rotated siblings belong to them. `.gz` and `.zst` are read once.",
    )
    exclude: list[str] = Field(default=[], description="Globs of files to leave alone.")
    dataset: str = Field(default="backend", description="`event.dataset` of the records.")
    timezone: str = Field(default="UTC", description="IANA zone of times that carry none.")
    start: str = Field(
        default="beginning",
        description="Where a file seen for the first time is read from: `beginning`, `end`, or a time: "
        "files last written before it are passed over.",
    )
    max_line: ByteSize = Field(default=ByteSize(1 << 20), ge=256, description="Longer lines are cut, in bytes.")
    block: ByteSize = Field(default=ByteSize(1 << 19), ge=4096, description="Bytes of one read, and about of a batch.")
    poll_s: float = Field(default=0.25, gt=0, description="Seconds between two looks without a notice.")
    flush_after_s: float = Field(default=30.0, gt=0, description="Seconds after which a line without an end is final.")
    watch: bool = Field(default=True, description="Use notices of the file system.")


def build(config: Config, context: Context) -> "Tail":
    """The source that the pipeline file describes."""
    return Tail(config, context)


class Tail:
    """Follows the files that match. Iterate it in one thread; `stop` may be called from any."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._clock = context.clock
        self._partial: dict[str, Family] = {}
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._watch = Watch(self._wake) if config.watch and not context.once else None
        self._complained: set[str] = set()
        self._refused: set[str] = set()
        self._sight_at = float("-inf")
        skip_before: float | None = None
        if config.start != "beginning":
            skip_before = EVER if config.start == "end" else parse_when(config.start, self._clock.now())
        limits = Limits(int(config.max_line), int(config.block), config.flush_after_s)
        discovery = Discovery(config.paths, config.exclude)
        self._handles = Handles()
        self._losses = Losses(context.state, context.clock)
        self._adopting = Adopting(context, self._say_once, self._complained.discard)
        self._families = Families(
            discovery, limits, self._handles, watch=self._watch, skip_before=skip_before, complain=self._complain
        )

    def stop(self) -> None:
        """Ends the iteration after the batch in hand."""
        self._stopped.set()
        self._wake.set()

    def keep_in_sight(self) -> None:
        """Opens what a rotation moves, so that it can be read once the sinks go on, and stores the ids and sizes of
        what is new, so that it is known what was lost of it if it cannot."""
        now = self._clock.monotonic()
        if now < self._sight_at:
            return
        self._sight_at = now + self._config.poll_s
        if not self._context.once:
            self._families.discover(now)
        self._take_notices(now)
        self._look([family for family in self._families.values() if family.due <= now], now)

    def close(self) -> None:
        """Lets go of files and notices."""
        if self._watch:
            self._watch.stop()
        self._handles.close_all()

    def __iter__(self) -> Iterator[Batch]:
        self._start()
        yield from self._repeat_intents()
        if self._context.once:
            for family in self._families.values():
                family.freeze()
        while not self._stopped.is_set():
            self._wake.clear()
            if not self._context.once:
                self._families.discover(self._clock.monotonic())
            batch, more = self._round()
            if len(batch) or batch.progress or batch.changes or not more:
                yield batch
            if more:
                continue
            if self._context.once:
                self._say_unfinished()
                break
            self._pause(len(batch))
        last = Builder(self._origin)
        for family in self._families.values():
            family.bury(last)
        yield last.build(self._clock.now(), final=True)

    def _pause(self, rows: int) -> None:
        if rows and not self._stopped.is_set():
            self._stopped.wait(LINGER_S if rows < FEW_ROWS else 0)
        else:
            self._wake.wait(2 * LINGER_S if self._watch and self._watch.resting else self._config.poll_s)

    # ── one look ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _round(self) -> tuple[Batch, bool]:
        """Looks at every family that is due; a batch (with no rows when nothing came), and whether more is waiting."""
        build = Builder(self._origin)
        clock, now = self._clock.now(), self._clock.monotonic()
        self._take_notices(now)
        due = [family for family in self._families.values() if family.due <= now and not self._has_to_wait(family)]
        turn = Turn(build, self._config.block, now, self._complain, last=self._context.once)
        more, touched = False, []
        for _ in range(RESTLESS):
            looked = self._look(due, now)
            touched += looked
            more = self._read(looked, turn)
            due = [family for family in looked if family.stale]
            if more or not due:
                break
        for family in dict.fromkeys(touched):
            self._tell_losses(family, build)
            family.bury(build)
        if not len(build) and not self._context.once:
            any(flush_quiet(family, build, now) for family in list(self._partial.values()))
        self._context.metrics.bytes_read += self._config.block - turn.budget
        if self._context.once:
            more = more or any(family.waits for family in self._families.values())
        return build.build(clock), more

    def _tell_losses(self, family: Family, build: Builder) -> None:
        if losses := family.departed.take_losses():
            self._context.metrics.lost_bytes += sum(loss.bytes for loss in losses)
            build.tell(*self._losses.alert(family.base, losses))

    def _has_to_wait(self, family: Family) -> bool:
        return family.waits and self._handles.unpacking_all

    def _read(self, families: list[Family], turn: Turn) -> bool:
        for family in families:
            self._refused.clear()
            if family.placed and read(family, turn):
                # The next round begins with those that had no turn.
                self._families.move_to_end(family.base)
                family.due = turn.now
                return True
            self._wait_for(family, turn.now)
            if family.waits:
                family.due = turn.now
            if family.unfinished():
                self._partial[family.base] = family
            else:
                self._partial.pop(family.base, None)
            if self._complained:
                self._complained -= {tracked.path for tracked in family.files} - self._refused
        return False

    def _look(self, due: list[Family], now: float) -> list[Family]:
        """The families of `due` in which something may be read, as they stand on the disk now."""
        looked: list[Family] = []
        new: list[Tracked] = []
        for family in due:
            try:
                if family.quiet(now):
                    self._wait_for(family, now)
                    continue
                new += family.look()
                looked.append(family)
            except OSError as error:
                self._complain(family.base, error)
                self._wait_for(family, now)
        if not self._adopting.adopt(new, looked, self._stopped, self._config.poll_s):
            return []
        for family in looked:
            family.accept()
        return looked

    def _wait_for(self, family: Family, now: float) -> None:
        quiet_for = (now - family.grew_at) / QUIET_S
        family.due = now + self._config.poll_s * min(max(1.0, quiet_for), LONGEST_POLL)
        if quiet_for < 1.0 and self._watch and self._watch.resting:
            family.due = now

    def _take_notices(self, now: float) -> None:
        if self._watch is None:
            return
        for path in self._watch.take(now):
            self._families.changed(path, now)

    def _origin(self, tracked: Tracked) -> Origin:
        return Origin(tracked.file_id, tracked.family, self._config.dataset, self._config.timezone)

    def _complain(self, path: str, error: OSError) -> None:
        self._refused.add(path)
        remedy = ""
        if isinstance(error, PermissionError):
            remedy = f"allow it with: setfacl -m u:{os.geteuid()}:r{'x' if os.path.isdir(path) else ''} {path}"
        self._say_once(path, "cannot be read, tried again", error.strerror or str(error), remedy)

    def _say_once(self, path: str, what: str, reason: str, remedy: str = "") -> None:
        if path not in self._complained:
            self._complained.add(path)
            log.say("error", what, path=path, reason=reason, remedy=remedy)

    def _start(self) -> None:
        """Takes up the files of an earlier run, and those that stand there now, under the names that they have now."""
        self._families.start(self._context.state.files().values(), self._clock.monotonic())
        if not self._families:
            log.say("warning", "no file matches yet, waiting for one", paths=", ".join(self._config.paths))
        due = list(self._families.values())
        for _ in range(RESTLESS):
            self._look(due, self._clock.monotonic())
            due = [family for family in due if not family.placed]

    # ── special runs ──────────────────────────────────────────────────────────────────────────────────────────────

    def _repeat_intents(self) -> Iterator[Batch]:
        """Cuts batches that a crash left between intent and commit exactly as they were cut then."""
        mine = {tracked.file_id for family in self._families.values() for tracked in family.files}
        for intent in self._context.state.intents():
            stops = {file_id: stop for file_id, _, stop in intent["ranges"]}
            if mine.isdisjoint(stops):
                continue
            build = Builder(self._origin)
            for family in self._families.values():
                read_again(family, stops, Turn(build, 1 << 40, self._clock.monotonic(), self._complain))
            build.clocked = True
            yield build.build(intent["clock"], final=True)

    def _say_unfinished(self) -> None:
        for family in self._families.values():
            if not family.placed:
                log.say(
                    "warning", "names kept moving, or a compressed file is not complete: left alone", path=family.base
                )
            if count := family.unfinished():
                log.say("warning", "the last line has no end yet and was left alone", path=family.base, bytes=count)

    def read(self) -> dict[str, int]:
        """How far files that are open are read, by id: what is read is not stored yet."""
        return self._handles.read()
