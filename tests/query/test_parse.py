"""What queries mean, and what wrong ones are told."""

import subprocess
import sys
from pathlib import Path

import luqum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.query.error import QueryError
from shipper.query.parse import MAX_DEPTH, parse
from shipper.query.scan import MAX_TERMS
from shipper.query.tree import And, Between, Equals, Everything, Exists, Like, Not, Or, Wild, Words

A, B, C = (Words(None, ((letter,),)) for letter in "abc")
DAY = 86_400_000_000
NEW_YEAR = 1_767_225_600_000_000
"""2026-01-01 in µs."""


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", Everything()),
        (" \t", Everything()),
        ("*", Everything()),
        ("*:*", Everything()),
        ("a", A),
        ("A", A),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a && b", And((A, B))),
        ("a&&b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a||b", Or((A, B))),
        ("a b OR c", Or((And((A, B)), C))),
        ("a OR b c", Or((A, And((B, C))))),
        ("a AND b OR c", Or((And((A, B)), C))),
        ("a (b OR c)", And((A, Or((B, C))))),
        ("(a)(b)", And((A, B))),
        ("NOT a b", And((Not(A), B))),
        ("!a", Not(A)),
        ("!(a b)", Not(And((A, B)))),
        ("a -b", And((A, Not(B)))),
        ("+a -b", And((A, Not(B)))),
        ("a OR -b", Or((A, Not(B)))),
        ("NOT NOT a", Not(Not(A))),
        ("and or not", And((Words(None, (("and",),)), Words(None, (("or",),)), Words(None, (("not",),))))),
        ("TO", Words(None, (("to",),))),
    ],
)
def test_operators(query, tree):
    """A space means AND, NOT binds tighter than AND, AND tighter than OR."""
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("level:ERROR", Equals("level", "ERROR")),
        ("level: ERROR", Equals("level", "ERROR")),
        ('level:"ERROR OR"', Equals("level", "ERROR OR")),
        ("log.level:error", Equals("log.level", "error")),
        ("level:(A OR B)", Or((Equals("level", "A"), Equals("level", "B")))),
        ("level:(A B)", And((Equals("level", "A"), Equals("level", "B")))),
        ("level:(NOT A)", Not(Equals("level", "A"))),
        ("-level:A", Not(Equals("level", "A"))),
        ("level:*", Exists("level")),
        ("_exists_:a.b", Exists("a.b")),
        ("level:E*R?", Like("level", ("E", Wild.MANY, "R", Wild.ONE))),
        (r"level:E\*", Equals("level", "E*")),
        ('level:"E*"', Equals("level", "E*")),
        (r"level:a\:b\ c", Equals("level", "a:b c")),
        (r'level:"a\"b\\"', Equals("level", 'a"b\\')),
        (r"a\:b:x", Equals("a:b", "x")),
        ("url.path:/api/chat", Equals("url.path", "/api/chat")),
        ("url.path:/api/*", Like("url.path", ("/api/", Wild.MANY))),
        ("name:x", Equals("name", "x")),
        ("flag:true", Equals("flag", "true")),
        ("seq:5", Or((Equals("seq", "5"), Between("seq", "number", 5, 5)))),
        ("seq:-5", Or((Equals("seq", "-5"), Between("seq", "number", -5, -5)))),
        ("user_id:5", Equals("user_id", "5")),
        ("line:5", Between("line", "number", 5, 5)),
        ("source.ip:10.0.0.1", Or((Equals("source.ip", "10.0.0.1"),))),
        ('source.ip:"0:0::1"', Or((Equals("source.ip", "0:0::1"), Equals("source.ip", "::1")))),
        ('source.ip:"10.1.0.0/16"', Between("source.ip", "ip", 0x0A010000, 0x0A01FFFF)),
        ("source.ip:10.1.0.0/16", Between("source.ip", "ip", 0x0A010000, 0x0A01FFFF)),
    ],
)
def test_fields(query, tree):
    """A field's kind decides what its value is compared as."""
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ('"Connection refused"', Words(None, (("connection",), ("refused",)))),
        ("app.api-chat", Words(None, (("app",), ("api",), ("chat",)))),
        ("user_id", Words(None, (("user_id",),))),
        ("level=ERROR", Words(None, (("level",), ("error",)))),
        ("message:Time*", Words("message", (("time", Wild.MANY),))),
        ("t?me-*", Words(None, (("t", Wild.ONE, "me"), (Wild.MANY,)))),
        ('"a*b"', Words(None, (("a",), ("b",)))),
        ("Größe", Words(None, (("größe",),))),
        ("İstanbul", Words(None, (("istanbul",),))),
        ("error.message:x", Words("error.message", (("x",),))),
    ],
)
def test_text(query, tree):
    """Text is cut into words of letters, digits and `_`; a phrase takes wildcards as they are."""
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("duration_ms:>500", Between("duration_ms", "number", 500, None, False, True)),
        ("duration_ms:>=500", Between("duration_ms", "number", 500, None)),
        ("duration_ms:<-1.5", Between("duration_ms", "number", None, -1.5, True, False)),
        ("duration_ms:<=5", Between("duration_ms", "number", None, 5)),
        (
            "duration_ms:(>1 <5)",
            And(
                (
                    Between("duration_ms", "number", 1, None, False),
                    Between("duration_ms", "number", None, 5, True, False),
                )
            ),
        ),
        ("seq:[1 TO 5]", Between("seq", "number", 1, 5)),
        ("seq:{1 TO 5}", Between("seq", "number", 1, 5, False, False)),
        ("seq:[1 TO 5}", Between("seq", "number", 1, 5, True, False)),
        ("seq:{1 TO 5]", Between("seq", "number", 1, 5, False, True)),
        ("seq:[-5 TO -2]", Between("seq", "number", -5, -2)),
        ("seq:[* TO 5]", Between("seq", "number", None, 5)),
        ("seq:[* TO *]", Exists("seq")),
        ("version:[1.2.3 TO 2]", Between("version", "text", "1.2.3", "2")),
        ("level:[A TO B]", Between("level", "text", "A", "B")),
        ('level:["a b" TO *]', Between("level", "text", "a b", None)),
        ("@timestamp:[2026-01-01 TO *]", Between("@timestamp", "date", NEW_YEAR, None, True, False)),
        ("@timestamp:2026-01-01", Between("@timestamp", "date", NEW_YEAR, NEW_YEAR + DAY, True, False)),
        ("@timestamp:>2026-01-01", Between("@timestamp", "date", NEW_YEAR + DAY, None, True, False)),
        ("@timestamp:<2026-01-01", Between("@timestamp", "date", None, NEW_YEAR, True, False)),
        ("@timestamp:<=2026-01-01", Between("@timestamp", "date", None, NEW_YEAR + DAY, True, False)),
        ("@timestamp:>=2026-01-01T02:00:00+02:00", Between("@timestamp", "date", NEW_YEAR, None, True, False)),
        (
            "@timestamp:[2026-01-01T00:00:00Z TO 2026-01-01T00:00:00.5Z]",
            Between("@timestamp", "date", NEW_YEAR, NEW_YEAR + 500_001, True, False),
        ),
        ("source.ip:[10.0.0.1 TO 10.0.0.9]", Between("source.ip", "ip", 0x0A000001, 0x0A000009)),
    ],
)
def test_intervals(query, tree):
    """Numbers compare as numbers, times as the periods that they name, addresses as addresses."""
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "column", "says"),
    [
        ("(level:ERROR", 1, 'unbalanced parenthesis at column 1: close it with ")"'),
        ("a AND (b", 7, 'unbalanced parenthesis at column 7: close it with ")"'),
        ("((a)", 1, "unbalanced parenthesis"),
        ("a)", 2, "unbalanced parenthesis"),
        ("()", 1, "empty parentheses"),
        ("x:()", 3, "empty parentheses"),
        ('"abc', 1, "unclosed quote"),
        ('a "b c', 3, "unclosed quote"),
        ('"a\\"', 1, "unclosed quote"),
        ('a"b"', 2, "a quote inside a word"),
        ("'a b'", 1, "a single quote"),
        ("x:[1 TO", 3, 'unclosed "["'),
        ("x:{1 TO 5", 3, 'unclosed "{"'),
        ("[", 1, 'unclosed "["'),
        ("x:[1 2]", 6, 'unexpected "2" in an interval'),
        ("x:[1 TO 2 3]", 11, 'unexpected "3" in an interval'),
        ("x:[TO 2]", 4, 'unexpected "TO" in an interval'),
        ("x:[(1) TO 2]", 4, 'unexpected "(" in an interval'),
        ("x:1 TO 5]", 9, 'unbalanced "]"'),
        ("}", 1, 'unbalanced "}"'),
        ("AND a", 1, '"AND" with nothing before it'),
        ("a OR (AND b)", 7, '"AND" with nothing before it'),
        ("a AND", 3, '"AND" with nothing behind it'),
        ("a AND AND b", 3, '"AND" with nothing behind it'),
        ("a &&", 3, '"AND" with nothing behind it'),
        ("a OR OR b", 3, '"OR" with nothing behind it'),
        ("(a OR) b", 4, '"OR" with nothing behind it'),
        ("NOT", 1, '"NOT" with nothing behind it'),
        ("a !", 3, '"NOT" with nothing behind it'),
        ("a -", 3, '"-" with nothing behind it'),
        ("+", 1, '"+" with nothing behind it'),
        (":", 1, 'unexpected ":"'),
        (":a", 1, 'unexpected ":"'),
        ('"a":b', 4, 'unexpected ":"'),
        ("level:", 6, 'nothing behind "level:"'),
        ("level: AND b", 6, 'nothing behind "level:"'),
        ("(level:)", 7, 'nothing behind "level:"'),
        ("a:b:c", 3, "a field inside a field"),
        ("a:(b c:d)", 6, "a field inside a field"),
        ("x:-y", 3, "an operator between field and value"),
        ("x:!y", 3, "an operator between field and value"),
        ("lev*:x", 1, "a wildcard in a field name"),
        ("*:x", 1, "a wildcard in a field name"),
        ("a.b.c.d.e.f.g.h.i:x", 1, "too many parts"),
        ("x:>", 3, '">" with nothing behind it'),
        ("x:>=", 3, '">=" with nothing behind it'),
        ("x:>(1)", 4, 'unexpected "("'),
        (">5", 1, "an interval without a field"),
        ("[1 TO 5]", 1, "an interval without a field"),
        ("message:[a TO b]", 9, "an interval of message, which is text"),
        ("duration_ms:fast", 13, "'fast' is not a number"),
        ("duration_ms:[1 TO fast]", 13, "'fast' is not a number"),
        ("duration_ms:5*", 13, "a wildcard"),
        ("@timestamp:2026-01-*", 12, "a wildcard"),
        ("@timestamp:soon", 12, "'soon' is not a time"),
        ("@timestamp:2026-02-30", 12, "'2026-02-30' is not a time"),
        ("@timestamp:[2026-01-01T25 TO *]", 12, "'2026-01-01T25' is not a time"),
        ("source.ip:10.*", 11, "a wildcard"),
        ("source.ip:localhost", 11, "'localhost' is not an address"),
        ('source.ip:"10.0.0.0/99"', 11, "is not an IPv4 network"),
        ('source.ip:["::1" TO *]', 11, "is not an IPv4 address"),
        ("a~", 2, "fuzzy search is not supported"),
        ('"a b"~2', 6, "fuzzy search is not supported"),
        ("a^2", 2, "weights are not supported"),
        ("/re.*/", 1, "a regular expression"),
        ("x:/re/", 3, "a regular expression"),
        ("a & b", 3, "a text without a word in it"),
        ('"->"', 1, "a text without a word in it"),
        ('message:""', 9, "a text without a word in it"),
        ("\\", 1, "a backslash with nothing behind it"),
        ("a\\\nb", 2, "an escaped line break"),
        ("a \ud800", 3, "not UTF-8"),
        ("a\0b", 2, "not UTF-8"),
        ("(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2), MAX_DEPTH + 2, "nesting too deep"),
        ("a " * (MAX_TERMS + 1), 2 * MAX_TERMS + 1, "more than 1,024 terms"),
    ],
)
def test_mistakes(query, column, says):
    """A wrong query is told what is wrong, where, and what to write."""
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert f"at column {column}:" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_picture_points_at_the_place():
    """The caret stands under the place, also behind wide characters, tabs and escape sequences."""
    with pytest.raises(QueryError) as caught:
        parse("日本\t\x1b (b")
    assert caught.value.picture == "日本   (b\n       ^"


def test_picture_of_a_long_query_shows_the_place():
    """The picture of a long query is cut to a line, with the place in it."""
    with pytest.raises(QueryError) as caught:
        parse("word " * 200 + "(b")
    shown, caret = caught.value.picture.split("\n")
    assert len(shown) <= 76
    assert shown[caret.index("^")] == "("


@given(st.text(alphabet="ab1-+!&|:()[]{}<>=~^*?\"\\/'. \tANDORTO", max_size=30))
@example("x:[1 TO (")
@example("a:(b:)")
def test_any_text_is_a_query_or_a_mistake(query):
    """Whatever is typed, the answer is a tree or a place in the query."""
    try:
        parse(query)
    except QueryError as mistake:
        assert 0 <= mistake.column < len(query)


def test_nothing_is_written_at_import():
    """luqum's parser tables come with it: importing it writes none, and importing the tree does not import it."""
    folder = Path(luqum.__file__).parent
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    code = (
        "import sys, shipper.query.sql, shipper.query.match; assert 'luqum' not in sys.modules; "
        "import ply.yacc; ply.yacc.YaccProduction; "
        "ply.yacc.LRGeneratedTable.__init__ = None; import shipper.query.parse"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.*")} == before
