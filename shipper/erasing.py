"""Opens all that erasing takes, and what a hold needs: every store of a data folder, as its pipeline names them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from shipper.archive import ledger
from shipper.archive.ledger import Move
from shipper.archive.parquet import Exporter
from shipper.build import Plan
from shipper.clock import Clock
from shipper.detect.correlate import without
from shipper.everywhere import Everywhere, log_files
from shipper.objects.store import Locked
from shipper.redact import load_key
from shipper.state import State
from shipper.store.disk import make_folder
from shipper.tier.adopt import adopt
from shipper.tier.archive import PROOF, Archive
from shipper.tier.patient import Patient
from shipper.tier.policy import stages
from shipper.tier.reach import Reach


@contextmanager
def reach(plan: Plan, data: Path, state: State, clock: Clock, *, key: bytes = b"") -> Iterator[Reach]:
    """All stores. `key`: see `subject_key`; to look without changing anything needs none. Raises `UsageError`."""
    scratch = data / "tmp" / f"erase-{os.getpid()}"
    with ExitStack() as stack:
        everywhere = stack.enter_context(closing(Everywhere(data, state, plan)))
        exporter = stack.enter_context(closing(Exporter()))
        archives = Archives(everywhere, state, clock, exporter, scratch)
        elastic = everywhere.elastic
        stack.callback(_remove_empty, scratch)
        yield Reach(
            data=data,
            state=state,
            clock=clock,
            key=key,
            exporter=exporter,
            archives=archives,
            discard=archives.discard,
            scratch=scratch,
            held=everywhere.holds().held,
            let_go=everywhere.holds().let_go,
            count_archived=everywhere.count_archived,
            indexed=everywhere.indexed,
            elastic=Patient(elastic, clock) if elastic is not None else None,
            name=everywhere.name,
            remaining=everywhere.remaining,
            ids=everywhere.ids,
            without=without,
            missing=everywhere.missing,
            logs=log_files(state),
        )


def subject_key(data: Path) -> bytes:
    """The key for the hash of whom a certificate is about: that of the redaction. Raises `UsageError`."""
    return load_key(data, os.environ)


class Archives:
    """The archive of each place, opened when it is first needed."""

    def __init__(self, everywhere: Everywhere, state: State, clock: Clock, exporter: Exporter, scratch: Path) -> None:
        self._everywhere, self._state, self._clock = everywhere, state, clock
        self._exporter, self._scratch = exporter, scratch
        self._opened: dict[str, Archive] = {}

    def __call__(self, place: str) -> Archive:
        if place not in self._opened:
            make_folder(self._scratch, self._everywhere.data)
            objects = self._everywhere.place(place)
            self._opened[place] = Archive(
                objects, place, self._state, clock=self._clock, exporter=self._exporter, scratch=self._scratch
            )
        return self._opened[place]

    def discard(self, move: Move) -> None:
        """Deletes what a move has put and not published; what is locked is left."""
        found = ledger.archived(self._state, grace=True)
        published = {part.key for one in found for part in one.manifest.parts}
        for place, key in move.detail.pop("putting", []):
            for each in (key, key + PROOF):
                if each not in published:
                    with suppress(Locked):
                        self(place).discard(each)


def _remove_empty(scratch: Path) -> None:
    with suppress(OSError):
        scratch.rmdir()


def adopt_all(plan: Plan, reached: Reach) -> None:
    """An archive that a lost `state.db` knew of holds records too. Raises `ShipperError` when it can't be read."""
    if plan.tiers is not None:
        for stage in stages(plan.tiers, ""):
            adopt(reached.archives(stage.place).objects, stage.place, reached.state)
