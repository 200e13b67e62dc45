"""SIGTERM and SIGINT end a run well and in time, SIGHUP makes it read its rules again.

Python calls the handler of a signal in the main thread, once that comes back from where it waits: while another process
holds the lock of SQLite that may take half a minute. So the handlers do nothing, and a thread of its own hears of each.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from shipper import log

END_WITHIN_S = 9.0
"""Seconds from a signal until the process ends, also with a request under way to a server that does not answer."""
ENDING = (signal.SIGTERM, signal.SIGINT)
OVER = 0
"""A byte that no signal is."""


class Governed(Protocol):
    """What signals are for. Each may be called from any thread."""

    def stop(self) -> None:
        """Ends it well."""

    def reload(self) -> None:
        """Makes it read its rules again."""


class Signals:
    """What was asked of the run; a signal during start-up counts as soon as there is a run to stop."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._governed: Governed | None = None
        self._ends = 0
        self._timer = threading.Timer(END_WITHIN_S, _end_now)
        self._timer.daemon = True

    def govern(self, governed: Governed) -> None:
        """From now on signals reach this run."""
        with self._turn:
            self._governed = governed
            if self._ends:
                governed.stop()

    def hear(self, numbers: socket.socket) -> None:
        """Does what each signal asks for, until it is over."""
        while (number := numbers.recv(1)[0]) != OVER:
            with self._turn:
                if number in ENDING:
                    self._end(number)
                elif number == signal.SIGHUP and self._governed is not None:
                    self._governed.reload()
        self._timer.cancel()

    def _end(self, number: int) -> None:
        """Stop; a second time at once."""
        self._ends += 1
        if self._ends > 1:
            # Everything durable is in committed transactions, so ending here is as safe as a crash.
            os._exit(128 + number)
        self._timer.start()
        if self._governed is not None:
            self._governed.stop()


def _end_now() -> None:
    """As safe as a crash: a request cannot be called back, and whoever stops us does not wait for its answer."""
    log.say("warning", "ended while something did not answer; the next run reads on from the last commit")
    os._exit(0)


@contextmanager
def heard() -> Iterator[Signals]:
    """Signals of this process, until it is left; of none unless the main thread asks."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    inside, outside = socket.socketpair()
    outside.setblocking(False)
    thread = threading.Thread(target=signals.hear, args=(inside,), name="signals", daemon=True)
    thread.start()
    before = {number: signal.signal(number, lambda *_: None) for number in (*ENDING, signal.SIGHUP)}
    wakeup = signal.set_wakeup_fd(outside.fileno(), warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        outside.setblocking(True)
        outside.send(bytes([OVER]))
        thread.join()
        inside.close()
        outside.close()
