"""`type: tail` follows log files: growth, rotation with siblings `.1`, `.2`, …, truncation, restart where it stopped.

    sources:
      - type: tail
        paths: ["/var/log/supervisor/backend.*.log"]
        dataset: backend

A notice of the file system is a hint; a look every `poll_s` is the truth. What is read is committed only with the batch
that it became, so after a crash the same bytes are read again. A line that a rotation cut in two is put together. The
file itself is the buffer: while the sinks hold, nothing is read, and a file that is rotated away stays open.
"""

import glob
import os
import threading
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from shipper import log
from shipper.clock import parse_when
from shipper.context import Context
from shipper.model import Batch, Origin
from shipper.source.batching import Builder
from shipper.source.cursor import is_sibling
from shipper.source.family import Family, Limits
from shipper.source.file import Tracked
from shipper.source.watch import Watch
from shipper.state import save_progress

DISCOVER_EVERY_S = 1.0
LINGER_S = 0.05
"""A batch with few rows is followed by this pause, so that a steady trickle is not a commit a line."""
FEW_ROWS = 500
LOOKS = 3
"""A rotation in the middle of a look makes it look again, so many times before it waits."""


class Config(BaseModel):
    """How files are followed."""

    model_config = ConfigDict(extra="forbid")

    paths: list[str] = Field(min_length=1, description="Globs of the live files; rotated siblings belong to them.")
    exclude: list[str] = Field(default=[], description="Globs of files to leave alone.")
    dataset: str = Field(default="backend", description="`event.dataset` of the records.")
    timezone: str = Field(default="UTC", description="IANA zone of times that carry none.")
    start: str = Field(
        default="beginning",
        description="Where a file seen for the first time is read from: `beginning`, `end`, or a time: "
        "files last written before it are passed over.",
    )
    max_line: ByteSize = Field(default=ByteSize(1 << 20), ge=256, description="Longer lines are cut, in bytes.")
    block: ByteSize = Field(default=ByteSize(1 << 18), ge=4096, description="Bytes of one read, and about of a batch.")
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
        self._state = context.state
        self._clock = context.clock
        self._families: dict[str, Family] = {}
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._watch = Watch(self._wake) if config.watch and not context.once else None
        self._known = self._state.files()
        self._last_discovery = float("-inf")
        self._complained: set[str] = set()
        self._start_s = 0.0
        if config.start not in {"beginning", "end"}:
            self._start_s = parse_when(config.start, self._clock.now())

    def stop(self) -> None:
        """Ends the iteration after the batch in hand."""
        self._stopped.set()
        self._wake.set()

    def close(self) -> None:
        """Lets go of files and notices."""
        if self._watch:
            self._watch.stop()
        for family in self._families.values():
            for tracked in family.files:
                tracked.close()

    def __iter__(self) -> Iterator[Batch]:
        self._discover(first=True)
        yield from self._repeat_intent()
        if self._context.once:
            self._stop_at_present_sizes()
        while not self._stopped.is_set():
            self._wake.clear()
            self._discover()
            batch, more = self._round()
            yield batch
            if more:
                continue
            if self._context.once:
                self._say_unfinished()
                break
            if len(batch) and not self._stopped.is_set():
                self._stopped.wait(LINGER_S if len(batch) < FEW_ROWS else 0)
            else:
                self._wake.wait(self._config.poll_s)
        yield Builder(self._origin).build(self._clock.now(), final=True)

    # ── one look ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _round(self) -> tuple[Batch, bool]:
        """Looks at every family once; a batch (with no rows when nothing came), and whether more is waiting."""
        build = Builder(self._origin)
        clock, now = self._clock.now(), self._clock.monotonic()
        more = False
        for family in self._families.values():
            budget = self._config.block - build.bytes
            if budget <= 0:
                more = True
                break
            more = self._look(family, build, budget, now) or more
        if more:
            # The next round begins with those that had no turn.
            self._rotate_turns()
        clocked = False
        if not len(build) and not self._context.once:
            clocked = any(family.flush_quiet(build, now) for family in self._families.values())
        self._context.metrics.bytes_read += build.bytes
        self._context.metrics.lost_bytes = sum(family.lost for family in self._families.values())
        return build.build(clock, clocked=clocked), more

    def _look(self, family: Family, build: Builder, budget: int, now: float) -> bool:
        more = False
        try:
            for _ in range(LOOKS):
                for tracked in family.look(self._adopt, from_end=self._from_end(family)):
                    build.touch(tracked) if tracked.lost else self._state.forget_files([tracked.file_id])
                more = family.read(build, budget, now)
                if not family.stale:
                    break
        except OSError as error:
            self._complain(family.base, error)
            return False
        self._complained.discard(family.base)
        return more

    def _rotate_turns(self) -> None:
        first = next(iter(self._families), None)
        if first is not None:
            self._families[first] = self._families.pop(first)

    def _adopt(self, new: list[Tracked]) -> None:
        if new:
            sql, values = save_progress(tracked.progress() for tracked in new)
            with self._state.transaction() as db:
                db.executemany(sql, values)

    def _from_end(self, family: Family) -> bool:
        if self._config.start == "end":
            return not family.files
        if self._start_s:
            return os.stat(family.base).st_mtime < self._start_s
        return False

    def _origin(self, tracked: Tracked) -> Origin:
        return Origin(tracked.file_id, tracked.family, self._config.dataset, self._config.timezone)

    def _complain(self, path: str, error: OSError) -> None:
        if path in self._complained:
            return
        self._complained.add(path)
        remedy = ""
        if isinstance(error, PermissionError):
            remedy = f"allow it with: setfacl -m u:{os.geteuid()}:r {path}"
        log.say("error", "cannot be read, tried again", path=path, reason=error.strerror or str(error), remedy=remedy)

    # ── which files ───────────────────────────────────────────────────────────────────────────────────────────────

    def _discover(self, first: bool = False) -> None:
        now = self._clock.monotonic()
        if now - self._last_discovery < DISCOVER_EVERY_S:
            return
        self._last_discovery = now
        for path in self._matches():
            if path not in self._families:
                self._families[path] = self._start_family(path)
        if self._watch:
            self._watch.follow({Path(pattern).parent for pattern in self._config.paths if not _magic(pattern)})
            self._watch.follow({Path(path).parent for path in self._families})
        if first and not self._families:
            log.say("warning", "no file matches yet, waiting for one", paths=", ".join(self._config.paths))

    def _matches(self) -> list[str]:
        patterns = [os.path.abspath(pattern) for pattern in self._config.paths]
        found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}
        live = (path for path in found if not is_sibling(path, patterns) and os.path.isfile(path))
        return sorted(path for path in live if not any(fnmatch(path, skip) for skip in self._config.exclude))

    def _start_family(self, base: str) -> Family:
        config = self._config
        family = Family(base, Limits(int(config.max_line), int(config.block), config.flush_after_s))
        known = [progress for progress in self._known.values() if progress.family == base]
        try:
            missing = family.restore(known)
        except OSError as error:
            self._complain(base, error)
            missing = []
        self._state.forget_files(progress.file_id for progress in missing)
        log.say("info", "following", path=base, files=max(1, len(family.files)))
        return family

    # ── special runs ──────────────────────────────────────────────────────────────────────────────────────────────

    def _repeat_intent(self) -> Iterator[Batch]:
        """Cuts the batch that a crash left between intent and commit exactly as it was cut then."""
        intent = self._state.intent()
        if intent is None:
            return
        stops = {file_id: stop for file_id, _, stop in intent["ranges"]}
        build = Builder(self._origin)
        for family in self._families.values():
            for tracked in family.files:
                tracked.limit = stops.get(tracked.file_id, tracked.offset)
            while family.read(build, 1 << 30, self._clock.monotonic()):
                pass
            for tracked in family.files:
                if tracked.buffer and tracked.file_id in stops:
                    reason = f"no newline came for {self._config.flush_after_s:g} s"
                    build.add_unfinished([tracked], tracked.buffer, reason)
                    tracked.advance(tracked.read_at)
                    tracked.continues = True
                tracked.limit = None
        yield build.build(intent["clock"], final=True, clocked=True)

    def _stop_at_present_sizes(self) -> None:
        for family in self._families.values():
            family.look(self._adopt, from_end=self._from_end(family))
            for tracked in family.files:
                tracked.limit = tracked.size

    def _say_unfinished(self) -> None:
        for family in self._families.values():
            if count := family.unfinished():
                log.say("warning", "the last line has no end yet and was left alone", path=family.base, bytes=count)

    def status(self) -> list[dict[str, Any]]:
        """Per file: path, size, how far it is read, lag and lost bytes."""
        return [
            {
                "path": family.base,
                "files": len(family.files),
                "size": sum(tracked.size for tracked in family.files),
                "read": sum(tracked.offset for tracked in family.files),
                "lag_bytes": family.lag(),
                "lost_bytes": family.lost,
            }
            for family in self._families.values()
        ]


def _magic(pattern: str) -> bool:
    return glob.has_magic(str(Path(pattern).parent))
