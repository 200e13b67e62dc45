"""With and without the prefilter the findings are the same: random rules, records and ways to write them down."""

import json
import re
from contextlib import suppress

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.detect.decoded import decoded
from shipper.detect.documents import Invalid
from shipper.detect.match import Detect
from shipper.detect.rule import Ruleset
from shipper.fields import value
from shipper.metrics import Metrics
from tests.detect.sigma_rules import batch, rule

WORDS = [
    "fail",
    "Login",
    "KEY",
    "sİx",
    "\u212aey",
    "loſt",
    "straße",
    "' OR 1=1",
    'say "hi"',
    "a/b/c",
    "C:\\temp",
    "x\ty\nz",
]
ENCODED = ["%27%20or", "&lt;b&gt;", "&#39;or", "\\u0027or", "%2527", "1e3", "401", "4.01e2", "10.0.0.1", "<b>", "ä ö"]
NAMES = [
    "message",
    "user.name",
    "url.path",
    "url.query",
    "error.type",
    "shipper.decoded",
    "http.response.status_code",
    "other",
]
NUMBERS = [401, 403, 401.0, 1000.0, 0.30000000000000004, 1e22, -401, 4010]

PLAIN = [
    "failed",
    "login",
    "Union",
    "SELECT",
    "401",
    "429",
    'say "no"',
    "a/b",
    "C:\\temp",
    "two\nlines",
    "gröss",
    "10.0.0.1",
    "(x)",
    "'--",
]

plain = st.sampled_from(PLAIN)
pieces = plain | plain | plain | st.sampled_from([*WORDS, *ENCODED]) | st.text(max_size=3)
texts = st.lists(pieces, min_size=1, max_size=3).map(" ".join)
numbers = st.sampled_from(NUMBERS) | st.floats(0, 1000, allow_nan=False)
values = texts | numbers | st.lists(texts | numbers, max_size=2) | st.none() | st.booleans()
records = st.fixed_dictionaries(
    {"message": texts, "http.response.status_code": numbers},
    optional={**dict.fromkeys(NAMES[1:5], values), "url": st.fixed_dictionaries({"path": texts}), "other": values},
)


@st.composite
def pieces_of(draw, text):
    """A piece of a text, in one case or another: short enough to match, long enough to be a literal."""
    start = draw(st.integers(0, max(len(text) - 3, 0)))
    change = draw(st.sampled_from([str, str.lower, str.upper, str.swapcase]))
    return change(text[start : start + draw(st.integers(3, 10))])


def as_pattern(text):
    """An RE2 pattern that matches a text; what is not ASCII may be any character."""
    return "".join(
        char if char.isalnum() and char.isascii() else "." if not char.isascii() else re.escape(char) for char in text
    )


@st.composite
def items_about(draw, name, record):
    """A detection item that is likely to match a record."""
    found = value(record, name)
    if not isinstance(found, str):
        form = draw(st.sampled_from(["", "|exists", "|gte", "|contains"]))
        wanted = {"|exists": True, "|gte": 1, "|contains": str(found)[:4]}.get(form, found)
        return {f"{name}{form}": 401 if isinstance(wanted, list) or wanted is None else wanted}
    piece = draw(pieces_of(found))
    pattern = as_pattern(piece)
    return draw(
        st.sampled_from(
            [
                {name: f"*{piece}*"},
                {name: f"*{piece[:4]}?{piece[5:]}*"},
                {f"{name}|contains": [piece, "zebra"]},
                {f"{name}|contains|cased": piece},
                {f"{name}|contains|all": [piece, found[:3]]},
                {f"{name}|contains|windash": piece},
                {f"{name}|startswith": found[:5]},
                {f"{name}|endswith": found[-5:]},
                {name: found.upper()},
                {f"{name}|re": pattern},
                {f"{name}|re|i": f"(?:{pattern}|zebra)x?"},
                {f"{name}|re|i": f"(?:{pattern})+.*(?:zebra)?"},
                {"shipper.decoded|contains": piece},
                {"shipper.decoded|endswith": (decoded(record) or ["zebra"])[0][-6:]},
            ]
        )
    )


@st.composite
def detections_about(draw, record):
    """A detection that is likely to match a record."""
    named = st.sampled_from([*NAMES[:5], "message", "http.response.status_code"])
    item = named.flatmap(lambda name: items_about(name, record))
    return {
        "a": draw(item),
        "b": draw(item | st.lists(item, min_size=1, max_size=2)),
        "c": ["zebra", draw(pieces_of(record["message"]))] if draw(st.booleans()) else {"message": None},
        "condition": draw(st.sampled_from(["a", "a", "a or b", "a and b", "a and not c", "a and (b or c)"])),
    }


written = st.sampled_from(
    [
        orjson.dumps,
        lambda doc: json.dumps(doc).encode(),
        lambda doc: json.dumps(doc, ensure_ascii=False).encode(),
        lambda doc: orjson.dumps(doc).replace(b"/", rb"\/"),
        lambda doc: orjson.dumps(doc).replace(b"i", rb"\u0069"),
        lambda doc: orjson.dumps(doc).replace(b"401", b"4.01e2"),
        lambda doc: orjson.dumps(doc).replace(b"401", b"401.00"),
        lambda doc: json.dumps(doc, indent=1, ensure_ascii=False).replace("\n", "").encode(),
    ]
)


def loaded(drawn):
    """The rules that load; random ones need not."""
    for number, detection in enumerate(drawn):
        with suppress(Invalid):
            yield rule(detection, number)


def _parses(line):
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


@st.composite
def cases(draw):
    """Rules about records, and these records as lines."""
    docs = draw(st.lists(records, min_size=1, max_size=3))
    drawn = [draw(detections_about(doc)) for doc in docs for _ in range(3)]
    lines = [draw(written)(doc) for doc in docs]
    return drawn, [line for line in lines if _parses(line)]


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_prefilter_never_changes_the_answer(case):
    """Escapes, unicode, case, JSON in a string, numbers written in odd ways."""
    drawn, lines = case
    rules = Ruleset(tuple(loaded(drawn)), ())
    lines += [orjson.dumps({"message": line.decode()}) for line in lines]
    fast = Detect(rules, None, Metrics())(batch(lines))
    exact = Detect(rules, None, Metrics(), prefilter=False)(batch(lines))
    assert fast.findings == exact.findings
