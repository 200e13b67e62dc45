"""The tree → a condition for DuckDB over the view `records` of `store/read.py`, every value a bound parameter.

A field with a typed column is asked there. Any other is taken out of `doc`, after a look whether its name occurs in
the text at all. In SQL a condition on a missing field is NULL; AND and OR let that pass for false, and only NOT has to
be told.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from shipper.fields import TABLE
from shipper.query.tree import (
    FREE_TEXT,
    And,
    Between,
    Equals,
    Everything,
    Exists,
    Like,
    Node,
    Not,
    Or,
    Pattern,
    Wild,
    Words,
)
from shipper.query.words import any_case_regex, longest_literal, words_regex

COLUMNS = {field.name: field.kind for field in TABLE if field.column}
"""The typed columns: `long` is a BIGINT, `double` a DOUBLE, `date` a TIMESTAMPTZ, all other kinds are VARCHAR."""
AS_TEXT = ("keyword", "text", "ip")

NUMBER = r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?"
WHOLE = r"[-+]?[0-9]{1,37}"
IPV4 = r"([0-9]{1,3}\.){3}[0-9]{1,3}"


class Where(NamedTuple):
    """A condition with `?` for each of `values`, in order."""

    sql: str
    values: tuple[Any, ...]


Condition = Callable[[str], Where]
"""A test of one value: gets an SQL expression for its text (or for a typed column)."""


def where(tree: Node) -> Where:
    """The condition that the records of an answer fulfil. It may be NULL for the others."""
    match tree:
        case Everything():
            return Where("true", ())
        case And(parts):
            return _join(" AND ", [where(part) for part in parts])
        case Or(parts):
            return _join(" OR ", [where(part) for part in parts])
        case Not(part):
            inner = where(part)
            return Where(f"NOT coalesce({inner.sql}, false)", inner.values)
        case Exists(field):
            return _exists(field)
        case Words(field, words):
            condition = _words(words)
            fields = FREE_TEXT if field is None else (field,)
            return _join(" OR ", [_any_value(name, condition) for name in fields])
        case Equals(field, text):
            return _equals(field, text)
        case Like(field, pattern):
            return _any_value(field, _like(pattern))
        case Between():
            return _between(tree)


def quoted(name: str) -> str:
    """An SQL identifier; only names from `COLUMNS` come here."""
    return f'"{name}"'


def _join(operator: str, parts: list[Where]) -> Where:
    sql = operator.join(part.sql for part in parts)
    values = tuple(value for part in parts for value in part.values)
    return Where(f"({sql})", values)


def _equals(field: str, text: str) -> Where:
    """Only what begins like a list has to be looked into. Said so, DuckDB leaves out row groups by their statistics."""
    exact = _any_value(field, lambda value: Where(f"{value} = ?", (text,)))
    if COLUMNS.get(field) not in AS_TEXT or text.startswith("["):
        return exact
    column = quoted(field)
    return Where(f"({column} = ? OR (starts_with({column}, '[') AND {exact.sql}))", (text, *exact.values))


def _like(pattern: Pattern) -> Condition:
    """`*piece*`, `piece*` and `*piece` have functions of their own, three times as quick as LIKE with ESCAPE."""
    match pattern:
        case (Wild.MANY, str(piece), Wild.MANY):
            return lambda value: Where(f"contains({value}, ?)", (piece,))
        case (str(piece), Wild.MANY):
            return lambda value: Where(f"starts_with({value}, ?)", (piece,))
        case (Wild.MANY, str(piece)):
            return lambda value: Where(f"ends_with({value}, ?)", (piece,))
    like = "".join(map(_like_part, pattern))
    return lambda value: Where(f"{value} LIKE ? ESCAPE '\\'", (like,))


def _like_part(part: str | Wild) -> str:
    if isinstance(part, Wild):
        return "%" if part is Wild.MANY else "_"
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _words(words: tuple[Pattern, ...]) -> Condition:
    """A look for a piece of the words first, because it costs a tenth of the exact answer, and is all of it for
    `*piece*`. Not with AND: within another CASE, DuckDB would take both of every value."""
    match words:
        case ((Wild.MANY, str(piece), Wild.MANY),):
            return _any_case(piece)
    has, regex = _any_case(longest_literal(words)), words_regex(words)

    def condition(value: str) -> Where:
        first = has(value)
        exact = f"regexp_matches(lower({value}), ?)"
        return Where(f"(CASE WHEN {first.sql} THEN {exact} ELSE false END)", (*first.values, regex))

    return condition


def _any_case(literal: str) -> Condition:
    """Whether a text in lower case would hold a literal."""
    if literal.isascii():
        return lambda value: Where(f"regexp_matches({value}, ?)", (any_case_regex(literal),))
    return lambda value: Where(f"contains(lower({value}), ?)", (literal,))


# ── intervals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _between(tree: Between) -> Where:
    column = COLUMNS.get(tree.field)
    if tree.by == "number" and column in ("long", "double"):
        finite = f" AND isfinite({quoted(tree.field)})" if column == "double" else ""
        inside = _inside(quoted(tree.field), tree, "?")
        return Where(f"({inside.sql}{finite})", inside.values)
    if tree.by == "date" and column == "date":
        return _inside(quoted(tree.field), tree, "make_timestamptz(?)")
    conditions: dict[str, Condition] = {
        "number": lambda value: _inside_number(value, tree),
        "date": lambda value: _inside(
            f"TRY_CAST(replace({value}, ',', '.') AS TIMESTAMPTZ)", tree, "make_timestamptz(?)"
        ),
        "ip": lambda value: _inside_ipv4(value, tree),
        "text": lambda value: _inside(value, tree, "?"),
    }
    return _any_value(tree.field, conditions[tree.by])


def _inside(value: str, tree: Between, bound: str) -> Where:
    parts = []
    if tree.low is not None:
        parts.append(Where(f"{value} {'>=' if tree.with_low else '>'} {bound}", (tree.low,)))
    if tree.high is not None:
        parts.append(Where(f"{value} {'<=' if tree.with_high else '<'} {bound}", (tree.high,)))
    return _join(" AND ", parts)


def _inside_number(value: str, tree: Between) -> Where:
    """Whole numbers compare exactly, others as doubles."""
    whole = _inside(f"CAST({value} AS HUGEINT)", tree, "?")
    other = _inside(f"TRY_CAST({value} AS DOUBLE)", tree, "?")
    return Where(
        f"CASE WHEN regexp_full_match({value}, '{WHOLE}') THEN {whole.sql} "
        f"WHEN regexp_full_match({value}, '{NUMBER}') THEN {other.sql} AND isfinite(TRY_CAST({value} AS DOUBLE)) END",
        whole.values + other.values,
    )


def _inside_ipv4(value: str, tree: Between) -> Where:
    parts = (f"TRY_CAST(split_part({value}, '.', {part}) AS UTINYINT)::BIGINT" for part in range(1, 5))
    inside = _inside("((({} * 256 + {}) * 256 + {}) * 256 + {})".format(*parts), tree, "?")
    return Where(f"(regexp_full_match({value}, '{IPV4}') AND {inside.sql})", inside.values)


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _any_value(field: str, condition: Condition) -> Where:
    """True when any value of the field fulfils a condition on its text."""
    if COLUMNS.get(field) in AS_TEXT:
        plain = condition(quoted(field))
        listed = _any_of(f"CAST({quoted(field)} AS JSON[])", condition)
        # With AND between two conditions, DuckDB may ask the dear one first, of every value.
        is_list = f"json_valid(CASE WHEN starts_with({quoted(field)}, '[') THEN {quoted(field)} END)"
        return Where(f"(CASE WHEN {is_list} THEN {listed.sql} ELSE {plain.sql} END)", listed.values + plain.values)
    found, pointers = _in_doc(field)
    inside = _any_of("CASE WHEN json_type(found) = 'ARRAY' THEN CAST(found AS JSON[]) ELSE [found] END", condition)
    return _if_mentioned(field, Where(found.format(inside.sql), (*pointers, *inside.values)))


def _any_of(values: str, condition: Condition) -> Where:
    test = condition("(value->>'$')")
    return Where(f"len(list_filter({values}, lambda value: {test.sql})) > 0", test.values)


def _exists(field: str) -> Where:
    if COLUMNS.get(field) in AS_TEXT:
        return Where(f"{quoted(field)} IS NOT NULL AND {quoted(field)} NOT IN ('[]', '[null]')", ())
    found, pointers = _in_doc(field)
    inside = "json_type(found) <> 'NULL' AND CAST(found AS VARCHAR) NOT IN ('[]', '[null]')"
    return _if_mentioned(field, Where(found.format(inside), tuple(pointers)))


def _in_doc(field: str) -> tuple[str, tuple[list[str]]]:
    """`{}` is a test on `found`: what `doc` has at the first of the JSON pointers that leads anywhere."""
    sql = (
        "len(list_filter(list_filter(TRY(json_extract(doc, ?)), lambda found: found IS NOT NULL)[1:1], "
        "lambda found: {})) > 0"
    )
    return sql, (_pointers(field),)


def _pointers(field: str) -> list[str]:
    """JSON pointers of a dotted name, in the order of `fields.value`: flat first, then nested at any mix of the two."""
    return [
        "/" + "/".join(key.replace("~", "~0").replace("/", "~1") for key in keys) for keys in splits(field.split("."))
    ]


def splits(parts: list[str]) -> list[list[str]]:
    """All ways of cutting dotted parts into keys: `[a.b, …]`, `[a, b]`."""
    nested = [[".".join(parts[:cut]), *rest] for cut in range(1, len(parts)) for rest in splits(parts[cut:])]
    return [[".".join(parts)], *nested]


def _if_mentioned(field: str, test: Where) -> Where:
    """A document that has the field names its last part in plain characters, or holds a backslash."""
    last = field.rsplit(".", 1)[-1] + '"'
    return Where(f"((contains(doc, ?) OR contains(doc, '\\')) AND {test.sql})", (last, *test.values))
