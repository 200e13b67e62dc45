"""The tree → queries for one index of Elasticsearch, by what its mapping says of the fields.

Where Elasticsearch cannot say exactly what `match.py` means there are two queries: `over` finds at least the records of
the answer, `under` at most these. NOT swaps them. Who searches asks for `over` and looks at each hit with
`moved.predicate`; who counts takes `under` as it is, and looks at what lies between the two.

Besides its own field a value may be found in `_ignored` (stored, but it did not fit the field) and under `labels` (the
sink moved it there as text). What an index cannot tell, and what therefore is taken for something else:

* A list is its elements: a list in a list is what stands in it, a list of objects `a: [{"b": 1}]` has a field `a.b`,
  and of a name that stands there both flat and nested all values count.
* An object without a value in it, or with nothing but `IN_EVERY_RECORD`, is not there; nor is one all of whose values
  were moved to `labels`.
* In a field that holds numbers, texts that Java reads as numbers and we do not (`5d`, ` 5`) are numbers, and an empty
  text is not there. In one that holds texts a number with an exponent is written as Java does: no wildcard finds it.
* What stands under `labels` and is longer than `LONGEST_KEYWORD` is not there; a text there that reads like a list was
  moved, and is one.
* An IPv4 address that a record's own `source.ip` writes as IPv6 (`::ffff:10.0.0.1`) is that IPv4 address.
* `labels` of a record's own that have the name of a field count as that field's moved value. `labels:*` finds what
  was moved as well, and what was written flat (`"labels.env": …`), for it is stored as members of `labels`. A name that
  stands there in both ways has both values.
* Of a word with more than `LONGEST_KEYWORD` letters no wildcard finds the end.

The predicate sets right what these bring too much; what NOT leaves out because of them stays out.
"""

from collections.abc import Iterable, Iterator, Mapping

from shipper.elastic.template import LABELS
from shipper.query.clauses import ALL, NONE, all_of, any_of, exists, none_of, term
from shipper.query.tree import FREE_TEXT, And, Between, Equals, Everything, Exists, Like, Node, Not, Or, Wild, Words
from shipper.query.typed import FLATTENED, Bounds, on_field

Types = Mapping[str, str]
"""Field → its Elasticsearch type, in one index; without objects and without the second form of a text field."""

DEEPEST = 20
"""Levels of AND, OR and NOT; Elasticsearch takes 30 with what the leaves need. Below, each record is looked at."""
NEVER_MOVED = ("@timestamp", "event.id")
IN_EVERY_RECORD = ("event.id", "event.ingested", "log.offset")
"""Added flat to each record, so that they say nothing of an object `event` or `log`."""
IN_MOST_RECORDS = ("event.kind", "event.dataset", "service.name", "log.file.path", "host.name")
"""Added flat where a record has them not: they tell whether there is an object, and are not asked for its JSON text."""


def bounds(tree: Node, types: Types) -> Bounds:
    """The queries for an index whose fields have these types."""
    return _bounds(tree, types, 0)


def fields_of(tree: Node) -> set[str]:
    """Every field that a tree asks for."""
    match tree:
        case And(parts) | Or(parts):
            return {field for part in parts for field in fields_of(part)}
        case Not(part):
            return fields_of(part)
        case Everything():
            return set()
        case Words(None):
            return set(FREE_TEXT)
    return {tree.field or ""}


def _bounds(tree: Node, types: Types, level: int) -> Bounds:
    if level > DEEPEST:
        return Bounds(ALL, NONE)
    match tree:
        case Everything():
            return Bounds(ALL, ALL)
        case Not(part):
            inner = _bounds(part, types, level + 1)
            return Bounds(none_of(inner.under), none_of(inner.over))
        case And(parts):
            found = [_bounds(part, types, level + (not isinstance(part, And))) for part in parts]
            return Bounds(all_of(*(each.over for each in found)), all_of(*(each.under for each in found)))
        case Or(parts):
            return _either(_bounds(part, types, level + (not isinstance(part, Or))) for part in parts)
        case Words(None, words):
            return _either(_leaf(Words(field, words), field, types) for field in FREE_TEXT)
    return _leaf(tree, tree.field or "", types)


def _either(found: Iterable[Bounds]) -> Bounds:
    each = list(found)
    return Bounds(any_of(*(one.over for one in each)), any_of(*(one.under for one in each)))


# ── where a value may be found ────────────────────────────────────────────────────────────────────────────────────────


def _leaf(tree: Node, field: str, types: Types) -> Bounds:
    kind = FLATTENED if field.startswith(f"{LABELS}.") else types.get(field, "")
    own, moved = on_field(tree, field, kind), _moved(tree, field)
    objects = any_of(*map(exists, _inner(tree, field, types))) if _may_be_object(tree) else NONE
    over = any_of(own.over, objects, moved.over)
    # A star in a name (it was escaped in the query) is a pattern to Elasticsearch, which then finds too much.
    return Bounds(over, NONE if "*" in field else any_of(own.under, moved.under))


def _inner(tree: Node, field: str, types: Types) -> Iterator[str]:
    """What tells that an object stands at a field."""
    if field.startswith(f"{LABELS}."):
        yield LABELS
    without = IN_EVERY_RECORD if isinstance(tree, Exists) else IN_EVERY_RECORD + IN_MOST_RECORDS
    yield from (name for name in types if name.startswith(field + ".") and name not in without)


def _may_be_object(tree: Node) -> bool:
    """Whether the JSON text of an object can fulfil a leaf."""
    match tree:
        case Exists() | Words():
            return True
        case Equals(_, text):
            return text.startswith("{")
        case Like(_, pattern):
            first, last = pattern[0], pattern[-1]
            return (isinstance(first, Wild) or first[0] == "{") and (isinstance(last, Wild) or last[-1] == "}")
        case Between(_, "text", low, high):
            return (low is None or str(low) < "|") and (high is None or str(high) >= "{")
    return False


def _moved(tree: Node, field: str) -> Bounds:
    """The leaf on `labels.FIELD`, which takes no wildcards."""
    if field in NEVER_MOVED or "" in field.split("."):
        return Bounds(NONE, NONE)
    there = f"{LABELS}.{field}"
    match tree:
        case Exists():
            return Bounds(exists(there), exists(there))
        case Equals(_, text):
            same = term(there, text)
            return Bounds(any_of(same, {"prefix": {there: "["}}), NONE if text.startswith("[") else same)
    return Bounds(exists(there), NONE)
