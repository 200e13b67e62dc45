"""Notices of changes in folders. A notice is a hint that makes the next look come sooner; the look is the truth.

Each notice wakes Python, so while files are written often it is cheaper to look without any: `take` stops listening
when there are many, `rest_over` begins again.
"""

import os
import threading
from collections.abc import Iterable
from typing import Any

from watchdog.events import (
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from shipper import log

MANY = 200
"""So many notices within `WITHIN_S` are too many."""
WITHIN_S = 2.0
REST_S = 10.0
KINDS: list[type[FileSystemEvent]] = [FileModifiedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent]

Node = tuple[int, int]


class Watch(FileSystemEventHandler):
    """Sets `wake` when something happens in one of the folders; does without notices where there are none."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._observer: Any = None
        self._folders: dict[str, Node] = {}
        self._refused: set[str] = set()
        self._changed: set[str] = set()
        self._count = 0
        self._since = 0.0
        self._rests_until = 0.0
        self.resting = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Runs in the observer's thread."""
        self._count += 1
        self._changed.add(os.fsdecode(event.src_path))
        if event.dest_path:
            self._changed.add(os.fsdecode(event.dest_path))
        self._wake.set()

    def take(self, now: float) -> set[str]:
        """The paths that changed since the last call; `now` in monotonic seconds."""
        changed, self._changed = self._changed, set()
        if now - self._since > WITHIN_S:
            self._count, self._since = 0, now
        elif self._count > MANY and not self.resting:
            self._rest(now)
        return changed

    def _rest(self, now: float) -> None:
        self.resting, self._rests_until = True, now + REST_S
        self._observer.unschedule_all()
        self._folders.clear()

    def rest_over(self, now: float) -> bool:
        """Whether listening may begin again: the caller says `follow` then."""
        if self.resting and now >= self._rests_until:
            self.resting, self._count, self._since = False, 0, now
            return True
        return False

    def follow(self, folders: Iterable[str]) -> None:
        """Watches the folders that exist and are not watched yet, or were made anew."""
        for folder in [] if self.resting else sorted(folders):
            try:
                found = os.stat(folder)
            except OSError:
                self._folders.pop(folder, None)
                continue
            if self._folders.get(folder) != (found.st_dev, found.st_ino):
                self._schedule(folder, (found.st_dev, found.st_ino))

    def _schedule(self, folder: str, node: Node) -> None:
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.daemon = True
                self._observer.start()
            if folder in self._folders:
                self._observer.unschedule_all()
                self._folders.clear()
            self._observer.schedule(self, folder, recursive=False, event_filter=KINDS)
            self._folders[folder] = node
        except (OSError, RuntimeError) as error:
            if folder not in self._refused:
                self._refused.add(folder)
                log.say("warning", "no notices for this folder, it is polled", path=folder, reason=str(error))

    def stop(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(2.0)
