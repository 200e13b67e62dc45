"""Rules change under a running `shipper run`: it takes them up, keeps what it has counted, and refuses broken ones."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shipper import Running, Shipper, failed_login, line
from tests.services.supervisor import wait_for

TAKEN_UP = '"rules were read again"'
REFUSED = '"the rules stay as they were, this one is broken"'
BY_USER = "rules/security/failed_logins_by_user.yml"
TITLE = "title: Failed logins of one user"

NEW_RULE = """\
title: Somebody said xyzzy
id: 0b8f3f0c-2f0f-4a3c-9d43-6a1c6d1d6f11
status: test
logsource: {category: application, product: xionimus}
detection:
  word: {message|contains: xyzzy}
  condition: word
level: low
"""
NEW_SECRET = """\
title = "Own"

[[rules]]
id = "own-ticket"
description = "Own ticket"
regex = '''tick-[a-z0-9]{16}'''
keywords = ["tick-"]
level = "high"
"""


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    """With rules that may be changed."""
    return Shipper(tmp_path, own_rules=True)


@pytest.fixture
def run(shipper: Shipper) -> Iterator[Running]:
    """Follows an empty log."""
    shipper.log.touch()
    with shipper.following() as run:
        wait_for(lambda: '"following"' in run.err)
        yield run


def replace(shipper: Shipper, name: str, text: str) -> None:
    """The file anew, at one stroke: half a file would be a broken rule."""
    beside = shipper.folder / "new"
    beside.write_text(text)
    os.replace(beside, shipper.folder / name)


def edit(shipper: Shipper, old: str, new: str, name: str = BY_USER) -> None:
    text = (shipper.folder / name).read_text()
    assert old in text
    replace(shipper, name, text.replace(old, new, 1))


def follow(shipper: Shipper, *lines: bytes) -> None:
    """Appends lines, and waits until they are stored, alerts and all."""
    expected = shipper.count() + len(lines)
    with shipper.log.open("ab") as log:
        log.write(b"".join(lines))
    wait_for(lambda: shipper.count() >= expected)


def follow_logins(shipper: Shipper, seconds: range) -> None:
    follow(shipper, *map(failed_login, seconds))


def titles(shipper: Shipper) -> list[str]:
    return sorted(alert["rule"] for alert in shipper.alerts())


def test_a_changed_rule_is_taken_up_and_its_window_kept(shipper: Shipper, run: Running) -> None:
    """Three failed logins before and three after fire, under the new title."""
    follow_logins(shipper, range(3))
    edit(shipper, TITLE, "title: Guessed passwords")
    wait_for(lambda: TAKEN_UP in run.err)
    assert titles(shipper) == []
    follow_logins(shipper, range(3, 6))
    assert titles(shipper) == ["Failed logins from one address", "Guessed passwords"]
    assert {6} == {alert["count"] for alert in shipper.alerts()}


def test_a_hangup_signal_reads_unchanged_rules_again(shipper: Shipper, run: Running) -> None:
    """SIGHUP, and the windows are kept; the process goes on and ends well."""
    follow_logins(shipper, range(3))
    assert TAKEN_UP not in run.err
    run.send(signal.SIGHUP)
    wait_for(lambda: TAKEN_UP in run.err)
    follow_logins(shipper, range(3, 6))
    assert titles(shipper) == ["Failed logins from one address", "Failed logins of one user"]
    assert run.end().code == 0


def test_a_changed_threshold_counts_what_the_window_holds(shipper: Shipper, run: Running) -> None:
    """More than three instead of more than five: three before the change and one after."""
    follow_logins(shipper, range(3))
    edit(shipper, "gt: 5", "gt: 3")
    wait_for(lambda: TAKEN_UP in run.err)
    follow_logins(shipper, range(3, 4))
    assert titles(shipper) == ["Failed logins of one user"]


def test_the_window_outlives_a_restart_with_a_changed_rule(shipper: Shipper) -> None:
    """As if it had been changed while the run went on."""
    shipper.log.write_bytes(b"".join(map(failed_login, range(3))))
    shipper.once()
    edit(shipper, TITLE, "title: Guessed passwords")
    with shipper.log.open("ab") as log:
        log.write(b"".join(map(failed_login, range(3, 6))))
    shipper.once()
    assert titles(shipper) == ["Failed logins from one address", "Guessed passwords"]


def test_a_new_rule_finds_and_a_removed_one_no_longer(shipper: Shipper, run: Running) -> None:
    """From the next record on; what was found stays."""
    follow(shipper, line(message="xyzzy 1"))
    replace(shipper, "rules/xyzzy.yml", NEW_RULE)
    wait_for(lambda: run.err.count(TAKEN_UP) == 1)
    follow(shipper, line(message="xyzzy 2"))
    (shipper.folder / "rules/xyzzy.yml").unlink()
    wait_for(lambda: run.err.count(TAKEN_UP) == 2)
    follow(shipper, line(message="xyzzy 3"))
    assert [(alert["rule"], alert["count"]) for alert in shipper.alerts()] == [("Somebody said xyzzy", 1)]


def test_a_new_secret_rule_strikes_out_from_the_next_record_on(shipper: Shipper, run: Running) -> None:
    """In records, and in the run's own words."""
    follow(shipper, line(message="holds tick-0123456789abcdef", n=1))
    replace(shipper, "secrets/own.toml", NEW_SECRET)
    wait_for(lambda: TAKEN_UP in run.err)
    follow(shipper, line(message="holds tick-0123456789abcdef", n=2))
    messages = {record["n"]: record["message"] for record in shipper.records("n:*")}
    assert messages[1] == "holds tick-0123456789abcdef"
    assert messages[2].startswith("holds [REDACTED:own-ticket:")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (BY_USER, "type: event_count", "type: event_count\n    timespan: ["),
        (BY_USER, "        - failed_login\n", "        - failed_logni\n"),
        ("secrets/ai-providers.toml", "[[rules]]", "[[rules"),
        ("secrets/ai-providers.toml", "regex = '''", "regex = '''("),
    ],
)
def test_a_broken_edit_keeps_the_old_rules_and_says_so(
    shipper: Shipper, run: Running, name: str, old: str, new: str
) -> None:
    """All of them, windows too: file and line on stderr, and once it is mended the rules are taken up."""
    key = "sk" + "-ant-api03-" + "a1B2" * 20
    follow_logins(shipper, range(3))
    edit(shipper, old, new, name)
    wait_for(lambda: REFUSED in run.err)
    assert f"{shipper.folder / name}:" in run.err
    follow_logins(shipper, range(3, 6))
    follow(shipper, line(message=f"sent {key}", n=1))
    assert titles(shipper) == ["Anthropic API key", "Failed logins from one address", "Failed logins of one user"]
    assert key not in str(shipper.records("n:1"))
    assert TAKEN_UP not in run.err
    edit(shipper, new, old, name)
    wait_for(lambda: TAKEN_UP in run.err)
    assert "Traceback" not in run.end().err


def test_a_broken_rule_is_told_once_an_edit(shipper: Shipper, run: Running) -> None:
    """Not at every look: one line an edit of any file, and one when a signal asks."""
    edit(shipper, "type: event_count", "type: [")
    wait_for(lambda: REFUSED in run.err)
    replace(shipper, "secrets/own.toml", NEW_SECRET)
    wait_for(lambda: run.err.count(REFUSED) == 2)
    run.send(signal.SIGHUP)
    wait_for(lambda: run.err.count(REFUSED) == 3)
    edit(shipper, "type: [", "type: event_count")
    wait_for(lambda: TAKEN_UP in run.err)
    assert run.err.count(REFUSED) == 3
