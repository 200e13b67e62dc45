"""A real supervisord rotates, somebody compresses what was rotated, and `shipper run` is killed meanwhile: every line
exactly once."""

import gzip
import os
import signal
import time
from pathlib import Path

from backports import zstd

from tests.e2e.shipper import Shipper
from tests.services.supervisor import Supervisor, supervised, wait_for

COUNT = 4000
FORMS = {"gz": gzip.compress, "zst": zstd.compress}
HIGHEST = 999_999
"""What was compressed first has the highest number: a name that no rotation takes."""


class Compressing:
    """Compresses all rotated files, as a job that runs every few moments."""

    def __init__(self, backend: Supervisor) -> None:
        self._backend = backend
        self.count = 0
        self._lines = 0

    def run(self) -> int:
        """Between two rotations; returns how many lines were written so far."""
        self._backend.process.send_signal(signal.SIGSTOP)
        try:
            rotated = [path for path in self._backend.log.parent.glob("backend.out.log.*") if path.suffix[1:].isdigit()]
            for path in sorted(rotated, key=lambda path: -int(path.suffix[1:])):
                self._compress(path)
            live = self._backend.log.read_bytes() if self._backend.log.exists() else b""
            return self._lines + live.count(b"\n")
        finally:
            self._backend.process.send_signal(signal.SIGCONT)

    def _compress(self, path: Path) -> None:
        form = sorted(FORMS)[self.count % len(FORMS)]
        target = path.with_name(f"{path.name}.{form}")
        content = path.read_bytes()
        self._lines += content.count(b"\n")
        target.write_bytes(FORMS[form](content))
        os.utime(target, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        path.unlink()
        target.rename(path.with_name(f"backend.out.log.{HIGHEST - self.count}.{form}"))
        self.count += 1


def test_every_line_once_through_compression_and_kills(tmp_path: Path) -> None:
    """Killed at any moment, with rotations and compressions while nobody looks."""
    shipper = Shipper(tmp_path, seal_rows=1500)
    kills, lines = 0, 0
    with supervised(tmp_path, count=COUNT, rate=1500, block=4001, backups=99) as backend:
        compressing = Compressing(backend)
        while lines < COUNT or kills < 3:
            run = shipper.start()
            wait_for(lambda run=run: '"following"' in run.err)
            for _ in range(3):
                time.sleep(0.15)
                compressing.run()
            run.kill()
            kills += 1
            time.sleep(0.3)
            lines = compressing.run()
    said = shipper.once()
    assert '"error"' not in said.err, said.err
    assert compressing.count > 5
    assert shipper.numbers() == list(range(COUNT))
    assert {record["event.kind"] for record in shipper.records()} == {"event"}


def test_old_logs_are_backfilled(tmp_path: Path) -> None:
    """A folder of compressed logs as a source beside the live one, read once."""
    old = tmp_path / "old"
    old.mkdir()
    shipper = Shipper(tmp_path, source={"paths": [f"{tmp_path}/log/backend.*.log", f"{old}/*.gz", f"{old}/*.zst"]})
    for number in range(20):
        form = sorted(FORMS)[number % 2]
        lines = b"".join(b'{"n": %d}\n' % n for n in range(number * 100, number * 100 + 100))
        (old / f"app-{number}.log.{form}").write_bytes(FORMS[form](lines))
    shipper.log.write_bytes(b'{"n": 2000}\n')
    for _ in range(2):
        shipper.once()
        assert shipper.numbers() == list(range(2001))
