"""What every notifier has to do, whatever it is made of."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipper.build import component_names
from shipper.context import Context
from shipper.errors import Retry
from shipper.model import Notifier
from shipper.notify import apprise
from shipper.notify.console import ConsoleNotifier
from shipper.notify.memory import MemoryNotifier
from shipper.state import State
from tests.notify.receiver import Receiver


@dataclass
class Subject:
    """A notifier, the texts that arrived at the other end, and a way to make the other end refuse the next one."""

    notifier: Notifier
    arrived: Callable[[], list[str]]
    refuse: Callable[[], None]


class Screen(io.StringIO):
    """A terminal that can go away."""

    gone = False

    def write(self, text: str) -> int:
        if self.gone:
            self.gone = False
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def a_memory(_: Context) -> Iterator[Subject]:
    notifier = MemoryNotifier()
    yield Subject(
        notifier,
        lambda: [f"{message.title} {message.dedup_key}" for message in notifier.sent],
        lambda: notifier.failures.append(Retry("down")),
    )


def a_console(_: Context) -> Iterator[Subject]:
    screen = Screen()
    yield Subject(
        ConsoleNotifier(screen), lambda: screen.getvalue().splitlines(), lambda: setattr(screen, "gone", True)
    )


def an_apprise(context: Context) -> Iterator[Subject]:
    with Receiver() as receiver:
        notifier = apprise.build(apprise.Config(urls=[receiver.url()], min_level="informational"), context)
        yield Subject(
            notifier,
            lambda: [f"{body['title']} {body['message']}" for body in receiver.taken],
            lambda: receiver.faults.append(500),
        )


MAKERS = {"memory": a_memory, "console": a_console, "apprise": an_apprise}


@pytest.fixture(params=sorted(MAKERS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    yield from MAKERS[request.param](Context(tmp_path, State(tmp_path / "state.db")))


def test_every_notifier_is_held_to_this() -> None:
    assert sorted(MAKERS) == component_names("notify")


def test_it_has_a_name(subject: Subject) -> None:
    assert subject.notifier.name in MAKERS


def test_what_is_sent_arrives_in_order_with_title_and_dedup_key(subject: Subject) -> None:
    for number in range(3):
        subject.notifier.send(f"title {number}", "body", "high", f"key{number}")
    assert len(subject.arrived()) == 3
    for number, text in enumerate(subject.arrived()):
        assert f"title {number}" in text
        assert f"key{number}" in text


def test_what_is_not_taken_is_a_retry_and_can_be_sent_again(subject: Subject) -> None:
    subject.refuse()
    with pytest.raises(Retry):
        subject.notifier.send("title", "body", "high", "key")
    assert subject.arrived() == []
    subject.notifier.send("title", "body", "high", "key")
    assert len(subject.arrived()) == 1


def test_the_same_alert_can_be_told_twice(subject: Subject) -> None:
    """Its level rose: the same key, and still news."""
    for _ in range(2):
        subject.notifier.send("title", "body", "high", "key")
    assert len(subject.arrived()) == 2


@pytest.mark.parametrize("text", ["", "ä€😀", "a\x00b\x1b[31m", "x" * 20_000, "<b>&amp;</b> *_`[x](y)"])
def test_any_text_is_taken(subject: Subject, text: str) -> None:
    subject.notifier.send(f"title {text}", text, "high", "key")
    assert len(subject.arrived()) == 1


@pytest.mark.parametrize("level", ["informational", "low", "medium", "high", "critical"])
def test_every_level_is_taken(subject: Subject, level: str) -> None:
    subject.notifier.send("title", "body", level, "key")
    assert len(subject.arrived()) == 1


def test_a_refusal_is_not_printed(subject: Subject, capfd: pytest.CaptureFixture[str]) -> None:
    """What a library prints of it may hold a URL and its token."""
    subject.refuse()
    with pytest.raises(Retry):
        subject.notifier.send("title", "body", "high", "key")
    assert capfd.readouterr() == ("", "")
