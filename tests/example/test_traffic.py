"""The traffic has everything in it that a demo wants to show, early enough."""

import random
from collections import Counter
from itertools import pairwise, takewhile

from shipper.clock import ManualClock
from shipper.example import traffic
from shipper.example.client import Client
from shipper.example.traffic import Cast, Step, follow, made_up_key, schedule


class Recorder(Client):
    """Takes requests instead of sending them."""

    def __init__(self, status: int = 200) -> None:
        super().__init__("nowhere", 0)
        self.sent: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = status

    def request(self, method, path, body=None, *, address, **headers):
        self.sent.append((method, path, address))
        self.headers.append(headers)
        return self.status, {"token": "t", "session_id": "s"}


def first_seconds(seconds: float, seed: int = 1) -> list[Step]:
    return list(takewhile(lambda step: step.at < seconds, schedule(random.Random(seed), rate=4)))


def test_every_incident_within_15_seconds() -> None:
    """At least six wrong passwords, an injection, a leaked key, an exception and too many requests."""
    done = Counter(step.do for step in first_seconds(15))
    assert done[traffic.guess_password] >= 6
    assert all(done[incident] for incident in (traffic.inject_sql, traffic.leak_key, traffic.crash, traffic.hammer))


def test_steps_are_in_order() -> None:
    """Ordinary traffic and incidents are merged by time."""
    times = [step.at for step in first_seconds(100)]
    assert times == sorted(times)


def test_ordinary_traffic_keeps_its_rate() -> None:
    """About four requests a second, never more than twice that."""
    ordinary = [step.at for step in first_seconds(100) if step.do in traffic.ORDINARY]
    assert 300 < len(ordinary) < 500
    assert min(later - earlier for earlier, later in pairwise(ordinary)) > 0.1


def test_incidents_come_again() -> None:
    """Each round of a minute has its own."""
    crashes = [step.at for step in first_seconds(130) if step.do is traffic.crash]
    assert crashes == [7.5, 67.5, 127.5]


def test_one_attacker_and_one_victim_a_burst() -> None:
    """All wrong passwords of a burst are from one address."""
    client = Recorder(401)
    cast = Cast(client, random.Random(1))
    for _ in range(6):
        traffic.guess_password(cast)
    assert len({address for _, _, address in client.sent}) == 1


def test_too_many_requests_are_one_users() -> None:
    """The burst is long enough for the limit and comes from one user."""
    client = Recorder()
    traffic.hammer(Cast(client, random.Random(1)))
    chats = [address for _, path, address in client.sent if path == "/api/chat"]
    assert len(chats) > 10 and len(set(chats)) == 1


def test_a_lost_session_is_begun_anew() -> None:
    """After a 401 the user signs in again before the next request."""
    client = Recorder(401)
    cast = Cast(client, random.Random(1))
    name = cast.names[0]
    cast.send(name, "GET", "/api/users")
    cast.send(name, "GET", "/api/users")
    assert [path for _, path, _ in client.sent].count("/api/auth/login") == 2


def test_steps_are_done_at_their_time() -> None:
    """Nothing early; what is late at once."""
    clock, seen = ManualClock(0), []
    steps = [Step(1, lambda _: clock.advance(5)), Step(2, lambda _: seen.append(clock.now()))]
    follow(iter(steps), Cast(Recorder(), random.Random(1)), clock.sleep, clock.now)
    assert seen == [6]


def test_keys_are_made_up_anew() -> None:
    """No two are equal."""
    assert made_up_key() != made_up_key()


def test_a_backend_that_is_down_is_an_answer() -> None:
    """Nothing listens on port 1."""
    assert Client("127.0.0.1", 1).request("GET", "/", address="x") == (0, {})
