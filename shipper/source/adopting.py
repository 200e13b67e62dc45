"""Files seen for the first time are stored before anything of them is read: their id has to survive a crash."""

import sqlite3
import threading
from collections.abc import Callable, Sequence

from shipper.context import Context
from shipper.source.family import Family
from shipper.source.file import Tracked
from shipper.state import save_progress


class Adopting:
    """`complain` is told once why new files wait: path, what, reason. `settled` is told the path when they don't."""

    def __init__(
        self, context: Context, complain: Callable[[str, str, str], None], settled: Callable[[str], None]
    ) -> None:
        self._state = context.state
        self._once = context.once
        self._complain = complain
        self._settled = settled

    def adopt(self, new: Sequence[Tracked], looked: Sequence[Family], stopped: threading.Event, retry_s: float) -> bool:
        """Whether `new` files are stored. With `--once` there is no later look that would find them, so it is tried
        until it works or the run is stopped."""
        while not self._stored(new, looked):
            if not self._once or stopped.wait(retry_s):
                return False
        return True

    def _stored(self, new: Sequence[Tracked], looked: Sequence[Family]) -> bool:
        if not new:
            return True
        known = [tracked for family in looked for tracked in family.files if not tracked.done]
        grown = [(tracked.size, tracked.file_id) for tracked in known if tracked.read_at or tracked.packed]
        # Of these nothing else is known: one that was copied and truncated is as small as it is, and one that was
        # rotated is nobody's to truncate.
        unread = [(t.size, t.path, t.file_id) for t in known if not (t.read_at or t.packed or t.seal)]
        path = str(self._state.path)
        try:
            self._store(new, grown, unread)
        except sqlite3.OperationalError as error:
            self._complain(path, "new files wait, tried again", str(error))
            return False
        self._settled(path)
        return True

    def _store(self, new: Sequence[Tracked], grown: list[tuple[int, str]], unread: list[tuple[int, str, str]]) -> None:
        """`grown`: size and id of known files; `unread`: size, path and id of those of which nothing was read.

        What was rotated grows no more, so after a crash it is known how much of one that is gone by then was lost.
        Small commits have room on a full disk (see `State.reserve`).

        Raises `sqlite3.OperationalError`."""
        sql, values = save_progress(tracked.progress() for tracked in new)

        def store() -> None:
            with self._state.transaction() as db:
                db.executemany(sql, values)
                db.executemany("UPDATE files SET size = max(size, ?) WHERE file_id = ?", grown)
                db.executemany("UPDATE files SET size = ?, path = ? WHERE file_id = ?", unread)

        try:
            store()
        except sqlite3.OperationalError:
            self._state.make_room()
            store()
