"""A thousand secrets of every kind in every place: none is in any file of the data folder, or on any output."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.clock import iso
from tests.campaign.forms import rounds
from tests.e2e.leaks import LIMIT, Needles, Planted, everything, planted
from tests.e2e.shipper import Said, Shipper, line
from tests.e2e.stored import segments
from tests.notify.receiver import Receiver
from tests.secret_samples import leak
from tests.services.supervisor import wait_for

COUNT = 1000
SMALL = {"source": {"max_line": LIMIT, "block": 8192}, "seal_rows": 200}


def notifying(shipper: Shipper, receiver: Receiver) -> None:
    """Alerts go to stdout and to a webhook."""
    shipper.write_pipeline(notify=[{"type": "console"}, {"type": "apprise", "urls": [receiver.url()]}])


def outputs(shipper: Shipper, pieces: list[bytes]) -> dict[str, Said]:
    """What every command that reads prints. `preview` gets the log whole: half a key at the start of a file that is
    shown alone is nothing that a rule could know."""
    (shipper.folder / "whole.log").write_bytes(b"".join(pieces))
    said = {form: shipper("search", "--limit", "0", "--format", form) for form in ("json", "table", "csv")}
    said |= {f"alerts {form}": shipper("alerts", "--format", form) for form in ("json", "table")}
    said |= {f"status {form}": shipper("status", "--format", form) for form in ("json", "table")}
    said |= {"quarantine": shipper("quarantine", "list"), "scan": shipper("scan", *shipper.logs.iterdir())}
    said |= {"preview": shipper("preview", "whole.log"), "preview -": shipper("preview", "-", stdin=b"".join(pieces))}
    with shipper.following("tail", "--format", "json") as tail:
        wait_for(lambda: tail.out)
        said["tail"] = tail.end()
    return said


def left(needles: Needles, shipper: Shipper, receiver: Receiver, said: dict[str, Said]) -> list[Any]:
    """Every place where a secret, or a part of one, is found."""
    found = [hit for where, content in everything(shipper.data) for hit in needles.found(where, content)]
    for name, each in said.items():
        assert "Traceback" not in each.err, each.err
        found += needles.found(f"{name}: stdout", each.out) + needles.found(f"{name}: stderr", each.err)
    return found + [hit for body in receiver.taken for hit in needles.found("webhook", str(body))]


def rotated_within(folder: Path, pieces: list[bytes], secrets: list[Planted], chance: random.Random) -> None:
    """The pieces as one log with siblings, where each rotation cut the line of a secret somewhere within it."""
    data, siblings = b"".join(pieces), []
    cuts = sorted({_within(data, secret, chance) for _, secret in secrets[:: len(secrets) // 40]} - {0})
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        siblings.append(data[start:stop])
    for number, content in enumerate(reversed(siblings)):
        (folder / f"backend.out.log{f'.{number}' if number else ''}").write_bytes(content)


def _within(data: bytes, secret: str, chance: random.Random) -> int:
    part = max(secret.split("\n"), key=len).encode()
    at = data.find(part)
    return at + chance.randrange(len(part)) if at >= 0 else 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(200, 200 + rounds(1, 10)))
def test_none_after_once(tmp_path: Path, seed: int) -> None:
    """Forty rotations in the middle of secrets, lines over the limit, blocks that end anywhere."""
    pieces, secrets = planted(COUNT, seed)
    shipper = Shipper(tmp_path, **SMALL)
    rotated_within(shipper.logs, pieces, secrets, random.Random(seed))
    with Receiver() as receiver:
        notifying(shipper, receiver)
        said = shipper.once()
        assert left(Needles(secrets), shipper, receiver, {"run": said, **outputs(shipper, pieces)}) == []
        assert (len(receiver.taken) > 0, b"REDACTED" in shipper("search", "--format", "json").out) == (True, True)
    assert len(segments(shipper.data, "parquet")) >= 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(300, 300 + rounds(1, 10)))
@pytest.mark.parametrize("killed", [False, True], ids=["followed", "killed"])
def test_none_while_following(tmp_path: Path, seed: int, killed: bool) -> None:
    """Written a few bytes at a time, so that looks end anywhere, and rotated in the middle of lines."""
    pieces, secrets = planted(COUNT // 2, seed)
    secret, text = leak(random.Random(seed))
    # People are told at once only of what has just happened.
    pieces.insert(0, line(timestamp=iso(time.time()), message=f"sent {text}"))
    secrets.append(("just now", secret))
    shipper = Shipper(tmp_path, **SMALL)
    with Receiver() as receiver:
        notifying(shipper, receiver)
        runs = [shipper.start()]
        for step, _ in enumerate(write_in_bits(shipper.log, b"".join(pieces), random.Random(seed))):
            if killed and step % 40 == 39:
                runs[-1].kill()
                runs.append(shipper.start())
        try:
            wait_for(lambda: segments(shipper.data, "parquet"))
            wait_for(lambda: receiver.taken)
            runs[-1].end()
        finally:
            runs[-1].kill()
        said = {f"run {place}": run.said() for place, run in enumerate(runs)}
        assert left(Needles(secrets), shipper, receiver, {**said, **outputs(shipper, pieces)}) == []


def write_in_bits(log: Path, data: bytes, chance: random.Random) -> Iterator[None]:
    """Appends, rotates now and then, and yields after each bit."""
    at = 0
    while at < len(data):
        size = chance.choice([7, 300, 3000, 20_000])
        with log.open("ab") as file:
            file.write(data[at : at + size])
        at += size
        if chance.random() < 0.1 and at < len(data):
            _rotate(log)
        time.sleep(0.03)
        yield


def _rotate(log: Path) -> None:
    for number in range(len(list(log.parent.glob(f"{log.name}.*"))), 0, -1):
        log.with_name(f"{log.name}.{number}").rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


def test_the_search_finds_what_is_there() -> None:
    """Whole, in part, percent-encoded, escaped: the tests above can fail."""
    secret = "Ab3" * 12
    needles = Needles([("here", secret), ("short", "xY9xY9xY9xY9")])
    texts = [f"x{secret}", secret[5:25], "".join(f"%{ord(char):02x}" for char in secret), secret.replace("3", "\\3")]
    assert [bool(needles.found("", text)) for text in [*texts, "xY9xY9xY9xY9", secret[:10]]] == [*[True] * 5, False]
