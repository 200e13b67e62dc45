"""What goes wrong before anything runs: one line that says what, where and what to do, and never a traceback."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shipper.state import SCHEMA_VERSION
from tests.e2e.shipper import COMMAND, ROOT, Said, Shipper, line
from tests.services.supervisor import wait_for

COMMANDS = [
    "run",
    "demo",
    "check",
    "preview",
    "search",
    "tail",
    "alerts",
    "rules",
    "scan",
    "setup",
    "quarantine",
    "tier",
    "hold",
    "erase",
    "status",
]
RUN = ("run", "pipeline.yml", "--once")
READERS = [("search", "x"), ("tail",), ("alerts",), ("status",), ("quarantine", "list"), ("quarantine", "replay")]


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    """With three lines to read and rules that may be changed."""
    shipper = Shipper(tmp_path, own_rules=True)
    shipper.log.write_bytes(b"".join(line(n=n) for n in range(3)))
    return shipper


def complaint(said: Said) -> str:
    """The one line of an error, behind what the log says; nothing stands on stdout."""
    assert "Traceback" not in said.err
    assert said.out == b""
    events, last = said.err.splitlines()[:-1], said.err.splitlines()[-1]
    assert [event for event in events if not event.startswith('{"@timestamp"')] == []
    return last


def written(shipper: Shipper) -> list[str]:
    """Everything below the data folder."""
    return sorted(str(path.relative_to(shipper.data)) for path in shipper.data.rglob("*"))


# ── wrong usage ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shipper_alone_shows_its_commands(shipper: Shipper) -> None:
    """The whole help on stderr, and 2."""
    done = subprocess.run(COMMAND, check=False, capture_output=True, text=True, cwd=ROOT, env=shipper.env, timeout=60)
    said = Said(done.returncode, done.stdout.encode(), done.stderr)
    assert (said.code, said.out) == (2, b"")
    assert said.err.startswith("Usage: shipper ")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", said.err, re.M)] == []
    assert said.err.splitlines()[-1].startswith("  status ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("serach",), "shipper: there is no command serach; did you mean search?; see: shipper --help"),
        (("frobnicate",), f"shipper: there is no command frobnicate; commands are: {', '.join(COMMANDS)}; see:"),
        (("run", "--onec"), "shipper: No such option '--onec'. Did you mean '--once'?; see: shipper run --help"),
        (("run", "a.yml", "b.yml"), "shipper: Got unexpected extra argument (b.yml); see: shipper run --help"),
        (("scan",), "shipper: Missing argument 'FILE…'; see: shipper scan --help"),
        (("search", "x", "--limit", "many"), "shipper: Invalid value for '--limit': 'many' is not a valid integer"),
        (("search", "x", "--format", "xml"), "shipper: Invalid value for '--format': 'xml' is not one of"),
        (("scan", "x.log", "--rules", "nowhere"), "shipper: Invalid value for '--rules': Path 'nowhere' does not"),
        (("run", "nowhere.yml"), "shipper: nowhere.yml: cannot be read (No such file or directory); name a pipeline"),
        (("check", "nowhere.yml"), "shipper: nowhere.yml: cannot be read (No such file or directory); name a"),
    ],
)
def test_wrong_usage_is_one_line(shipper: Shipper, words: tuple[str, ...], expected: str) -> None:
    """What is wrong and where to read on; nothing is written."""
    said = shipper(*words, code=2)
    assert complaint(said).startswith(expected)
    assert len(said.err.splitlines()) == 1
    assert not shipper.data.exists()


@pytest.mark.parametrize("command", ["scan", "preview"])
def test_a_file_that_cannot_be_read_is_named(shipper: Shipper, command: str) -> None:
    """Missing, or a folder."""
    complaints = [complaint(shipper(command, name, code=1)) for name in ("nowhere.log", shipper.logs)]
    assert complaints == [
        "shipper: nowhere.log: cannot be read (No such file or directory); name a file, or - for standard input",
        f"shipper: {shipper.logs}: cannot be read (Is a directory); name a file, or - for standard input",
    ]


@pytest.mark.parametrize("words", READERS)
def test_an_empty_data_folder_is_told_as_such(shipper: Shipper, words: tuple[str, ...]) -> None:
    """And not made by those who only read."""
    said = shipper(*words, code=1)
    assert complaint(said) == f"shipper: {shipper.data}: nothing has been stored here yet; start with: shipper run"
    assert not shipper.data.exists()


# ── a pipeline or a rule that is wrong ────────────────────────────────────────────────────────────────────────────────


def test_every_mistake_of_a_pipeline_is_a_line_and_nothing_starts(shipper: Shipper) -> None:
    """File, line, what is wrong, what to write instead."""
    shipper.write_pipeline(decoed={}, notify=[{"type": "apprize"}])
    said = shipper.once(code=2)
    assert (said.out, "Traceback" in said.err) == (b"", False)
    places = [re.sub(r":\d+: ", ": ", text) for text in said.err.splitlines()]
    assert sorted(text.removeprefix("shipper: ") for text in places) == [
        f"{shipper.pipeline}: there is no notify of type `apprize`; did you mean `apprise`?",
        f"{shipper.pipeline}: unknown key `decoed`; did you mean `decode`?",
    ]
    assert not shipper.data.exists()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("rules/security/sql_injection_attempt.yml", "condition: ", "condition: nonesuch or "),
        ("rules/security/sql_injection_attempt.yml", "title: ", "title: ["),
        ("secrets/cloud.toml", "[[rules]]", "[[rules"),
        ("secrets/cloud.toml", "keywords = ", "kewyords = "),
    ],
)
def test_a_broken_rule_keeps_the_run_from_starting(shipper: Shipper, name: str, old: str, new: str) -> None:
    """One line with file and line; nothing is written."""
    path = shipper.folder / name
    path.write_text(path.read_text().replace(old, new, 1))
    said = shipper.once(code=2)
    assert re.match(rf"shipper: {re.escape(str(path))}:\d+: \S", complaint(said))
    assert not shipper.data.exists()


def test_rules_that_are_not_there_keep_the_run_from_starting(shipper: Shipper) -> None:
    """A path that is mistyped must not mean that nothing is found."""
    shipper.write_pipeline(detect={"rules": ["ruels"], "secrets": ["secrets"]})
    said = shipper.once(code=2)
    assert complaint(said).startswith(f"shipper: {shipper.folder / 'ruels'}:1: there is no such file or folder")
    assert not shipper.data.exists()


# ── the data folder ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_run_names_the_first(shipper: Shipper) -> None:
    """And the first goes on undisturbed."""
    with shipper.following() as run:
        wait_for(lambda: shipper.count() == 3)
        said = shipper.once(code=2)
        assert complaint(said) == (
            f"shipper: {shipper.data}: in use by shipper (process {run.process.pid}); "
            "stop that one first, or give another folder: --data DIR"
        )
        assert complaint(shipper.once("--fresh-state", code=2)) == complaint(said)
        with shipper.log.open("ab") as log:
            log.write(line(n=3))
        wait_for(lambda: shipper.count() == 4)
        assert run.end().code == 0
    shipper.once()
    assert shipper.numbers() == [0, 1, 2, 3]


def test_a_killed_run_leaves_the_folder_free(shipper: Shipper) -> None:
    """A lock belongs to a process that runs."""
    with shipper.following() as run:
        wait_for(lambda: shipper.count() == 3)
        run.kill()
    shipper.once()
    assert shipper.numbers() == [0, 1, 2]


def test_a_lost_state_is_not_begun_anew_by_itself(shipper: Shipper) -> None:
    """Not at the second try either; with --fresh-state what is stored stays and the files are read again."""
    shipper.once()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (shipper.data / name).unlink(missing_ok=True)
    for _ in range(2):
        said = complaint(shipper.once(code=1))
        assert re.search(r"\.ndjson: stored data that \S+/state\.db knows nothing of; .*--fresh-state", said)
        assert not (shipper.data / "state.db").exists(), "an empty one would tell readers that nothing is stored"
    shipper.once("--fresh-state")
    assert shipper.numbers() == [0, 0, 1, 1, 2, 2]
    shipper.once()
    assert shipper.count() == 6


def test_stored_files_that_are_gone_are_named(shipper: Shipper) -> None:
    """The list in state.db says what has to be there."""
    shipper.once()
    [hot] = (shipper.data / "hot").glob("*/*.ndjson")
    hot.unlink()
    said = complaint(shipper.once(code=1))
    assert said.startswith(f"shipper: {hot}: listed in state.db, but missing; ")
    assert "--fresh-state" in said


@pytest.mark.parametrize("words", [RUN, *READERS])
def test_a_state_of_a_newer_version_is_left_alone(shipper: Shipper, words: tuple[str, ...]) -> None:
    """Neither read nor changed."""
    shipper.once()
    with closing(sqlite3.connect(shipper.data / "state.db")) as db:
        db.execute("PRAGMA user_version=99")
    before = written(shipper)
    assert complaint(shipper(*words, code=1)) == (
        f"shipper: {shipper.data}/state.db: written by a newer shipper (format 99, this one knows {SCHEMA_VERSION}); upgrade shipper"
    )
    with closing(sqlite3.connect(shipper.data / "state.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
    assert [name for name in written(shipper) if "state.db" not in name] == [
        name for name in before if "state.db" not in name
    ]


@pytest.mark.parametrize("words", [RUN, *READERS])
def test_a_state_that_is_no_database_is_named(shipper: Shipper, words: tuple[str, ...]) -> None:
    """With what to do about it."""
    shipper.data.mkdir()
    (shipper.data / "state.db").write_bytes(b"not a database, " * 1000)
    said = complaint(shipper(*words, code=1))
    assert said.startswith(f"shipper: {shipper.data}/state.db: cannot be read as a state file (")
    assert "--fresh-state" in said


def test_a_data_folder_that_cannot_be_made_is_named(shipper: Shipper) -> None:
    """Below a file; or a file itself."""
    below = complaint(shipper("run", shipper.pipeline, "--once", data=shipper.log / "data", code=1))
    assert below == f"shipper: {shipper.log}/data: cannot be made (Not a directory); give another folder: --data DIR"
    itself = complaint(shipper("run", shipper.pipeline, "--once", data=shipper.log, code=2))
    assert (
        itself == f"shipper: Invalid value for '--data': Directory '{shipper.log}' is a file; see: shipper run --help"
    )


@pytest.mark.parametrize("name", ["tail.lock", "state.db"])
def test_a_data_folder_with_something_in_the_way_is_named(shipper: Shipper, name: str) -> None:
    """A folder where a file belongs."""
    (shipper.data / name).mkdir(parents=True)
    assert complaint(shipper.once(code=1)).startswith(f"shipper: {shipper.data / name}: cannot be ")


@contextmanager
def mode(folder: Path, bits: int) -> Iterator[None]:
    """A folder with these permissions for a while. Skips the test where they mean nothing."""
    folder.chmod(bits)
    try:
        if os.access(folder, os.R_OK | os.W_OK):
            pytest.skip("nothing is forbidden to this user")
        yield
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("words", [RUN, *READERS])
def test_a_data_folder_that_must_not_be_read_is_named(shipper: Shipper, words: tuple[str, ...]) -> None:
    """Somebody else's."""
    shipper.once()
    with mode(shipper.data, 0):
        said = complaint(shipper(*words, code=2))
    assert said.startswith(f"shipper: Invalid value for '--data': Directory '{shipper.data}' is not readable; ")


@pytest.mark.parametrize("words", [RUN, *READERS])
def test_a_data_folder_that_must_only_be_listed_is_named(shipper: Shipper, words: tuple[str, ...]) -> None:
    """Its files cannot be opened."""
    shipper.once()
    with mode(shipper.data, 0o400):
        assert str(shipper.data) in complaint(shipper(*words, code=1))


def test_a_data_folder_that_must_not_be_written_is_named(shipper: Shipper) -> None:
    """An existing one that is empty."""
    shipper.data.mkdir()
    with mode(shipper.data, 0o500):
        said = complaint(shipper.once(code=1))
    assert said.startswith(f"shipper: {shipper.data}/tail.lock: cannot be opened (Permission denied); ")


def test_a_stored_data_folder_that_must_not_be_written_is_named(shipper: Shipper) -> None:
    """One that holds records."""
    shipper.once()
    with mode(shipper.data, 0o500):
        assert str(shipper.data) in complaint(shipper.once(code=1))


@pytest.mark.parametrize("command", ["scan", "preview"])
def test_what_stores_nothing_does_without_the_data_folder(shipper: Shipper, command: str) -> None:
    """It would only give the key of the fingerprints."""
    shipper.data.mkdir()
    with mode(shipper.data, 0o400):
        assert shipper(command, shipper.log).err == ""
