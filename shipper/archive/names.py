"""Where everything lies in an archive, relative to its place.

warm/backend/2026.11.23.parquet          the records of one dataset and UTC day
warm/backend/2026.11.23.s1.parquet       those that came after it was archived (a supplement)
warm/backend/2026.11.23.r2.parquet       what replaced it (records were erased)
warm/backend/2026.11.23.manifest.json    what belongs to this dataset and day now, with counts and hashes
receipts/00000042.json                   what was done, in order; each holds the hash of the one before
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from urllib.parse import quote, unquote

TIERS = ("warm", "cold")
RECEIPTS = "receipts/"
NO_DATASET = "-"
"""Of records without `event.dataset`."""
LONGEST = 100
_PART = re.compile(r"(?P<stem>.+/\d{4}\.\d\d\.\d\d)(?:\.s(?P<supplement>\d+))?(?:\.r(?P<revision>\d+))?\.parquet")
_RECEIPT = re.compile(r"receipts/(\d{8,12})\.json", re.ASCII)


def folder_of(dataset: str) -> str:
    """A dataset as a part of a key: whatever a log line calls itself, it stays one folder, and no other's."""
    safe = quote(dataset, safe="")
    if dataset in (NO_DATASET, ".", ".."):
        safe = "".join(f"%{ord(char):02X}" for char in dataset)
    elif safe.startswith("."):
        safe = f"%2E{safe[1:]}"
    if len(safe) > LONGEST:
        safe = f"{safe[: LONGEST - 17]}-{blake2b(dataset.encode(), digest_size=8).hexdigest()}"
    return safe or NO_DATASET


def dataset_of(folder: str) -> str:
    """The dataset of a part of a key; of a very long one only its beginning (the manifest has it whole)."""
    return "" if folder == NO_DATASET else unquote(folder)


def part_key(tier: str, dataset: str, day: str, supplement: int = 0, revision: int = 0) -> str:
    """`day` is `2026.11.23`; `revision` counts how often the part was written anew."""
    added = f".s{supplement}" if supplement else ""
    anew = f".r{revision}" if revision else ""
    return f"{tier}/{folder_of(dataset)}/{day}{added}{anew}.parquet"


def manifest_key(tier: str, dataset: str, day: str) -> str:
    return f"{tier}/{folder_of(dataset)}/{day}.manifest.json"


def receipt_key(number: int) -> str:
    return f"{RECEIPTS}{number:08d}.json"


def receipt_numbers(keys: Iterable[str]) -> list[int]:
    """In order, of those keys that are receipts'."""
    found = {key: int(match[1]) for key in keys if (match := _RECEIPT.fullmatch(key))}
    return sorted(number for key, number in found.items() if receipt_key(number) == key)


def next_part_key(tier: str, dataset: str, day: str, keys: Iterable[str]) -> str:
    """Of the next supplement to the parts that a day has, or of its first part."""
    supplements = [int(found["supplement"] or 0) for found in map(_PART.fullmatch, keys) if found]
    return part_key(tier, dataset, day, supplement=max(supplements, default=-1) + 1)


def revised_key(key: str) -> str:
    """Of what takes the place of a part."""
    found = _PART.fullmatch(key)
    if found is None:
        raise ValueError(f"{key} is not the key of a part")
    supplement = f".s{found['supplement']}" if found["supplement"] else ""
    return f"{found['stem']}{supplement}.r{int(found['revision'] or 0) + 1}.parquet"
