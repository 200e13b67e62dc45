"""All the families that are followed: taken up at the start, found while following, let go of when nothing is left."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from shipper import log
from shipper.model import Progress
from shipper.source.cursor import base_name, plain_name
from shipper.source.discovery import Discovery
from shipper.source.family import Family, Limits
from shipper.source.file import Tracked
from shipper.source.handles import Handles
from shipper.source.listing import Folders, look_at
from shipper.source.packed import Unfinished
from shipper.source.watch import Watch

EVER = float("inf")


class Families(OrderedDict[str, Family]):
    """By the path of the live file. `skip_before` (seconds since the epoch) is for files seen for the first time;
    `EVER` passes over all that stand there at the start. Other times are monotonic seconds."""

    def __init__(
        self,
        discovery: Discovery,
        limits: Limits,
        handles: Handles,
        *,
        watch: Watch | None,
        skip_before: float | None,
        complain: Callable[[str, OSError], None],
    ) -> None:
        super().__init__()
        self._discovery = discovery
        self._limits = limits
        self._handles = handles
        self._watch = watch
        self._skip_before = skip_before
        self._complain = complain
        self._folders = Folders()

    def start(self, known: Iterable[Progress], now: float) -> None:
        """Takes up the files of an earlier run that the patterns mean, and all that stand there."""
        families: dict[str, list[Progress]] = {}
        for progress in known:
            if self._discovery.covers(progress.family):
                families.setdefault(progress.family, []).append(progress)
        for base, files in families.items():
            self._follow(base, now).knows(files)
        self.discover(now, first=True)

    def changed(self, path: str, now: float) -> None:
        """A notice tells of a path."""
        family = self.get(path) or self.get(base_name(path))
        if family is not None:
            family.due = now
        else:
            self._discovery.soon(now)

    def discover(self, now: float, *, first: bool = False) -> None:
        """Finds new files, when it is time to."""
        self._handles.close_idle(now)
        heard_again = self._watch is not None and self._watch.rest_over(now)
        if not (self._discovery.due(now) or first or heard_again):
            return
        began = time.thread_time()
        for path, error in self._discovery.refused():
            self._complain(path, error)
        self._forget_empty()
        new = self._discovery.bases(self.__contains__)
        if new:
            self._take_up(new, now, first)
        if self._watch:
            self._watch.follow({os.path.dirname(base) for base in self} | set(self._discovery.folders))
        self._discovery.took(now, time.thread_time() - began)

    def _forget_empty(self) -> None:
        """Names with a date or a process id in them would add up for ever."""
        for family in [one for one in self.values() if not (one.files or one.departed or one.stale)]:
            if not os.path.lexists(family.base):
                del self[family.base]

    def _take_up(self, bases: list[str], now: float, first: bool) -> None:
        owners = {tracked.node: (tracked, family) for family in self.values() for tracked in family.files}
        names = {plain_name(tracked.path): family for family in self.values() for tracked in family.files}
        taken: set[tuple[int, int]] = set()
        for base in bases:
            seen = look_at(base)
            if seen is None and base in names:
                # What a rotation put there was compressed.
                names[base].stale = True
                continue
            if seen is not None and (seen.node in taken or self._is_moved(base, owners.get(seen.node))):
                continue
            family = self._follow(base, now)
            if first or self._skip_before != EVER:
                # What appears while we follow began while we follow.
                family.skip_before = self._skip_before
            if seen is not None:
                taken.add(seen.node)

    def _is_moved(self, path: str, owner: tuple[Tracked, Family] | None) -> bool:
        """Whether a path leads to a file that is followed already: another name of it, or where a rotation put it."""
        if owner is None:
            return False
        tracked, family = owner
        place = look_at(tracked.path)
        if place is not None and place.node == tracked.node and not tracked.away:
            return True
        try:
            if tracked.handle is None and not tracked.open(path):
                return False
        except Unfinished:
            return True
        self._handles.used(tracked)
        tracked.path, tracked.away = path, False
        family.stale = True
        return True

    def _follow(self, base: str, now: float) -> Family:
        family = self[base] = Family(base, self._limits, self._folders, self._handles, grew_at=now)
        log.say("info", "following", path=base)
        return family
