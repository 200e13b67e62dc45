"""A child process that does one job after another: what it took of memory is given back when it ends, and a job that
runs out of memory takes nobody along.

The parent writes a line to its stdin, and reads its stdout up to the line that begins with `ANSWER`. What else the
child prints is the reason when it dies.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

ANSWER = "answer: "


class Child:
    """The parent's end. The process is started when the first job comes; `close` when there is none left for now."""

    def __init__(self, module: str) -> None:
        """`module` is run with `python -m`, and calls `serve`."""
        self._module = module
        self.process: subprocess.Popen[str] | None = None

    def ask(self, job: str) -> list[str]:
        """What the child printed, and last its answer, which is empty when it died."""
        child = self.process = self.process or _start(self._module)
        assert child.stdin is not None and child.stdout is not None
        said: list[str] = []
        with suppress(BrokenPipeError):
            child.stdin.write(job + "\n")
            child.stdin.flush()
        for line in child.stdout:
            if line.startswith(ANSWER):
                return [*said, line.removeprefix(ANSWER).strip()]
            said.append(line.strip())
        return [*said, ""]

    def close(self) -> int:
        """Ends the child and returns its exit code; may be called again, and the next job starts another."""
        if self.process is None:
            return 0
        self.process.communicate()
        code, self.process = self.process.returncode, None
        return code


def _start(module: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        text=True,
        start_new_session=True,
    )


def serve(work: Callable[[str], str]) -> None:
    """The child's end: answers each line of stdin with what `work` makes of it, for ever. It ends with its parent."""
    jobs = _jobs()
    os.nice(10)
    while True:
        print(ANSWER + work(jobs.get()), flush=True)


def _jobs() -> "SimpleQueue[str]":
    """Jobs as they come in on stdin. The parent holds the other end: when it is gone, by whatever death, so are we."""
    jobs: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            jobs.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return jobs
