"""Makes the archive's Parquet, and says what is in it. The work is done in a child process (`archive.export`)."""

import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from shipper.errors import ShipperError
from shipper.store.child import Child

OTHER = "_other"
"""The dataset in which those go together that are too many, or whose name can't be a folder's."""
MOST_DATASETS = 100
"""Of a day that get a file of their own: the largest."""


ANY_OTHER = "*"
"""The key in `Facts.levels` of all that is no plain word: with it, no level can be ruled out."""


class Facts(NamedTuple):
    """What a set of records is known by."""

    rows: int
    first: str
    """Lowest `@timestamp` as `canonical` writes it; empty when no record has one that can be read."""
    last: str
    content: str
    """See `archive.content`."""
    levels: dict[str, int]
    """`log.level` → rows that have it; see `ANY_OTHER`."""


class Written(NamedTuple):
    """A new Parquet file, and what was found when it was read back."""

    dataset: str
    path: Path
    facts: Facts


class Export(NamedTuple):
    """`source`: of the documents as they were read. Whoever publishes compares them with those that were written."""

    source: Facts
    written: list[Written]


@dataclass(frozen=True, slots=True)
class _Failed(Exception):
    reason: str


class Exporter:
    """The child process, started when the first job comes; call `close` when there is none left for now. One thread
    uses it. Every method raises `ShipperError`, and then leaves no file behind."""

    def __init__(self) -> None:
        self._child = Child("shipper.archive.export")

    def export(self, files: Sequence[Path], folder: Path, apart: Collection[str] = ()) -> Export:
        """Writes what the files of one day hold (`*.parquet` with a column `doc`, else NDJSON) into `folder`, which
        exists: one Parquet a dataset, sorted by time. Datasets in `apart` get a file of their own however small."""
        scratch = folder / f"export-{os.getpid()}"
        job = {"do": "export", "files": [str(file) for file in files], "scratch": str(scratch), "apart": [*apart]}
        try:
            scratch.mkdir(mode=0o700)
            told = self._ask(job)
            written = [
                Written(dataset, Path(path).rename(folder / Path(path).name), Facts(*facts))
                for dataset, path, facts in told["written"]
            ]
            return Export(Facts(*told["source"]), written)
        except (_Failed, OSError) as error:
            raise ShipperError(f"{folder}: not exported ({_why(error)}); nothing of the source is changed") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def facts(self, path: Path) -> Facts:
        """Reads a Parquet file, all of it."""
        try:
            job = {"do": "facts", "path": str(path), "scratch": str(path.parent)}
            return Facts(*self._ask(job)["facts"])
        except _Failed as error:
            raise ShipperError(f"{path}: cannot be read as Parquet with documents ({error.reason})") from error

    def rewrite(self, path: Path, target: Path, query_text: str, since: str, until: str) -> tuple[Facts, Facts]:
        """Copies a Parquet file without the rows that a query finds between two times (RFC 3339, `until` excluded;
        empty: no bound). Returns what is in the copy, and what was taken out."""
        scratch = target.parent / f"rewrite-{os.getpid()}"
        job = {"do": "rewrite", "path": str(path), "scratch": str(scratch), "query": query_text}
        try:
            scratch.mkdir(mode=0o700)
            told = self._ask({**job, "since": since, "until": until})
            Path(told["path"]).rename(target)
            return Facts(*told["kept"]), Facts(*told["taken"])
        except (_Failed, OSError) as error:
            raise ShipperError(f"{path}: not rewritten ({_why(error)}); it stays as it is") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        """Ends the child; may be called again, and the next job starts another."""
        self._child.close()

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        *said, answer = self._child.ask(json.dumps(job))
        if not answer:
            code = self._child.close()
            raise _Failed(said[-1] if said else _ended(code))
        told: dict[str, Any] = json.loads(answer)
        if "failed" in told:
            raise _Failed(told["failed"])
        return told


def _ended(code: int) -> str:
    return f"the process was killed by signal {-code}, maybe for want of memory" if code < 0 else f"exit code {code}"


def _why(error: _Failed | OSError) -> str:
    return error.reason if isinstance(error, _Failed) else f"{error.filename}: {error.strerror}"


def canonical(text: str) -> str:
    """A time in UTC with six digits of a second, cut off and not rounded: `2026-11-23T10:00:00.123456Z`. Without a
    zone it is in UTC; empty when it can't be read."""
    try:
        when = datetime.fromisoformat(text)
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return ""
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
