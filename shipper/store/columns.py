"""The typed columns of the embedded store, and the SQL that gets them out of a document.

One column for every entry of `fields.TABLE` with `column=True`, then `doc`: the whole document, byte for byte. A value
that does not fit its column's type leaves it empty; the document still holds it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from shipper.fields import TABLE

SQL_TYPES = {
    "keyword": "VARCHAR",
    "text": "VARCHAR",
    "ip": "VARCHAR",
    "long": "BIGINT",
    "double": "DOUBLE",
    "date": "TIMESTAMPTZ",
    "boolean": "BOOLEAN",
}
"""`Field.kind` → DuckDB type."""

COLUMNS: dict[str, str] = {field.name: SQL_TYPES[field.kind] for field in TABLE if field.column}
"""Column → DuckDB type, without `doc` (VARCHAR), which comes last. Never fetch a TIMESTAMPTZ into Python."""


HAS_OBJECT = "doc LIKE '%{%{%'"
"""Only a document with a second brace can hold anything under a nested name; most have none, and are asked for a third
of the paths."""


def select_all(source: str, *, sound: bool = False) -> str:
    """A SELECT of every column and `doc` from a relation that has `doc`, going through each document only once, and
    not at all when no column is asked for.

    `sound`: the documents are taken to be well-formed, which is quicker; the statement fails when one is not.
    """
    found, typed = _taken_out(COLUMNS, sound)
    return f"SELECT {', '.join(typed)}, doc FROM (SELECT doc, {found} AS found FROM {source})"


def select_more(source: str, names: Sequence[str]) -> str:
    """A SELECT of all that a relation with `doc` has, and some of our columns that it lacks."""
    found, typed = _taken_out(names, sound=False)
    return f"SELECT * EXCLUDE (found), {', '.join(typed)} FROM (SELECT *, {found} AS found FROM {source})"


def _taken_out(names: Collection[str], sound: bool) -> tuple[str, list[str]]:
    """What takes all values out of `doc` at once, as `found`, and then each column out of that."""
    flat = [paths(name)[0] for name in names]
    nested: list[str] = []
    typed = []
    for place, name in enumerate(names, 1):
        start = len(flat) + len(nested) + 1
        nested += paths(name)[1:]
        places = (place, *range(start, len(flat) + len(nested) + 1))
        typed.append(f"{_cast(_first('found', places), COLUMNS[name])} AS {quoted(name)}")
    found = (
        f"CASE WHEN {HAS_OBJECT} THEN {_extract('doc', flat + nested, sound)} ELSE {_extract('doc', flat, sound)} END"
    )
    return found, typed


def no_rows() -> str:
    """A SELECT with all columns and no row."""
    typed = [f"NULL::{kind} AS {quoted(name)}" for name, kind in COLUMNS.items()]
    return f"SELECT {', '.join(typed)}, NULL::VARCHAR AS doc WHERE false"


def csv_lines(paths_sql: str, longest: int, *, parallel: bool = True) -> str:
    """A relation `doc`, one row a line, whatever the line holds; `longest` is in bytes. A scan that threads can share
    takes 16 MiB more, and costs twice as much with less: what runs on one thread says so.

    DuckDB's JSON reader fails on a lone surrogate and trims blanks; its CSV reader with a delimiter that cannot occur
    in JSON hands lines on as they are.
    """
    room = max(longest + 2, 1 << 16)
    buffer = max(room, 1 << 22 if parallel else 1 << 18)
    return (
        f"read_csv({paths_sql}, columns={{'doc': 'VARCHAR'}}, delim='\x01', quote='', escape='', header=false, "
        f"auto_detect=false, strict_mode=false, max_line_size={room}, buffer_size={buffer}, "
        f"parallel={str(parallel).lower()})"
    )


def paths(name: str) -> list[str]:
    """JSON paths of a dotted name in the order of `fields.value`: flat first, then nested at any mix of the two."""
    return ["$" + "".join(f'."{key}"' for key in keys) for keys in _splits(name.split("."))]


def _splits(parts: list[str]) -> Iterator[list[str]]:
    yield [".".join(parts)]
    for cut in range(1, len(parts)):
        for rest in _splits(parts[cut:]):
            yield [".".join(parts[:cut]), *rest]


def _extract(doc: str, wanted: list[str], sound: bool = False) -> str:
    """A list with what stands at each path; NULL for a document that DuckDB takes for malformed, unless all are
    `sound`."""
    found = f"json_extract_string({doc}, [{', '.join(text(path) for path in wanted)}])"
    return found if sound else f"TRY({found})"


def _first(found: str, places: Iterable[int]) -> str:
    picked = [f"{found}[{place}]" for place in places]
    return f"coalesce({', '.join(picked)})" if len(picked) > 1 else picked[0]


def _cast(value: str, kind: str) -> str:
    return value if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """An SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"
