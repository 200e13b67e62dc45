"""Log lines as the backend writes them, as many as wanted: `generate.py --count 1000000 --seed 1 --out FILE`.

The same arguments give the same bytes. Beside FILE, `FILE.truth.json` says what is in it: how many of each kind, level
and day, and every made-up secret. Every record has a number, `seq`; a record that is not JSON has it in its text.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from messages import (
    ATTACK_RECORDS,
    ATTACKERS,
    FAILED_LOGINS,
    FAILURES,
    INJECTIONS,
    KEYS,
    LEAKS,
    MODELS,
    ORDINARY,
    USERS,
    UVICORN,
    Form,
)

T = TypeVar("T")

SHARES = {
    "failed_login": 0.005,
    "sql_injection": 0.001,
    "secret": 0.0005,
    "error": 0.01,
    "uvicorn": 0.0015,
    "traceback": 0.0005,
}
"""Of all records; the rest is ordinary."""

WRITE_AT_ONCE = 5000


@dataclass
class Truth:
    """What a generated file holds."""

    count: int
    seed: int
    lines: int = 0
    """More than `count`: a raw traceback is one record of four lines."""
    bytes: int = 0
    first: str = ""
    last: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    secrets: list[str] = field(default_factory=list)


class Generator:
    """Makes records one by one; `truth` grows with them."""

    def __init__(self, count: int, seed: int, end: datetime, days: float) -> None:
        self._chance = random.Random(seed)
        self._start = end - timedelta(days=days)
        self._step = timedelta(days=days) / max(count, 1)
        self._prefixes: dict[int, str] = {}
        self._after_traceback = False
        self.truth = Truth(count, seed)
        self._make: dict[str, Callable[[int], str]] = {
            "ordinary": lambda seq: self._record(seq, self._pick(ORDINARY), self._client()),
            "failed_login": lambda seq: self._record(seq, self._pick(FAILED_LOGINS), self._attacker(seq)),
            "sql_injection": lambda seq: self._record(seq, self._pick(INJECTIONS), self._attacker(seq)),
            "secret": self._leak,
            "error": self._error,
            "uvicorn": self._uvicorn,
            "traceback": self._traceback,
        }

    def record(self, seq: int) -> str:
        """The text of record `seq`: one line, or the four of a raw traceback."""
        kind = self._kind()
        self._after_traceback = kind == "traceback"
        text = self._make[kind](seq)
        self.truth.kinds[kind] += 1
        self.truth.lines += 4 if kind == "traceback" else 1
        return text

    def _kind(self) -> str:
        point = self._chance.random()
        for kind, share in SHARES.items():
            point -= share
            if point < 0:
                # Two raw tracebacks in a row could be one that was raised from the other.
                return "ordinary" if self._after_traceback and kind in ("traceback", "uvicorn") else kind
        return "ordinary"

    def _record(self, seq: int, form: Form, ip: str, key: str = "", exc_info: str = "") -> str:
        number, user = self._chance.getrandbits(64), USERS[self._chance.getrandbits(16) % 500]
        text = form.text.format(
            id=f"{number & 0xFFFFFFFF:08x}",
            n=20 + (number >> 8) % 9000,
            m=1 + (number >> 24) % 99,
            k=1 + (number >> 40) % 900,
            user=user,
            ip=ip,
            key=key,
        )
        timestamp = self._timestamp(seq)
        self.truth.levels[form.level] += 1
        self.truth.days[timestamp[:10]] += 1
        about = ""
        if form.model:
            provider, model = MODELS[(number >> 20) % len(MODELS)]
            about = f', "user_id": "{user}", "provider": "{provider}", "model": "{model}"'
        error = f', "exc_info": {json.dumps(exc_info)}' if exc_info else ""
        quoted = text.replace('"', '\\"')
        return (
            f'{{"timestamp": "{timestamp}", "level": "{form.level}", "logger": "app.{form.module}", '
            f'"message": "{quoted}", "module": "{form.module}", "function": "{form.function}", '
            f'"line": {10 + (number >> 50) % 900}{about}, "duration_ms": {(number >> 12) % 60000 / 10}{error}, '
            f'"seq": {seq}}}'
        )

    def _leak(self, seq: int) -> str:
        key = self._pick(KEYS)(self._chance)
        self.truth.secrets.append(key)
        return self._record(seq, self._pick(LEAKS), self._client(), key=key)

    def _error(self, seq: int) -> str:
        failure = self._pick(FAILURES)
        form = Form("ERROR", failure[2], failure[3], "Request {id} of {user} failed after {n} ms and {m} attempts")
        return self._record(seq, form, "", exc_info="\n".join(self._trace(failure)))

    def _uvicorn(self, seq: int) -> str:
        port = 32768 + self._chance.getrandbits(14)
        return self._pick(UVICORN).format(ip=self._client(), port=port, seq=seq)

    def _traceback(self, seq: int) -> str:
        *lines, last = self._trace(self._pick(FAILURES))
        last += f" [seq {seq}]" if ": " in last else f": [seq {seq}]"
        return "\n".join((*lines, last))

    def _trace(self, failure: tuple[str, str, str, str]) -> list[str]:
        error, reason, module, function = failure
        return [
            "Traceback (most recent call last):",
            f'  File "/app/backend/app/{module}.py", line {10 + self._chance.getrandbits(9)}, in {function}',
            "    answer = await self._client.send(request, timeout=self._timeout)",
            f"{error}: {reason}" if reason else error,
        ]

    def _timestamp(self, seq: int) -> str:
        when = self._start + self._step * seq
        second = int(when.timestamp())
        prefix = self._prefixes.get(second)
        if prefix is None:
            prefix = self._prefixes[second] = when.strftime("%Y-%m-%dT%H:%M:%S")
            if len(self._prefixes) > 1000:
                self._prefixes.clear()
        text = f"{prefix}.{when.microsecond // 1000:03}Z"
        self.truth.first = self.truth.first or text
        self.truth.last = text
        return text

    def _client(self) -> str:
        number = self._chance.getrandbits(16)
        return f"10.20.{number >> 8}.{number & 255}"

    def _attacker(self, seq: int) -> str:
        if self._chance.random() < 0.7:
            return ATTACKERS[seq // ATTACK_RECORDS % len(ATTACKERS)]
        return self._pick(ATTACKERS)

    def _pick(self, things: Sequence[T]) -> T:
        return things[int(self._chance.random() * len(things))]


def generate(out: Path, count: int, seed: int, end: datetime, days: float) -> Truth:
    """Writes the file and its truth."""
    generator = Generator(count, seed, end, days)
    truth = generator.truth
    with out.open("wb") as file:
        for first in range(0, count, WRITE_AT_ONCE):
            texts = [generator.record(seq) for seq in range(first, min(first + WRITE_AT_ONCE, count))]
            block = ("\n".join(texts) + "\n").encode()
            truth.bytes += len(block)
            file.write(block)
    truth_file(out).write_text(json.dumps(vars(truth), indent=1) + "\n")
    return truth


def truth_file(out: Path) -> Path:
    """Where the truth about a generated file stands."""
    return out.with_name(out.name + ".truth.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="records")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--end", type=datetime.fromisoformat, default=datetime(2026, 11, 20, 12, tzinfo=UTC))
    parser.add_argument("--days", type=float, default=3.0, help="time from the first record to the end")
    wanted = parser.parse_args()
    truth = generate(wanted.out, wanted.count, wanted.seed, wanted.end.astimezone(UTC), wanted.days)
    shown = {name: value for name, value in vars(truth).items() if name != "secrets"}
    print(json.dumps(shown | {"secrets": len(truth.secrets)}))


if __name__ == "__main__":
    main()
