"""Log files full of made-up secrets, and the search for what is left of them: in every file of a data folder, in
every way a reader may take its bytes."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import duckdb

from tests.e2e.shipper import line
from tests.secret_samples import PLACES, leak, ordinary

GRAM = 16
"""So many characters of a secret in a row are a leak; shorter secrets count as a whole."""
HALF = GRAM // 2
LIMIT = 4096
"""Longer lines are cut, in bytes."""

Planted = tuple[str, str]
"""Where a secret was planted, and the secret."""


def _json_record(place: str) -> Callable[[str], bytes]:
    return lambda text: line(**PLACES[place](text))


def _raw_traceback(text: str) -> bytes:
    head = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    call()\n'
    return f"{head}ValueError: refused with {json.dumps(text)[1:-1]}\n".encode()


def _broken_line(text: str) -> bytes:
    return line(message=f"sent {text}", module="chat")[:-12] + b"\n"


def _access_line(text: str) -> bytes:
    return f'INFO:     127.0.0.1:60084 - "GET /api/x?next={quote(text, safe="")} HTTP/1.1" 200 OK\n'.encode()


def _printed(text: str) -> bytes:
    return f"calling the provider with {text} now\n".encode()


RAW: dict[str, Callable[[str], bytes]] = {
    "raw traceback": _raw_traceback,
    "broken line": _broken_line,
    "access line": _access_line,
    "printed": _printed,
    **{place: _json_record(place) for place in PLACES},
}
"""Where a text can stand in a file. A private key that is printed becomes raw lines."""


def over_long(text: str, chance: random.Random) -> bytes:
    """A line that is cut at the limit somewhere within the text."""
    flat = json.dumps(text)[1:-1]
    head = '{"message": "'
    inside = chance.randrange(len(flat)) if len(flat) < LIMIT else 0
    filler = "word " * LIMIT
    return f'{head}{filler[: LIMIT - len(head) - inside - 1]} {flat} {filler[:3000]}"}}\n'.encode()


def planted(count: int, seed: int) -> tuple[list[bytes], list[Planted]]:
    """Pieces of a log, each with a secret, ordinary lines between them; and what was planted."""
    chance = random.Random(seed)
    pieces, secrets = [], []
    for n in range(count):
        place = chance.choice([*RAW, "over-long"])
        secret, text = leak(chance)
        pieces.append(over_long(text, chance) if place == "over-long" else RAW[place](text))
        secrets.append((place, secret))
        pieces += [line(message=ordinary(chance), n=n)] * chance.randint(0, 2)
    return pieces, secrets


# ── what is left ──────────────────────────────────────────────────────────────────────────────────────────────────


class Needles:
    """All that must not be found."""

    def __init__(self, secrets: Iterable[Planted]) -> None:
        self._grams: dict[str, Planted] = {}
        self._short: dict[str, Planted] = {}
        for planted_at in secrets:
            for part in (part for part in planted_at[1].split("\n") if not part.startswith("---")):
                self._short |= {part: planted_at} if len(part) < GRAM else {}
                self._grams |= dict.fromkeys(_grams(part), planted_at)
        self._halves = {gram[at : at + HALF] for gram in self._grams for at in (0, HALF)}

    def found(self, where: str, content: bytes | str) -> list[tuple[str, Planted, str]]:
        """`(where, what was planted, the text around it)` for everything that is left."""
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        return [(where, *hit) for reading in _readings(text) for hit in self._in(reading)]

    def _in(self, text: str) -> Iterator[tuple[Planted, str]]:
        # Whatever is as long as a gram covers one of these places with a half of it: looking there is enough.
        for at in range(0, len(text), HALF):
            if text[at : at + HALF] in self._halves:
                around = (gram for gram in _grams(text[max(0, at - HALF) : at + GRAM]) if gram in self._grams)
                yield from ((self._grams[gram], text[max(0, at - 80) : at + 80]) for gram in around)
        for short, planted_at in self._short.items():
            if short in text:
                at = text.index(short)
                yield planted_at, text[max(0, at - 80) : at + 80]


def _grams(text: str) -> list[str]:
    return [text[at : at + GRAM] for at in range(len(text) - GRAM + 1)]


def _readings(text: str) -> set[str]:
    once = unquote(text)
    return {text, once, unquote(once), text.replace("\\", ""), text.replace("\\\\n", "\n").replace("\\n", "\n")}


def everything(data: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every file of a data folder as it lies there, every column of its Parquet, every cell of its databases."""
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        yield path.name, path.read_bytes()
        if path.suffix == ".parquet":
            yield from _columns(path)
        if path.suffix == ".db":
            yield from _cells(path)


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    found = duckdb.sql(f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet('{path}')")
    for row in found.fetchall():
        for name, value in zip(found.columns, row, strict=True):
            yield f"{path.name}: {name}", str(value)


def _cells(path: Path) -> Iterator[tuple[str, bytes | str]]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in db.execute(f"SELECT * FROM {table}"):
            yield from ((f"{path.name}: {table}", cell) for cell in row if isinstance(cell, bytes | str))
    db.close()
