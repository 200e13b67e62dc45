"""Traffic for the example backend: `python -m shipper.example.traffic --port 8001`.

A few users chat, at a few requests a second. Within the first 15 seconds, and again in every following minute,
something goes wrong: a burst of failed logins, SQL injection attempts, a leaked key, an exception, a user who asks
too often. Who attacks whom, from where, is drawn anew each time.
"""

import argparse
import heapq
import random
import secrets
import string
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

from shipper.example.client import Asks, Client
from shipper.example.leash import end_with_parent

# fmt: off
NAMES = (
    "ada", "alan", "barbara", "bjarne", "claude", "dennis", "donald", "edsger", "frances",
    "grace", "guido", "hedy", "james", "jean", "john", "katherine", "ken", "leslie",
    "linus", "margaret", "niklaus", "radia", "sophie", "tim", "tony", "vint", "whitfield",
    "yukihiro",
)
# fmt: on

MODELS = (
    ("openai", "gpt-4.1"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4"),
    ("anthropic", "claude-haiku-3.5"),
    ("perplexity", "sonar-pro"),
)

QUESTIONS = (
    "Write a short poem about log files",
    "Why does my query return every row twice?",
    "Translate the second paragraph into French",
    "How many tokens has this sentence?",
    "Explain sliding windows to somebody who cooks",
)

INJECTIONS = (
    "/api/users?q=%27%20OR%20%271%27=%271",
    "/api/users?q=x%27%20UNION%20SELECT%20name,hash%20FROM%20users--",
    "/api/users?q=1;%20DROP%20TABLE%20users;--",
)

ROUND_SECONDS = 60.0


class Step(NamedTuple):
    """Something to do, and when: seconds since the traffic began."""

    at: float
    do: Callable[["Cast"], None]


class Cast:
    """Who takes part: users with their passwords, addresses and sessions, and the backend that they talk to."""

    def __init__(self, client: Asks, chance: random.Random) -> None:
        self.client, self.chance = client, chance
        self.names = chance.sample(NAMES, 8)
        self._passwords = {name: secrets.token_urlsafe(12) for name in self.names}
        self._tokens: dict[str, str] = {}
        self.attacker, self.victim = "", ""
        self.recast()

    def recast(self) -> None:
        """Draws a new attacker and a new victim."""
        self.attacker = f"203.0.113.{self.chance.randrange(1, 255)}"
        self.victim = self.chance.choice(self.names)

    def send(self, name: str, method: str, path: str, body: object = None, **headers: str) -> dict[str, object]:
        """A request by a user who is signed in, or will be now. A session that the backend lost is begun anew."""
        if name not in self._tokens:
            self._sign_in(name)
        headers["authorization"] = f"Bearer {self._tokens.get(name, '')}"
        status, answer = self.client.request(method, path, body, address=_address(name), **headers)
        if status == 401:
            self._tokens.pop(name, None)
        return answer

    def _sign_in(self, name: str) -> None:
        who = {"username": name, "password": self._passwords[name]}
        self.client.request("POST", "/api/users", who, address=_address(name))
        _, answer = self.client.request("POST", "/api/auth/login", who, address=_address(name))
        if "token" in answer:
            self._tokens[name] = str(answer["token"])


def chat(cast: Cast) -> None:
    """Somebody asks a model something."""
    _ask(cast, cast.chance.choice(cast.names))


def look_around(cast: Cast) -> None:
    """Somebody looks for somebody."""
    cast.send(cast.chance.choice(cast.names), "GET", f"/api/users?q={cast.chance.choice(cast.names)[:2]}")


def check_health(cast: Cast) -> None:
    """An uptime monitor asks how things are."""
    cast.client.request("GET", "/api/health", address="127.0.0.1")


def guess_password(cast: Cast) -> None:
    """One wrong password from the attacker's address."""
    guess = {"username": cast.victim, "password": secrets.token_urlsafe(9)}
    cast.client.request("POST", "/api/auth/login", guess, address=cast.attacker)


def inject_sql(cast: Cast) -> None:
    """The attacker tries what a search field does with quotes."""
    cast.client.request("GET", cast.chance.choice(INJECTIONS), address=cast.attacker)


def leak_key(cast: Cast) -> None:
    """A user brings a key of their own; the backend logs it when the provider refuses it."""
    _ask(cast, cast.chance.choice(cast.names), "anthropic", "claude-sonnet-4", **{"x-provider-key": made_up_key()})


def crash(cast: Cast) -> None:
    """A user asks for the summary of a session in which nothing was said yet."""
    name = cast.chance.choice(cast.names)
    session = cast.send(name, "POST", "/api/chat/sessions").get("session_id", "none")
    cast.send(name, "GET", f"/api/chat/{session}/summary")


def hammer(cast: Cast) -> None:
    """A user's script asks far too often."""
    for _ in range(14):
        _ask(cast, cast.victim)


def change_roles(cast: Cast) -> None:
    """The next incidents come from somebody else."""
    cast.recast()


INCIDENTS = (
    *(Step(2.0 + 0.25 * n, guess_password) for n in range(8)),
    Step(5.0, inject_sql),
    Step(5.5, inject_sql),
    Step(6.5, leak_key),
    Step(7.5, crash),
    Step(8.5, hammer),
    Step(20.0, change_roles),
)
"""What goes wrong, in seconds since the beginning of a round."""

ORDINARY = (chat,) * 6 + (look_around,) * 2 + (check_health,)


def schedule(chance: random.Random, rate: float) -> Iterator[Step]:
    """All that happens, in order and without end: `rate` ordinary steps a second on average, and the incidents."""
    return heapq.merge(_ordinary(chance, rate), _incidents(), key=lambda step: step.at)


def follow(steps: Iterator[Step], cast: Cast, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
    """Does each step at its time; what is late is done at once."""
    start = now()
    for step in steps:
        sleep(max(0.0, start + step.at - now()))
        step.do(cast)


def made_up_key() -> str:
    """Random characters in the form of a provider's key. It opens nothing."""
    alphabet = string.ascii_letters + string.digits
    return "-".join(("sk", "ant", "api03", "".join(secrets.choice(alphabet) for _ in range(93)) + "AA"))


def _ordinary(chance: random.Random, rate: float) -> Iterator[Step]:
    at = 0.0
    while True:
        at += chance.uniform(0.5, 1.5) / rate
        yield Step(at, chance.choice(ORDINARY))


def _incidents() -> Iterator[Step]:
    for number in count():
        yield from (Step(number * ROUND_SECONDS + step.at, step.do) for step in INCIDENTS)


def _ask(cast: Cast, name: str, provider: str = "", model: str = "", **headers: str) -> None:
    if not provider:
        provider, model = cast.chance.choice(MODELS)
    body = {"text": cast.chance.choice(QUESTIONS), "provider": provider, "model": model}
    cast.send(name, "POST", "/api/chat", body, **headers)


def _address(name: str) -> str:
    return f"192.0.2.{NAMES.index(name) + 1}"


def main() -> None:
    """Sends requests until it is told to stop, or until who started it is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--rate", type=float, default=4.0, help="ordinary requests a second")
    wanted = parser.parse_args()
    end_with_parent()
    chance = random.Random()
    client = Client("127.0.0.1", wanted.port)
    while not client.up():
        time.sleep(0.2)
    follow(schedule(chance, wanted.rate), Cast(client, chance), time.sleep, time.monotonic)


if __name__ == "__main__":
    main()
