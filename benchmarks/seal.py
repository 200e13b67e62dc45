"""What storing costs: CPU-seconds per million records and peak memory, for appending and for sealing.

    python benchmarks/seal.py [--count 250000] [--rows 1000] [--lines FILE]

FILE holds stored records, one a line, as a run with the embedded sink leaves them below `hot/`; without it they are
made up. Sealing costs the more the longer they are, so the mean length is printed.

Appending is measured in this process (checks, fsync and commit included), sealing in the child that a run starts.
"""

import argparse
import random
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import orjson

from shipper.clock import SystemClock
from shipper.model import Batch, Origin, Span
from shipper.sink.embedded import by_day, unfit
from shipper.state import State
from shipper.store.columns import COLUMNS
from shipper.store.layout import Segment, listed
from shipper.store.seal import Sealing
from shipper.store.segments import Limits, Segments

TIME = "2026-11-20T10:00:00.123Z"
ORIGIN = Origin("f" * 32, "/var/log/supervisor/backend.out.log", "backend", "UTC")


def record(chance: random.Random, number: int) -> bytes:
    """A stored record of the backend."""
    user, ms = f"user{chance.randrange(5000)}", chance.randrange(5000)
    doc = {
        "timestamp": TIME,
        "level": "INFO",
        "logger": "app.api.chat",
        "message": f"Message {chance.randrange(10**6)} sent in {ms} ms to /api/chat/{chance.randrange(10**5)}",
        "module": "chat",
        "function": "send_message",
        "line": chance.randrange(900),
        "user_id": user,
        "provider": "openai",
        "model": "gpt-4.1",
        "duration_ms": ms,
        "@timestamp": TIME,
        "log.level": "info",
        "log.logger": "app.api.chat",
        "log.origin.file.name": "chat",
        "log.origin.function": "send_message",
        "event.id": f"{ORIGIN.file_id}-{number * 300}",
        "event.ingested": TIME,
        "event.dataset": "backend",
        "event.kind": "event",
        "event.duration": ms * 1_000_000,
        "service.name": "backend",
        "host.name": "host",
        "log.file.path": ORIGIN.path,
        "log.offset": number * 300,
        "user.id": user,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
    }
    return orjson.dumps(doc)


def append(data: Path, rows: list[bytes], size: int) -> float:
    """CPU-seconds of storing the rows in batches of `size`."""
    state = State(data / "state.db")
    segments = Segments(data, state, Limits(), SystemClock())
    started = time.process_time()
    for start in range(0, len(rows), size):
        out = rows[start : start + size]
        offsets = list(range(start * 300, (start + len(out)) * 300, 300))
        batch = Batch(out, offsets, [Span(0, len(out), ORIGIN)], 0.0, times=[TIME] * len(out), out=out)
        assert not unfit(out)
        batch.changes = [segments.append("records", *each) for each in by_day(batch, set())]
        state.commit(batch)
    spent = time.process_time() - started
    segments.close()
    state.close()
    return spent


class Cost(NamedTuple):
    """Of sealing: CPU-seconds, seconds, and peak memory of the child in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def seal(data: Path, segments: list[Segment]) -> Cost:
    """What the child costs that seals the segments."""
    before, started, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with closing(Sealing()) as run:
        for segment in segments:
            run(segment, data, data / "sealed")
        assert run.child.process is not None
        peak = peak_kib(run.child.process.pid)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, peak / 1024)


def peak_kib(pid: int) -> int:
    """The highest resident memory of a process so far; its own, not what it inherited from us."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=250_000, help="records")
    parser.add_argument("--lines", type=Path, help="stored records to use")
    parser.add_argument("--rows", type=int, default=1_000, help="records of a batch")
    wanted = parser.parse_args()
    chance = random.Random(1)
    made = (record(chance, number) for number in range(wanted.count))
    rows = wanted.lines.read_bytes().splitlines()[: wanted.count] if wanted.lines else list(made)
    millions = len(rows) / 1e6
    print(f"{len(rows)} records of {sum(map(len, rows)) / len(rows):.0f} bytes, {len(COLUMNS)} columns")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"append  {append(data, rows, wanted.rows) / millions:5.2f} CPU-s per million", end="")
        print(f"   +{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f} MiB")
        segments = listed(State(data / "state.db"))
        cost, mib = seal(data, segments), sum(segment.bytes for segment in segments) / 2**20
        print(f"seal    {cost.cpu_s / millions:5.2f} CPU-s per million   {cost.peak_mib:.0f} MiB in the child", end="")
        print(f"   {cost.wall_s:.1f} s for {len(segments)} segments, {mib:.0f} MiB of lines")


if __name__ == "__main__":
    main()
