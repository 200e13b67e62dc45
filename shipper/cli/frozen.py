"""Archived days that can't be read at once: what was left out, what it takes to get it, and asking for it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from importlib import import_module
from itertools import groupby
from pathlib import Path

from shipper.archive.reading import Frozen
from shipper.cli.sizes import human_bytes
from shipper.clock import Clock
from shipper.lock import hold
from shipper.objects.store import ObjectStore
from shipper.objects.thaw import Fees, speed_of, ways
from shipper.state import State

READABLE_DAYS = 7
SPEED = "Standard"
SHOWN = 20
"""Days that are named one by one."""

Opened = Callable[[str], ObjectStore]


def told(frozen: Sequence[Frozen], fees: Fees, *, offer: bool) -> list[str]:
    """Lines on what was left out: days with their sizes and what getting them takes, for each class."""
    lines = []
    for name, some in groupby(sorted(frozen, key=_class), _class):
        parts = list(some)
        asked = [each for each in parts if each.restoring]
        new = [each for each in parts if not each.restoring]
        if asked:
            lines.append(f"asked for already, and on their way: {_days(asked)}; search again later")
        if new:
            size = sum(each.part.bytes for each in new)
            how = f"; --restore asks for them ({SPEED})" if offer else ""
            lines.append(f"in {name}, {human_bytes(size)} in all: {_days(new)}")
            lines.append(f"getting them takes {ways(name, size, fees)}{how}")
    return lines


def ask(data: Path, frozen: Sequence[Frozen], opened: Opened, clock: Clock) -> list[str]:
    """Asks for all of it, and says when it can be read. Raises `LockHeld`, and what the store raises."""
    restoring = import_module("shipper.tier.restore")
    new = [each for each in frozen if not each.restoring]
    with closing(hold(data, "move")), closing(State(data / "state.db")) as state:
        for each in new:
            objects, now = opened(each.one.place), clock.now()
            day = restoring.look(objects, each.one, [each.part])
            restoring.ask(objects, state, day, days=READABLE_DAYS, speed=SPEED, now=now)
    classes = sorted({_class(each) for each in new})
    wait = " or ".join(f"{speed_of(name, SPEED).waits} ({name})" for name in classes)
    return [f"asked for {_days(new)}: there in {wait}, then for {READABLE_DAYS} days; search again then"]


def _days(parts: Sequence[Frozen]) -> str:
    """`2025-12-01 (12.0 MiB), 2025-12-02 (9.1 MiB)`; of many, how many there are, and the first and last."""
    sizes = Counter[str]()
    for each in parts:
        sizes[each.one.day.replace(".", "-")] += each.part.bytes
    if len(sizes) > SHOWN:
        return f"{named(sizes)} ({human_bytes(sizes.total())})"
    return ", ".join(f"{day} ({human_bytes(size)})" for day, size in sorted(sizes.items()))


def named(days: Collection[str]) -> str:
    """`2025-12-02, 2025-12-01`; of many, how many there are, and the first and last."""
    return ", ".join(days) if len(days) <= SHOWN else f"{len(days)} days from {min(days)} to {max(days)}"


def _class(each: Frozen) -> str:
    return each.part.storage_class
