"""What a query asks, the same for every store: a small tree whose leaves are typed by what `fields.py` says of a field.

What the leaves mean, on the values of a field (each element of a list counts as a value, `null` and missing as none):

* `Words`     a text field holds these words one after the other; case does not matter
* `Equals`    the value's text is exactly this
* `Like`      the value's text as a whole fits this pattern
* `Between`   the number, time, address or text lies in this interval
* `Exists`    there is a value at all

A leaf on a missing field is false, so `Not` of it is true.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from shipper.fields import FIELDS, TABLE

FREE_TEXT = ("message", *(field.name for field in TABLE if field.name.startswith("error.")))
"""Where a word without a field is looked for."""


class Wild(Enum):
    """A wildcard in a pattern: `*` any run of characters, `?` exactly one. In a word: of the word's characters."""

    MANY = "*"
    ONE = "?"


Pattern = tuple[str | Wild, ...]
"""Literals and wildcards in turn: `ab*c` is `("ab", Wild.MANY, "c")`."""

Kind = Literal["text", "keyword", "number", "date", "ip", "any"]


@dataclass(frozen=True, slots=True)
class Everything:
    """Every record."""


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Node"


@dataclass(frozen=True, slots=True)
class Exists:
    field: str


@dataclass(frozen=True, slots=True)
class Words:
    """Consecutive words, lower case, of a text field; `field` None: in any of `FREE_TEXT`."""

    field: str | None
    words: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Equals:
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Like:
    field: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Between:
    """An interval; a bound that is None is open.

    `by` says what the bounds are: `number`; `date`, in µs since the epoch; `ip`, an IPv4 address as an integer;
    `text`, in the order of its code points.
    """

    field: str
    by: Literal["number", "date", "ip", "text"]
    low: int | float | str | None
    high: int | float | str | None
    with_low: bool = True
    with_high: bool = True


Node = Everything | And | Or | Not | Exists | Words | Equals | Like | Between


def kind_of(field: str) -> Kind:
    """How a field is searched: `any` is one that `fields.py` doesn't know."""
    known = FIELDS.get(field)
    if known is None:
        return "any"
    kinds: dict[str, Kind] = {"long": "number", "double": "number", "boolean": "any"}
    return kinds.get(known.kind, known.kind)  # type: ignore[arg-type]
