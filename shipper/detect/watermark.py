"""How far event time has come: before the watermark nothing more is expected.

It decides only what a window may forget and what counts as too late, never what a window answers.
"""

import orjson

LATENESS = 120.0
"""Seconds that a record may come after a later one."""
IDLE = 30.0
"""A file without a record for so many seconds holds the watermark back no longer."""

_NEVER = -(2**62)


class Watermark:
    """The lowest newest event time of the files that are not idle, less the lateness."""

    def __init__(self) -> None:
        self.low = _NEVER
        """Microseconds since the epoch."""
        self._files: dict[str, tuple[int, float]] = {}
        """File id → newest event time in microseconds, batch clock of its last record in seconds."""

    def observe(self, file_id: str, newest: int, clock: float) -> None:
        """A file has given records up to an event time (microseconds)."""
        known = self._files.get(file_id)
        self._files[file_id] = (newest if known is None else max(newest, known[0]), clock)

    def advance(self, clock: float, caught_up: bool) -> None:
        """Moves the watermark to where it belongs at `clock` (seconds since the epoch).

        A file that appears with older records than the others takes it back: what these records need is kept from
        then on. The wall clock moves it only when there is nothing left to read, and nothing moves it past that.
        """
        self._files = {name: seen for name, seen in self._files.items() if clock - seen[1] < IDLE}
        now = round(clock * 1_000_000)
        if self._files:
            newest = min(*(newest for newest, _ in self._files.values()), now)
        elif caught_up:
            newest = now
        else:
            return
        self.low = newest - round(LATENESS * 1_000_000)

    def dump(self) -> str:
        """The watermark as text."""
        return orjson.dumps([self.low, self._files]).decode()

    def load(self, state: str) -> None:
        """Takes over what `dump` gave."""
        self.low, files = orjson.loads(state)
        self._files = {name: (newest, seen) for name, (newest, seen) in files.items()}
