"""A line on stderr that tells how much of the archive was fetched, while somebody waits for an answer."""

import sys
from collections.abc import Iterable, Iterator
from time import monotonic

from shipper.archive.reading import Reading
from shipper.cli.sizes import human_bytes

AFTER_S = 0.3
"""What takes less long needs no line."""
EVERY_S = 0.1
WIDTH = 24


class Fetching:
    """Shown only on a terminal, and gone when something else is printed."""

    def __init__(self, on: bool | None = None) -> None:
        self.reading = Reading(self._show)
        self._on = sys.stderr.isatty() if on is None else on
        self._next: float | None = None
        self._shown = False

    def _show(self) -> None:
        now = monotonic()
        if self._next is None:
            self._next = now + AFTER_S
        if self._on and now >= self._next:
            self._next, self._shown = now + EVERY_S, True
            print(f"\r{line(self.reading)}\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            self._shown = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def before(self, docs: Iterable[bytes]) -> Iterator[bytes]:
        """The same, and no line is left when one comes."""
        for doc in docs:
            self.clear()
            yield doc
        self.clear()


def line(reading: Reading) -> str:
    """`fetching ██████──────  12.3 MiB of at most 80.0 MiB`: of a part only what is needed comes."""
    done = round(WIDTH * min(1.0, reading.fetched / max(1, reading.opened)))
    bar = "\u2588" * done + "\u2500" * (WIDTH - done)
    return f"fetching {bar} {human_bytes(reading.fetched)} of at most {human_bytes(reading.opened)}"
