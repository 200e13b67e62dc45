"""`shipper rules`: exit codes and what is printed."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli.explain import WIDTH, span
from shipper.cli.rules import rules
from shipper.errors import UsageError

RULE = """
title: Door left open
id: 11111111-2222-4333-8444-555555555555
name: door_open
description: The door stands open.
level: high
tags: [attack.t1190]
logsource: {category: application}
detection:
    door:
        message|contains: door left open
    condition: door
alert: {group-by: [source.ip], realert: 90m}
tests:
    match: [the door left open again]
    pass: [the door is shut]
"""
CORRELATION = """
title: Door left open often
id: 11111111-2222-4333-8444-666666666666
name: door_often
level: high
correlation:
    type: event_count
    rules: [door_open]
    group-by: [who]
    aliases: {who: {door_open: user.name}}
    timespan: 10m
    condition: {gt: 2}
tests:
    match: [{repeat: 3, every: 1s, record: {message: door left open, user.name: bob}}]
    pass: [{repeat: 2, every: 1s, record: {message: door left open, user.name: bob}}]
"""
SECRET = """
[[rules]]
id = "door-code"
description = "A code of the door"
regex = '''door-[0-9]{8}'''
keywords = ["door-"]
tests = { match = ["the code is door-{digits:8}"], pass = ["the door-bell rang"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one rule of each kind."""
    (tmp_path / "door.yml").write_text(RULE)
    (tmp_path / "often.yml").write_text(CORRELATION)
    (tmp_path / "door.toml").write_text(SECRET)
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(rules, [str(argument) for argument in arguments])


def test_list_shows_each_rule_once_and_fits_80_columns(folder: Path) -> None:
    """Rules, correlations and secrets, in one table."""
    shown = call("list", folder)
    assert shown.exit_code == 0
    assert [shown.output.count(name) for name in ("door_open", "door_often", "door-code")] == [1, 1, 1]
    assert max(map(len, shown.output.splitlines())) <= 80


def test_list_without_a_path_shows_the_rules_that_ship() -> None:
    """The pipeline's own."""
    shown = call("list")
    assert "failed_logins_by_user" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_check_is_content_with_rules_that_load(folder: Path) -> None:
    """Exit 0, and how many there are."""
    checked = call("check", folder)
    assert (checked.exit_code, checked.output) == (0, "3 rules load, 0 problems\n")


def test_check_names_every_problem_by_file_and_line(folder: Path) -> None:
    """One line each, exit 1, the others are still counted."""
    (folder / "broken.yml").write_text(
        RULE.replace("|contains", "|sounds").replace("5555555", "7777777").replace("door_open", "x")
    )
    (folder / "broken.toml").write_text("[[rules]]\nid = 'x'\nregex = '('\n")
    checked = call("check", folder)
    assert checked.exit_code == 1
    lines = checked.output.splitlines()
    assert len(lines) == 3
    assert any(line.startswith(f"{folder / 'broken.yml'}:11: ") for line in lines)
    assert any(line.startswith(f"{folder / 'broken.toml'}:") for line in lines)
    assert lines[-1] == "3 rules load, 2 problems"


def test_a_path_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """Exit 2, in every command."""
    for command in (["list"], ["check"], ["test"], ["explain", "x"]):
        result = call(*command, tmp_path / "nowhere")
        assert isinstance(result.exception, UsageError)
        assert str(result.exception).startswith(f"{tmp_path / 'nowhere'}: no such file or folder")


def test_one_file_can_be_named(folder: Path) -> None:
    """Sigma or TOML, by its suffix."""
    assert call("check", folder / "door.yml").output == "1 rule loads, 0 problems\n"
    assert call("check", folder / "door.toml").output == "1 rule loads, 0 problems\n"


def test_test_runs_the_examples_of_all_kinds(folder: Path) -> None:
    """Two of each rule here."""
    tested = call("test", folder)
    assert (tested.exit_code, tested.output) == (0, "3 rules, 6 examples, 0 failed\n")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("door.yml", "[the door is shut]", "[the door left open]"),
        ("door.yml", "[the door left open again]", "[the door is shut]"),
        ("often.yml", "repeat: 3", "repeat: 1"),
        ("often.yml", "repeat: 2", "repeat: 4"),
        ("door.toml", "the door-bell rang", "door-{digits:8}"),
        ("door.toml", "the code is door-{digits:8}", "nothing"),
    ],
)
def test_test_fails_on_a_false_example(folder: Path, file: str, old: str, new: str) -> None:
    """Exit 1, the example is named, the summary counts it."""
    (folder / file).write_text((folder / file).read_text().replace(old, new))
    tested = call("test", folder)
    lines = tested.output.splitlines()
    assert tested.exit_code == 1
    assert len(lines) == 2
    assert lines[-1] == "3 rules, 6 examples, 1 failed"


def test_test_fails_on_a_rule_that_does_not_load(folder: Path) -> None:
    """It cannot be tested, so nothing is proven."""
    (folder / "broken.yml").write_text("title: x\n")
    assert call("test", folder).exit_code == 1


def test_rules_without_tests_are_named(folder: Path) -> None:
    """Foreign rules have none; that is no failure."""
    (folder / "often.yml").unlink()
    (folder / "door.yml").write_text(RULE[: RULE.index("tests:")])
    tested = call("test", folder)
    assert (tested.exit_code, tested.output) == (0, "2 rules, 2 examples, 0 failed; without tests: door_open\n")


def test_the_rules_that_ship_pass_their_tests() -> None:
    """Sigma, correlations and secrets."""
    tested = call("test")
    assert (tested.exit_code, tested.output.splitlines()[:-1]) == (0, [])


def test_explain_tells_fields_literals_group_and_suppression(folder: Path) -> None:
    """Of a rule over single records."""
    told = call("explain", "DOOR_OPEN", folder).output
    assert told.startswith("door_open (high)\n")
    for part in (
        "fields      message",
        "fast path   yes",
        "“door left open”",
        "counted by  door_often",
        "alerts      no",
    ):
        assert part in told


def test_explain_says_what_keeps_a_rule_off_the_fast_path(folder: Path) -> None:
    """So that its author can mend it."""
    (folder / "often.yml").unlink()
    (folder / "door.yml").write_text(RULE.replace("message|contains: door left open", "host.name: door"))
    told = call("explain", "door_open", folder).output
    assert "fast path   no: " in told
    assert "group by    source.ip" in told
    assert "new alert after 1h30m" in told


def test_explain_tells_when_a_correlation_fires(folder: Path) -> None:
    """Rules, threshold, window, and the field behind an alias."""
    told = call("explain", "door_often", folder).output
    for part in (
        "counts      door_open",
        "more than 2 within 10m",
        "user.name (door_open)",
        "the pipeline's detect.realert",
    ):
        assert part in told


def test_explain_tells_what_wakes_a_secret_rule(folder: Path) -> None:
    """Its keywords and expressions."""
    told = call("explain", "door-code", folder).output
    assert "keywords    “door-”" in told
    assert "once per secret and place" in told


def test_explain_fits_80_columns() -> None:
    """Also for the rule with the most literals."""
    lines = call("explain", "sql_injection_attempt").output.splitlines()
    assert max(map(len, lines)) <= WIDTH


def test_explain_of_an_unknown_rule_names_the_nearest(folder: Path) -> None:
    """Wrong usage, with a way out."""
    result = call("explain", "door_opne", folder)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "there is no rule door_opne; did you mean door_open?"


def test_explain_of_a_rule_like_no_other_names_the_list(folder: Path) -> None:
    """There is nothing near to it."""
    result = call("explain", "zzz", folder)
    assert str(result.exception) == "there is no rule zzz; see: shipper rules list"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (600, "10m"), (5400, "1h30m"), (86400, "1d")])
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    """The units of `parse_duration`."""
    assert span(seconds) == text
