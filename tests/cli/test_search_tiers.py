"""`shipper search` over hot, warm and cold, as it is typed."""

import io
import os
import subprocess
import sys
from dataclasses import replace

import orjson
import pytest
import yaml

from shipper.archive.ledger import archived
from shipper.archive.reading import Frozen, Reading
from shipper.cli.fetching import Fetching, line
from shipper.cli.frozen import told
from shipper.cli.main import run_command
from shipper.cli.stores import fees_of_run
from shipper.objects.folder import FolderStore
from shipper.objects.thaw import GIB, Fees
from shipper.state import State
from tests.search.archived import PLACE, put, state_of
from tests.search.both import COMMAND
from tests.search.stored import record, store

HOT = record(3, "2026-01-03T10:00:00Z")
WARM = record(2, "2026-01-02T10:00:00Z")
COLD = record(1, "2026-01-01T10:00:00Z")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No pipeline file in the current folder, nothing of the machine's own."""
    monkeypatch.chdir(tmp_path)
    for variable in ("ELASTICSEARCH_URL", "ELASTICSEARCH_CLOUD_ID", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def data(tmp_path):
    """A data folder with a day in each tier."""
    found = tmp_path / "data"
    store(found, HOT)
    state = state_of(found)
    for doc, tier in ((WARM, "warm"), (COLD, "cold")):
        put(state, FolderStore(found / PLACE), [doc], tmp_path / "scratch", tier=tier)
    state.close()
    return found


@pytest.fixture
def shipper(data, capfdbinary, monkeypatch):
    """Runs a command: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(os.dup(1), "wb", 0), write_through=True))

    def run(*arguments):
        code = run_command([*arguments, "--data", str(data)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return code, captured.out, captured.err.decode()

    return run


def test_all_tiers_in_one_answer(shipper):
    """Newest first, with nothing said of where each lies."""
    assert shipper("search", "--format", "json") == (0, b"\n".join([HOT, WARM, COLD]) + b"\n", "")
    assert shipper("search", "seq:<3", "--count") == (0, b"2\n", "")


@pytest.mark.parametrize(
    ("tiers", "expected"), [("hot", [HOT]), ("warm", [WARM]), ("cold", [COLD]), ("cold,hot", [HOT, COLD])]
)
def test_some_tiers_alone(shipper, tiers, expected):
    """Those that are named."""
    assert shipper("search", "--tier", tiers, "--format", "json") == (0, b"\n".join(expected) + b"\n", "")


def test_a_day_that_cannot_be_read_is_named(shipper, data):
    """The rest is answered; exit 1."""
    (one,) = [path for path in (data / PLACE).rglob("*.parquet") if "warm" in path.parts]
    one.unlink()
    code, out, err = shipper("search", "seq:>0", "--count")
    assert (code, out) == (1, b"2\n")
    assert err.startswith("shipper search: 2026-01-02 can't be read now and is left out: ")
    assert "shipper tier verify" in err
    assert err.count("\n") == 1


def test_tail_does_not_look_into_the_archive(data):
    """It begins with the last hot records."""
    command = [*COMMAND, "tail", "--format", "json", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = process.stdout.readline()
    process.send_signal(2)
    rest, err = process.communicate()
    assert (first, rest, err, process.returncode) == (HOT + b"\n", b"", b"", 0)


def loaded(data, *arguments):
    """Which modules a search takes."""
    code = (
        "import sys; from shipper.cli.main import run_command; "
        f"run_command(['search', '--count', {', '.join(map(repr, arguments))}{',' if arguments else ''} "
        f"'--data', {str(data)!r}]); "
        "print([name for name in ('shipper.search.archive', 'pydantic', 'boto3', 'fsspec') if name in sys.modules])"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout


def test_without_an_archive_nothing_of_it_is_loaded(tmp_path):
    """The search starts as quickly as ever."""
    store(tmp_path / "other", record(1))
    state = state_of(tmp_path / "other")
    state.set_meta("sinks", orjson.dumps({"pipeline": "any.yml", "sinks": ["embedded"]}).decode())
    state.close()
    assert loaded(tmp_path / "other").endswith(b"[]\n")


def test_an_archive_in_a_folder_takes_no_client_of_s3(data):
    """Nor the file system that reads by ranges."""
    assert loaded(data, "seq:>0", "--tier", "warm,cold").endswith(b"['shipper.search.archive', 'pydantic']\n")


# ── in a bucket ───────────────────────────────────────────────────────────────────────────────────────────────────────


def archive_to(data, bucket, tmp_path, settings, **how):
    """A pipeline that archives there, and a day that is there."""
    pipeline = tmp_path / "mine.yml"
    tiers = {"hot": "7d", "warm": {"until": "30d", "to": bucket.place}, "s3": settings}
    pipeline.write_text(yaml.safe_dump({"sinks": [{"type": "embedded"}], "tiers": tiers}))
    state = state_of(data)
    state.set_meta("sinks", orjson.dumps({"pipeline": str(pipeline), "sinks": ["embedded"]}).decode())
    docs = [record(0, "2025-12-31T10:00:00Z")]
    put(state, bucket.store(), docs, tmp_path / "scratch", place=bucket.place, **how)
    state.close()


def given(bucket):
    """What a pipeline file says of a bucket."""
    server = bucket.settings
    return {
        "endpoint": server.endpoint,
        "region": server.region,
        "access_key": server.access_key.get_secret_value(),
        "secret_key": server.secret_key.get_secret_value(),
    }


def test_a_bucket_is_reached_as_the_pipeline_of_the_last_run_says(shipper, data, bucket, tmp_path):
    """And what was fetched is kept below the data folder, for its owner alone."""
    archive_to(data, bucket, tmp_path, given(bucket))
    assert shipper("search", "seq:0", "--format", "json") == (0, record(0, "2025-12-31T10:00:00Z") + b"\n", "")
    kept = [path for path in (data / "cache").rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}


def test_a_process_ends_without_a_word(data, bucket, tmp_path):
    """Neither DuckDB nor what it reads through is left over."""
    archive_to(data, bucket, tmp_path, given(bucket))
    done = subprocess.run(
        [*COMMAND, "search", "seq:0", "--count", "--data", str(data)], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")


def test_a_bucket_that_is_away_is_one_line(shipper, data, bucket, tmp_path):
    """The other tiers are answered; exit 1."""
    archive_to(data, bucket, tmp_path, {**given(bucket), "endpoint": "http://127.0.0.1:1"})
    code, out, err = shipper("search", "seq:>=0", "--count")
    assert (code, out) == (1, b"3\n")
    assert err.startswith("shipper search: 2025-12-31 can't be read now and is left out: ")
    assert err.count("\n") == 1


def test_settings_that_cannot_be_right_are_told(shipper, data, bucket, tmp_path):
    """With file and line; the other tiers are answered."""
    archive_to(data, bucket, tmp_path, {**given(bucket), "nonsense": 1})
    code, out, err = shipper("search", "seq:>=0", "--count")
    assert (code, out) == (1, b"3\n")
    assert "mine.yml:" in err and "unknown key `nonsense`" in err


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_day_in_glacier_is_named_and_asked_for(shipper, data, bucket, tmp_path):
    """With its size, what getting it takes, and then when it is there."""
    archive_to(data, bucket, tmp_path, given(bucket), tier="cold", storage_class="GLACIER")
    code, out, err = shipper("search", "seq:>=0", "--count")
    lines = err.splitlines()
    assert (code, out, len(lines)) == (1, b"3\n", 3)
    assert lines[0].endswith("2025-12-31 can't be read now and is left out: it needs a restore first (GLACIER)")
    assert lines[1].startswith("shipper search: in GLACIER, ") and "2025-12-31 (" in lines[1]
    assert "Standard 3-5 h" in lines[2] and lines[2].endswith("--restore asks for them (Standard)")
    code, out, err = shipper("search", "seq:>=0", "--count", "--restore")
    assert (code, out) == (1, b"3\n")
    assert "there in 3-5 h (GLACIER), then for 7 days; search again then" in err.splitlines()[-1]
    # moto is quicker than S3.
    assert shipper("search", "seq:>=0", "--count")[:2] == (0, b"4\n")
    state = state_of(data)
    assert [row["kind"] for row in state.rows("SELECT kind FROM outbox")] == ["audit"]
    state.close()


# ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_on_its_way_is_told_apart(data):
    """It need not be asked for."""
    state = state_of(data)
    ones = archived(state)
    state.close()
    frozen = [Frozen(one, one.manifest.parts[0], one.tier == "cold") for one in ones]
    lines = told(frozen, Fees(), offer=True)
    assert lines[0].startswith("asked for already, and on their way: 2026-01-01 (")
    assert "2026-01-02 (" in lines[1] and "--restore" in lines[2]
    many = told(
        [Frozen(ones[0]._replace(day=f"2025.01.{day:02d}"), ones[0].manifest.parts[0], False) for day in range(1, 32)],
        Fees(),
        offer=False,
    )
    assert "31 days from 2025-01-01 to 2025-01-31 (" in many[0]
    assert "--restore" not in many[1]


def test_what_asking_costs_is_told_by_the_prices_of_the_pipeline(data, tmp_path):
    """With their date; where it names none, only how long it takes."""
    state = state_of(data)
    one = archived(state)[0]
    state.close()
    part = replace(one.manifest.parts[0], storage_class="GLACIER", bytes=10 * GIB)
    prices = {"as_of": "2026-03-01", "currency": "EUR", "restore": {"GLACIER": {"Standard": 0.02, "Bulk": 0}}}
    pipeline = tmp_path / "priced.yml"
    for given, expected in (
        ({}, "getting them takes Expedited 1-5 min; Standard 3-5 h; Bulk 5-12 h"),
        (
            {"prices": prices},
            "getting them takes Expedited 1-5 min; Standard 3-5 h, 0.20 EUR; Bulk 5-12 h, free (prices of 2026-03-01)",
        ),
    ):
        pipeline.write_bytes(orjson.dumps({"tiers": {"hot": "7d", "cold": "365d", **given}}))
        state = State(data / "state.db")
        state.set_meta("sinks", orjson.dumps({"pipeline": str(pipeline), "sinks": ["embedded"]}).decode())
        state.close()
        assert told([Frozen(one, part, False)], fees_of_run(data), offer=False)[1] == expected


def test_what_is_fetched_is_shown_and_taken_away(capsys, monkeypatch):
    """On a terminal, when it takes a while."""
    now = [0.0]
    monkeypatch.setattr("shipper.cli.fetching.monotonic", lambda: now[0])
    fetching = Fetching(on=True)
    fetching.reading.open(4 << 20)
    fetching.reading.fetch(1 << 20)
    assert capsys.readouterr().err == ""
    now[0] = 1.0
    fetching.reading.fetch(1 << 20)
    assert "2.0 MiB of at most 4.0 MiB" in capsys.readouterr().err
    assert list(fetching.before([b"doc"])) == [b"doc"]
    assert capsys.readouterr().err == "\r\x1b[K"


def test_nothing_is_shown_where_nobody_looks(capsys, monkeypatch):
    """A file, a pipe."""
    monkeypatch.setattr("shipper.cli.fetching.AFTER_S", -1)
    fetching = Fetching(on=False)
    fetching.reading.fetch(1)
    fetching.clear()
    assert capsys.readouterr().err == ""


def test_the_line_fits_a_terminal():
    """Whatever the numbers are."""
    reading = Reading()
    reading.open(1 << 40)
    reading.fetch(1 << 39)
    assert len(line(reading)) < 80
