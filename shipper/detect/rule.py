"""What a loaded rule is, whatever language it was written in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from shipper.model import Doc


class Place(NamedTuple):
    """Where in a record a rule matched. `span` is in characters of that field's value; both None where there is no
    one string (a missing field, a number)."""

    field: str | None
    span: tuple[int, int] | None


class Literal(NamedTuple):
    """A run of characters that stands in a raw line, in any case. ASCII, and nothing that JSON may escape."""

    text: str
    whole: bool = False
    """A number that stands alone: no digit right before or behind it."""
    also: tuple[tuple[str, ...], ...] = ()
    """What else the line holds: one text of each, in lower case, of any length."""


Needs = tuple[frozenset[Literal], ...] | None
"""What the raw line of every matching record holds: one literal of each set, the most telling set first. An empty set
stands for records that never go the fast way. None: nothing can be said that is worth a look."""


@dataclass(frozen=True, slots=True)
class RuleTests:
    """A rule's own evidence: inputs that must match and inputs that must pass.

    Each is a raw log line (text) or a record's original fields (a mapping). For a correlation: a list of those, taken
    in order; `{repeat: 6, every: 60s, record: …}` stands for several.
    """

    match: tuple[Any, ...] = ()
    passes: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over single records."""

    id: str
    name: str
    """Its Sigma `name`, by which correlations refer to it; the id when it has none."""
    title: str
    level: str
    """`informational`, `low`, `medium`, `high` or `critical`."""
    tags: tuple[str, ...]
    description: str
    path: Path
    line: int
    matches: Callable[[Doc], bool]
    """The exact answer, on a whole record (`Batch.record`)."""
    place: Callable[[Doc], Place]
    """Where a record that matches does so."""
    needs: Needs
    """None: the rule has to see every record."""
    alerts: bool = True
    """False for a rule that only feeds a correlation."""
    group_by: tuple[str, ...] = ()
    """Fields by which its findings are put together into one alert (`alert.group-by` in the file)."""
    realert: float | None = None
    """Seconds until the same rule and group is told again; None: the pipeline's default."""
    tests: RuleTests = RuleTests()
    fields: tuple[str, ...] = ()
    """Fields that it reads, each once."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rule over many records: a Sigma correlation."""

    id: str
    name: str
    title: str
    level: str
    tags: tuple[str, ...]
    description: str
    path: Path
    line: int
    kind: str
    """`event_count`."""
    rules: tuple[str, ...]
    """Ids of the rules whose findings it counts."""
    group_by: tuple[str, ...]
    aliases: dict[str, dict[str, str]]
    """Alias → rule id → field, as in Sigma; an alert's group names the field that was really used."""
    timespan: float
    """Seconds."""
    operator: str
    """`gt`, `gte`, `lt`, `lte` or `eq`."""
    threshold: int
    realert: float | None = None
    tests: RuleTests = RuleTests()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a rule was not loaded."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that was loaded from a set of paths, and what could not be."""

    rules: tuple[Rule, ...]
    correlations: tuple[Correlation, ...]
    problems: tuple[Problem, ...] = ()
