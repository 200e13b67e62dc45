"""Works on a data folder while no run writes to it: with the lock of a run, or with a run that rests meanwhile.

A run that is asked to rest finishes the batches it has, and stays at rest until it is told to go on or whoever asked is
gone. Then it takes up what `state.db` says, whatever it remembered before.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shipper.clock import Clock
from shipper.errors import LockHeld, ShipperError
from shipper.lock import held_by, hold
from shipper.model import StateChange
from shipper.state import State

ASKED, AT_REST = "rest_asked", "at_rest"
"""Keys in `meta`: who is asked to rest until this is gone, and the one that does. Both hold the same random text."""
LOOK_S = 0.1
PATIENCE_S = 60.0


@contextmanager
def quiet(data: Path, state: State, clock: Clock, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Nobody writes while this is open. The caller holds the lock `move`.

    Raises `ShipperError` when the run that is at work does not come to rest in so many seconds.
    """
    try:
        lock = hold(data, "tail")
    except LockHeld:
        with _resting(data, state, clock, patience_s):
            yield
        return
    with closing(lock):
        yield


@contextmanager
def _resting(data: Path, state: State, clock: Clock, patience_s: float) -> Iterator[None]:
    token = secrets.token_hex(8)
    state.set_meta(ASKED, token)
    try:
        until = clock.monotonic() + patience_s
        while state.meta(AT_REST) != token:
            if clock.monotonic() >= until:
                raise ShipperError(
                    f"{data}: {held_by(data, 'tail') or 'shipper'} does not come to rest within {patience_s:g} s, "
                    "maybe because a sink takes nothing; see `shipper status`, or stop it, and run the same again"
                )
            clock.sleep(LOOK_S)
        yield
    finally:
        state.run(StateChange("DELETE FROM meta WHERE key IN (?, ?)", (ASKED, AT_REST)))


class Rest:
    """The other side: what a run calls again and again."""

    def __init__(self, data: Path, state: State, clock: Clock) -> None:
        self._data, self._state, self._clock = data, state, clock

    def asked(self) -> str:
        """The token of somebody who is there and wants the run to rest, else nothing."""
        token = self._state.meta(ASKED)
        return token if token and held_by(self._data, "move") else ""

    def keep(self, token: str, stopping: Callable[[], bool]) -> None:
        """Rests until whoever asked is done or gone, or the run is stopped. Nothing may be under way."""
        self._state.set_meta(AT_REST, token)
        while self.asked() == token and not stopping():
            self._clock.sleep(LOOK_S)
