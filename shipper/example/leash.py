"""Nothing that the demo starts outlives it, not even when it is killed with SIGKILL.

Every child's stdin is a pipe whose other end only its parent holds, and which nothing is ever written to. When the
parent is gone, for whatever reason, reading it ends. `python -m shipper.example.leash -n -c FILE` is supervisord with
such a leash; the programs under it hold on to the pipe that supervisord itself makes for each of them.
"""

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable

GRACE_SECONDS = 8.0
"""How long supervisord may take to stop its programs before it is killed; they then end by their own leashes."""


def watch(fd: int, on_end: Callable[[], None]) -> threading.Thread:
    """Calls `on_end` in a thread once nothing can come through `fd` any more."""

    def wait() -> None:
        while _read(fd):
            pass
        on_end()

    thread = threading.Thread(target=wait, name="leash", daemon=True)
    thread.start()
    return thread


def end_with_parent() -> None:
    """Ends this process as soon as its parent is gone. Does nothing when stdin is no pipe, and so no leash."""
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        watch(0, lambda: os._exit(0))


def stop_supervisord() -> None:
    """Asks the supervisord in this process to stop its programs and end, and makes sure that it does."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Runs supervisord with the arguments given."""
    from supervisor import supervisord  # noqa: PLC0415 — an optional package, and the programs do without it

    watch(0, stop_supervisord)
    supervisord.main(sys.argv[1:])


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


if __name__ == "__main__":
    main()
