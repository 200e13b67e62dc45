"""Hyperscan databases: many expressions, one pass, any case."""

from collections.abc import Sequence

import hyperscan

ONCE = hyperscan.HS_FLAG_SINGLEMATCH
"""Each expression is told of once a scan."""


def compiled(expressions: Sequence[bytes], flags: int = 0, *, literal: bool = False) -> hyperscan.Database:
    """A database whose matches are numbered as the expressions are. Raises `hyperscan.error`."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(expressions)
    database.compile(
        expressions=list(expressions),
        ids=list(range(count)),
        elements=count,
        flags=[hyperscan.HS_FLAG_CASELESS | flags] * count,
        literal=literal,
    )
    return database
