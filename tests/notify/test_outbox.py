"""The outbox: in order, until it is taken, each receiver for itself."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.clock import ManualClock
from shipper.errors import Retry
from shipper.metrics import Metrics
from shipper.model import Notifier, StateChange
from shipper.notify.lane import LONGEST_WAIT_S, plain
from shipper.notify.memory import MemoryNotifier
from shipper.notify.outbox import DIGEST_AFTER_S, DIGEST_EVERY_S, Outbox, send_test
from shipper.state import State, post
from tests.test_alerts import an_alert


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.db")
    yield state
    state.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Bench:
    """An outbox whose lanes are stepped by hand."""

    def __init__(self, state: State, clock: ManualClock, *notifiers: Notifier) -> None:
        self.metrics = Metrics()
        self.outbox = Outbox(state.path, notifiers, clock, self.metrics, random.Random(1))

    def step(self, lane: int = 0) -> float | None:
        """Sends what is due; what the lane says after it."""
        while (wait := self.outbox.lanes[lane].step()) == 0.0:
            pass
        self.outbox.keep()
        return wait


def post_alerts(state: State, *ids: str, kind: str = "notify") -> None:
    state.run(*(post(kind, an_alert(id=alert_id)) for alert_id in ids))


def sent(notifier: MemoryNotifier) -> list[str]:
    return [message.dedup_key for message in notifier.sent]


def left(state: State) -> int:
    return len(state.rows("SELECT seq FROM outbox")) + len(state.rows("SELECT seq FROM deliveries"))


class Stuck:
    """Never returns from `send` until released."""

    name = "stuck"

    def __init__(self) -> None:
        self.released = threading.Event()

    def send(self, title: str, body: str, level: str, dedup_key: str) -> None:
        self.released.wait()


# ── one lane ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_messages_arrive_in_order_and_leave_the_outbox(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    post_alerts(state, "a", "b", "c")
    assert Bench(state, clock, notifier).step() is None
    assert sent(notifier) == ["a", "b", "c"]
    assert left(state) == 0


def test_records_for_the_sinks_are_left_alone(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    post_alerts(state, "a", kind="record")
    Bench(state, clock, notifier).step()
    assert (sent(notifier), left(state)) == ([], 1)


def test_a_failed_message_holds_the_ones_behind_it(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("down")]
    post_alerts(state, "a", "b")
    bench = Bench(state, clock, notifier)
    wait = bench.step()
    assert wait is not None
    assert sent(notifier) == []
    clock.advance(wait)
    assert bench.step() is None
    assert sent(notifier) == ["a", "b"]
    assert (bench.metrics.notifications, bench.metrics.notification_failures) == (2, 1)


def test_waits_double_up_to_a_limit_with_jitter_and_never_end(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [OSError("unreachable") for _ in range(30)]
    post_alerts(state, "a")
    bench, waits = Bench(state, clock, notifier), []
    for _ in range(30):
        waits.append(bench.step() or 0.0)
        clock.advance(waits[-1])
    full = [min(LONGEST_WAIT_S, 2.0**n) for n in range(30)]
    assert all(whole / 2 <= wait <= whole for wait, whole in zip(waits, full, strict=True))
    assert len({round(wait, 3) for wait in waits[10:]}) > 10
    bench.step()
    assert sent(notifier) == ["a"]


def test_a_receiver_that_says_when_to_come_back_is_obeyed(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("slow down", after=77.0)]
    post_alerts(state, "a")
    assert Bench(state, clock, notifier).step() == 77.0


def test_nothing_is_tried_before_it_is_due(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("down", after=60.0)]
    post_alerts(state, "a")
    bench = Bench(state, clock, notifier)
    bench.step()
    clock.advance(59.0)
    assert bench.step() == 1.0
    assert sent(notifier) == []


def test_waits_and_attempts_survive_a_restart(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("down", after=60.0), Retry("down")]
    post_alerts(state, "a")
    Bench(state, clock, notifier).step()
    assert Bench(state, clock, notifier).step() == 60.0
    clock.advance(60.0)
    assert 1.0 <= (Bench(state, clock, notifier).step() or 0) <= 2.0, "the second attempt's wait"
    assert [row["attempts"] for row in state.rows("SELECT attempts FROM outbox")] == [2]


def test_a_clock_that_was_set_back_delays_by_the_longest_wait_at_most(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    notifier.failures = [Retry("down")]
    post_alerts(state, "a")
    bench = Bench(state, clock, notifier)
    bench.step()
    clock.advance(-1_000_000.0)
    assert bench.step() == LONGEST_WAIT_S


# ── several lanes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_that_is_down_holds_up_no_other_and_no_one_gets_a_double(state: State, clock: ManualClock) -> None:
    down, well = MemoryNotifier(), MemoryNotifier()
    down.failures = [Retry("down", after=60.0)]
    post_alerts(state, "a", "b")
    bench = Bench(state, clock, down, well)
    bench.step(0)
    bench.step(1)
    assert (sent(down), sent(well)) == ([], ["a", "b"])
    assert left(state) > 0
    clock.advance(60.0)
    restarted = Bench(state, clock, down, well)
    restarted.step(0)
    restarted.step(1)
    assert (sent(down), sent(well)) == (["a", "b"], ["a", "b"])
    assert left(state) == 0


def test_a_notifier_that_was_removed_keeps_nothing_waiting(state: State, clock: ManualClock) -> None:
    down, well = MemoryNotifier(), MemoryNotifier()
    down.name, down.failures = "down", [Retry("down")]
    post_alerts(state, "a")
    bench = Bench(state, clock, down, well)
    bench.step(0)
    bench.step(1)
    Bench(state, clock, well).step()
    assert left(state) == 0


def test_without_notifiers_nothing_piles_up(state: State, clock: ManualClock) -> None:
    post_alerts(state, "a")
    post_alerts(state, "b", kind="digest")
    Bench(state, clock).outbox.keep(force_digest=True)
    assert left(state) == 0


# ── silences ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", ["guessing", "GUESSING", "Guessing"])
def test_a_silenced_rule_is_told_to_nobody_until_the_silence_ends(state: State, clock: ManualClock, rule: str) -> None:
    notifier = MemoryNotifier()
    silence = "INSERT INTO silences(rule_id, until, reason) VALUES (?, ?, 'tests')"
    state.run(StateChange(silence, (rule, clock.now() + 60)))
    post_alerts(state, "a")
    bench = Bench(state, clock, notifier)
    bench.step()
    assert (sent(notifier), left(state)) == ([], 0)
    clock.advance(61)
    post_alerts(state, "b")
    bench.step()
    assert sent(notifier) == ["b"]


def test_another_rules_silence_changes_nothing(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    state.run(StateChange("INSERT INTO silences(rule_id, until, reason) VALUES ('other', 9e9, '')", ()))
    post_alerts(state, "a")
    Bench(state, clock, notifier).step()
    assert sent(notifier) == ["a"]


# ── the digest ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_old_alerts_are_one_message_and_the_next_comes_an_hour_later(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    bench = Bench(state, clock, notifier)
    post_alerts(state, "a", "b", kind="digest")
    bench.step()
    assert sent(notifier) == [], "others may follow"
    clock.advance(DIGEST_AFTER_S)
    bench.step()
    bench.step()
    assert [message.title for message in notifier.sent] == ["2 alerts on older records"]
    post_alerts(state, "c", kind="digest")
    bench.step()
    clock.advance(DIGEST_EVERY_S - 1)
    bench.step()
    bench.step()
    assert len(notifier.sent) == 1
    clock.advance(1)
    bench.step()
    bench.step()
    assert notifier.sent[1].title == "1 alert on older records"
    assert left(state) == 0


def test_a_silenced_rule_is_not_in_the_digest(state: State, clock: ManualClock) -> None:
    notifier = MemoryNotifier()
    state.run(StateChange("INSERT INTO silences(rule_id, until, reason) VALUES ('guessing', 9e9, '')", ()))
    post_alerts(state, "a", kind="digest")
    bench = Bench(state, clock, notifier)
    bench.outbox.keep(force_digest=True)
    bench.step()
    assert (sent(notifier), left(state)) == ([], 0)


# ── threads ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drain_sends_everything_the_digest_included(state: State) -> None:
    notifier = MemoryNotifier()
    outbox = Outbox(state.path, [notifier])
    outbox.start()
    post_alerts(state, "a")
    post_alerts(state, "b", kind="digest")
    assert outbox.drain(10.0)
    outbox.stop(5.0)
    assert sent(notifier) == ["a", "digest-b"]
    assert left(state) == 0


def test_drain_tries_at_once_what_was_to_wait_and_gives_up_on_who_is_down(state: State) -> None:
    down = MemoryNotifier()
    down.failures = [Retry("down", after=200.0), Retry("down", after=200.0)]
    post_alerts(state, "a")
    outbox = Outbox(state.path, [down])
    outbox.lanes[0].step()
    outbox.start()
    assert not outbox.drain(30.0)
    assert down.failures == []
    assert outbox.drain(30.0)
    outbox.stop(5.0)
    assert sent(down) == ["a"]


def test_one_that_hangs_holds_up_neither_the_others_nor_the_end(state: State) -> None:
    stuck, well = Stuck(), MemoryNotifier()
    post_alerts(state, "a", "b")
    outbox = Outbox(state.path, [stuck, well])
    outbox.start()
    assert not outbox.drain(0.5)
    assert sent(well) == ["a", "b"]
    outbox.stop(0.1)
    stuck.released.set()


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_url_comes_out(state: State, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    notifier = MemoryNotifier()
    token = "T0K" + "EN"
    notifier.failures = [OSError(f"POST https://hooks.example.com/{token}?x=1 failed,\n slack://{token}@x refused")]
    post_alerts(state, "a")
    Bench(state, clock, notifier).step()
    error = state.rows("SELECT last_error FROM outbox")[0]["last_error"]
    assert error == "memory: OSError: POST [URL] failed, [URL] refused"
    assert token not in capsys.readouterr().err


def test_an_error_is_cut() -> None:
    assert len(plain(Retry("x" * 5000))) == 300


def test_a_test_message_names_those_that_did_not_take_it() -> None:
    well, down = MemoryNotifier(), MemoryNotifier()
    down.failures = [Retry("status 500")]
    assert send_test([well, down]) == ["memory#2: status 500"]
    assert [message.title for message in well.sent] == ["[test] shipper can reach you"]
