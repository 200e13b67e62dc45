import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.stage import Decode
from shipper.metrics import Metrics
from shipper.model import Batch, Origin, Span
from tests.decode.batches import CLOCK, FILE, ORIGIN, batch_of, tick
from tests.decode.test_traceback import CHAINED, GROUP, JSON, PEM, SQL, TRACE, VALIDATION

POOL = [
    *CHAINED,
    *GROUP,
    *SQL,
    *VALIDATION,
    *PEM,
    JSON,
    b"",
    b"INFO: x",
    b"ERROR: y",
    b"  more",
    b"42",
    b'{"a":',
    b"\0z",
    b"\xff",
]


def test_an_open_traceback_is_held_back():
    """It is not in the batch, and the position ends before it."""
    decode = Decode()
    first = decode(batch_of([JSON, *TRACE[:2]], final=False))
    assert (first.lines, first.progress[FILE].offset) == ([JSON], len(JSON) + 1)
    end = len(JSON) + 1 + len(TRACE[0]) + 1 + len(TRACE[1]) + 1
    second = decode(batch_of([*TRACE[2:], JSON], offset=end, final=False))
    assert second.lines == [b"\n".join(TRACE), JSON]
    assert second.offsets[0] == len(JSON) + 1
    assert second.spans == [Span(0, 2, ORIGIN)]
    assert not second.clocked


def test_a_quiet_file_releases_what_it_held():
    """By the batch's clock, with the position behind it, as a batch whose content depends on that clock."""
    decode = Decode(quiet=1.0)
    held = decode(batch_of([b"text"], final=False))
    assert (held.lines, held.progress[FILE].offset) == ([], 0)
    assert decode(tick(CLOCK + 1.0)).lines == []
    out = decode(tick(CLOCK + 1.1))
    assert (out.lines, out.offsets, out.spans, out.clocked) == ([b"text"], [0], [Span(0, 1, ORIGIN)], True)
    assert out.progress[FILE].offset == 5
    assert decode(tick(CLOCK + 9)).lines == []


def test_new_lines_start_the_wait_anew():
    """Quiet is counted from the file's last line."""
    decode = Decode(quiet=1.0)
    decode(batch_of([TRACE[0]], final=False))
    decode(batch_of([TRACE[1]], offset=len(TRACE[0]) + 1, clock=CLOCK + 0.9, final=False))
    assert decode(tick(CLOCK + 1.5)).lines == []
    assert len(decode(tick(CLOCK + 2.0)).lines) == 1


def test_progress_alone_does_not_pass_what_is_held():
    """A position for the file without rows is moved back as well."""
    decode = Decode()
    decode(batch_of([b"text"], final=False))
    again = decode(batch_of([], offset=5, final=False))
    assert again.progress[FILE].offset == 0


def test_a_final_batch_holds_nothing_back():
    """`--once`: all comes out, and says that it depends on when it was read."""
    batch = Decode()(batch_of([b"text"]))
    assert (batch.lines, batch.clocked, batch.progress[FILE].offset) == ([b"text"], True, 5)


def test_a_file_that_is_done_holds_nothing_back():
    """No line can follow."""
    batch = Decode()(batch_of([b"text"], final=False, done=True))
    assert (batch.lines, batch.clocked) == ([b"text"], False)


def test_files_do_not_mix():
    """Each has its own open row; the rows of the other are in between."""
    other = Origin("e" * 32, "/var/log/other.log", "other", "UTC")
    decode = Decode()
    decode(batch_of([TRACE[0]], final=False))
    assert decode(batch_of([b"  indented", JSON], origin=other, final=False)).lines == [b"  indented", JSON]
    rest = decode(batch_of([*TRACE[1:], JSON], offset=len(TRACE[0]) + 1, final=False))
    assert rest.lines == [b"\n".join(TRACE), JSON]


def test_the_open_row_of_a_rotated_file_comes_before_the_new_file():
    """In order, and its position is behind it, though the file had no rows in this batch."""
    new = ORIGIN._replace(file_id="e" * 32)
    decode = Decode()
    assert decode(batch_of([JSON, b"text"], final=False)).lines == [JSON]
    batch = decode(batch_of([b"next", JSON], origin=new, final=False))
    assert batch.lines == [b"text", b"next", JSON]
    assert [(span.origin.file_id, span.start) for span in batch.spans] == [(ORIGIN.file_id, 0), (new.file_id, 1)]
    assert batch.progress[ORIGIN.file_id].offset == len(JSON) + len(b"text") + 2


def stitched(*lines: bytes):
    """The second line goes over a rotation."""
    batch = batch_of(lines, final=False)
    batch.stitched[1] = (("a", 5, 8), ("b", 0, 3))
    batch = Decode()(batch)
    return batch.lines, batch.stitched


def test_a_stitched_row_ends_the_record_it_belongs_to():
    """The record covers both ranges; what follows stands in another file."""
    assert stitched(b"text", b"  sti", JSON, b"  more") == ([b"text\n  sti", JSON], {0: (("a", 0, 8), ("b", 0, 3))})


def test_a_stitched_row_that_belongs_to_none_stays_by_itself():
    """Its bytes stand in two files, so it is not held back."""
    assert stitched(b"text", b"sti", JSON) == ([b"text", b"sti", JSON], {1: (("a", 5, 8), ("b", 0, 3))})


def test_rows_without_a_reason_are_not_counted_as_unparsed():
    """Text is fine; broken JSON is counted."""
    metrics = Metrics()
    Decode(metrics=metrics)(batch_of([b"text", b'{"a":', b"42", JSON]))
    assert metrics.lines_unparsed == 2


def test_fields_of_a_plain_batch_are_untouched():
    """All rows on the fast path: the lists are the source's own."""
    batch = batch_of([JSON] * 3)
    lines = batch.lines
    assert Decode()(batch).lines is lines
    assert batch.docs == [orjson.loads(JSON)] * 3


def _decode(lines: list[bytes], cuts: list[int], decode: Decode) -> list[tuple[bytes, int, dict, str | None]]:
    rows, offset, start = [], 0, 0
    for stop in [*sorted(cut % (len(lines) + 1) for cut in cuts), len(lines)]:
        if stop < start:
            continue
        batch: Batch = batch_of(lines[start:stop], offset=offset, final=stop == len(lines))
        offset += sum(len(line) + 1 for line in lines[start:stop])
        start = stop
        out = decode(batch)
        assert len(out.lines) == len(out.offsets) == len(out.docs)
        assert [span.stop for span in out.spans][-1:] == [len(out)] * bool(out)
        rows += [(out.lines[i], out.offsets[i], out.docs[i], out.odd.get(i)) for i in range(len(out))]
        later = [at for _, at, _, _ in rows if at >= out.progress[FILE].offset]
        assert later == [], "a row is out that the position does not cover"
    return rows


@settings(max_examples=300)
@given(st.lists(st.sampled_from(POOL), max_size=25), st.lists(st.integers(0, 25), max_size=6))
def test_any_cutting_into_batches_gives_the_same_rows(lines, cuts):
    """What is held back comes out as if all had been read at once."""
    assert _decode(lines, cuts, Decode()) == _decode(lines, [], Decode())


@given(st.lists(st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")), max_size=8))
def test_no_bytes_crash_it(lines):
    """Every document can be written again."""
    for doc in Decode()(batch_of(lines)).docs:
        orjson.dumps(doc)


@given(st.lists(st.text(alphabet='{}[]":,\\u0d8a1eNaN \0\ufeff', max_size=30).map(str.encode), max_size=8))
def test_no_near_json_crashes_it(lines):
    """The same for bytes that look like JSON."""
    lines = [line for line in lines if b"\n" not in line]
    for doc in Decode()(batch_of(lines)).docs:
        orjson.dumps(doc)
