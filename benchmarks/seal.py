"""What storing costs: CPU-seconds per million records and peak memory, for appending and for sealing.

    python benchmarks/seal.py [--count 250000] [--rows 1000]

Appending is measured in this process (fsync and commit included), sealing in the child that a run starts for it.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from shipper.clock import SystemClock
from shipper.model import Batch, Origin, Span
from shipper.sink.embedded import by_day
from shipper.state import State
from shipper.store.layout import Segment, listed
from shipper.store.segments import Limits, Segments

TIME = "2026-11-20T10:00:00.123Z"
ORIGIN = Origin("f" * 32, "/var/log/supervisor/backend.out.log", "backend", "UTC")


def record(chance: random.Random, number: int) -> bytes:
    """A stored record of the backend: about 800 bytes."""
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
        batch.changes = [segments.append("records", *each) for each in by_day(batch, set())]
        state.commit(batch)
    spent = time.process_time() - started
    segments.close()
    state.close()
    return spent


def seal(data: Path, segment: Segment) -> tuple[float, float, int]:
    """CPU-seconds, seconds and peak memory in KiB of the child that seals a segment."""
    job = [segment.path(data), segment.bytes, segment.rows, data / "sealed", data / "tmp"]
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "shipper.store.seal", *map(str, job)], stdin=subprocess.PIPE)
    peak = 0
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, peak_kib(child.pid))
        time.sleep(0.005)
    took = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(ended[1])
    assert child.returncode == 0
    return ended[2].ru_utime + ended[2].ru_stime, took, peak


def peak_kib(pid: int) -> int:
    """The highest resident memory of a process so far; its own, not what it inherited from us."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=250_000, help="records")
    parser.add_argument("--rows", type=int, default=1_000, help="records of a batch")
    wanted = parser.parse_args()
    chance = random.Random(1)
    rows = [record(chance, number) for number in range(wanted.count)]
    millions = wanted.count / 1e6
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"append  {append(data, rows, wanted.rows) / millions:5.2f} CPU-s per million", end="")
        print(f"   +{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f} MiB")
        segments = listed(State(data / "state.db"))
        sealed = [seal(data, segment) for segment in segments]
        lines = sum(segment.bytes for segment in segments) / len(segments) / 2**20
        print(f"seal    {sum(cpu for cpu, _, _ in sealed) / millions:5.2f} CPU-s per million", end="")
        print(f"   {max(peak for _, _, peak in sealed) / 1024:.0f} MiB in the child", end="")
        print(f"   {max(took for _, took, _ in sealed):.1f} s for {lines:.0f} MiB of lines")


if __name__ == "__main__":
    main()
