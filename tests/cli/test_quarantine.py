"""`shipper quarantine list|show|replay`."""

import json
from contextlib import closing

import pytest

from shipper.cli.main import run_command
from shipper.errors import Blocked
from shipper.lock import hold
from shipper.model import Refused, StateChange
from shipper.quarantine import quarantine_changes
from shipper.sink.embedded import EmbeddedSink
from shipper.state import State
from tests.batches import FILE_ID, finished
from tests.store.store import stored

DOC = b'{"@timestamp":"2026-11-20T10:00:00Z","seq":1}'
PIPELINE = """
sources: [{type: tail, paths: [/nowhere/*.log]}]
sinks: [{type: embedded}]
"""


@pytest.fixture
def data(tmp_path):
    """A row that the embedded sink refused, with a control character in the reason."""
    folder = tmp_path / "data"
    folder.mkdir()
    state = State(folder / "state.db")
    batch = finished(DOC)
    batch.changes = quarantine_changes(
        batch, [Refused(0, "embedded", "odd \x1b[31m row, mapper [bold]")], 1_763_899_200.0
    )
    state.commit(batch)
    state.close()
    return folder


@pytest.fixture
def pipeline(tmp_path):
    path = tmp_path / "pipeline.yml"
    path.write_text(PIPELINE)
    return path


def shipper(*arguments):
    return run_command([str(argument) for argument in arguments])


def test_list_shows_what_waits(data, capsys):
    """No control character reaches the terminal, and what stands in brackets is no markup."""
    assert shipper("quarantine", "list", "--data", data) == 0

    said = capsys.readouterr().out
    assert "embedded" in said and "[31m row" in said and "mapper [bold]" in said and "\x1b" not in said


def test_list_as_json_is_one_object_a_line(data, capsys):
    """And nothing else."""
    shipper("quarantine", "list", "--format", "json", "--data", data)

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {
            "id": 1,
            "event.id": f"{FILE_ID}-0",
            "sink": "embedded",
            "stream": "records",
            "reason": "odd \x1b[31m row, mapper [bold]",
            "at": "2025-11-23T12:00:00.000Z",
            "bytes": len(DOC),
            "replayed": None,
        }
    ]


def test_show_prints_the_row_as_it_would_have_been_stored(data, capsysbinary):
    """The reason goes to stderr."""
    shipper("quarantine", "show", "1", "--data", data)

    said = capsysbinary.readouterr()
    assert said.out == DOC + b"\n"
    assert said.err == b"refused by embedded at 2025-11-23T12:00:00.000Z: odd  [31m row, mapper [bold]\n"


def test_show_of_an_unknown_id_is_wrong_usage(data, capsys):
    """One line that says where ids are."""
    assert shipper("quarantine", "show", "7", "--data", data) == 2
    assert capsys.readouterr().err == "shipper: quarantine: there is no entry '7'; see: shipper quarantine list\n"


def test_replay_stores_the_row_and_marks_it(data, pipeline, capsys):
    """Then nothing waits any more; `--all` still shows it."""
    assert shipper("quarantine", "replay", "--pipeline", pipeline, "--data", data) == 0
    assert stored(data) == [DOC]

    shipper("quarantine", "list", "--data", data)
    shipper("quarantine", "list", "--all", "--data", data)
    said = capsys.readouterr().out
    assert said.startswith("1 taken, 0 refused again\nnothing in quarantine\n") and "(replayed)" in said


def test_replay_while_the_sink_is_away_is_one_line(data, pipeline, capsys):
    """Nothing is waited for, and the row stays."""
    pipeline.write_text(
        "sources: [{type: tail, paths: [/nowhere/*.log]}]\nsinks: [{type: elasticsearch, url: 'http://127.0.0.1:1'}]"
    )
    with closing(State(data / "state.db")) as state:
        state.run(StateChange("UPDATE quarantine SET sink = ?", ("elasticsearch",)))

    assert shipper("quarantine", "replay", "--pipeline", pipeline, "--data", data) == 1
    why = "elasticsearch takes nothing now, what is in quarantine stays there: http://127.0.0.1:1: refuses"
    assert (why in (said := capsys.readouterr().err), said.count("\n")) == (True, 1)
    shipper("quarantine", "list", "--data", data)
    assert "elasticsearch" in capsys.readouterr().out


def test_replay_into_a_blocked_index_says_why_and_keeps_the_row(data, pipeline, capsys, monkeypatch):
    """The exit code asks for another try; once nothing blocks it is taken."""

    def blocked(*_):
        raise Blocked("app-2026.11.20: write is blocked", [0], [])

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedSink, "write", blocked)
        assert shipper("quarantine", "replay", "--pipeline", pipeline, "--data", data) == 1
    assert shipper("quarantine", "replay", "--pipeline", pipeline, "--data", data) == 0
    assert capsys.readouterr().out == (
        "0 taken, 0 refused again, 1 not taken now: app-2026.11.20: write is blocked\n1 taken, 0 refused again\n"
    )


def test_replay_beside_a_run_is_refused(data, pipeline, capsys):
    """Two writers of one store would be one too many."""
    with hold(data, "tail"):
        assert shipper("quarantine", "replay", "--pipeline", pipeline, "--data", data) == 2
    assert "in use by" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["list"], ["show", "1"], ["replay"]])
def test_a_folder_without_data_is_an_error(tmp_path, capsys, command):
    """Nothing is made there."""
    assert shipper("quarantine", *command, "--data", tmp_path / "none") == 1
    assert "nothing has been stored here yet" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
