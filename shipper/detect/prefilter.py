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

from shipper.detect.companions import Companions
from shipper.detect.decoded import ESCAPES
from shipper.detect.hyper import compiled
from shipper.detect.rule import Literal, Needs
from shipper.errors import ShipperError

FOLDED: tuple[bytes, ...] = tuple(char.encode() for char in "\u0130\u212a\u017f")
"""Letters beyond ASCII that lower-casing (`İ`, the Kelvin sign) or RE2's `(?i)` (`ſ`) makes equal to ASCII ones."""

BYTES = rb"\\x[0-9a-f]{2}"
"""A byte as Python writes it: it hides a piece of a secret."""

ROUNDED = rb"\.9{12}"
"""A number that rounds up to a whole one."""

# Two fixed characters first: Hyperscan looks for these quickly, and for a whole number at a third of its time.
EXPONENTS: tuple[bytes, ...] = tuple(rb"%de[-+]?[0-9]+\s*[,}\]\\]" % digit for digit in range(10))
"""The end of a number such as `4.01e2`, which does not read as it is written; or of a hexadecimal id."""

EXACT: tuple[bytes, ...] = (*ESCAPES, *FOLDED, BYTES, ROUNDED, *EXPONENTS)

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
        wanted = _by_text(needs)
        literals = list(wanted.values())
        self._always = [{rule for rule, literal in found if not literal.also} for found in literals]
        self._companions = Companions(literals)
        self._asks = [self._companions.asks(number) for number in range(len(literals))]
        self._exact_from = len(literals)
        self._secrets_from = self._exact_from + len(EXACT)
        self._exponents_from = self._secrets_from - len(EXPONENTS)
        self._database = _compile([*(expression(*text) for text in wanted), *EXACT, *secrets])

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
        waiting: dict[int, set[int]] = {}
        for end, number in found:
            # Two back: a pattern's last character may be the newline behind the row.
            row = bisect_right(starts, end - 2 if end > 1 else 0) - 1
            if number >= self._secrets_from:
                hits.secrets.add(row)
            elif number >= self._exact_from:
                if number < self._exponents_from or _EXPONENT.search(lines[row]):
                    hits.exact.add(row)
            else:
                if always := self._always[number]:
                    hits.rules.setdefault(row, set()).update(always)
                if self._asks[number]:
                    waiting.setdefault(row, set()).add(number)
        for row, numbers in waiting.items():
            if woken := self._companions.woken(lines[row], numbers):
                hits.rules.setdefault(row, set()).update(woken)
        return hits


def expression(text: str, whole: bool = False) -> bytes:
    """A literal as a Hyperscan expression."""
    quoted = b"".join(bytes([code]) if chr(code).isalnum() else b"\\x%02x" % code for code in text.encode())
    return rb"(?:^|[^0-9])" + quoted + rb"(?:$|[^0-9])" if whole else quoted


def _by_text(needs: Sequence[Needs]) -> dict[tuple[str, bool], list[tuple[int, Literal]]]:
    """Text → the rules that it wakes. Only a rule's most telling set counts: one is enough to pass it by."""
    rules: dict[tuple[str, bool], list[tuple[int, Literal]]] = {}
    for index, need in enumerate(needs):
        for literal in sorted(need[0]) if need else ():
            rules.setdefault((literal.text, literal.whole), []).append((index, literal))
    return rules


def _compile(expressions: Sequence[bytes]) -> hyperscan.Database:
    try:
        return compiled(expressions)
    except hyperscan.error as error:
        for text in expressions:
            try:
                compiled([text])
            except hyperscan.error as reason:
                raise ShipperError(
                    f"prefilter: pattern {text!r} cannot be compiled ({reason}); shorten it or leave it out"
                ) from error
        raise ShipperError(f"prefilter: {len(expressions)} patterns are too many ({error})") from error
