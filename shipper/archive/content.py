"""The hash of a set of records that does not depend on their order, and anybody can compute.

The sum of the SHA-256 of every document's bytes, taken as numbers, modulo 2**256; in hex, 64 digits. Sums of parts add
up to that of the whole, a record that is there twice counts twice.
"""

from collections.abc import Iterable
from hashlib import sha256

MODULUS = 1 << 256
NOTHING = "0" * 64


def content(docs: Iterable[bytes]) -> str:
    """Of documents as they are stored, without newlines."""
    total = 0
    for doc in docs:
        total += int.from_bytes(sha256(doc).digest())
    return written(total)


def joined(hashes: Iterable[str]) -> str:
    """Of several sets together."""
    return written(sum(int(each, 16) for each in hashes))


def without(whole: str, part: str) -> str:
    """Of what is left of a set when a part of it is taken out."""
    return written(int(whole, 16) - int(part, 16))


def written(total: int) -> str:
    return f"{total % MODULUS:064x}"
