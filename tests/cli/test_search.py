"""`shipper search` and `shipper tail` as they are typed."""

import io
import os
import pty
import subprocess
import sys

import orjson
import pytest

from shipper.cli.main import run_command
from shipper.cli.search import FIRST, follow
from shipper.cli.stores import Stores
from shipper.clock import ManualClock
from shipper.errors import ShipperError
from shipper.query.parse import parse
from shipper.search.embedded import EmbeddedStore
from shipper.search.show import COLUMNS
from shipper.search.store import News
from shipper.store.read import Reader
from tests.search.stored import record, store

DOCS = [
    record(
        number,
        f"2026-01-01T10:00:{number:02d}Z",
        level=level,
        message=f"message {number}",
        **{"log.level": level.lower()},
    )
    for number, level in enumerate(["INFO", "ERROR", "WARNING"])
]


@pytest.fixture
def shipper(tmp_path, capfdbinary, monkeypatch):
    """Runs a command over a folder with three records: exit code, stdout, stderr."""
    store(tmp_path / "data", *DOCS)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(os.dup(1), "wb", 0), write_through=True))

    def run(*arguments, data=tmp_path / "data"):
        code = run_command([*arguments, "--data", str(data)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return code, captured.out, captured.err.decode()

    return run


def test_json_is_what_is_stored(shipper):
    """One document a line, newest first, and nothing else."""
    assert shipper("search", "*", "--format", "json") == (0, b"\n".join(DOCS[::-1]) + b"\n", "")


def test_the_query_may_be_left_out(shipper):
    """Without one everything is found."""
    assert shipper("search", "--format", "json")[1] == b"\n".join(DOCS[::-1]) + b"\n"


def test_a_query_finds_its_records(shipper):
    """The rest is not shown."""
    assert shipper("search", "level:ERROR OR level:INFO", "--format", "json")[1] == DOCS[1] + b"\n" + DOCS[0] + b"\n"
    assert shipper("search", "level:DEBUG", "--format", "json") == (0, b"", "")


def test_count_is_the_number_alone(shipper):
    """In every format, whatever the limit."""
    assert shipper("search", "*", "--count") == (0, b"3\n", "")
    assert shipper("search", "level:ERROR", "--count", "--format", "json", "--limit", "1") == (0, b"1\n", "")


def test_limit(shipper):
    """The newest so many; 0 is all."""
    assert shipper("search", "--limit", "1", "--format", "json")[1] == DOCS[2] + b"\n"
    assert shipper("search", "--limit", "0", "--format", "json")[1].count(b"\n") == 3


def test_a_hundred_without_limit(shipper, tmp_path):
    """More has to be asked for."""
    store(tmp_path / "many", *(record(number) for number in range(150)))
    assert shipper("search", "--format", "json", data=tmp_path / "many")[1].count(b"\n") == 100
    assert shipper("search", "--format", "json", "--limit", "0", data=tmp_path / "many")[1].count(b"\n") == 150


def test_since_and_until(shipper):
    """Absolute or relative."""
    assert shipper("search", "--since", "2026-01-01T10:00:01Z", "--count")[1] == b"2\n"
    assert shipper("search", "--until", "2026-01-01T10:00:01Z", "--count")[1] == b"1\n"
    assert shipper("search", "--until", "2026-01-01", "--count")[1] == b"0\n"


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_wrong_time_names_its_option(shipper, option):
    """One line, exit 2."""
    code, out, err = shipper("search", option, "soon")
    assert (code, out) == (2, b"")
    assert err.startswith(f"shipper: {option}: 'soon' is not a time")
    assert err.count("\n") == 1


def test_table_is_for_people(shipper):
    """Time, level, source, message, at most 80 columns; no header when it goes to no terminal."""
    assert shipper("search", "level:ERROR")[1].decode() == "2026-01-01 10:00:01 error                     message 1\n"


def test_csv_has_a_header(shipper):
    """The documented columns, one record a row."""
    lines = shipper("search", "level:ERROR", "--format", "csv")[1].decode().split("\r\n")
    assert lines == [",".join(COLUMNS), "2026-01-01T10:00:01Z,error,,,message 1,,,,,,,,,file-001", ""]


@pytest.mark.parametrize("command", ["search", "tail"])
def test_a_wrong_query_is_one_line_and_a_picture(shipper, command):
    """What, where, what to do; then the query with a caret under the place; exit 2."""
    assert shipper(command, "a AND (b") == (
        2,
        b"",
        f'shipper {command}: query: unbalanced parenthesis at column 7: close it with ")"\na AND (b\n      ^\n',
    )


@pytest.mark.parametrize("command", ["search", "tail"])
def test_nothing_stored_yet(shipper, tmp_path, command):
    """One line that says how to start; exit 1."""
    code, out, err = shipper(command, "*", data=tmp_path / "none")
    assert (code, out) == (1, b"")
    assert "nothing has been stored here yet" in err
    assert err.count("\n") == 1


def test_a_tier_without_days_is_said(shipper):
    """Nothing is archived: an empty answer that says so, and no failure."""
    code, out, err = shipper("search", "--tier", "warm,cold", "--count")
    assert (code, out) == (0, b"0\n")
    assert "no day is archived yet (warm, cold)" in err


def test_tiers_are_checked(shipper):
    """A misspelt tier is named; exit 2."""
    assert shipper("search", "--tier", "hot,warm,cold", "--count") == (0, b"3\n", "")
    code, _, err = shipper("search", "--tier", "hto")
    assert code == 2
    assert "'hto' is no tier; write some of: hot,warm,cold" in err


def test_an_unreadable_day_fails_the_command_but_not_the_answer(shipper, tmp_path):
    """The rest is answered, the day named; exit 1."""
    store(tmp_path / "data", record(9, "2026-01-05T10:00:00Z"))
    for path in (tmp_path / "data" / "hot" / "2026.01.05").iterdir():
        path.write_bytes(b"{}")
    code, out, err = shipper("search", "--count")
    assert (code, out) == (1, b"3\n")
    assert err.startswith("shipper search: 2026-01-05 can't be read now and is left out: ")


class Forbidden:
    """Three days that nobody may read."""

    where = "here"
    fed = False

    def days(self, question):
        return ["2026.01.05", "2026.01.06", "2026.01.07"]

    def docs(self, question, day, limit):
        raise ShipperError(f"x-{day}: not allowed")
        yield b""

    def close(self):
        pass


def test_days_that_cannot_be_read_for_one_reason_are_told_together(shipper, monkeypatch):
    """All are named, and the reason only once: there may be a year of them."""
    monkeypatch.setattr("shipper.cli.search.stores", lambda *_: Stores([Forbidden()], ""))
    assert shipper("search", "--limit", "0", "--format", "json") == (
        1,
        b"",
        "shipper search: 2026-01-07 can't be read now and is left out: x-2026.01.07: not allowed\n"
        "shipper search: left out as 2026-01-07: 2026-01-06, 2026-01-05\n",
    )


def test_of_very_many_days_that_cannot_be_read_the_first_and_last_are_named(shipper, monkeypatch):
    """Ten years of an archive that is away are no line of 40,000 characters."""
    away = Forbidden()
    away.days = lambda _: [f"2026.01.{day:02}" for day in range(1, 31)]
    monkeypatch.setattr("shipper.cli.search.stores", lambda *_: Stores([away], ""))
    assert shipper("search", "--format", "json")[2].splitlines()[1:] == [
        "shipper search: left out as 2026-01-30: 29 days from 2026-01-01 to 2026-01-29"
    ]


def start(*arguments, **how):
    """Starts `shipper` as a process of its own."""
    code = "from shipper.cli.main import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, **how)


def test_a_closed_pipe_is_no_error(tmp_path):
    """`shipper search … | head -1` ends quietly."""
    store(tmp_path, *(record(number, message="x" * 2000) for number in range(1000)))
    process = start("search", "--format", "json", "--limit", "0", "--data", str(tmp_path), stdout=subprocess.PIPE)
    assert process.stdout.readline() == record(999, message="x" * 2000) + b"\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_a_terminal_gets_header_and_colour(tmp_path):
    """Errors are red, and a log line brings no escape sequence of its own."""
    store(tmp_path, record(0, message="\x1b[2Jgone", **{"log.level": "error"}))
    master, slave = pty.openpty()
    process = start("search", "--data", str(tmp_path), stdout=slave)
    os.close(slave)
    process.wait()
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert shown.startswith("time (UTC)")
    assert "\x1b[31m2026-01-01 10:00:00 error" in shown
    assert "gone\x1b[0m" in shown
    assert "\x1b[2J" not in shown


def test_tail_starts_with_the_last_and_goes_on(tmp_path):
    """The last ten, oldest first, then each record once as it is committed; Ctrl-C ends with 0."""
    docs = [record(number, f"2026-01-01T10:00:{number:02d}Z") for number in range(FIRST + 4)]
    store(tmp_path, *docs[:-1], record(99, flag=True))
    process = start("tail", "NOT flag:true", "--format", "json", "--data", str(tmp_path), stdout=subprocess.PIPE)
    first = [process.stdout.readline().strip() for _ in range(FIRST)]
    store(tmp_path, docs[-1], record(98, flag=True))
    then = process.stdout.readline().strip()
    process.send_signal(2)
    rest, err = process.communicate()
    assert ([*first, then, rest], err, process.returncode) == ([*docs[-FIRST - 1 :], b""], b"", 0)


def test_follow_waits_only_when_there_is_nothing(tmp_path):
    """A query filters what is new; seals and days do not matter to it."""
    store(tmp_path, record(0))
    reader, clock = Reader(tmp_path), ManualClock(0)
    new = follow([EmbeddedStore(reader).follow(parse("seq:>1"))], [], clock)
    assert next(new) == []
    store(tmp_path, record(1), record(2), record(3, "2026-01-02T10:00:00Z"))
    assert next(new) == [record(2), record(3, "2026-01-02T10:00:00Z")]
    assert next(new) == []
    assert clock.now() == 0.5
    reader.close()


def test_follow_leaves_out_what_came_before_the_last_that_was_shown(tmp_path):
    """Records may be stored between the moment from which on is followed and the first look."""
    store(tmp_path, record(0))
    embedded = EmbeddedStore(Reader(tmp_path))
    follower = embedded.follow(parse("*"))
    store(tmp_path, *(record(number) for number in range(1, 6)))
    new = follow([follower], [record(3), record(4)], ManualClock(0))
    assert next(new) == [record(5)]
    embedded.close()


def test_follow_shows_a_record_of_two_stores_once(tmp_path):
    """Both hold it, one of them sooner."""
    store(tmp_path, record(0))
    embedded = EmbeddedStore(Reader(tmp_path))
    new = follow([embedded.follow(parse("*")), embedded.follow(parse("*"))], [], ManualClock(0))
    store(tmp_path, record(1))
    assert [next(new), next(new)] == [[record(1)], []]
    embedded.close()


class Away:
    """A follower whose store can't be read twice, and then has a record."""

    def __init__(self):
        self.answers = [ShipperError("away"), ShipperError("away"), News(1, [b"{}"])]

    def new(self):
        answer = self.answers.pop(0)
        if isinstance(answer, ShipperError):
            raise answer
        return answer


def test_follow_names_a_store_that_is_away_once(monkeypatch):
    """And goes on with it when it is back."""
    said = []
    monkeypatch.setattr("shipper.cli.search._say", said.append)
    clock = ManualClock(0)
    assert next(follow([Away()], [], clock)) == [b"{}"]
    assert (said, clock.now()) == (["waiting, no new records for now: away", "goes on"], 1.0)


def test_help_shows_the_syntax(shipper):
    """The query language, the options and what they take, on 80 columns."""
    code, out, _ = shipper("search", "--help")
    assert code == 0
    assert b'source.ip:"10.0.0.0/8"' in out
    assert max(map(len, out.decode().splitlines())) <= 80


def test_documents_are_valid_json(shipper):
    """Each line of `--format json` parses."""
    lines = shipper("search", "--format", "json")[1].splitlines()
    assert [orjson.loads(line)["seq"] for line in lines] == [2, 1, 0]
