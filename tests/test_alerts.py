"""How an alert looks as a record and on its way to the sinks."""

from pathlib import Path

import orjson
import pytest

from shipper.alerts import (
    alert_batch,
    alert_record,
    load_alert,
    pending_records,
    printable,
    rank,
    scan_object,
    summary,
    techniques,
)
from shipper.model import Alert
from shipper.state import State, post


def an_alert(**changes: object) -> Alert:
    values: dict[str, object] = {
        "id": "0123456789abcdef",
        "rule_id": "guessing",
        "rule": "Guessing",
        "level": "high",
        "group": {"source.ip": "10.0.0.5"},
        "count": 6,
        "first": "2026-11-23T10:00:00Z",
        "last": "2026-11-23T10:00:05Z",
        "evidence": ["f-0", "f-1"],
        "tags": ("attack.credential-access", "attack.t1110.001"),
        "description": "Block them.",
        "updated": "2026-11-23T10:00:06.000Z",
    }
    return Alert(**{**values, **changes})  # type: ignore[arg-type]


def test_an_alert_as_a_stored_record() -> None:
    assert alert_record(an_alert()) == {
        "@timestamp": "2026-11-23T10:00:05Z",
        "event.id": "0123456789abcdef-6",
        "event.kind": "alert",
        "event.dataset": "alerts",
        "event.ingested": "2026-11-23T10:00:06.000Z",
        "log.level": "error",
        "message": "Guessing: 6 times (source.ip=10.0.0.5)",
        "rule.id": "guessing",
        "rule.name": "Guessing",
        "rule.description": "Block them.",
        "alert.id": "0123456789abcdef",
        "alert.level": "high",
        "alert.state": "open",
        "alert.group": {"source.ip": "10.0.0.5"},
        "alert.count": 6,
        "alert.first": "2026-11-23T10:00:00Z",
        "alert.last": "2026-11-23T10:00:05Z",
        "alert.evidence": ["f-0", "f-1"],
        "tags": ["attack.credential-access", "attack.t1110.001"],
        "threat.technique.id": ["T1110.001"],
    }


def test_techniques_are_the_attack_tags_with_a_number() -> None:
    assert techniques(("attack.t1110", "ATTACK.T1552.001", "attack.tactic", "cve.2024")) == ["T1110", "T1552.001"]


def test_a_single_finding_without_a_group_reads_as_once() -> None:
    assert summary(an_alert(count=1, group={})) == "Guessing: once"


def test_a_log_line_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc") == "a [31mb c"
    assert "\x1b" not in summary(an_alert(group={"user.name": "\x1b]0;x\x07"}))


def test_a_scanned_alert_has_the_promised_keys() -> None:
    assert list(scan_object(an_alert())) == ["kind", "rule_id", "rule", "level", "group", "count", "first", "last"]


@pytest.mark.parametrize(("lower", "higher"), [("informational", "low"), ("high", "critical"), ("low", "unheard of")])
def test_levels_rise(lower: str, higher: str) -> None:
    assert rank(lower) < rank(higher)


def test_a_stored_alert_comes_back_as_it_was() -> None:
    assert load_alert(orjson.dumps(an_alert())) == an_alert()


def test_pending_records_become_a_batch_and_leave_with_its_commit(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    alerts = [an_alert(), an_alert(count=7), an_alert(id="fedcba9876543210")]
    state.run(post("notify", alerts[0]), *(post("record", alert) for alert in alerts))
    batch = alert_batch(pending_records(state, 2), 5.0)
    assert (batch.stream, len(batch), batch.clock) == ("alerts", 2, 5.0)
    assert [orjson.loads(out) for out in batch.out] == [alert_record(alert) for alert in alerts[:2]]
    assert [batch.event_id(row) for row in range(2)] == [doc["event.id"] for doc in batch.docs]
    state.commit(batch)
    assert [alert for _, alert in pending_records(state, 10)] == alerts[2:]
    assert len(state.rows("SELECT * FROM outbox WHERE kind = 'notify'")) == 1
