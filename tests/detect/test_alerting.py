"""From findings to alerts, and what a commit has to write so that a restart changes nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.alerts import pending_records
from shipper.clock import iso
from shipper.detect.alerting import Alerting, Scan
from shipper.detect.rule import Correlation, Rule, Ruleset
from shipper.metrics import Metrics
from shipper.model import EVIDENCE_LIMIT, Alert, Batch, Finding, Origin, Span, StateChange
from shipper.state import State
from tests.detect.rule_values import a_correlation, a_rule

START = 1_700_000_000.0
SILENT = a_rule(alerts=False)
GUESSING = Ruleset((SILENT,), (a_correlation(),))
Row = tuple[float, dict[str, Any]]


def a_batch(
    rows: Sequence[Row], *, first: int = 0, file_id: str = "f" * 32, clock: float | None = None, rule_id: str = "login"
) -> Batch:
    """Rows of (seconds since START, record); each has a finding of `rule_id`."""
    times = [iso(START + seconds) for seconds, _ in rows]
    return Batch(
        lines=[b"{}"] * len(rows),
        offsets=[first + row for row in range(len(rows))],
        spans=[Span(0, len(rows), Origin(file_id, "/log", "backend", "UTC"))],
        clock=START + max((seconds for seconds, _ in rows), default=0) if clock is None else clock,
        docs=[record for _, record in rows],
        times=times,
        added=[{} for _ in rows],
        findings=[Finding(rule_id, f"Title of {rule_id}", "medium", row) for row in range(len(rows))],
    )


def tries(seconds: Sequence[float], ip: str = "10.0.0.5") -> list[Row]:
    return [(second, {"source.ip": ip}) for second in seconds]


def a_secret(row: int, fingerprint: str = "ab12", field: str = "message") -> Finding:
    return Finding("openai", "OpenAI key", "high", row, field, (0, 5), fingerprint, ("attack.t1552",))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state.db")


def kinds(state: State) -> list[str]:
    return [row["kind"] for row in state.rows("SELECT kind FROM outbox ORDER BY seq")]


# ── correlations ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_six_failed_logins_are_one_alert() -> None:
    batch = Alerting(GUESSING)(a_batch(tries(range(6))))
    (alert,) = batch.alerts
    assert alert == Alert(
        id=alert.id,
        rule_id="guessing",
        rule="Guessing",
        level="high",
        group={"source.ip": "10.0.0.5"},
        count=6,
        first=iso(START),
        last=iso(START + 5),
        evidence=[f"{'f' * 32}-{n}" for n in range(6)],
        tags=("attack.t1110",),
        description="Block them.",
        updated=iso(START + 5),
        notify=True,
    )


def test_five_are_none_and_neither_are_six_of_two_addresses() -> None:
    assert Alerting(GUESSING)(a_batch(tries(range(5)))).alerts == []
    assert Alerting(GUESSING)(a_batch(tries(range(3)) + tries(range(3), "10.0.0.6"))).alerts == []


def test_an_event_without_the_group_belongs_to_none() -> None:
    assert Alerting(GUESSING)(a_batch([(n, {"message": "who?"}) for n in range(9)])).alerts == []


def test_further_evidence_adds_to_the_open_alert_and_is_no_news() -> None:
    stage = Alerting(GUESSING)
    first = stage(a_batch(tries(range(6)))).alerts[0]
    second = stage(a_batch(tries(range(6, 10)), first=6)).alerts[0]
    assert (second.id, second.count, second.last, second.notify) == (first.id, 10, iso(START + 9), False)
    assert first.count == 6, "what was handed on is not touched again"


def test_after_realert_there_is_a_new_alert() -> None:
    stage = Alerting(GUESSING, realert=3600)
    early = stage(a_batch(tries(range(6)))).alerts[0]
    (late,) = stage(a_batch(tries(range(3600, 3606)), first=6)).alerts
    assert late.id != early.id
    assert (late.count, late.first, late.notify) == (6, iso(START + 3600), True)


def test_an_alert_outlives_the_window_that_fired_it() -> None:
    """Else a realert shorter than the timespan would make an alert of every further event."""
    ruleset = Ruleset((SILENT,), (a_correlation(realert=60.0),))
    batch = Alerting(ruleset)(a_batch(tries(range(0, 1000, 90))))
    assert len(batch.alerts) == 1


def test_aliases_join_names_and_the_group_shows_the_one_used() -> None:
    aliases = {"who": {"login": "user.name", "nameless": "user_id"}}
    rule = a_correlation(rules=("login", "nameless"), group_by=("who",), aliases=aliases)
    stage = Alerting(Ruleset((SILENT, a_rule("nameless", alerts=False)), (rule,)))
    stage(a_batch([(n, {"user.name": "eve"}) for n in range(3)]))
    named = [(n, {"user_id": "eve"}) for n in range(3, 6)]
    (alert,) = stage(a_batch(named, first=3, rule_id="nameless")).alerts
    assert (alert.group, alert.count) == ({"user_id": "eve"}, 6)


def test_evidence_is_limited_to_the_first_ones_and_the_last() -> None:
    stage = Alerting(GUESSING)
    alert = stage(a_batch(tries(range(50)))).alerts[0]
    assert alert.count == 50
    assert alert.evidence == [f"{'f' * 32}-{n}" for n in (*range(EVIDENCE_LIMIT - 1), 49)]


# ── single findings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_findings_of_one_rule_and_group_are_one_alert() -> None:
    stage = Alerting(Ruleset((a_rule(group_by=("source.ip", "user.name")),), ()))
    batch = stage(a_batch(tries([0, 1]) + tries([2], "10.0.0.6")))
    assert [(alert.group, alert.count) for alert in batch.alerts] == [
        ({"source.ip": "10.0.0.5"}, 2),
        ({"source.ip": "10.0.0.6"}, 1),
    ]


def test_a_rule_that_only_feeds_a_correlation_tells_nothing_itself() -> None:
    assert Alerting(Ruleset((SILENT,), ()))(a_batch(tries(range(9)))).alerts == []


def test_a_secret_is_told_once_for_each_place() -> None:
    batch = a_batch(tries([0, 1, 2]))
    batch.findings = [a_secret(0), a_secret(0), a_secret(1), a_secret(2, field="user.name"), a_secret(2, "cd34")]
    alerts = Alerting(Ruleset((), ()))(batch).alerts
    assert [(alert.group, alert.count) for alert in alerts] == [
        ({"fingerprint": "ab12", "field": "message"}, 2),
        ({"fingerprint": "ab12", "field": "user.name"}, 1),
        ({"fingerprint": "cd34", "field": "message"}, 1),
    ]
    assert {(alert.rule, alert.level, alert.tags) for alert in alerts} == {("OpenAI key", "high", ("attack.t1552",))}


def test_secrets_in_a_group_are_struck_wherever_it_is_kept(state: State, tmp_path: Path) -> None:
    secret = "hunter" + "2hunter2"
    stage = Alerting(GUESSING, scrub=lambda text: text.replace(secret, "[REDACTED:x:1]"))
    batch = stage(a_batch(tries(range(6), f"ip of {secret}")))
    state.commit(batch)
    state.close()
    assert batch.alerts[0].group == {"source.ip": "ip of [REDACTED:x:1]"}
    assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_a_long_group_value_is_cut_and_still_its_own() -> None:
    stage = Alerting(Ruleset((a_rule(group_by=("source.ip",)),), ()))
    alerts = stage(a_batch(tries([0], "x" * 5000) + tries([1], "x" * 5001))).alerts
    assert len(alerts) == 2
    assert max(len(alert.group["source.ip"]) for alert in alerts) < 300


def test_a_rules_own_realert_counts() -> None:
    stage = Alerting(Ruleset((a_rule(realert=0.0),), ()), realert=3600)
    assert len(stage(a_batch(tries([0, 1, 2]))).alerts) == 3


def test_a_risen_level_is_news(state: State) -> None:
    stage = Alerting(Ruleset((a_rule(),), ()))
    stage(a_batch(tries([0])))
    batch = a_batch(tries([1]), first=1)
    batch.findings[0].level = "critical"
    (alert,) = stage(batch).alerts
    assert (alert.level, alert.count, alert.notify) == ("critical", 2, True)


# ── what is committed ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_alert_is_stored_recorded_and_told(state: State) -> None:
    batch = Alerting(GUESSING)(a_batch(tries(range(9))))
    state.commit(batch)
    assert kinds(state) == ["record", "notify"]
    assert [alert for _, alert in pending_records(state, 10)] == batch.alerts


def test_a_change_is_recorded_and_told_to_nobody(state: State) -> None:
    stage = Alerting(GUESSING)
    state.commit(stage(a_batch(tries(range(6)))))
    state.commit(stage(a_batch(tries(range(6, 9)), first=6)))
    assert kinds(state) == ["record", "notify", "record"]


@pytest.mark.parametrize(("age", "kind"), [(3599, "notify"), (3602, "digest")])
def test_alerts_on_records_over_an_hour_old_wait_for_the_digest(state: State, age: float, kind: str) -> None:
    state.commit(Alerting(GUESSING)(a_batch(tries(range(6)), clock=START + 5 + age)))
    assert kinds(state) == ["record", kind]


def test_late_events_are_counted() -> None:
    metrics = Metrics()
    stage = Alerting(GUESSING, metrics=metrics)
    stage(a_batch(tries([1000])))
    stage(a_batch(tries([881, 879, 100]), first=1, clock=START + 1000))
    assert metrics.late_events == 2


def test_after_a_restart_late_events_are_still_late(state: State) -> None:
    state.commit(Alerting(GUESSING)(a_batch(tries([1000]))))
    metrics = Metrics()
    Alerting(GUESSING, state, metrics=metrics)(a_batch(tries([100]), first=1, clock=START + 1000))
    assert metrics.late_events == 1


def test_new_alerts_are_counted() -> None:
    metrics = Metrics()
    Alerting(GUESSING, metrics=metrics)(a_batch(tries(range(9))))
    assert metrics.alerts == 1


def test_old_windows_leave_the_state(state: State) -> None:
    stage = Alerting(GUESSING)
    state.commit(stage(a_batch(tries([0]))))
    assert len(state.rows("SELECT * FROM windows")) == 1
    state.commit(stage(a_batch(tries([5000], "10.0.0.6"), first=1)))
    assert [row["group_key"] for row in state.rows("SELECT group_key FROM windows")] == ['["10.0.0.6"]']


def test_what_was_erased_from_the_state_is_forgotten(state: State) -> None:
    """The windows and open alerts of before do not come back with the next batch."""
    alerting = Alerting(GUESSING, state)
    state.commit(alerting(a_batch(tries(range(5)))))
    state.run(StateChange("DELETE FROM windows", ()))
    alerting.restore(state)
    batch = alerting(a_batch(tries([5]), first=5))
    state.commit(batch)
    assert batch.alerts == []
    assert b"f-0" not in state.rows("SELECT state FROM windows")[0]["state"]


def test_reloaded_rules_keep_the_windows_of_those_that_stay(state: State) -> None:
    stage = Alerting(Ruleset((SILENT,), (a_correlation(), a_correlation(id="gone", title="Gone"))))
    state.commit(stage(a_batch(tries(range(5)))))
    stage.replace(Ruleset((SILENT,), (a_correlation(title="Renamed"),)))
    batch = stage(a_batch(tries([5]), first=5))
    state.commit(batch)
    assert [(alert.rule, alert.count) for alert in batch.alerts] == [("Renamed", 6)]
    assert {row["rule_id"] for row in state.rows("SELECT rule_id FROM windows")} == {"guessing"}


def test_windows_of_rules_that_are_gone_are_removed_after_a_restart(state: State) -> None:
    state.commit(Alerting(GUESSING)(a_batch(tries(range(5)))))
    state.commit(Alerting(Ruleset((), ()), state)(a_batch([])))
    assert state.rows("SELECT * FROM windows") == []


events = st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(["10.0.0.5", "10.0.0.6"])), min_size=1, max_size=40)
RULES = Ruleset(
    (a_rule(group_by=("source.ip",), realert=200.0),),
    (a_correlation(threshold=2, operator="gte", timespan=60.0, realert=300.0),),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(events, st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_restart_after_any_commit_gives_the_same_alerts(
    tmp_path: Path, found: list[tuple[int, str]], restarts: list[bool]
) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    rows = tries_in_order(found)
    steady, state = Alerting(RULES), State(tmp_path / "state.db")
    restarted = Alerting(RULES, state)
    for place, row in enumerate(rows):
        expected = steady(a_batch([row], first=place)).alerts
        batch = restarted(a_batch([row], first=place))
        assert batch.alerts == expected
        state.commit(batch)
        if restarts[place]:
            restarted = Alerting(RULES, state)
    state.close()


@given(events, st.integers(1, 10))
def test_how_the_rows_are_cut_into_batches_does_not_matter(found: list[tuple[int, str]], size: int) -> None:
    rows = tries_in_order(found)
    whole = final(Alerting(RULES)(a_batch(rows)).alerts)
    stage, alerts = Alerting(RULES), []
    for first in range(0, len(rows), size):
        alerts += stage(a_batch(rows[first : first + size], first=first)).alerts
    assert final(alerts) == whole


def tries_in_order(found: list[tuple[int, str]]) -> list[Row]:
    return [(float(second), {"source.ip": ip}) for second, ip in sorted(found)]


def final(alerts: Sequence[Alert]) -> dict[str, tuple[int, str, str]]:
    return {alert.id: (alert.count, alert.first, alert.last) for alert in alerts}


# ── scan ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def scanned(
    *batches: Batch, correlation: Correlation | None = None, rules: tuple[Rule, ...] = (SILENT,)
) -> list[Alert]:
    scan = Scan(Ruleset(rules, (correlation or a_correlation(),)))
    for batch in batches:
        scan.collect(batch)
    return scan.alerts()


def test_scan_merges_files_by_time_and_gives_each_alert_once_with_its_final_count() -> None:
    even = a_batch(tries(range(0, 20, 2)), file_id="a" * 32)
    odd = a_batch(tries(range(1, 20, 2)), file_id="b" * 32)
    (alert,) = scanned(even, odd)
    assert (alert.count, alert.first, alert.last) == (20, iso(START), iso(START + 19))


def test_scan_tells_alerts_of_the_past_apart_like_a_run_does() -> None:
    attack = tries([*range(6), *range(7200, 7206)])
    assert [alert.count for alert in scanned(a_batch(attack))] == [6, 6]


def test_files_read_in_turns_add_to_each_others_alerts() -> None:
    """File a is a day ahead of file b; each day's attack is one alert, however often the turn changes."""
    stage, alerts = Alerting(Ruleset((a_rule(),), ())), []
    for turn in range(5):
        for file_id, day in (("a" * 32, 86400), ("b" * 32, 0)):
            rows = tries([day + turn * 10])
            alerts += stage(a_batch(rows, first=turn, file_id=file_id, clock=START + 90000)).alerts
    assert sorted(count for count, _, _ in final(alerts).values()) == [5, 5]
