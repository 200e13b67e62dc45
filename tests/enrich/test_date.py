import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.enrich.date import all_canonical, canonical, is_canonical, leading_time
from shipper.enrich.stage import Config, Enrich
from tests.decode.batches import CLOCK, FILE, batch_of
from tests.enrich.enriched import enriched

TABLE = [
    ("2025-10-01T05:08:03Z", "2025-10-01T05:08:03Z"),
    ("2025-10-01T05:08:03.5Z", "2025-10-01T05:08:03.5Z"),
    ("2025-10-01T05:08:03.580606+00:00", "2025-10-01T05:08:03.580606Z"),
    ("2025-10-01T05:08:03.123456789Z", "2025-10-01T05:08:03.123456Z"),
    ("2025-10-01T05:08:03+02:00", "2025-10-01T03:08:03Z"),
    ("2025-10-01T05:08:03-0330", "2025-10-01T08:38:03Z"),
    ("2025-10-01 05:08:03,230", "2025-10-01T03:08:03.230Z"),
    ("2025-01-01 05:08:03", "2025-01-01T04:08:03Z"),
    ("2025-10-01 05:08:03 UTC", "2025-10-01T05:08:03Z"),
    ("2025/10/01 05:08:03Z", "2025-10-01T05:08:03Z"),
    ("2025-10-01T05:08Z", "2025-10-01T05:08:00Z"),
    (1759295283, "2025-10-01T05:08:03Z"),
    (1759295283.25, "2025-10-01T05:08:03.250Z"),
    (1759295283580, "2025-10-01T05:08:03.580Z"),
    (1759295283580606, "2025-10-01T05:08:03.580606Z"),
    (1759295283580606123, "2025-10-01T05:08:03.580606Z"),
    ("1759295283", "2025-10-01T05:08:03Z"),
    ("1759295283.580606", "2025-10-01T05:08:03.580606Z"),
    ("2025-13-01T05:08:03Z", None),
    ("2025-10-01T24:08:03Z", None),
    ("2025-10-01", None),
    ("05:08:03", None),
    ("yesterday", None),
    ("0001-01-01T00:00:00+05:00", None),
    (12.5, None),
    (1e300, None),
    (float("nan"), None),
    (-5, None),
    (True, None),
    (None, None),
    ([1], None),
]


@pytest.mark.parametrize(("raw", "expected"), TABLE)
def test_every_notation_has_one_form(raw, expected):
    """RFC 3339 in UTC; a time without a zone is in the source's."""
    assert canonical(raw, "Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-01 05:08:03,123 ERROR app: text", "2025-10-01T05:08:03.123Z"),
        ("[2025-10-01 05:08:03 +0200] [7] [INFO] Booting", "2025-10-01T03:08:03Z"),
        ("2025/10/01 05:08:03 [error] 12#0: text", "2025-10-01T05:08:03Z"),
        ('10.0.0.1 - - [01/Oct/2025:05:08:03 +0200] "GET / HTTP/1.1" 200 2', "2025-10-01T03:08:03Z"),
        ("at 2025-10-01 05:08:03 it began", None),
        ("2025-10-01 05:08:03x", None),
        ("[01/Foo/2025:05:08:03 +0200]", None),
    ],
)
def test_text_that_starts_with_a_time_has_it(text, expected):
    """So have access lines with theirs in brackets."""
    assert leading_time(text, "UTC") == expected


def times(*lines: bytes, **more) -> list[str]:
    return enriched(*lines, **more).times


def test_a_missing_time_is_the_predecessors():
    """The first of a file takes the clock, and says so."""
    batch = enriched(b'{"a":1}', b'{"timestamp":"2026-11-01T00:00:00Z"}', b'{"a":1}', b'{"timestamp":"soon"}')
    assert batch.times == ["2026-11-23T10:00:00.000Z"] + ["2026-11-01T00:00:00Z"] * 3
    sources = [batch.record(row).get("event.timestamp_source") for row in range(4)]
    assert sources == ["clock", None, "predecessor", "predecessor"]
    assert batch.clocked
    assert batch.record(3)["timestamp"] == "soon"


def test_a_date_that_does_not_exist_is_none():
    """Though every sign is in its place."""
    assert (
        times(b'{"timestamp":"2025-01-01T00:00:00Z"}', b'{"timestamp":"2025-02-30T00:00:00.000Z"}')
        == ["2025-01-01T00:00:00Z"] * 2
    )
    assert (
        times(b'{"timestamp":"2025-01-01T00:00:00Z"}', b'{"timestamp":"2025-01-02T00:00:00Zxx"}')[1][:10]
        == "2025-01-01"
    )


def test_a_batch_whose_times_are_all_its_own_does_not_depend_on_the_clock():
    """Nothing to commit beforehand."""
    assert not enriched(b'{"timestamp":"2026-11-01T00:00:00Z"}', b'{"a":1}').clocked


@pytest.mark.parametrize(
    ("time", "believed"),
    [
        ("2026-11-23T11:00:00.000Z", True),
        ("2026-11-23T11:00:01.000Z", False),
        ("2026-11-23T11:00:01Z", False),
        ("2025-01-01T00:00:00.000Z", True),
        ("2016-11-24T10:00:00Z", True),
        ("2016-11-20T10:00:00.000Z", False),
        ("1970-01-01T00:00:00Z", False),
    ],
)
def test_absurd_times_are_not_believed(time, believed):
    """Ten years back, an hour ahead; the original stays, marked, and the batch depends on the clock."""
    batch = enriched(b'{"timestamp":"2026-11-01T00:00:00Z"}', b'{"@timestamp":"%s"}' % time.encode())
    record = batch.record(1)
    assert record["@timestamp"] == (time if believed else "2026-11-01T00:00:00Z")
    assert record.get("event.timestamp_original") == (None if believed else time)
    assert record.get("event.timestamp_source") == (None if believed else "predecessor")
    assert batch.clocked is not believed


def test_a_file_goes_on_with_the_time_of_its_last_committed_record():
    """After a restart the predecessor is known from the state, or from the position itself."""
    batch = Enrich(Config(), {FILE: "2026-11-02T00:00:00Z"})(decoded_without_time())
    assert batch.times == ["2026-11-02T00:00:00Z"]
    batch = decoded_without_time()
    batch.progress[FILE].time = "2026-11-03T00:00:00Z"
    assert Enrich()(batch).times == ["2026-11-03T00:00:00Z"]


def decoded_without_time():
    batch = batch_of([b"{}"])
    batch.docs = [{}]
    return batch


def test_the_position_carries_the_last_time():
    """Also when a batch has no rows of that file."""
    enrich = Enrich()
    batch = batch_of([b"{}"])
    batch.docs = [{"timestamp": "2026-11-01T00:00:00Z"}]
    assert enrich(batch).progress[FILE].time == "2026-11-01T00:00:00Z"
    assert enrich(batch_of([])).progress[FILE].time == "2026-11-01T00:00:00Z"


@given(
    st.from_regex(r"20(1[6-9]|2[0-6])-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:\d\d([.,]\d{1,6})?(Z|\+00:00)?", fullmatch=True)
)
def test_the_fast_path_and_the_table_agree(raw):
    """What goes through as it is is what the exact reading makes of it."""
    exact = canonical(raw, "UTC")
    believed = exact is not None and "2016-11-22T10" <= exact[:19] <= "2026-11-23T11:00:00"
    assert times(b'{"timestamp":"%s"}' % raw.encode()) == [exact if believed else "2026-11-23T10:00:00.000Z"]


def test_the_clock_is_the_batchs():
    """`event.ingested` is when the batch was read."""
    assert enriched(b"{}").record(0)["event.ingested"] == "2026-11-23T10:00:00.000Z"
    assert enriched(b"{}", clock=CLOCK + 1).record(0)["event.ingested"] == "2026-11-23T10:00:01.000Z"


LOW, HIGH = "2015-01-01T00:00:00", "2026-01-01T00:00:00~"
PIECES = st.sampled_from(["2025-10-01T05:08:03", "2025-02-29T05:08:03", "2025-W10-1T05:08:03", "2014-12-31T23:59:59"])
TIMES = st.builds(
    "".join,
    st.tuples(PIECES, st.sampled_from(["", ".", ".5", ".25", ".250", ".123456", ",250", ".2é0"]), st.sampled_from(["Z", "z", "", "+00"])),
)  # fmt: skip


@given(st.lists(TIMES | st.none() | st.integers() | st.text("0123456789-T:.Z", max_size=28), max_size=4), st.booleans())
def test_times_that_pass_together_pass_alone(times, alike):
    """What goes through unread is what reading it would give."""
    times = times[:1] * len(times) if alike else times
    if all_canonical(times, LOW, HIGH):
        assert times == [canonical(raw, "Europe/Berlin") for raw in times]
        assert all(LOW <= raw <= HIGH for raw in times)
    for raw in times:
        assert not is_canonical(raw, LOW, HIGH) or all_canonical([raw], LOW, HIGH)


@pytest.mark.parametrize(
    "spoilt", ["2025-02-29T05:08:03.250Z", "2027-10-01T05:08:03.250Z", "2025-10-01T05:08:03Z", 5, None]
)
def test_one_time_spoils_them_all(spoilt):
    """Wherever it stands; a whole list that is right passes."""
    good = "2025-10-01T05:08:03.250Z"
    assert all_canonical([good] * 3, LOW, HIGH)
    for place in range(3):
        assert not all_canonical([good] * place + [spoilt] + [good] * (2 - place), LOW, HIGH)


def test_each_row_of_a_mixed_batch_has_its_time():
    """Also behind a row whose time is not its own."""
    lines = [b'{"timestamp":"2025-10-01T05:08:0%dZ"}' % second for second in range(3)]
    batch = enriched(lines[0], b'{"a":1}', b"[x", lines[1], b'{"timestamp":"2025-10-01T07:08:02+02:00"}', lines[2])
    stamps = ["2025-10-01T05:08:00Z"] * 3 + ["2025-10-01T05:08:01Z"] + ["2025-10-01T05:08:02Z"] * 2
    assert (batch.times, batch.untimed) == (stamps, {1, 2})
