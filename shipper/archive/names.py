"""Where everything lies in an archive, relative to its place.

warm/backend/2026.11.23.parquet          the records of one dataset and UTC day
warm/backend/2026.11.23.s1.parquet       those that came after it was archived (a supplement)
warm/backend/2026.11.23.r2.parquet       what replaced it (records were erased)
warm/backend/2026.11.23.manifest.json    what belongs to this dataset and day now, with counts and hashes
receipts/00000042.json                   what was done, in order; each holds the hash of the one before
"""

from urllib.parse import quote, unquote

TIERS = ("warm", "cold")
RECEIPTS = "receipts/"
NO_DATASET = "-"
"""Of records without `event.dataset`."""
LONGEST = 100


def folder_of(dataset: str) -> str:
    """A dataset as a part of a key: whatever a log line calls itself, it stays one folder."""
    safe = quote(dataset, safe="")[:LONGEST].replace(".", "%2E", 1) if dataset[:1] == "." else quote(dataset, safe="")
    return safe[:LONGEST] or NO_DATASET


def dataset_of(folder: str) -> str:
    """The dataset of a part of a key."""
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
