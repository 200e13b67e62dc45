"""Records as people read them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from shipper.search.show import COLUMNS, header, line, plain, read, row

RECORD = {
    "@timestamp": "2026-01-01T10:00:00.123Z",
    "log.level": "error",
    "log.logger": "app.api.chat",
    "message": "Connection refused",
}


def cells_of(text):
    """Width of a text that holds no wide character but `日`."""
    return len(text) + text.count("日")


def test_a_line_has_time_level_source_and_message():
    """The columns stand under the header."""
    text, level = line(RECORD, 80)
    assert text == "2026-01-01 10:00:00 error    app.api.chat     Connection refused"
    assert level == "error"
    assert header(80) == "time (UTC)          level    source           message"


def test_a_line_fits_and_says_that_it_was_cut():
    """Wide characters take two cells."""
    text, _ = line({**RECORD, "log.logger": "日" * 20, "message": "日" * 80}, 80)
    assert cells_of(text) <= 80
    assert text.endswith("日…")
    assert " 日日日日日日日…" in text


def test_a_record_without_message_is_shown_whole():
    """There is always something to see."""
    assert line({"seq": 5}, 80)[0].endswith('{"seq":5}')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 日本", "plain äöü 日本"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jtext", "text"),
        ("a\x1b", "a "),
        ("a\nb\tc\rd\x00e\x7ff\x85g", "a b c d e f g"),
        ("user\u202egnp.exe", "user gnp.exe"),
        ("\x1b[[31mx", "31mx"),
    ],
)
def test_text_cannot_drive_the_terminal(text, shown):
    """Escape sequences are taken out, other control and direction characters become blanks."""
    assert plain(text) == shown


@given(
    st.dictionaries(st.sampled_from(["message", "log.level", "log.logger", "@timestamp"]), st.text()),
    st.integers(60, 120),
)
def test_any_record_is_one_printable_line(record, width):
    """Whatever a record holds, its line has no control character and fits."""
    text, _ = line(record, width)
    assert text.isprintable()
    assert cell_len(text) <= width


def test_csv_keeps_its_columns():
    """RFC 4180 quoting; missing fields are empty."""
    found = row({**RECORD, "message": 'a, "b"\nc', "http": {"response": {"status_code": 500}}})
    cells = next(csv.reader(io.StringIO(found)))
    assert dict(zip(COLUMNS, cells, strict=True)) == {
        **dict.fromkeys(COLUMNS, ""),
        "@timestamp": "2026-01-01T10:00:00.123Z",
        "log.level": "error",
        "log.logger": "app.api.chat",
        "message": 'a, "b"\nc',
        "http.response.status_code": "500",
    }


@pytest.mark.parametrize(
    ("message", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("\t=1", "'\t=1"),
        ("\r=1", " =1"),
        ("\x1b[1m=1", "'=1"),
    ],
)
def test_csv_holds_no_formula(message, cell):
    """A spreadsheet takes no text of a log for a formula, also behind characters that were taken out."""
    assert row({"message": message}).split(",")[COLUMNS.index("message")].strip('"') == cell


def test_csv_numbers_stay_numbers():
    """Only text is guarded."""
    assert row({"event.duration": -5}).split(",")[COLUMNS.index("event.duration")] == "-5"


@pytest.mark.parametrize("doc", [b"[1]", b"{", b'{"a":"\\ud800"}', b"\xff"])
def test_what_is_no_object_is_shown_as_text(doc):
    """A stored row that can't be parsed is still shown."""
    assert read(doc) == {"message": doc.decode(errors="replace")}
