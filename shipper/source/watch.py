"""Notices of changes in folders. A notice is a hint that makes the next look come sooner; the look is the truth."""

import threading
from pathlib import Path
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


class Watch(FileSystemEventHandler):
    """Sets `wake` when something happens in one of the folders; does without notices where there are none."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._observer: Any = None
        self._folders: set[Path] = set()
        self._refused: set[Path] = set()

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._wake.set()

    def follow(self, folders: set[Path]) -> None:
        """Watches the folders that exist and are not watched yet."""
        for folder in sorted(folders - self._folders):
            if folder.is_dir():
                self._schedule(folder)

    def _schedule(self, folder: Path) -> None:
        kinds: list[type[FileSystemEvent]] = [FileModifiedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent]
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.daemon = True
                self._observer.start()
            self._observer.schedule(self, str(folder), recursive=False, event_filter=kinds)
            self._folders.add(folder)
        except (OSError, RuntimeError) as error:
            if folder not in self._refused:
                self._refused.add(folder)
                log.say("warning", "no notices for this folder, it is polled", path=str(folder), reason=str(error))

    def stop(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(2.0)
