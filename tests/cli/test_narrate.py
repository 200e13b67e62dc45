"""What somebody who watches is told."""

import orjson

from shipper.cli.narrate import Narrator, around_placeholder
from shipper.model import Alert, Batch, Doc

MARK = "[REDACTED:anthropic-api-key:0123456789ab]"


def batch(*docs: Doc, alerts: tuple[Alert, ...] = ()) -> Batch:
    out = [orjson.dumps(doc) for doc in docs]
    return Batch(list(out), [0] * len(out), [], 0, out=out, alerts=list(alerts))


def alert(id: str, level: str = "high", count: int = 6) -> Alert:
    return Alert(id, "rule", "Several failed logins", level, {"user.name": "ada"}, count, "", "")


def narrated(*batches: Batch) -> tuple[Narrator, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    narrator = Narrator(lambda kind, line: told.append((kind, line)), lambda: "12:00:00")
    for each in batches:
        narrator.committed(each)
    return narrator, told


def test_a_redaction_is_shown_as_it_is_stored() -> None:
    """The text around the placeholder."""
    _, told = narrated(batch({"message": f"headers were {MARK}"}))
    assert told == [("redacted", f"12:00:00  redacted  headers were {MARK}")]


def test_a_redaction_is_found_at_any_depth() -> None:
    """Also in a nested list."""
    _, told = narrated(batch({"a": [{"b": MARK}]}))
    assert told == [("redacted", f"12:00:00  redacted  {MARK}")]


def test_an_alert_is_told_once() -> None:
    """Later changes count, and are not told again."""
    narrator, told = narrated(batch(alerts=(alert("1"),)), batch(alerts=(alert("1", count=7),)))
    assert told == [("high", "12:00:00  ALERT     [high] Several failed logins: 6 times (user.name=ada)")]
    assert narrator.alerts["1"].count == 7


def test_counts_are_a_sentence() -> None:
    """Numbers with their nouns, alerts by level."""
    alerts = (alert("1"), alert("2", "medium"), alert("3"))
    narrator, _ = narrated(batch({"message": MARK}, {"message": "b"}, alerts=alerts))
    assert narrator.counts() == "2 records, 1 redaction, 3 alerts (2 high, 1 medium)"


def test_no_line_is_wider_than_80_columns() -> None:
    """Long texts are wrapped, and end after three lines."""
    _, told = narrated(batch({"message": "word " * 100 + MARK + " word" * 100}))
    assert (len(told), max(len(line) for _, line in told) <= 80) == (3, True)


def test_a_log_line_cannot_drive_the_terminal() -> None:
    """Control characters are not passed on."""
    _, told = narrated(batch({"message": f"\x1b[2J\x07 {MARK}"}))
    assert all(line.isprintable() for _, line in told)


def test_counts_are_told_every_few_seconds() -> None:
    """And only when there is something new."""
    narrator, told = narrated(batch({"message": "a"}))
    for now in (100, 101, 106):
        narrator.tick(now)
    narrator.committed(batch({"message": "b"}))
    narrator.tick(107)
    assert told == [
        ("count", "12:00:00  records   1 record, 0 redactions, 0 alerts"),
        ("count", "12:00:00  records   2 records, 0 redactions, 0 alerts"),
    ]


def test_only_the_part_around_a_placeholder_is_shown() -> None:
    """A text of a megabyte does not fill the terminal."""
    shown = around_placeholder("x" * 10_000 + MARK + "y" * 10_000)
    assert MARK in shown and len(shown) < 200


def test_the_part_begins_with_a_word() -> None:
    """Nobody has to guess what the first letters were."""
    assert around_placeholder("abcdefghij " * 20 + MARK).startswith("… abcdefghij ")
