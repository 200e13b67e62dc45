"""Runs a server for as long as a test run lives, and not a moment longer, however either of them ends.

    python keeper.py LOCK FOLDER USER COMMAND...

A test run holds LOCK exclusively; once it has gone, by whatever way, the server and whatever it started are killed and
FOLDER, which is the test run's, is removed. SIGTERM kills the server alone. USER: a number, or empty to stay who one is.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def die_with_parent() -> None:
    """In the child, before it becomes the server: it ends when the keeper is killed."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def end_with_run(lock: str, folder: str, end: "threading.Event") -> None:
    with open(lock, encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        end.set()
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Exits with the server's code."""
    lock, folder, user, *command = sys.argv[1:]
    run_is_over = threading.Event()
    account = {"user": int(user), "group": int(user), "extra_groups": []} if user else {}
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 — there are no threads yet
        **account,
    )

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=end_with_run, args=(lock, folder, run_is_over), daemon=True).start()
    code = server.wait()
    # What the server started may still be ending.
    end()
    if run_is_over.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
