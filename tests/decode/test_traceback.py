import pytest

from shipper.decode.stage import Decode
from shipper.decode.traceback import MAX_LINES
from tests.decode.batches import batch_of

JSON = b'{"message":"before"}'
TRACE = [
    b"Traceback (most recent call last):",
    b'  File "/app/main.py", line 3, in call',
    b"    return {",
    b'    {"a": 1}',
    b"ValueError: no",
]
CHAINED = [
    *TRACE,
    b"",
    b"During handling of the above exception, another exception occurred:",
    b"",
    b"Traceback (most recent call last):",
    b'  File "/app/main.py", line 9, in outer',
    b"app.errors.Broken: twice",
]
GROUP = [
    b"  + Exception Group Traceback (most recent call last):",
    b'  |   File "/app/main.py", line 1, in <module>',
    b"  |     raise",
    b"  | ExceptionGroup: two (2 sub-exceptions)",
    b"  +-+---------------- 1 ----------------",
    b"    | Traceback (most recent call last):",
    b'    |   File "/app/main.py", line 2, in one',
    b"    | ValueError: 1",
    b"    +---------------- 2 ----------------",
    b"    | TypeError: 2",
    b"    +------------------------------------",
]
SQL = [
    b"Traceback (most recent call last):",
    b'  File "/app/db.py", line 3, in run',
    b"sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: users",
    b"[SQL: SELECT * FROM users]",
    b"(Background on this error at: https://sqlalche.me/e/20/e3q8)",
]
VALIDATION = [
    b"Traceback (most recent call last):",
    b'  File "/app/db.py", line 3, in run',
    b"pydantic_core._pydantic_core.ValidationError: 1 validation error for Item",
    b"user.name",
    b"  Field required [type=missing, input_value={}, input_type=dict]",
]
PEM = [
    b"-----BEGIN RSA " + b"PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED",
    b"",
    b"QUJD" * 16,
    b"QUI=",
    b"-----END X-----",
]


def rows(*lines: bytes) -> list[bytes]:
    return Decode()(batch_of(lines)).lines


def joined(lines: list[bytes]) -> bytes:
    return b"\n".join(lines)


@pytest.mark.parametrize("lines", [TRACE, CHAINED, GROUP, SQL, VALIDATION, PEM], ids=lambda lines: lines[-1].decode())
@pytest.mark.parametrize("after", [JSON, b"INFO:     next", b"it started", b"-----BEGIN X----- -----END X-----"])
def test_lines_that_belong_together_are_one_row(lines, after):
    """Between two other rows, whatever those are."""
    assert rows(JSON, *lines, after) == [JSON, joined(lines), after]


@pytest.mark.parametrize("lines", [TRACE, CHAINED, GROUP, SQL])
@pytest.mark.parametrize(
    "announcing",
    [
        b"ERROR:    Exception in ASGI application",
        b"2026-11-23 10:00:00,123 CRITICAL app: boom",
        b"[error] boom",
        b"Exception in thread Thread-1 (run):",
    ],
)
def test_a_traceback_joins_the_text_that_announces_it(lines, announcing):
    """The announcing line is the message, the rest the stack trace."""
    batch = Decode()(batch_of([JSON, announcing, *lines]))
    assert batch.lines == [JSON, joined([announcing, *lines])]
    assert batch.docs[1] == {"message": announcing.decode(), "error.stack_trace": joined(lines).decode()}
    assert batch.odd == {1: ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (TRACE, "ValueError: no"),
        (CHAINED, "app.errors.Broken: twice"),
        (GROUP, "ExceptionGroup: two (2 sub-exceptions)"),
        ([*CHAINED[:8], *GROUP], "ExceptionGroup: two (2 sub-exceptions)"),
        ([b"    " + line for line in (*TRACE[:3], TRACE[4])], "ValueError: no"),
        ([*TRACE[:2], b"    raise"], "raise"),
        (TRACE[:2], 'File "/app/main.py", line 3, in call'),
    ],
)
def test_a_traceback_after_json_is_a_record_of_its_own(lines, message):
    """Its message is what was raised."""
    batch = Decode()(batch_of([JSON, *lines]))
    assert batch.docs[1] == {"message": message, "error.stack_trace": joined(lines).decode()}


def test_a_traceback_does_not_join_ordinary_text():
    """An access line before it is a record of its own."""
    access = b'INFO:     127.0.0.1:60084 - "GET / HTTP/1.1" 500 Internal Server Answer'
    assert rows(access, *TRACE) == [access, joined(TRACE)]


def test_two_tracebacks_are_two_rows():
    """Nothing chains them."""
    assert rows(*TRACE, *TRACE) == [joined(TRACE), joined(TRACE)]


def test_only_the_first_traceback_was_announced():
    """The next one is an error of its own."""
    assert rows(b"ERROR: x", *TRACE, *TRACE) == [joined([b"ERROR: x", *TRACE]), joined(TRACE)]


def test_text_that_follows_a_traceback_is_not_its_message():
    """A log line is no exception, though it starts with a word and a colon."""
    assert rows(*TRACE[:4], b"INFO: x", b"y") == [joined(TRACE[:4]), b"INFO: x", b"y"]


def test_indented_lines_continue_text():
    """But not JSON, nor across a blank line."""
    lines = [b"config:", b"  a: 1", b"\tb: 2", b' {"c":3}', b"  alone", b"", b"  d"]
    assert rows(*lines) == [joined(lines[:3]), b' {"c":3}', b"  alone", b"  d"]


def test_blank_lines_are_dropped():
    """They carry nothing; the position covers their bytes."""
    batch = Decode()(batch_of([b"", JSON, b"  ", b"\r", b"text", b""]))
    assert batch.lines == [JSON, b"text"]
    assert batch.offsets == [1, 27]
    assert batch.progress["f" * 32].offset == 33


def test_a_key_without_end_stops_at_text_that_is_none_of_it():
    """A cut block does not swallow what follows."""
    assert rows(PEM[0], PEM[3], b"user 'bob' (x) logged in") == [joined([PEM[0], PEM[3]]), b"user 'bob' (x) logged in"]


KEY = [b"aB3/" * 16, b"xY+z" * 16, b"Zz09" * 8 + b"Q==", b"-----END RSA PRI" + b"VATE KEY----- it was"]


@pytest.mark.parametrize("lines", [KEY, KEY[1:], KEY[2:]])
def test_a_key_whose_beginning_is_not_there_is_one_row(lines):
    """A rotation cut it off, or a quiet time: only together can it be told for what it is."""
    assert rows(b"before", *lines, b"after") == [b"before", joined(lines), b"after"]


@pytest.mark.parametrize("word", [b"0123456789abcdef" * 4, b"Starting", b"Authentication/Failed"])
def test_lines_of_one_word_stay_rows_of_their_own(word):
    """Digests in hex, and words."""
    assert rows(word, word, b"done") == [word, word, b"done"]


def test_a_traceback_that_never_ends_is_cut():
    """Memory stays bounded; the pieces say what they are."""
    batch = Decode()(batch_of([TRACE[0], *[TRACE[1]] * (2 * MAX_LINES), TRACE[4]]))
    assert [line.count(b"\n") + 1 for line in batch.lines] == [MAX_LINES, MAX_LINES, 2]
    assert batch.docs[2] == {"message": joined([TRACE[1], TRACE[4]]).decode()}
    assert [why.split(":")[0] for why in batch.odd.values()] == ["cut", "continued", "continued"]


def test_invalid_bytes_inside_a_traceback_are_said():
    """The stack trace is still one."""
    batch = Decode()(batch_of([*TRACE[:2], b"ValueError: caf\xe9"]))
    assert batch.docs[0]["error.stack_trace"].endswith("ValueError: caf\ufffd")
    assert batch.odd[0].startswith("not UTF-8")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"text\r"], {"message": "text"}),
        ([b"text\r\r"], {"message": "text\r"}),
        ([b"a\r b\r"], {"message": "a\r b"}),
        ([b"ERROR: it failed\r", b"  because\r"], {"message": "ERROR: it failed\n  because"}),
        (
            [line + b"\r" for line in TRACE],
            {"message": TRACE[-1].decode(), "error.stack_trace": b"\n".join(TRACE).decode()},
        ),
        ([b"\0\0text\r"], {"message": "text"}),
        ([b'{"a": 1\r'], {"message": '{"a": 1'}),
    ],
)
def test_the_carriage_return_of_a_line_s_end_is_no_text(lines, expected):
    """The line as it was read keeps it, for that is what its offset and length speak of."""
    batch = Decode()(batch_of(lines))
    assert (batch.docs, batch.lines) == ([expected], [b"\n".join(lines)])
