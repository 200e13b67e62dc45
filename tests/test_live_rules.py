"""Rule files that change: what counts as a change, and what is done with it."""

from pathlib import Path

from shipper.metrics import Metrics
from shipper.rules import LiveRules, Loaded, load

SECRET = """\
[[rules]]
id = "own-ticket"
description = "Own ticket"
regex = '''tick-[a-z0-9]{16}'''
keywords = ["tick-"]
level = "high"
"""


def live(folder: Path, taken_up: list[Loaded]) -> LiveRules:
    """Rules of an empty folder to which a file is added right after it was read."""
    loaded = load([], [folder])
    (folder / "own.toml").write_text(SECRET)
    return LiveRules([], [folder], loaded, taken_up.append, Metrics())


def test_a_change_during_the_start_is_taken_up_and_nothing_twice(tmp_path: Path) -> None:
    """Files count as they were before they were read."""
    taken_up: list[Loaded] = []
    rules = live(tmp_path, taken_up)
    assert [rules.take_up() for _ in range(2)] == [True, False]
    assert [rule.id for rule in taken_up[0].secrets.rules] == ["own-ticket"]


def test_asked_for_it_reads_unchanged_rules_again(tmp_path: Path) -> None:
    """As SIGHUP does."""
    rules = live(tmp_path, [])
    assert [rules.take_up(forced=True) for _ in range(2)] == [True, True]
    assert rules.counts() == {"rules": 0, "correlations": 0, "secrets": 1}
