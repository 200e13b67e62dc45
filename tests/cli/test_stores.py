"""Where `shipper search`, `tail` and `alerts` look: in the data folder, in Elasticsearch, or in both."""

import base64
import os
import subprocess
import sys
from contextlib import closing

import orjson
import pytest
import yaml

from shipper import build
from shipper.cli.stores import ADDRESSES, DAY_S, elsewhere, noted_by_run, stores
from shipper.errors import UsageError
from shipper.run import where_records_go
from shipper.state import State
from tests.batches import finished
from tests.search.both import COMMAND, both
from tests.search.stored import record, store

AWAY = "http://127.0.0.1:1"
LEFT = 1_795_168_800.0
"""2026-11-20T10:00:00Z."""
LEFT_DAY_ENDS = LEFT + 14 * 3600
LOG = b"".join(
    b'{"timestamp":"2025-11-20T10:00:%02dZ","level":"WARNING","logger":"auth","message":"Login failed for bob",'
    b'"client_ip":"10.1.2.3","function":"login","user_id":"bob"}\n' % second
    for second in range(8)
)


def shipper(*arguments, env):
    """A `shipper` of its own: exit code, stdout, stderr."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, env=env, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No pipeline file in the current folder, no address in the environment."""
    monkeypatch.chdir(tmp_path)
    for variable in ADDRESSES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def env(monkeypatch):
    """The environment of a command, as a dictionary that a test may change."""
    return dict(os.environ)


def note(data, pipeline, *sinks, **more):
    """What a run writes down."""
    state = State(data / "state.db")
    state.set_meta("sinks", orjson.dumps({"pipeline": str(pipeline), "sinks": sinks, **more}).decode())
    state.close()


def kinds(data):
    """The classes of the stores that would be asked, and what can't be."""
    found = stores(data)
    for each in found.stores:
        each.close()
    return [type(each).__name__ for each in found.stores], found.missing


def test_the_data_folder_alone(tmp_path):
    """Without an address of Elasticsearch."""
    store(tmp_path, record(1))
    assert kinds(tmp_path) == (["EmbeddedStore"], "")


def test_elasticsearch_alone(tmp_path, monkeypatch):
    """Nothing was stored here, on a colleague's machine."""
    monkeypatch.setenv("ELASTICSEARCH_URL", AWAY)
    assert kinds(tmp_path / "none") == (["ElasticStore"], "")


def test_a_cloud_id_is_an_address_too(tmp_path, monkeypatch):
    """Also beside a folder whose last run wrote to nothing else."""
    store(tmp_path, record(1))
    note(tmp_path, "any.yml", "embedded")
    cloud_id = "name:" + base64.b64encode(b"cloud.invalid$deployment$kibana").decode()
    monkeypatch.setenv("ELASTICSEARCH_CLOUD_ID", cloud_id)
    assert kinds(tmp_path) == (["EmbeddedStore", "ElasticStore"], "")


def test_both(tmp_path, monkeypatch):
    """A folder that was filled before there was an Elasticsearch."""
    store(tmp_path, record(1))
    monkeypatch.setenv("ELASTICSEARCH_URL", AWAY)
    assert kinds(tmp_path) == (["EmbeddedStore", "ElasticStore"], "")


def test_the_pipeline_of_the_last_run_counts(tmp_path):
    """It may name its Elasticsearch itself."""
    pipeline = tmp_path / "mine.yml"
    pipeline.write_text(yaml.safe_dump({"name": "mine", "sinks": [{"type": "elasticsearch", "url": AWAY}]}))
    store(tmp_path, record(1))
    note(tmp_path, pipeline, "elasticsearch")
    assert kinds(tmp_path) == (["EmbeddedStore", "ElasticStore"], "")


def test_an_address_that_this_shell_lacks_is_said(tmp_path, env):
    """Instead of an empty answer: one line, exit 1."""
    store(tmp_path, record(1))
    note(tmp_path, "gone.yml", "elasticsearch")
    code, out, err = shipper("search", "--count", "--data", str(tmp_path), env=env)
    assert (code, out) == (1, b"1\n")
    assert "are in Elasticsearch" in err
    assert "set ELASTICSEARCH_URL" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("since", "now", "told"),
    [
        (None, LEFT, True),
        (LEFT - 1, LEFT + 60, True),
        (LEFT, LEFT + 60, False),
        (None, LEFT_DAY_ENDS + 7 * DAY_S - 1, True),
        (None, LEFT_DAY_ENDS + 7 * DAY_S, False),
    ],
)
def test_what_an_earlier_run_wrote_to_elasticsearch_is_told_while_it_may_be_there(tmp_path, since, now, told):
    """Not when it is older than what is asked for, or than what a hot store keeps."""
    store(tmp_path, record(1))
    note(tmp_path, "any.yml", "embedded", left=LEFT, hot_s=7 * DAY_S)
    chosen = stores(tmp_path)
    line = (
        "records up to 2026-11-20T10:00:00Z went to Elasticsearch, which is not asked; "
        "set ELASTICSEARCH_URL or ELASTICSEARCH_CLOUD_ID as then"
    )
    assert elsewhere(chosen, since, now) == (line if told else "")
    for each in chosen.stores:
        each.close()


def test_nothing_is_told_of_an_elasticsearch_that_is_asked(tmp_path, monkeypatch):
    """It has them."""
    store(tmp_path, record(1))
    note(tmp_path, "any.yml", "embedded", left=LEFT, hot_s=None)
    monkeypatch.setenv("ELASTICSEARCH_URL", AWAY)
    chosen = stores(tmp_path)
    assert elsewhere(chosen, None, LEFT) == ""
    for each in chosen.stores:
        each.close()


def test_an_answer_without_elasticsearch_says_so(tmp_path, env):
    """One line, exit 1, and what the folder holds."""
    store(tmp_path, record(1))
    note(tmp_path, "any.yml", "embedded", left=LEFT)
    code, out, err = shipper("search", "--count", "--data", str(tmp_path), env=env)
    assert (code, out, err.count("\n")) == (1, b"1\n", 1)
    assert err.startswith("shipper search: records up to 2026-11-20T10:00:00Z went to Elasticsearch")


def test_a_run_remembers_since_when_it_writes_elsewhere(tmp_path):
    """Through further runs, until Elasticsearch is back; of one that stored nothing there is nothing to say."""
    sinks = {"there": [{"type": "elasticsearch", "url": AWAY}], "here": [{"type": "embedded"}]}
    tiers = {"hot": "2d", "warm": {"until": "30d"}}
    plans = {}
    for name, each in sinks.items():
        path = tmp_path / f"{name}.yml"
        source = {"type": "tail", "paths": ["/nowhere"]}
        path.write_text(yaml.safe_dump({"sources": [source], "sinks": each, "tiers": tiers}))
        plans[name] = build.plan(path, {})

    def left(names):
        found = []
        for number, name in enumerate(names):
            state.set_meta("sinks", where_records_go(plans[name], state, float(number)))
            found.append(orjson.loads(state.meta("sinks")).get("left"))
        return found

    with closing(State(tmp_path / "state.db")) as state:
        nothing_stored = left(("there", "here"))
        state.commit(finished(b"{}"))
        assert nothing_stored == [None, None]
        assert left(("here", "there", "there", "here", "here", "there", "here")) == [None, None, None, 3, 3, None, 6]
        assert orjson.loads(state.meta("sinks"))["hot_s"] == 2 * DAY_S


def test_a_server_that_is_away_is_one_line(tmp_path, env):
    """What the folder holds is answered; exit 1."""
    store(tmp_path, record(1))
    code, out, err = shipper(
        "search", "--format", "json", "--data", str(tmp_path), env={**env, "ELASTICSEARCH_URL": AWAY}
    )
    assert (code, out) == (1, record(1) + b"\n")
    assert err.startswith(f"shipper search: Elasticsearch at {AWAY} can't be read now and is left out: ")
    assert err.count("\n") == 1


def test_a_connection_that_cannot_be_right_is_told(tmp_path, monkeypatch):
    """With file and line."""
    pipeline = tmp_path / "mine.yml"
    pipeline.write_text(yaml.safe_dump({"sinks": [{"type": "elasticsearch", "url": AWAY, "nonsense": 1}]}))
    store(tmp_path, record(1))
    note(tmp_path, pipeline, "elasticsearch")
    with pytest.raises(UsageError, match=r"mine.yml:\d+: unknown key"):
        stores(tmp_path)


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_a_run_is_found_and_alerts_are_the_same(elasticsearch, name, tmp_path, env):
    """A run with a pipeline file of its own; its alerts are in `state.db`, wherever its records are."""
    with both(tmp_path, elasticsearch, name, LOG, rules=True) as stored:
        assert noted_by_run(stored.data)[:2] == (stored.pipeline, ("embedded", "elasticsearch"))
        counted = shipper("search", "level:WARNING", "--count", "--data", str(stored.data), env=env)
        alerts = shipper("alerts", "--since", "3000d", "--format", "json", "--data", str(stored.data), env=env)
        assert counted == (0, b"8\n", "")
        assert (alerts[0], alerts[1].count(b"\n") > 0) == (0, True)


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_tail_shows_what_comes_to_elasticsearch(elasticsearch, name, tmp_path, env):
    """The last ones, then each new one once; Ctrl-C ends it."""
    with both(tmp_path, elasticsearch, name, LOG) as stored:
        stored.keep_only_elasticsearch()
        command = [*COMMAND, "tail", "bob", "--format", "json", "--data", str(stored.data)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        first = [process.stdout.readline() for _ in range(8)]
        stored.run_on(LOG[: LOG.index(b"\n") + 1])
        new = process.stdout.readline()
        process.send_signal(2)
        rest, err = process.communicate()
    assert len({orjson.loads(line)["event.id"] for line in (*first, new)}) == 9
    assert (rest, err, process.returncode) == (b"", b"", 0)


def test_the_help_of_all_loads_no_command():
    """Half a second, for those who only look what there is."""
    code = (
        "import sys; from shipper.cli.main import run_command; run_command(['--help']); "
        "print([name for name in sys.modules if name.startswith('shipper.cli.') and name != 'shipper.cli.main'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"  search      Find stored records" in done.stdout and done.stdout.endswith(b"[]\n")


@pytest.mark.parametrize("command", ["search", "tail"])
def test_help_loads_no_store(command):
    """Neither DuckDB nor the client of Elasticsearch: a tenth and a fifth of a second."""
    code = (
        "import sys; from shipper.cli.main import run_command; "
        f"run_command(['{command}', '--help']); print([name for name in ('duckdb', 'elasticsearch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.endswith(b"[]\n")


def test_a_search_in_the_folder_loads_no_client(tmp_path):
    """What a run without Elasticsearch noted spares the look into its pipeline file."""
    store(tmp_path, record(1))
    note(tmp_path, "any.yml", "embedded")
    code = (
        "import sys; from shipper.cli.main import run_command; "
        f"run_command(['search', '--count', '--data', {str(tmp_path)!r}]); "
        "print([name for name in ('shipper.config', 'elasticsearch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"1\n[]\n"


def test_a_folder_without_a_note_is_from_an_older_run(tmp_path):
    """Nothing is known of its sinks."""
    store(tmp_path, record(1))
    assert noted_by_run(tmp_path)[:2] == (None, ())
    assert noted_by_run(tmp_path / "none") is None
    with closing(State(tmp_path / "state.db", readonly=True)) as state:
        assert state.meta("sinks") == ""
