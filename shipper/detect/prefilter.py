"""One Hyperscan pass over a raw block says which rows which rules have to look at.

A rule is asked about a row only when one of its literals stands in the row's line. A line that may hide a literal (an
escape, a letter whose lower case is ASCII, a number written unusually) goes the exact way: every rule sees it.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import hyperscan

from shipper.detect.decoded import ESCAPES
from shipper.detect.rule import Literal, Needs
from shipper.errors import ShipperError

FOLDED: tuple[bytes, ...] = tuple(char.encode() for char in "\u0130\u212a\u017f")
"""Letters beyond ASCII that lower-casing (`İ`, the Kelvin sign) or RE2's `(?i)` (`ſ`) makes equal to ASCII ones."""

ROUNDED = rb"\.9{12}"
"""A number that rounds up to a whole one."""

# Two fixed characters first: Hyperscan looks for these quickly, and for a whole number at a third of its time.
EXPONENTS: tuple[bytes, ...] = tuple(rb"%de[-+]?[0-9]+\s*[,}\]\\]" % digit for digit in range(10))
"""The end of a number such as `4.01e2`, which does not read as it is written; or of a hexadecimal id."""

EXACT: tuple[bytes, ...] = (*ESCAPES, *FOLDED, ROUNDED, *EXPONENTS)

_EXPONENT = re.compile(rb"[:\[,](?:\s|\\[nrt])*-?[0-9][0-9.]*[eE][-+]?[0-9]+\s*[,}\]\\]")


@dataclass(slots=True)
class Hits:
    """What one pass found."""

    rules: dict[int, set[int]] = field(default_factory=dict)
    """Row → indexes of rules that may match it."""
    exact: set[int] = field(default_factory=set)
    """Rows that every rule has to see."""
    secrets: set[int] = field(default_factory=set)
    """Rows that one of the secret patterns hit."""


class Prefilter:
    """All literals of all rules, and the patterns of all secrets, in one database. For one thread."""

    def __init__(self, needs: Sequence[Needs], secrets: Sequence[bytes] = ()) -> None:
        """`needs` of rules by index; those with None are not this filter's business. `secrets`: caseless Hyperscan
        patterns. Raises `ShipperError` for a pattern that Hyperscan refuses."""
        wanted = _by_literal(needs)
        self._targets = list(wanted.values())
        self._exact_from = len(self._targets)
        self._secrets_from = self._exact_from + len(EXACT)
        self._exponents_from = self._secrets_from - len(EXPONENTS)
        self._database = _compile([*map(expression, wanted), *EXACT, *secrets])

    def scan(self, lines: Sequence[bytes]) -> Hits:
        """One pass over the lines of a batch."""
        found: list[tuple[int, int]] = []
        append = found.append

        def hit(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            append((end, number))

        self._database.scan(b"\n".join(lines), hit)
        return self._by_row(lines, found) if found else Hits()

    def _by_row(self, lines: Sequence[bytes], found: list[tuple[int, int]]) -> Hits:
        hits = Hits()
        starts = list(accumulate([len(line) + 1 for line in lines], initial=0))
        for end, number in found:
            # Two back: a pattern's last character may be the newline behind the row.
            row = bisect_right(starts, max(end - 2, 0)) - 1
            if number >= self._secrets_from:
                hits.secrets.add(row)
            elif number >= self._exact_from:
                if number < self._exponents_from or _EXPONENT.search(lines[row]):
                    hits.exact.add(row)
            else:
                hits.rules.setdefault(row, set()).update(self._targets[number])
        return hits


def expression(literal: Literal) -> bytes:
    """A literal as a Hyperscan expression."""
    quoted = b"".join(bytes([code]) if chr(code).isalnum() else b"\\x%02x" % code for code in literal.text.encode())
    return rb"(?:^|[^0-9])" + quoted + rb"(?:$|[^0-9])" if literal.whole else quoted


def _by_literal(needs: Sequence[Needs]) -> dict[Literal, list[int]]:
    """Literal → the rules that it wakes. Only a rule's most telling set counts: one is enough to pass it by."""
    rules: dict[Literal, list[int]] = {}
    for index, need in enumerate(needs):
        for literal in sorted(need[0]) if need else ():
            rules.setdefault(literal, []).append(index)
    return rules


def _compile(expressions: Sequence[bytes]) -> hyperscan.Database:
    try:
        return _database(expressions)
    except hyperscan.error as error:
        for text in expressions:
            try:
                _database([text])
            except hyperscan.error as reason:
                raise ShipperError(
                    f"prefilter: pattern {text!r} cannot be compiled ({reason}); shorten it or leave it out"
                ) from error
        raise ShipperError(f"prefilter: {len(expressions)} patterns are too many ({error})") from error


def _database(expressions: Sequence[bytes]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(expressions)
    database.compile(
        expressions=list(expressions),
        ids=list(range(count)),
        elements=count,
        flags=[hyperscan.HS_FLAG_CASELESS] * count,
    )
    return database
