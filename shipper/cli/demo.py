"""`shipper demo`: a simulated backend under a real supervisord, and the ordinary pipeline over its logs; or a year."""

import glob
import os
import queue
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread

import click
from click.core import ParameterSource
from rich.console import Console
from rich.text import Text

from shipper import log
from shipper.build import Plan, plan
from shipper.cli.narrate import Narrator
from shipper.cli.year import run_year
from shipper.clock import parse_duration
from shipper.config import shipped
from shipper.errors import UsageError
from shipper.example.simulation import Simulation
from shipper.lock import hold, make_data_folder
from shipper.model import Batch
from shipper.run import Runner, run_pipeline

Follow = Callable[[Path, Path, Callable[[Batch], None], Event], None]
"""`follow(data, logs, on_commit, stop)`: stores what is written to the folder `logs` in the data folder, hands every
batch to `on_commit` once it is committed, and returns when `stop` is set and all that was written is committed."""

ELSEWHERE = ("ELASTICSEARCH_", "SHIPPER_NOTIFY", "SHIPPER_S3")
"""Variables that begin so tell where a pipeline sends real records and alerts: no place for simulated ones."""

STYLES = {
    "count": "dim",
    "redacted": "yellow",
    "low": "cyan",
    "medium": "magenta",
    "high": "bold red",
    "critical": "bold white on red",
}

INTRO = """\
A FastAPI backend is running under a real supervisord; a few simulated users
talk to it, and soon somebody attacks it. shipper follows its logs.

  backend  {url}/api/health
  logs     {logs}/backend.*.log
  data     {data}

Watch it from another terminal:  {tail}
Ctrl-C stops everything.
"""

NEXT = """\

Stopped, nothing is left running.
Stored: {counts}

Try next:

  {search}
  {alerts}
  {tail}

The last one is live: it shows what a demo or a run stores meanwhile.
"""


@click.command()
@click.option("--for", "duration", metavar="TIME", help="Stop by itself after this time: 30s, 5m.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The backend's port; default: a free one.")
@click.option("--days", type=click.IntRange(min=1), metavar="N", help="Live through so many days instead; 400: a year.")
@click.pass_context
def demo(ctx: click.Context, duration: str | None, port: int, days: int | None) -> int:
    """A simulated backend, followed live. Ctrl-C stops it.

    Starts a real supervisord with a small FastAPI backend and its traffic, follows the backend's logs into the
    embedded store, and shows records, redactions and alerts as they come.

    With --days it passes in a minute or two what takes a year: the logs of that many days, each moved on through all
    tiers as it gets older, and at the end what is where. It takes a new folder by --data, and keeps it; without,
    everything is removed at the end.
    """
    data: Path = ctx.obj.data
    log.quieter("warning")
    if days is None:
        run_demo(data, port, parse_duration(duration) if duration else None, follow, Console(highlight=False))
        return 0
    if duration or port:
        raise UsageError("demo: --days ends by itself and has no port; leave --for and --port out")
    given, program = data if _is_given(ctx) else None, _apart(_program(), os.environ)
    with stop_at_signals() as stop:
        planned = partial(plan_for, env=os.environ)
        run_year(given, planned, days, program=program, console=Console(highlight=False), stop=stop)
    return 0


def _is_given(ctx: click.Context) -> bool:
    """Whether `--data` stands on the command line, before or behind the command's name."""
    contexts = (ctx, ctx.find_root())
    return any(each.get_parameter_source("data") is ParameterSource.COMMANDLINE for each in contexts)


def _apart(program: str, env: Mapping[str, str]) -> str:
    """A command that does not ask where real records are, either."""
    names = sorted(name for name in env if name.startswith(ELSEWHERE))
    return " ".join(["env", *(f"-u {name}" for name in names), program]) if names else program


def follow(data: Path, logs: Path, on_commit: Callable[[Batch], None], stop: Event) -> None:
    """The shipped pipeline over the demo's logs, on the embedded store, whatever the environment says otherwise."""
    chosen = plan_for(logs, os.environ)

    def stop_when_told(runner: Runner) -> None:
        Thread(target=pass_on, args=(stop, runner), name="stop", daemon=True).start()

    run_pipeline(chosen, data, committed=on_commit, started=stop_when_told)
    # What the backend wrote between the last look and its end.
    run_pipeline(chosen, data, once=True, committed=on_commit)


def plan_for(logs: Path, env: Mapping[str, str]) -> Plan:
    """The shipped pipeline over a folder of logs, and nothing of it goes elsewhere."""
    kept = {name: value for name, value in env.items() if not name.startswith(ELSEWHERE)}
    return plan(shipped() / "xionimus.yml", {**kept, "SHIPPER_LOGS": f"{glob.escape(str(logs))}/backend.*.log"})


def pass_on(stop: Event, runner: Runner) -> None:
    """Stops the run when `stop` is set."""
    stop.wait()
    runner.stop()


def run_demo(data: Path, port: int, seconds: float | None, follow: Follow, console: Console) -> None:
    """Runs until a signal comes or `seconds` are over. Leaves no process behind. Raises `ShipperError`."""
    make_data_folder(data)
    folder = data / "demo"
    with hold(data, "demo"), stop_at_signals() as stop:
        simulation = Simulation(folder, port)
        committed: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        follower = Follower(follow, data, simulation.logs, committed.put)
        narrator = Narrator(lambda kind, line: console.print(Text(line, STYLES.get(kind, "")), soft_wrap=True), _now)
        try:
            simulation.start()
            follower.start()
            simulation.wait_until_up(stop)
            console.print(INTRO.format(**_places(data, simulation)), markup=False, soft_wrap=True)
            deadline = None if seconds is None else time.monotonic() + seconds
            with console.status("following …", spinner="dots") as status:
                while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
                    show(committed, narrator, wait=0.25)
                    status.update(narrator.counts())
                    simulation.check()
                    follower.check()
                status.update("stopping …")
        finally:
            simulation.stop()
            follower.stop()
        show(committed, narrator, wait=0)
        console.print(NEXT.format(counts=narrator.counts(), **_commands(data)), markup=False, soft_wrap=True)


class Follower:
    """Runs `follow` in a thread, and hands its failure over to who asks."""

    def __init__(self, follow: Follow, data: Path, logs: Path, on_commit: Callable[[Batch], None]) -> None:
        self._stop = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, args=(follow, data, logs, on_commit), name="follow", daemon=True)

    def _run(self, follow: Follow, data: Path, logs: Path, on_commit: Callable[[Batch], None]) -> None:
        try:
            follow(data, logs, on_commit, self._stop)
        except BaseException as failure:  # handed to the main thread by `check`
            self._failure = failure

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raises what ended it, if anything did."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Waits until all that was written is stored. Raises what went wrong."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.check()


def show(committed: "queue.SimpleQueue[Batch]", narrator: Narrator, wait: float) -> None:
    """Tells all that was committed meanwhile; waits up to `wait` seconds for the first."""
    try:
        narrator.committed(committed.get(timeout=wait) if wait else committed.get_nowait())
        while True:
            narrator.committed(committed.get_nowait())
    except queue.Empty:
        narrator.tick(time.monotonic())


@contextmanager
def stop_at_signals() -> Iterator[Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set, instead of ending the process."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _places(data: Path, simulation: Simulation) -> dict[str, str]:
    tail = _commands(data)["tail"]
    return {"url": simulation.url, "logs": str(simulation.logs), "data": str(data), "tail": tail}


def _commands(data: Path) -> dict[str, str]:
    """Commands that work as they stand, in the folder that this one was started in."""
    default = Path(os.environ.get("SHIPPER_DATA") or "data")
    suffix = "" if data == default else f" --data {shlex.quote(str(data))}"
    program = _program()
    return {
        "search": f"{program} search 'level:ERROR'{suffix}",
        "alerts": f"{program} alerts{suffix}",
        "tail": f"{program} tail{suffix}",
    }


def _program() -> str:
    """What to type to get this program again."""
    here = Path(sys.argv[0])
    found = shutil.which("shipper")
    if here.name != "shipper" or (found and Path(found).resolve() == here.resolve()):
        return "shipper"
    return shlex.quote(os.path.relpath(here))
