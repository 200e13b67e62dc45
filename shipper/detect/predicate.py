"""A parsed Sigma condition → closures over a whole record: does it match, where, and what does its line hold?"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
)

from shipper import fields
from shipper.detect import decoded
from shipper.detect.literals import ONLY_ESCAPED, Claims, both, either
from shipper.detect.patterns import Unsupported
from shipper.detect.rule import Place
from shipper.detect.values import Item, any_item, item, string, text_of
from shipper.model import Doc

_MISSING = object()

_NOT_SCALAR = (SigmaExists, SigmaFieldReference)

WHOLE_NUMBERS = frozenset({"http.response.status_code"})
"""Number fields whose digits stand in the raw line, as a number of their own."""


class Node(NamedTuple):
    """A condition or a part of one. `place` is None when no string matched, or the node does not match at all."""

    matches: Callable[[Doc], bool]
    place: Callable[[Doc], Place | None]
    claims: Claims
    fields: tuple[str, ...]
    cost: int = 1
    """Patterns to run, about."""


def compile_condition(tree: Any) -> Node:
    """The closures for pySigma's tree of a condition. Raises `Unsupported`."""
    if isinstance(tree, ConditionAND):
        return _all_of([compile_condition(arg) for arg in tree.args])
    if isinstance(tree, ConditionOR):
        return _of_one_field(tree.args) or any_of([compile_condition(arg) for arg in tree.args])
    if isinstance(tree, ConditionNOT):
        return _none_of(compile_condition(tree.args[0]))
    if isinstance(tree, ConditionFieldEqualsValueExpression):
        return _of_field(tree.field, tree.value)
    if isinstance(tree, ConditionValueExpression):
        return _of_keyword(tree.value)
    raise Unsupported("an empty condition")


def any_of(nodes: Sequence[Node]) -> Node:
    """Matches when one of the nodes does."""
    tests = [node.matches for node in sorted(nodes, key=lambda node: node.cost)]

    def matches(record: Doc) -> bool:
        for test in tests:  # noqa: SIM110 (twice as quick as any)
            if test(record):
                return True
        return False

    claims = either([node.claims for node in nodes])
    return Node(matches, _first_place(nodes), claims, _fields_of(nodes), sum(node.cost for node in nodes))


def _all_of(nodes: Sequence[Node]) -> Node:
    # What is cheap decides first.
    tests = [node.matches for node in sorted(nodes, key=lambda node: node.cost)]
    first = _first_place(nodes)

    def matches(record: Doc) -> bool:
        for test in tests:  # noqa: SIM110 (twice as quick as all)
            if not test(record):
                return False
        return True

    def place(record: Doc) -> Place | None:
        return first(record) if matches(record) else None

    claims = both([node.claims for node in nodes])
    return Node(matches, place, claims, _fields_of(nodes), sum(node.cost for node in nodes))


def _none_of(node: Node) -> Node:
    test = node.matches
    return Node(lambda record: not test(record), _nowhere, (), node.fields, node.cost)


def _nowhere(_: Doc) -> Place | None:
    return None


def _first_place(nodes: Sequence[Node]) -> Callable[[Doc], Place | None]:
    places = [node.place for node in nodes]
    return lambda record: next((found for place in places if (found := place(record))), None)


def _fields_of(nodes: Sequence[Node]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for node in nodes for name in node.fields))


def _of_field(name: str, value: SigmaType) -> Node:
    if isinstance(value, SigmaExists):
        return _exists(name, value.exists)
    if isinstance(value, SigmaFieldReference):
        return _same_as_field(name, value)
    return _scalar(name, any_item(_items(value)) if isinstance(value, SigmaExpansion) else item(value))


def _of_one_field(args: Sequence[Any]) -> Node | None:
    """A list of values of one field as one test; None when it is something else."""
    if not all(isinstance(arg, ConditionFieldEqualsValueExpression) for arg in args):
        return None
    if len({arg.field for arg in args}) > 1 or any(isinstance(arg.value, _NOT_SCALAR) for arg in args):
        return None
    return _scalar(args[0].field, any_item([each for arg in args for each in _items(arg.value)]))


def _items(value: SigmaType) -> list[Item]:
    if isinstance(value, SigmaExpansion):
        return [each for inner in value.values for each in _items(inner)]
    return [item(value)]


def _getter(name: str, default: Any = None) -> Callable[[Doc], Any]:
    if name == decoded.NAME:
        return lambda record: decoded.decoded(record) or default
    parts = name.split(".")
    outer = [".".join(parts[:count]) for count in range(1, len(parts))]

    def get(record: Doc) -> Any:
        found = record.get(name, _MISSING)
        if found is not _MISSING:
            return found
        for key in outer:
            if key in record:
                return fields.value(record, name, default)
        return default

    return get


def _scalar(name: str, tested: Item) -> Node:
    get, test = _getter(name), tested.test

    def matches(record: Doc) -> bool:
        found = get(record)
        return any(map(test, found)) if type(found) is list else test(found)

    def place(record: Doc) -> Place | None:
        found = get(record)
        span = tested.span(found) if isinstance(found, str) else None
        return Place(name, span) if span else None

    return Node(matches, place, _claims_in(name, tested), (name,), tested.cost)


def _claims_in(name: str, tested: Item) -> Claims:
    if name == decoded.NAME:
        return () if tested.test(None) else ONLY_ESCAPED
    if name in WHOLE_NUMBERS:
        return tested.number
    known = fields.FIELDS.get(name)
    return tested.texts if known and known.verbatim else ()


def _exists(name: str, wanted: bool) -> Node:
    get = _getter(name, _MISSING)
    claims = ONLY_ESCAPED if wanted and name == decoded.NAME else ()
    return Node(lambda record: (get(record) is not _MISSING) is wanted, _nowhere, claims, (name,))


def _same_as_field(name: str, reference: SigmaFieldReference) -> Node:
    get, get_other = _getter(name), _getter(reference.field)
    compare = _COMPARE[reference.starts_with, reference.ends_with]

    def matches(record: Doc) -> bool:
        others = [text.lower() for text in _texts(get_other(record))]
        return any(compare(text.lower(), other) for text in _texts(get(record)) for other in others)

    return Node(matches, _nowhere, (), tuple(dict.fromkeys((name, reference.field))))


# As pySigma sets them: `contains` sets both.
_COMPARE: dict[tuple[bool, bool], Callable[[str, str], bool]] = {
    (False, False): str.__eq__,
    (True, False): str.startswith,
    (False, True): str.endswith,
    (True, True): str.__contains__,
}


def _texts(found: Any) -> list[str]:
    scalars = found if type(found) is list else [found]
    return [text for text in map(text_of, scalars) if text is not None]


def _of_keyword(value: SigmaType) -> Node:
    """A value without a field: found in any scalar of the record, at any depth."""
    if isinstance(value, SigmaExpansion):
        return any_of([_of_keyword(inner) for inner in value.values])
    tested = _keyword_item(value)

    def matches(record: Doc) -> bool:
        return any(tested.test(scalar) for _, scalar in walk(record))

    def place(record: Doc) -> Place | None:
        for path, scalar in walk(record):
            span = tested.span(scalar) if path and isinstance(scalar, str) else None
            if span:
                return Place(path, span)
        return None

    # Enrichment adds strings that are in no raw line (paths, host names), and they count as well.
    return Node(matches, place, (), ())


def _keyword_item(value: SigmaType) -> Item:
    if isinstance(value, SigmaNumber):
        value = SigmaString(str(value.number))
    if isinstance(value, SigmaString):
        return string(value, within=True)
    if isinstance(value, SigmaRegularExpression):
        return item(value)
    raise Unsupported(f"{type(value).__name__.removeprefix('Sigma')} as a keyword: name a field")


def walk(record: Doc) -> Iterator[tuple[str | None, Any]]:
    """Every scalar of a record with its dotted path; None as the path of what stands in a list."""
    waiting: list[tuple[str | None, Any]] = list(reversed(record.items()))
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, dict):
            inside = [(f"{path}.{key}" if path else None, inner) for key, inner in found.items()]
            waiting += reversed(inside)
        elif isinstance(found, list):
            waiting += [(None, inner) for inner in reversed(found)]
        else:
            yield path, found
