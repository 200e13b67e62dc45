"""Commands of `shipper`, each in a process of its own that is ended by SIGKILL where a test says so.

One process loads everything and forks for each command, so that a campaign does not load Python hundreds of times. What
runs in the fork is the command line as people call it, over the same stores; only what a test asks for is put around.

with Processes() as shipper:
    ended = shipper.run("tier", "run", …)                       # `ended.code`, `.out`, `.err`
    shipper.run(…, kill_behind_new=(file, "day 8", 1))          # dies behind the first lasting write that is not in the file
    shipper.run(…, kill_after_s=0.4)                            # dies then, wherever it is
    shipper.run(…, ahead_s=86_400)                              # its clock is a day ahead
    shipper.run(…, faults=[["unreachable", 2, "put"]])          # methods of `tests.faults.objects.Faulty`

    python -m tests.campaign.processes                          # the other side of it
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tests.e2e.shipper import ROOT

KILLED = -signal.SIGKILL
PATIENCE_S = 120.0
LOOK_S = 0.002
WAIT_FACTOR = 0.01
"""Of what a command waits until it tries again."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    """`KILLED`, or its exit code."""
    out: str
    err: str
    seconds: float


class Processes:
    """The side of the tests."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SHIPPER_", "AWS_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def run(
        self,
        *arguments: object,
        kill_behind_new: tuple[Path, str, int] | None = None,
        kill_after_s: float | None = None,
        ahead_s: float = 0.0,
        faults: Sequence[Sequence[Any]] = (),
    ) -> Ended:
        """See `boundaries`. With `kill_behind_new` all is done in one process, else with the children that it has."""
        job = {"arguments": [*map(str, arguments)], "faults": faults, "kill_after_s": kill_after_s, "ahead_s": ahead_s}
        known, chapter, one_in = kill_behind_new or ("", "", 0)
        job["kill_behind_new"] = [str(known), chapter, one_in]
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return Ended(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ── the process that forks ────────────────────────────────────────────────────────────────────────────────────────────


def serve() -> None:
    """For each line a fork, and an answer."""
    import boto3  # noqa: F401
    import duckdb  # noqa: F401

    import shipper.archive.export
    import shipper.cli.erase
    import shipper.cli.hold
    import shipper.cli.run
    import shipper.cli.tier  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            began = time.monotonic()
            child = os.fork()
            if not child:
                _be(job, out, err)
            code = _end_of(child, job["kill_after_s"])
            ended = Ended(code, _said(out), _said(err), time.monotonic() - began)
        print(json.dumps(ended), flush=True)


def _said(file: TextIO) -> str:
    file.seek(0)
    return file.read()


def _end_of(child: int, kill_after_s: float | None) -> int:
    kill_at = time.monotonic() + (PATIENCE_S if kill_after_s is None else kill_after_s)
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() >= kill_at:
            os.kill(child, signal.SIGKILL)
            found = os.waitpid(child, 0)
            break
        time.sleep(LOOK_S)
    return os.waitstatus_to_exitcode(found[1])


def _be(job: dict[str, Any], out: TextIO, err: TextIO) -> None:
    """The fork, which does not return."""
    code = 70
    try:
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out.fileno(), err.fileno())):
            os.dup2(file, number)
        from shipper.cli.main import run_command
        from tests.campaign import boundaries

        boundaries.put_faults_around(job["faults"])
        known, chapter, one_in = job["kill_behind_new"]
        if one_in:
            boundaries.die_behind_new(Path(known), chapter, one_in)
        boundaries.wait_less(WAIT_FACTOR)
        boundaries.go_ahead(job["ahead_s"])
        code = run_command(job["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
