"""Brings the files of the store and the committed list together again, at every start and after a lost `state.db`."""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from shipper.errors import ShipperError, StateMismatch
from shipper.log import say
from shipper.model import StateChange
from shipper.state import State
from shipper.store.columns import text
from shipper.store.disk import leave_folder, sync_folder
from shipper.store.layout import FOLDERS, NEXT_NUMBER, STORED, Segment, is_listed, listed, next_number
from shipper.store.read import open_duckdb

_NAME = re.compile(r"(\d{6,})\.(ndjson|parquet)")
REMEDY = (
    "restore state.db from a backup made with the data, or start once with --fresh-state: "
    "the stored data is kept and every log file is read again, so what is stored already is there twice"
)


class Found(NamedTuple):
    """A file of the store as it lies on the disk."""

    stream: str
    day: str
    number: int
    form: str
    path: Path


def recover(data: Path, state: State, streams: Sequence[str] = STORED) -> None:
    """Makes the folders of these streams what the list says: cuts off what was never committed, removes what a crash
    left over. The writer of other streams may be at work.

    Raises `StateMismatch` before anything is changed, when the list is missing, older than the files, or names bytes
    that are not there.
    """
    segments, files = listed(state, *streams), list(found(data, streams))
    _check_files(files, next_number(state), data)
    segments = [segment for segment in segments if _is_whole(segment, data, state)]
    wanted = {segment.path(data) for segment in segments}
    _remove([file.path for file in files if file.path not in wanted])
    _remove(_temporary(data, streams))
    _remove_empty(data, streams)
    for segment in segments:
        if segment.form == "ndjson":
            _cut(segment.path(data), segment.bytes)
    remove_spills(data / "tmp")


def refuse_lost_state(data: Path) -> None:
    """Raises `StateMismatch` when there is stored data and no `state.db`: opening one would make it look empty."""
    if not (data / "state.db").exists():
        _check_files(found(data), 0, data)


def fresh_state(data: Path) -> None:
    """Starts over with a new `state.db` that lists the segments found on the disk; the old one is kept beside it.

    What the old one knows of the archive and of holds is taken over, as far as it can be read: else days would be
    archived again, and what is on hold would be deleted. Raises `ShipperError` when a segment cannot be read.
    """
    segments = list(_adopted(data))
    old = _set_aside(data / "state.db")
    kept, given = _kept(old) if old.exists() else ([], 1)
    number = max([given, *(file.number + 1 for file in found(data))])
    with closing(State(data / "state.db")) as state:
        state.run(
            StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (NEXT_NUMBER, str(number))),
            *(StateChange("INSERT INTO segments VALUES (?,?,?,?,?,?,?,?)", tuple(each)) for each in segments),
            *kept,
            StateChange("DELETE FROM marked WHERE number NOT IN (SELECT number FROM segments)", ()),
        )


def found(data: Path, streams: Iterable[str] = FOLDERS) -> Iterator[Found]:
    """Every file below the data folder whose name is that of a segment of these streams."""
    for stream in streams:
        for path in sorted(_inside(data / FOLDERS[stream])):
            if name := _NAME.fullmatch(path.name):
                yield Found(stream, path.parent.name, int(name[1]), name[2], path)


# ── start ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_files(files: Iterable[Found], counter: int, data: Path) -> None:
    for file in files:
        if file.number >= counter:
            raise StateMismatch(f"{file.path}: stored data that {data / 'state.db'} knows nothing of; {REMEDY}")


def _is_whole(segment: Segment, data: Path, state: State) -> bool:
    """False: a mover beside us has struck it off the list since that was read, and then deleted it."""
    try:
        _check_segment(segment, segment.path(data))
    except StateMismatch:
        if is_listed(state, segment.number):
            raise
        return False
    return True


def _check_segment(segment: Segment, path: Path) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise StateMismatch(f"{path}: listed in state.db, but missing; {REMEDY}") from None
    if size < segment.bytes or (segment.form == "parquet" and size != segment.bytes):
        raise StateMismatch(f"{path}: {size} bytes, but state.db lists {segment.bytes}; {REMEDY}")


def _cut(path: Path, length: int) -> None:
    with suppress(FileNotFoundError):  # a mover may have deleted it since
        if path.stat().st_size > length:
            with path.open("rb+") as file:
                file.truncate(length)
                os.fsync(file.fileno())


def _temporary(data: Path, streams: Iterable[str]) -> list[Path]:
    inside = [path for stream in streams for path in _inside(data / FOLDERS[stream])]
    return [path for path in inside if path.name.endswith(".parquet.tmp")]


def _remove(paths: list[Path]) -> None:
    for path in paths:
        say("info", "left over from a start that was cut short, removed", path=str(path))
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        leave_folder(folder)


def _remove_empty(data: Path, streams: Iterable[str]) -> None:
    """Folders of days whose last file was deleted, by somebody who was killed right then."""
    for folder in [folder for stream in streams for folder in _entries(data / FOLDERS[stream])]:
        with suppress(OSError):
            folder.rmdir()


def _inside(folder: Path) -> Iterator[Path]:
    for day in _entries(folder):
        yield from _entries(day)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing if it is none. `glob` fails on a day that a mover removes while it looks."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove_unlisted(data: Path, state: State) -> None:
    """Removes files of segments that are listed in no form: what somebody left who replaced them and was killed. For
    who holds the `move` lock, while no run writes."""
    files, counter = list(found(data)), next_number(state)
    numbers = {segment.number for segment in listed(state, *FOLDERS)}
    _remove([file.path for file in files if file.number < counter and file.number not in numbers])


def remove_spills(folder: Path) -> None:
    """Removes the working folders of processes that are gone, whose numbers they end with: `seal-4711`."""
    for spill in folder.glob("*-*"):
        pid = spill.name.rpartition("-")[2]
        if spill.is_dir() and pid.isdigit() and not _is_running(int(pid)):
            rmtree(spill, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# ── --fresh-state ─────────────────────────────────────────────────────────────────────────────────────────────────


def _adopted(data: Path) -> Iterator[Segment]:
    best = {file.number: file for file in sorted(found(data), key=lambda file: file.form)}
    for file in sorted(best.values(), key=lambda file: file.number):
        rows = _sealed_rows(file.path, data) if file.form == "parquet" else _whole_rows(file.path)
        if rows:
            size = file.path.stat().st_size
            yield Segment(file.number, file.stream, file.day, file.form, size, rows, *_bounds(file.day))


def _sealed_rows(path: Path, data: Path) -> int:
    try:
        with open_duckdb(data / "tmp" / f"adopt-{os.getpid()}") as connection:
            return int(connection.execute(f"SELECT count(*) FROM read_parquet({text(path)})").fetchone()[0])
    except Exception as error:
        raise ShipperError(
            f"{path}: cannot be read as Parquet ({' '.join(str(error).split())}); move it out of {data} and start again"
        ) from error


def _whole_rows(path: Path) -> int:
    """Cuts off a line that was never finished; returns how many there are."""
    rows = whole = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                rows, whole = rows + 1, whole + len(line)
    _cut(path, whole)
    return rows


def _bounds(day: str) -> tuple[str, str]:
    """First and last moment of a day or month as its folder is named."""
    date = day.replace(".", "-")
    first, last = (date, date) if len(date) == 10 else (f"{date}-01", f"{date}-31")
    return f"{first}T00:00:00Z", f"{last}T23:59:59.999999Z"


KEPT = ("marked", "moves", "archived", "chains", "holds", "restored")
"""Tables of what was done to older days."""
KEPT_META = ("act at *", "erasing *", "erased_keys", "legal_holds", "rewritten", "sinks", "tiers_moved")
"""Keys in `meta` of what is being done to them, and was cut short: GLOB patterns."""
ACTS = "audit"
"""Kind of the rows in the outbox that tell what was done to them."""


def _kept(old: Path) -> tuple[list[StateChange], int]:
    """What fills these tables again, and the next number for a segment."""
    try:
        with closing(State(old)) as state:
            rows = {table: state.rows(f"SELECT * FROM {table}") for table in KEPT}
            asked = " OR ".join(["key GLOB ?"] * len(KEPT_META))
            rows["meta"] = state.rows(f"SELECT * FROM meta WHERE {asked}", KEPT_META)
            rows["outbox"] = state.rows("SELECT * FROM outbox WHERE kind = ?", (ACTS,))
            given = next_number(state)
    except (StateMismatch, sqlite3.Error, ValueError) as error:
        say("warning", "what was archived and what is on hold is not known any more", state=str(old), reason=error)
        return [], 1
    filled = [
        StateChange(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", tuple(row))
        for table, found in rows.items()
        for row in found
    ]
    return filled, given


def _set_aside(path: Path) -> Path:
    """Where it is then."""
    taken = 1
    while path.with_name(f"{path.name}.old-{taken}").exists():
        taken += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.old-{taken}{suffix}"))
    sync_folder(path.parent)
    return path.with_name(f"{path.name}.old-{taken}")
