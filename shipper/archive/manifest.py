"""What an archived day consists of, and the receipts of what was done to the archive: two kinds of small JSON objects.

A manifest is replaced when something is added to its day or erased from it. A receipt never is: each one holds the
SHA-256 of the one before, and of the manifest that it made, so a day that was removed or changed is seen.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import Any

import orjson

from shipper.archive.content import joined
from shipper.errors import ShipperError

FORMAT = 1
PUBLISHED, SUPPLEMENTED, COPIED, DROPPED, EXPIRED, ERASED = (
    "published",
    "supplemented",
    "copied",
    "dropped",
    "expired",
    "erased",
)
"""What a receipt is of: a day came into the archive · records that came later were added to it · it was copied to
another tier · the copy that it was made from is gone · it is gone for good · records were taken out of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet object."""

    key: str
    bytes: int
    sha256: str
    """Hex, of the whole object (what S3 itself keeps of a multipart upload is a checksum of checksums)."""
    rows: int
    first: str
    """Lowest `@timestamp`, RFC 3339 in UTC as the record has it; empty: no record has one."""
    last: str
    content: str
    """See `content`."""
    levels: dict[str, int] = field(default_factory=dict)
    """`log.level` → rows: what a query can be ruled out by. Nothing personal is in a manifest."""
    version: str = ""
    """Of the object, where the store has versions."""
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One dataset and UTC day in one tier."""

    tier: str
    dataset: str
    day: str
    parts: tuple[Part, ...]
    source: str
    """Where the records came from: `elasticsearch xionimus-2026.11.23`, `embedded`."""
    created: str
    """RFC 3339."""
    revision: int = 1
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def content(self) -> str:
        return joined(part.content for part in self.parts)

    @property
    def first(self) -> str:
        return min((part.first for part in self.parts if part.first), default="")

    @property
    def last(self) -> str:
        return max((part.last for part in self.parts if part.last), default="")

    @property
    def levels(self) -> dict[str, int]:
        return dict(sum((Counter(part.levels) for part in self.parts), Counter[str]()))


@dataclass(frozen=True, slots=True)
class Receipt:
    """One link of the chain."""

    number: int
    """From 1 on, without a gap."""
    previous: str
    """SHA-256 of the bytes of the receipt before; empty in the first."""
    act: str
    tier: str
    dataset: str
    day: str
    at: str
    rows: int
    content: str
    parts: tuple[Part, ...]
    """What the day consists of after this act; none when it is gone."""
    manifest: str
    """SHA-256 of the manifest's bytes; empty when it is gone."""
    note: str = ""
    """Which move, certificate or supplement it belongs to."""
    format: int = FORMAT


def to_bytes(one: Manifest | Receipt) -> bytes:
    """Always the same bytes for the same content."""
    return orjson.dumps(asdict(one), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def manifest_from(raw: bytes, where: str) -> Manifest:
    """Raises `ShipperError`."""
    return Manifest(**_checked(raw, where, Manifest))


def receipt_from(raw: bytes, where: str) -> Receipt:
    """Raises `ShipperError`."""
    return Receipt(**_checked(raw, where, Receipt))


def _checked(raw: bytes, where: str, kind: type[Manifest] | type[Receipt]) -> dict[str, Any]:
    name = kind.__name__.lower()
    try:
        values = orjson.loads(raw)
        if values["format"] > FORMAT:
            raise ShipperError(f"{where}: a {name} of a newer shipper (format {values['format']}); upgrade shipper")
        known = {each.name for each in fields(kind)}
        return {
            name: tuple(Part(**part) for part in value) if name == "parts" else value
            for name, value in values.items()
            if name in known
        }
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise ShipperError(f"{where}: not a {name} of shipper ({error}); look with: shipper tier verify") from error
