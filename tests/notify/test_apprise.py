"""Apprise against a real HTTP server: down, failing, hanging; and no URL in any error."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Retry, UsageError
from shipper.metrics import Metrics
from shipper.notify.apprise import AppriseNotifier, Config, build
from shipper.notify.outbox import Outbox
from shipper.state import State, post
from tests.notify.receiver import Receiver, free_port
from tests.test_alerts import an_alert

QUICK = "?cto=0.2&rto=0.2"
"""Apprise's own time limits, in seconds."""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context(tmp_path, State(tmp_path / "state.db"), clock=ManualClock())
    yield context
    context.state.close()


def notifier(context: Context, *urls: str, **options: str) -> AppriseNotifier:
    return build(Config(urls=list(urls), **options), context)  # type: ignore[arg-type]


def test_through_every_fault_each_message_arrives_once_and_in_order(context: Context) -> None:
    port = free_port()
    metrics = Metrics()
    clock = context.clock
    slack = notifier(context, f"json://127.0.0.1:{port}/hook{QUICK}")
    outbox = Outbox(context.state.path, [slack], clock, metrics, random.Random(1))
    context.state.run(*(post("notify", an_alert(id=f"alert{n}", rule=f"Rule {n}")) for n in range(4)))
    (lane,) = outbox.lanes

    def attempt() -> None:
        clock.sleep(lane.step() or 0.0)

    attempt()
    assert metrics.notification_failures == 1, "down"
    with Receiver(port) as receiver:
        receiver.faults = [500, "hang", 200, 404, 503]
        for _ in range(8):
            attempt()
        assert receiver.titles == [f"[high] Rule {n} (source.ip=10.0.0.5)" for n in range(4)]
        assert all(f"alert id: alert{n}" in body["message"] for n, body in enumerate(receiver.taken))
    assert (metrics.notifications, metrics.notification_failures) == (4, 5)


def test_the_reason_is_the_status_and_the_kind_of_service(context: Context) -> None:
    with Receiver() as receiver:
        receiver.faults = [503]
        with pytest.raises(Retry) as caught:
            notifier(context, receiver.url()).send("t", "b", "high", "k")
    assert str(caught.value) == "not taken by json (status 503)"


def test_a_receiver_that_is_down_is_said_without_its_url(context: Context) -> None:
    url = f"json://user:{'pass' + 'word'}@127.0.0.1:{free_port()}/{'tok' + 'en'}"
    with pytest.raises(Retry) as caught:
        notifier(context, url).send("t", "b", "high", "k")
    assert str(caught.value) == "not taken by json (no answer)"


def test_a_service_that_took_it_gets_no_double_while_another_is_down(context: Context) -> None:
    with Receiver() as down, Receiver() as well:
        down.faults = [500, 500]
        both = notifier(context, f"{down.url()} {well.url()}")
        for _ in range(2):
            with pytest.raises(Retry):
                both.send("t", "b", "high", "k")
        both.send("t", "b", "high", "k")
        assert (len(down.taken), len(well.taken)) == (1, 1)


@pytest.mark.parametrize(("level", "expected"), [("medium", 0), ("high", 1), ("critical", 1)])
def test_alerts_below_the_least_level_are_not_sent(context: Context, level: str, expected: int) -> None:
    with Receiver() as receiver:
        notifier(context, receiver.url(), min_level="high").send("t", "b", level, "k")
        assert len(receiver.taken) == expected


@pytest.mark.parametrize("url", ["not a url", "unheard-of://tok3n", "slack://"])
def test_a_url_that_apprise_does_not_know_is_refused_and_not_shown(context: Context, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        notifier(context, url)
    assert "URL number 1 is not one that Apprise knows" in str(caught.value)
    assert url not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_urls_are_a_mistake(context: Context) -> None:
    with pytest.raises(UsageError, match="`urls` is empty"):
        notifier(context, " ")


def test_a_missing_library_is_named_with_its_remedy(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(UsageError, match=r"pip install 'shipper\[notify\]'"):
        notifier(context, "json://x")
