"""Trying again where an object store does not answer: several times, then the error is the caller's."""

from collections.abc import Callable
from typing import TypeVar

from shipper import log
from shipper.clock import Clock
from shipper.objects.store import Unreachable

Answer = TypeVar("Answer")

ATTEMPTS = 4
FIRST_WAIT_S = 1.0
"""Before the second attempt; doubled before each further one."""


class Patience:
    """`insist(partial(store.get, key))`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, call: Callable[[], Answer]) -> Answer:
        """What the call returns; raises what it raises, `Unreachable` only after several attempts."""
        for attempt in range(ATTEMPTS - 1):
            try:
                return call()
            except Unreachable as error:
                wait = FIRST_WAIT_S * 2**attempt
                log.say("warning", "the archive does not answer, tried again", seconds=wait, reason=error)
                self._clock.sleep(wait)
        return call()
