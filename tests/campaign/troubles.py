"""What becomes of the answers of a store, at random."""

import random
from collections.abc import Sequence
from typing import Any

from tests.faults.faults import cuts, half_an_answer, late, lost_acknowledgement, says
from tests.faults.objects import flipped
from tests.faults.proxy import Exchange, Fault, passes


def faults(chance: random.Random, keys: Sequence[str]) -> list[list[Any]]:
    """For `boundaries.put_faults_around`. `keys`: objects whose reads may break off, or hold a flipped bit."""
    method = chance.choice(["any", "put", "get", "fetch", "copy", "delete", "head", "list"])
    key = chance.choice(keys)
    kinds: list[list[list[Any]]] = [
        [],
        [["unreachable", chance.randint(1, 3), method]],
        [["unreachable", chance.randint(4, 40), method]],
        [["lost_acknowledgement", chance.choice(["put", "copy", "delete"]), chance.randint(1, 6)]],
        [["slow", 0.02]],
        [["short", key]],
        [["flips", key]],
    ]
    return chance.choice(kinds)


def line_fault(chance: random.Random) -> Fault:
    """Of one in so many requests; a bit is flipped only in what was stored."""
    busy, failed = (
        says(f"<Error><Code>{code}</Code></Error>".encode(), status, "application/xml")
        for code, status in (("SlowDown", 503), ("InternalError", 500))
    )
    fault = chance.choice([passes, busy, failed, cuts, lost_acknowledgement, half_an_answer, late(0.05), flips])
    meets, rare = random.Random(chance.random()), chance.choice([1.0, 0.5, 0.1])

    def meet(exchange: Exchange) -> None:
        (fault if meets.random() < rare else passes)(exchange)

    return meet


def flips(exchange: Exchange) -> None:
    """A bit of an object is another one on its way."""
    answer = exchange.forward()
    is_object = exchange.request.method == "GET" and "?" not in exchange.request.path and answer.status in (200, 206)
    exchange.answer(answer._replace(body=flipped(answer.body)) if is_object and answer.body else answer)
