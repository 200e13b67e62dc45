"""Writers, rotations of every kind and kills beside a real `shipper run`; then every line is counted.

Seeded, so that a run that fails can be looked at again, as far as two processes take the same turns.
"""

import random
import signal
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from shipper.errors import ShipperError
from shipper.model import Progress
from shipper.state import State
from tests.e2e.shipper import Running, Shipper
from tests.soak.writer import Writer

WRITERS = 4
SOURCE = {"block": 16384, "poll_s": 0.05, "flush_after_s": 3600}
"""Small reads, so that it lags and is killed in the middle of a file. An unfinished line is waited for."""


@dataclass
class Result:
    """`lost_bytes`: of lines that are stored nowhere; `reported_bytes`: what shipper says was lost."""

    written: int
    once: int
    twice: list[int]
    lost: list[int]
    unexplained: list[int]
    """Lost, and in no file that was deleted before it was read."""
    lost_bytes: int
    reported_bytes: int
    odd: int
    """Records that are no line that was written."""
    acts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        acts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(self.acts.items()))
        return (
            f"lines written {self.written:,}, stored once {self.once:,}, stored twice {len(self.twice)}, "
            f"lost {len(self.lost):,}; bytes reported as lost {self.reported_bytes:,}, really lost "
            f"{self.lost_bytes:,}\n{acts}"
        )

    @property
    def is_right(self) -> bool:
        return not (self.twice or self.unexplained or self.odd) and self.lost_bytes == self.reported_bytes


class Soak:
    """Over the folder of a shipper. `run` takes about `seconds`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.shipper = Shipper(folder, source=SOURCE, seal_rows=5000)
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self.acts: Counter[str] = Counter()
        logs = [self.shipper.logs / f"backend.{number}.log" for number in range(WRITERS)]
        self.writers = [
            Writer(log, number, WRITERS, seed, self.known, dated=number == 0) for number, log in enumerate(logs)
        ]

    def known(self) -> list[Progress]:
        """What is committed of every file."""
        try:
            with closing(State(self.shipper.data / "state.db", readonly=True)) as state:
                return list(state.files().values())
        except ShipperError:  # nothing yet
            return []

    def run(self, seconds: float) -> Result:
        """Writes and kills so long, then lets shipper read to the end, and counts."""
        threads = [
            threading.Thread(target=self._write, args=(writer, writer_seed))
            for writer_seed, writer in enumerate(self.writers)
        ]
        for thread in threads:
            thread.start()
        try:
            self._kill_again_and_again(time.monotonic() + seconds)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        if self._failures:
            raise self._failures[0]
        for writer in self.writers:
            writer.close()
        self._finish()
        return self._result()

    def _write(self, writer: Writer, number: int) -> None:
        chance = random.Random(number)
        try:
            while not self._over.wait(chance.expovariate(20)):
                writer.write()
                if chance.random() < 0.12:
                    writer.rotate()
        except BaseException as error:
            self._failures.append(error)

    def _kill_again_and_again(self, until: float) -> None:
        while time.monotonic() < until and not self._failures:
            running = self.shipper.start()
            self._over.wait(self._random.uniform(0.3, 6.0))
            self._end(running)
            if self._random.random() < 0.4:
                # Down for a while: rotations of which it sees nothing.
                time.sleep(self._random.uniform(0.2, 3.0))

    def _end(self, running: Running) -> None:
        if self._random.random() < 0.7:
            running.kill()
            self.acts["SIGKILL"] += 1
            return
        said = running.end(signal.SIGTERM)
        # Python itself may not have begun yet, and ends of the signal.
        assert said.code in (0, -signal.SIGTERM), said
        self.acts["SIGTERM"] += 1

    def _finish(self) -> None:
        """What is written by now is read, also what lies in compressed files, which takes turns."""
        with self.shipper.following():
            last = -1
            while (now := self.shipper.count()) != last:
                last = now
                time.sleep(3)
        self.shipper.once()

    def _result(self) -> Result:
        stored = Counter(self.shipper.numbers())
        lines = {number: size for writer in self.writers for number, size in writer.lines.items()}
        deleted = set().union(*(writer.deleted for writer in self.writers))
        lost = sorted(set(lines) - set(stored))
        files = self.shipper("status", "--format", "json").objects[0]["files"]
        return Result(
            written=len(lines),
            once=sum(count == 1 for number, count in stored.items() if number in lines),
            twice=sorted(number for number, count in stored.items() if count > 1),
            lost=lost,
            unexplained=[number for number in lost if number not in deleted],
            lost_bytes=sum(lines[number] for number in lost),
            reported_bytes=sum(one["lost_bytes"] for one in files),
            odd=sum(count for number, count in stored.items() if number not in lines),
            acts=sum((Counter(writer.acts) for writer in self.writers), self.acts),
        )


def soak(folder: Path, seed: int, seconds: float) -> Result:
    """One run over an empty folder."""
    return Soak(folder, seed).run(seconds)
