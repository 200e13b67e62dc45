"""A temporary folder that does not outlive who made it, not even one killed with SIGKILL: a process of its own
(`python -m shipper.example.sweep FOLDER`) removes it as soon as nobody holds the other end of its stdin any more."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 10.0
"""Child processes of who was killed may still write for a moment."""


@contextmanager
def fleeting(prefix: str) -> Iterator[Path]:
    """A new folder, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    command = [sys.executable, "-P", "-m", "shipper.example.sweep", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        # Its end closes the pipe, and waits for the other side.
        yield folder


def main() -> None:
    while sys.stdin.buffer.read(1):
        pass
    folder, deadline = Path(sys.argv[1]), time.monotonic() + PATIENCE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
