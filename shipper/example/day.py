"""A day in the life of the example: the traffic of `traffic`, spread over 24 hours, on a backend on paper."""

import random

from shipper.example.paper import PaperBackend
from shipper.example.traffic import INCIDENTS, ORDINARY, Cast, Step

DAY_S = 86_400.0
BUSIEST_S = 54_000.0
"""Three in the afternoon."""
BAD_DAYS = 0.4
"""Of all days: something goes wrong."""
REQUESTS = (80, 160)
"""Ordinary ones a day; each is one or two lines."""


def log_of_a_day(midnight: float, chance: random.Random) -> bytes:
    """What the backend logs from `midnight` (seconds since the epoch) on, a few hundred lines. It was started anew, and
    everybody signs in again."""
    backend = PaperBackend(midnight, chance)
    cast = Cast(backend, chance)
    for step in plan_of_a_day(chance):
        backend.now = max(backend.now, midnight + step.at)
        step.do(cast)
    return "".join(f"{line}\n" for line in backend.lines).encode()


def plan_of_a_day(chance: random.Random) -> list[Step]:
    """Ordinary requests, most of them in the afternoon; on a bad day all that can go wrong, within a minute."""
    count = chance.randint(*REQUESTS)
    steps = [Step(chance.triangular(60.0, DAY_S - 60.0, BUSIEST_S), chance.choice(ORDINARY)) for _ in range(count)]
    if chance.random() < BAD_DAYS:
        begin = chance.uniform(600.0, DAY_S - 600.0)
        steps += [Step(begin + step.at, step.do) for step in INCIDENTS]
    return sorted(steps, key=lambda step: step.at)
