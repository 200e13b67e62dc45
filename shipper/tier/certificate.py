"""What an erasure leaves behind: a certificate that says what was erased where, and nothing of whom."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.errors import ShipperError
from shipper.objects.store import Exists, ObjectStore
from shipper.store.disk import make_folder, sync_file, sync_folder

FOLDER = "certificates"
FORMAT = 1


class Line(NamedTuple):
    """What of a subject lies in one place."""

    where: str
    """`hot`, `warm`, `cold`, `elasticsearch`, `restored`, `alerts`, `quarantine`, …"""
    dataset: str
    day: str
    """`2026.11.23`; empty where there are no days."""
    rows: int | None
    """None: it could not be told."""
    refused: str = ""
    """Why it stays; empty: it goes."""
    must: bool = False
    """It has to stay: it is on hold or locked, nothing failed."""


class Proof(NamedTuple):
    """The search afterwards."""

    found: int
    """Records in all tiers that still match."""
    refused: int
    """How many of them had to stay."""
    problems: list[str]
    """What could not be searched, a line each."""
    at: str

    @property
    def is_absent(self) -> bool:
        """Nothing is left at all."""
        return not self.problems and not self.found

    @property
    def is_as_told(self) -> bool:
        """Nothing is left but what had to stay."""
        return not self.problems and self.found <= self.refused


def certificate(
    *,
    number: str,
    subject: str,
    times: tuple[str, str],
    who: str,
    host: str,
    reason: str,
    taken_up: bool,
    erased: Sequence[Line],
    refused: Sequence[Line],
    proof: Proof,
    logs: Sequence[str],
) -> bytes:
    """The document. `subject` is the keyed hash, `times` RFC 3339: begun, and ended. `taken_up`: it was cut short
    before, so what was being erased in that moment is gone and may be missing in the counts."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "certificate": number,
        "subject": {
            "hmac_sha256": subject,
            "key": "redaction.key of the data folder",
            "of": "the query as it was given",
        },
        "begun": times[0],
        "ended": times[1],
        "who": who,
        "host": host,
        "reason": reason,
        "cut_short_before": taken_up,
        "erased": [_object(line) for line in erased],
        "refused": [_object(line) | {"why": line.refused} for line in refused],
        "proof_of_absence": {
            "searched": "hot, warm and cold, all times",
            "at": proof.at,
            "found": proof.found,
            "of_these_refused": proof.refused,
            "not_searched": proof.problems,
            "absent": proof.is_absent,
        },
        "out_of_reach": {
            "log_files": list(logs),
            "others": [
                "rotated copies of these log files, and whatever else the backend itself keeps",
                "backups of the data folder, of the bucket, snapshots of Elasticsearch",
                "what Elasticsearch keeps of deleted documents on its disk until its next merges",
                "notifications that were sent, and what people have exported",
                "records of the subject that arrive later",
            ],
        },
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def keep(raw: bytes, number: str, data: Path, places: Iterable[ObjectStore]) -> tuple[Path, list[str]]:
    """Stores a certificate in the data folder and beside the archive; its path, and what failed, a line each."""
    path = data / FOLDER / f"{number}.json"
    make_folder(path.parent, data)
    path.write_bytes(raw)
    path.chmod(0o600)
    sync_file(path)
    sync_folder(path.parent)
    problems = []
    for objects in places:
        try:
            objects.put(f"{FOLDER}/{number}.json", raw, if_absent=True)
        except Exists:
            continue
        except ShipperError as error:
            problems.append(str(error))
    return path, problems


def _object(line: Line) -> dict[str, Any]:
    return {"where": line.where, "dataset": line.dataset, "day": line.day, "records": line.rows}
