"""Where the time goes: `profile_run.py [--count 200000] [--sink null]` prints CPU-microseconds per record per stage.

The ordinary pipeline, taken apart: every batch goes through the stages one after the other in one thread, and the CPU
time of the process is read between them. A profiler that counts calls would mostly measure itself.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from run_once import generated, pipeline_file, table

from shipper.assembly import Assembly, assemble
from shipper.build import load_rules_of, plan
from shipper.context import Context
from shipper.model import Batch
from shipper.run import _calm_garbage_collector
from shipper.state import State

Step = tuple[str, Callable[[Batch], Batch]]


class Stopwatch:
    """CPU seconds by name: whatever passed since the last reading belongs to the name given."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] += now - self._last
        self._last = now


def steps(assembly: Assembly, state: State) -> Iterator[Step]:
    """What a batch goes through behind the source, in order."""
    decode, enrich, rules = assembly.stages
    yield "decode", decode
    yield "enrich", enrich
    # The rules are one stage to the loop; here it matters which of its parts takes the time.
    for name in ("detect", "alerting", "redact"):
        yield name, getattr(rules, f"_{name}")

    def write(batch: Batch) -> Batch:
        for sink in assembly.sinks:
            if len(batch):
                sink.write(batch)
        return batch

    def commit(batch: Batch) -> Batch:
        state.commit(batch)
        return batch

    yield "sink", write
    yield "commit", commit


def profile(pipeline: Path, data: Path) -> tuple[dict[str, float], int]:
    """CPU seconds by stage, and how many records there were."""
    watch, records = Stopwatch(), 0
    state = State(data / "state.db")
    chosen = plan(pipeline)
    assembly = assemble(chosen, load_rules_of(chosen), Context(data, state, base=pipeline.parent, once=True))
    _calm_garbage_collector()
    watch.lap("start-up")
    way = list(steps(assembly, state))
    for batch in assembly.source:
        watch.lap("read")
        for name, step in way:
            batch = step(batch)  # noqa: PLW2901 — that is what handing on means
            watch.lap(name)
        records += len(batch)
    for sink in assembly.sinks:
        sink.close()
    watch.lap("close")
    return watch.seconds, records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="records")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sink", choices=("null", "embedded"), default="null")
    wanted = parser.parse_args()
    log = generated(wanted.count, wanted.seed)
    with tempfile.TemporaryDirectory(prefix="shipper-profile-") as name:
        folder = Path(name)
        seconds, records = profile(pipeline_file(folder, wanted.sink, log), folder)
    startup = seconds.pop("start-up")
    whole = sum(seconds.values())
    rows = [(stage, f"{1e6 * cpu / records:.2f}", f"{100 * cpu / whole:.0f} %") for stage, cpu in seconds.items()]
    print(table([("stage", "µs a record", "share"), *rows, ("all", f"{1e6 * whole / records:.2f}", "100 %")]))
    print(f"\n{records:,} records into {wanted.sink}; start-up {startup:.2f} CPU-s more.")


if __name__ == "__main__":
    main()
