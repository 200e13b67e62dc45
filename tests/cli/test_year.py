"""`shipper demo --days` lives through days in seconds: all tiers, all records, and nothing is left behind."""

import io
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from shipper.archive import ledger
from shipper.build import plan
from shipper.cli.main import run_command
from shipper.cli.year import run_year
from shipper.config import shipped
from shipper.errors import ShipperError, UsageError
from shipper.example.sweep import fleeting
from shipper.state import State
from shipper.tier.move import Mover, Report
from tests.services.processes import alive
from tests.services.supervisor import wait_for

CALL = "from shipper.cli.main import main; main()"
DAYS = 9
SHORT = {"hot: 7d": "hot: 2d", "until: 30d": "until: 4d", "until: 365d": "until: 6d"}


def short_lived(tmp_path):
    """The shipped pipeline, with tiers of a few days."""
    text = (shipped() / "xionimus.yml").read_text("utf-8")
    for before, after in {
        **SHORT,
        "[rules]": f"[{shipped() / 'rules'}]",
        "[secrets]": f"[{shipped() / 'secrets'}]",
    }.items():
        text = text.replace(before, after)
    path = tmp_path / "short.yml"
    path.write_text(text)
    return lambda logs: plan(path, {"SHIPPER_LOGS": f"{logs}/backend.*.log"})


def year(given, planned, days=DAYS, stop=None):
    """Runs it and gives what it printed."""
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    run_year(given, planned, days, program="shipper", console=console, stop=stop or Event())
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("year")


@pytest.fixture(scope="module")
def printed(place):
    return year(place / "data", short_lived(place))


def found(data, query, capfd, *more):
    assert run_command(["search", query, "--count", "--data", str(data), *more]) == 0
    return int(capfd.readouterr().out)


def test_every_tier_has_its_days(printed, place):
    """As the policy says: the last ones hot, with today's audit, the first ones gone, all in between once."""
    with closing(State(place / "data" / "state.db", readonly=True)) as state:
        archived = [(one.tier, one.day) for one in ledger.archived(state) if one.dataset == "backend"]
    rows = {tuple(line.split()[:3]) for line in printed.splitlines() if len(line.split()) == 8}
    tiers = {tier: sum(each == tier for each, _ in archived) for tier in ("warm", "cold")}
    assert (tiers, len({day for _, day in archived})) == ({"warm": 2, "cold": 2}, 4)
    assert {("hot", "all", "3"), ("warm", "backend", "2"), ("cold", "backend", "2"), ("gone", "backend", "3")} <= rows


def test_every_line_is_a_record_until_its_end(printed, place, capfd):
    """Tracebacks and all: the log has a line for each that is stored, and for those of the days that are gone."""
    log = (place / "data" / "demo" / "log" / "backend.out.log").read_bytes()
    gone = next(line.split() for line in printed.splitlines() if line.startswith("gone"))
    kept = found(place / "data", "NOT event.dataset:audit", capfd)
    assert kept + int(gone[5].replace(",", "")) == log.count(b"\n")


def test_deletions_are_audited(printed, place, capfd):
    """Also the last ones."""
    with closing(State(place / "data" / "state.db", readonly=True)) as state:
        done = state.rows("SELECT count(*) FROM moves WHERE step = 'deleted'")[0][0]
    assert found(place / "data", "event.action:day-deleted", capfd) == done


def test_nobody_is_told(printed, place):
    """Not by a run over the same folder, either."""
    with closing(State(place / "data" / "state.db", readonly=True)) as state:
        waiting = {row["kind"] for row in state.rows("SELECT DISTINCT kind FROM outbox")}
    assert waiting & {"notify", "digest", "message"} == set()


def test_the_archive_is_whole(printed, place):
    """By its own word, and read back by the command that it names."""
    assert "tier verify --quick: whole" in printed
    assert run_command(["tier", "verify", "--data", str(place / "data")]) == 0


def test_it_fits_80_columns_and_names_commands_that_work(printed, place, capfd):
    folder = str(place)
    commands = [line.split()[1:] for line in printed.splitlines() if line.startswith("  shipper ")]
    assert [len(line) for line in printed.splitlines() if len(line) > 80 and folder not in line] == []
    assert [command[:2] for command in commands] == [
        ["search", "'log.level:error'"],
        ["tier", "status"],
        ["tier", "plan"],
        ["tier", "verify"],
    ]
    assert [run_command([word.strip("'") for word in command]) for command in commands] == [0, 0, 0, 0]


def test_a_search_over_all_tiers_finds_what_the_command_finds(printed, place, capfd):
    said = next(line for line in printed.splitlines() if line.startswith("search "))
    assert f": {found(place / 'data', 'log.level:error', capfd):,} records in all tiers" in said


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="is not empty; --days takes a folder of its own"):
        year(tmp_path, short_lived(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name != "short.yml"] == ["mine"]


def test_without_data_the_folder_is_gone_afterwards(tmp_path, monkeypatch):
    """Where nothing else is written either."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    said = year(None, short_lived(tmp_path), days=1)
    assert ("demo --days 1 --data year" in said, list((tmp_path / "tmp").iterdir())) == (True, [])


def test_it_stops_when_it_is_told_to(tmp_path):
    """After the day in hand."""
    stop = Event()
    stop.set()
    said = year(tmp_path / "data", short_lived(tmp_path), days=400, stop=stop)
    assert "Stopped after 1 days, nothing is left running." in said


def test_a_move_that_fails_ends_it(tmp_path, monkeypatch):
    """With the day and the reason."""
    failed = ledger.Move("archive", "2026.01.01", "", "hot", "warm", "", failure="the disk is full")
    monkeypatch.setattr(Mover, "run", lambda self: Report(failed=[failed]))
    with pytest.raises(ShipperError, match=r"2026.01.01 could not be moved: the disk is full"):
        year(tmp_path / "data", short_lived(tmp_path))


def test_a_killed_one_leaves_nothing_behind(tmp_path):
    """Neither a folder nor a process."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", CALL, "demo", "--days", "400"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        wait_for(lambda: list(tmp_path.glob("shipper-demo-*/archive/receipts/*")) != [])
        started = _children(process.pid)
        process.send_signal(signal.SIGKILL)
    assert len(started) == 3
    wait_for(lambda: list(tmp_path.iterdir()) == [])
    wait_for(lambda: not any(alive(pid) for pid in started))


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", CALL, "demo", "--days", "400"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: list(tmp_path.glob("shipper-demo-*/hot/*/*")) != [])
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        said = process.stdout.read()
    assert (process.returncode, "nothing is left running" in said, list(tmp_path.iterdir())) == (0, True, [])


def test_what_does_not_go_together_is_said(capsys):
    codes = [run_command(["demo", "--days", "3", *more]) for more in (["--for", "3s"], ["--port", "80"])]
    assert (codes, capsys.readouterr().err.count("leave --for and --port out")) == ([2, 2], 2)


def test_a_folder_is_there_only_inside():
    with fleeting("year-") as folder:
        (folder / "file").write_text("")
    assert not folder.exists()


def _children(parent: int) -> list[int]:
    return [pid for pid in map(int, (path.name for path in Path("/proc").glob("[0-9]*"))) if _parent(pid) == parent]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
