"""Bulk requests and their answers, as tables."""

import gzip
from functools import partial
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from shipper.model import Batch, Origin, Span
from shipper.sink.bulk import HEAD_BYTES, Verdict, actions_of, cut, frame, indices_of, items, pack, verdict
from shipper.sink.pace import SMALLEST_BYTES

ROWS = [b'{"a":1}', b'{"b":2}']
ACTIONS = [b'{"create":{"_id":"f-0"}}', b'{"create":{"_id":"f-10"}}']

VERDICTS = [
    (200, "", "", Verdict.STORED),
    (201, "", "", Verdict.STORED),
    (409, "version_conflict_engine_exception", "document already exists", Verdict.STORED),
    (429, "es_rejected_execution_exception", "rejected execution of primary operation", Verdict.AGAIN),
    (429, "circuit_breaking_exception", "[parent] Data too large", Verdict.AGAIN),
    (408, "", "", Verdict.AGAIN),
    (500, "illegal_state_exception", "", Verdict.AGAIN),
    (502, "", "", Verdict.AGAIN),
    (503, "unavailable_shards_exception", "primary shard is not active", Verdict.BLOCKED),
    (504, "", "", Verdict.AGAIN),
    (599, "something_new", "", Verdict.AGAIN),
    (400, "document_parsing_exception", "failed to parse field [x] of type [long]", Verdict.UNFIT),
    (400, "illegal_argument_exception", "mapper [x] cannot be changed from type [long] to [text]", Verdict.UNFIT),
    (400, "strict_dynamic_mapping_exception", "mapping set to strict", Verdict.UNFIT),
    (400, "something_new", "", Verdict.UNFIT),
    (413, "", "", Verdict.UNFIT),
    (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];", Verdict.BLOCKED),
    (429, "cluster_block_exception", "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded]", Verdict.BLOCKED),
    (400, "index_closed_exception", "closed", Verdict.BLOCKED),
    (401, "security_exception", "", Verdict.HOLD),
    (403, "security_exception", "action is unauthorized for API key", Verdict.HOLD),
    (404, "index_not_found_exception", "no such index [x]", Verdict.HOLD),
    (400, "validation_exception", "this cluster currently has [1000]/[1000] maximum normal shards open", Verdict.HOLD),
    (400, "illegal_argument_exception", "no write index is defined for alias [x]", Verdict.HOLD),
    (400, "illegal_argument_exception", "pipeline with id [x] does not exist", Verdict.HOLD),
    (400, "invalid_index_name_exception", "must be lowercase", Verdict.HOLD),
]


@pytest.mark.parametrize(("status", "kind", "reason", "expected"), VERDICTS)
def test_every_answer_to_an_item_has_one_verdict(status, kind, reason, expected):
    """By status, type and reason, as servers give them."""
    assert verdict(status, {"type": kind, "reason": reason} if kind else None) == expected


def batch(times, spans=((0, 2, "f"),)):
    return Batch(
        lines=[],
        offsets=[10 * row for row in range(len(times))],
        spans=[Span(start, stop, Origin(file, "/x", "x", "UTC")) for start, stop, file in spans],
        clock=0.0,
        times=times,
        out=[b"{}"] * len(times),
    )


def test_a_body_has_an_action_before_each_row():
    """And ends with a line break, as the server asks for."""
    assert frame(ROWS, ACTIONS) == b'{"create":{"_id":"f-0"}}\n{"a":1}\n{"create":{"_id":"f-10"}}\n{"b":2}\n'


def test_rows_of_several_indices_name_theirs():
    """Because the path of the request can only name one."""
    assert frame(ROWS, ACTIONS, ["x", "y"]).splitlines()[::2] == [
        b'{"create":{"_index":"x","_id":"f-0"}}',
        b'{"create":{"_index":"y","_id":"f-10"}}',
    ]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1000])
def test_a_packed_body_is_the_framed_one(count):
    """Whatever the number of pieces it is compressed in."""
    rows = [b'{"row":%d}' % row for row in range(count)]
    actions = [b'{"create":{"_id":"f-%d"}}' % row for row in range(count)]
    packed = pack(rows, actions, (), partial(isal_zlib.compressobj, 1, isal_zlib.DEFLATED, 31))

    assert gzip.decompress(packed) == pack(rows, actions, (), None) == frame(rows, actions)


def test_a_row_that_is_more_than_a_line_is_not_packed():
    """The server would take its second half for an action."""
    assert pack([b'{"a":1}\n{"delete":{"_id":"f-0"}}'], ACTIONS[:1], (), None) is None


def test_flat_names_of_labels_are_sent_as_members():
    """Wherever in the bulk the row stands; all others keep their bytes."""
    rows = [b'{"labels.env":"x", "n":1}' if n == 200 else b'{"n":  %d}' % n for n in range(300)]
    actions = [b"%d" % n for n in range(300)]
    expected = [b'{"n":1,"labels":{"env":"x"}}' if n == 200 else row for n, row in enumerate(rows)]

    assert pack(rows, actions, (), None) == frame(expected, actions)


def test_ids_are_event_ids():
    """Over several spans, as the batch itself gives them."""
    made = batch(["2026-11-20T10:00:00Z"] * 5, [(0, 2, "f"), (2, 2, "empty"), (2, 5, "g")])

    assert actions_of(made) == [b'{"create":{"_id":"%b"}}' % made.event_id(row).encode() for row in range(5)]


def test_the_index_follows_the_time():
    """One a day for records, one a month for alerts."""
    made = batch(["2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z"])
    found = indices_of("x", made)
    made.stream = "alerts"

    assert (found, indices_of("x", made)) == (["x-2026.11.20", "x-2026.11.21"], ["alerts-x-2026.11"] * 2)


def test_a_good_answer_has_no_items():
    """Told by its bytes, without parsing it."""
    assert items(b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}', 2) == []


def test_an_item_that_fails_does_not_hide_among_the_others():
    """One 201 beside a 400 is no success of both."""
    answer = b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"t"}}}]}'

    assert [item.verdict for item in items(answer, 2)] == [Verdict.STORED, Verdict.UNFIT]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b'{"errors":false}',
        b'{"errors":false,"items":[{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201',
        b'{"errors":false,"items":{}}',
    ],
)
def test_an_answer_that_is_none_to_these_rows_settles_none(answer):
    """Half of one, one with more or fewer items, or something else altogether."""
    assert items(answer, 2) is None


@pytest.mark.parametrize("item", [b"{}", b"1", b'{"create":{}}', b'{"create":{"status":"201"}}', b'{"create":1}'])
def test_an_item_without_a_status_is_sent_again(item):
    """Nothing is known of it."""
    assert [each.verdict for each in items(b'{"items":[' + item + b"]}", 1)] == [Verdict.AGAIN]


SIZES = st.lists(st.integers(1, 400_000), max_size=60)


@given(SIZES, st.integers(1, 1_000_000), st.integers(1, 20), st.integers(1, 8))
def test_every_row_is_in_one_run(sizes, most_bytes, most_rows, requests):
    """In order, none left out."""
    runs = cut(sizes, most_bytes, most_rows, requests)

    assert list(chain.from_iterable(runs)) == list(range(len(sizes))) and all(runs)


@given(SIZES, st.integers(1, 1_000_000), st.integers(1, 20), st.integers(1, 8))
def test_no_run_is_above_a_limit_but_a_single_row(sizes, most_bytes, most_rows, requests):
    """A row cannot be cut; its action line counts."""
    for run in cut(sizes, most_bytes, most_rows, requests):
        size = sum(sizes[run.start : run.stop]) + HEAD_BYTES * len(run)
        assert len(run) <= most_rows and (size <= most_bytes or len(run) == 1)


@given(SIZES, st.integers(1, 8))
def test_there_are_no_more_runs_than_requests_where_limits_allow(sizes, requests):
    """So that all can be under way at once."""
    assert len(cut(sizes, 1 << 40, 1 << 40, requests)) <= requests


def test_large_batches_are_shared_and_small_ones_are_not():
    """A request has a price of its own."""
    row = 1000
    enough = 2 * SMALLEST_BYTES // row + 2

    assert [len(cut([row] * count, 1 << 40, 1 << 40, 2)) for count in (10, enough)] == [1, 2]
