"""`shipper alerts` as it is typed."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.cli.main import Settings, cli, run_command
from shipper.clock import iso, parse_when
from shipper.errors import Retry
from shipper.notify.lane import silenced
from shipper.notify.memory import MemoryNotifier
from shipper.state import State, save_alert
from tests.test_alerts import an_alert

KEYS = [
    "id",
    "rule_id",
    "rule",
    "level",
    "group",
    "count",
    "first",
    "last",
    "evidence",
    "tags",
    "description",
    "state",
    "updated",
]


class Shipper:
    """Runs commands over one data folder and gives exit code, stdout and stderr."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self._capsys = data, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = run_command(["--data", str(self.data), "alerts", *arguments])
        return code, *self._capsys.readouterr()

    def store(self, **changes: Any) -> None:
        state = State(self.data / "state.db")
        state.run(save_alert(an_alert(**changes)))
        state.close()

    def ids(self, *arguments: str) -> list[str]:
        code, out, _ = self(*arguments, "--format", "json")
        assert code == 0
        return [orjson.loads(line)["id"] for line in out.splitlines()]


@pytest.fixture
def shipper(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shipper:
    monkeypatch.setenv("COLUMNS", "80")
    State(tmp_path / "state.db").close()
    return Shipper(tmp_path, capsys)


def test_json_is_an_object_a_line_with_the_promised_keys(shipper: Shipper) -> None:
    shipper.store()
    code, out, err = shipper("--format", "json")
    assert (code, err) == (0, "")
    assert list(orjson.loads(out)) == KEYS
    assert orjson.loads(out)["group"] == {"source.ip": "10.0.0.5"}


def test_the_newest_come_first(shipper: Shipper) -> None:
    for number in (1, 3, 2):
        shipper.store(id=str(number), last=f"2026-11-2{number}T10:00:00Z")
    assert shipper.ids() == ["3", "2", "1"]


def test_a_level_means_it_and_above(shipper: Shipper) -> None:
    for level in ("low", "medium", "high", "critical"):
        shipper.store(id=level, level=level)
    assert sorted(shipper.ids("--level", "high")) == ["critical", "high"]


def test_since_counts_from_the_last_evidence(shipper: Shipper) -> None:
    now = time.time()
    shipper.store(id="old", last=iso(now - 7200))
    shipper.store(id="new", last=iso(now - 60))
    assert shipper.ids("--since", "1h") == ["new"]
    assert sorted(shipper.ids("--since", "1d")) == ["new", "old"]


def test_times_without_fractions_are_found_to_the_second(shipper: Shipper) -> None:
    shipper.store(id="a", last="2026-11-23T10:00:00Z")
    assert shipper.ids("--since", "2026-11-23T10:00:00Z") == ["a"]
    assert shipper.ids("--since", "2026-11-23T10:00:01Z") == []


def test_the_table_fits_eighty_columns_and_drives_no_terminal(shipper: Shipper) -> None:
    shipper.store(
        rule="A rule with a rather long title " * 3, group={"user.name": "\x1b[31m" + "x" * 200, "b": "[red]"}
    )
    code, out, _ = shipper()
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out
    assert "[red]" in out.replace("\n", "").replace(" ", "")


def test_the_table_shows_when_what_how_often_and_to_whom(shipper: Shipper) -> None:
    shipper.store()
    line = shipper()[1].splitlines()[1]
    assert line.split() == ["2026-11-23", "10:00:05", "high", "6", "Guessing", "source.ip=10.0.0.5"]


def test_without_alerts_it_says_so(shipper: Shipper) -> None:
    assert shipper() == (0, "no alerts\n", "")
    assert shipper("--format", "json") == (0, "", "")


def test_nothing_stored_yet_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = Shipper(tmp_path / "none", capsys)
    for arguments in ([], ["silence", "x", "--for", "1h", "--reason", "y"]):
        code, out, err = missing(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "shipper run" in err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("arguments", [["--since", "soon"], ["--level", "loud"], ["silence", "x", "--for", "5"]])
def test_wrong_usage_exits_with_two(shipper: Shipper, arguments: list[str]) -> None:
    code, out, err = shipper(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_silence_holds_for_its_time_and_can_be_ended(shipper: Shipper) -> None:
    shipper.store()
    now = time.time()
    code, out, err = shipper("silence", "Guessing", "--for", "2h", "--reason", "we test")
    assert (code, err) == (0, "")
    until = parse_when(out.split()[-1], now)
    state = State(shipper.data / "state.db")
    assert until - now == pytest.approx(7200, abs=60)
    assert silenced(state, "guessing", "Guessing", until - 10)
    assert not silenced(state, "guessing", "Guessing", until + 10)
    assert [row["reason"] for row in state.rows("SELECT reason FROM silences")] == ["we test"]
    shipper("silence", "guessing", "--for", "0s", "--reason", "done")
    shipper("silence", "Guessing", "--for", "0s", "--reason", "done")
    assert not silenced(state, "guessing", "Guessing", now)
    state.close()


def test_a_rule_is_silenced_by_the_name_that_the_list_shows(shipper: Shipper) -> None:
    """Alerts know a rule by id and title alone."""
    shipper.store(rule_id="7eb38b51-444c-44f3-bd0f-1c78047026d9", rule="API rate limit hit")
    state = State(shipper.data / "state.db")
    code, _, err = shipper("silence", "API_rate_limit", "--for", "2h", "--reason", "x")
    assert (code, err) == (0, "")
    assert silenced(state, "7eb38b51-444c-44f3-bd0f-1c78047026d9", "API rate limit hit", time.time())
    shipper("silence", "api_rate_limit", "--for", "0s", "--reason", "done")
    assert not silenced(state, "7eb38b51-444c-44f3-bd0f-1c78047026d9", "API rate limit hit", time.time())
    state.close()


def test_silencing_a_rule_that_never_fired_says_so(shipper: Shipper) -> None:
    code, _, err = shipper("silence", "typo", "--for", "2h", "--reason", "x")
    assert code == 0
    assert "no alert of a rule 'typo' so far" in err


def run_test(monkeypatch: pytest.MonkeyPatch, *notifiers: MemoryNotifier) -> int:
    monkeypatch.setattr(Settings, "notifiers", lambda _: list(notifiers), raising=False)
    return run_command(["alerts", "test"])


def test_test_sends_through_every_notifier(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    notifiers = [MemoryNotifier(), MemoryNotifier()]
    assert run_test(monkeypatch, *notifiers) == 0
    assert [message.title for each in notifiers for message in each.sent] == ["[test] shipper can reach you"] * 2
    assert capsys.readouterr().out == "sent through memory, memory\n"


def test_test_fails_naming_who_did_not_take_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("status 500")]
    assert run_test(monkeypatch, notifier) == 1
    assert "not taken by memory: status 500" in capsys.readouterr().err


def test_test_without_a_notifier_says_where_to_add_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_test(monkeypatch) == 1
    assert "`notify:`" in capsys.readouterr().err


def test_help_is_there() -> None:
    assert cli.get_command(None, "alerts") is not None  # type: ignore[arg-type]
    assert run_command(["alerts", "--help"]) == 0
