"""The archive's Parquet: what goes in comes out, by dataset, sorted, and is known by the same facts."""

import os
import random
import shutil
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.archive import slices
from shipper.archive.content import NOTHING, content, joined
from shipper.archive.parquet import MOST_DATASETS, OTHER, Exporter, Facts, canonical
from shipper.errors import ShipperError
from shipper.store.columns import text
from shipper.store.read import open_duckdb
from tests.archive.parquet import column, doc, docs_of, exported, ndjson, place_of_documents, whole
from tests.store.store import ODD, sealed

QUIET = [HealthCheck.function_scoped_fixture]


def test_documents_come_back_byte_for_byte(tmp_path):
    """Also those that DuckDB takes for malformed."""
    export = whole(tmp_path, ODD)

    assert sorted(docs_of(export.written[0].path)) == sorted(ODD)
    assert export.source.content == export.written[0].facts.content == content(ODD)


def test_sealed_segments_and_lines_are_one_day(tmp_path):
    """Both forms of the embedded store, and a last line without its newline."""
    lines = tmp_path / "open.ndjson"
    lines.write_bytes(doc(2) + b"\n" + doc(1))
    export = exported(tmp_path, sealed(tmp_path, doc(3), doc(4)).rename(tmp_path / "s.parquet"), lines)

    assert docs_of(export.written[0].path) == [doc(1), doc(2), doc(3), doc(4)]
    assert export.source == export.written[0].facts


def test_a_day_without_a_record_makes_no_file(tmp_path):
    """Nothing in, nothing out."""
    assert whole(tmp_path, []) == (Facts(0, "", "", NOTHING, {}), [])


def test_facts_say_how_many_from_when_to_when_and_of_which_level(tmp_path):
    """Times are in UTC with six digits, cut off."""
    day = [
        doc(1, "2026-11-23T01:00:00.1234569Z", **{"log.level": "info"}),
        doc(2, "2026-11-23T23:30:00+02:00", **{"log.level": "info"}),
        doc(3, "2026-11-23T10:00:00Z", **{"log.level": ["error", "info"]}),
        doc(4, None),
        doc(5, "yesterday"),
        doc(6, "infinity"),
    ]
    expected = Facts(6, "2026-11-23T01:00:00.123456Z", "2026-11-23T21:30:00.000000Z", content(day), {"info": 2, "*": 1})

    assert whole(tmp_path, day).source == expected
    assert whole(tmp_path, day).written[0].facts == expected


def test_records_lie_the_other_way_round_than_search_answers(tmp_path):
    """By time, then `event.id`; those without come first."""
    early, late = "2026-11-23T01:00:00Z", "2026-11-23T22:00:00Z"
    nameless = orjson.dumps({"@timestamp": late})
    day = [doc(2, late), doc(1, late), doc(9, None), doc(5, early), nameless]

    assert docs_of(whole(tmp_path, day).written[0].path) == [
        doc(9, None),
        doc(5, early),
        nameless,
        doc(1, late),
        doc(2, late),
    ]


def test_every_dataset_gets_a_file_of_its_own(tmp_path):
    """The largest first; records without one are a dataset as well."""
    day = [doc(1, **{"event.dataset": "b"}), doc(2, **{"event.dataset": "a"}), doc(3, **{"event.dataset": "a"}), doc(4)]
    export = whole(tmp_path, day)

    assert [(each.dataset, each.facts.rows) for each in export.written] == [("a", 2), ("", 1), ("b", 1)]
    assert joined(each.facts.content for each in export.written) == export.source.content


def test_datasets_that_are_too_many_go_together(tmp_path):
    """But for those that have a rule of their own."""
    day = [doc(number, **{"event.dataset": f"d{number:03d}"}) for number in range(MOST_DATASETS + 3)]
    export = whole(tmp_path, day, apart=["d102"])

    assert [each.dataset for each in export.written[-3:]] == ["d099", "d102", OTHER]
    assert (export.written[-1].facts.rows, len(export.written)) == (2, MOST_DATASETS + 2)


def test_a_dataset_with_the_name_of_the_rest_is_the_rest(tmp_path):
    """Two files never have the same key."""
    export = whole(tmp_path, [doc(1, **{"event.dataset": OTHER}), doc(2)])

    assert [(each.dataset, each.facts.rows) for each in export.written] == [("", 1), (OTHER, 1)]


def test_typed_columns_are_those_of_the_hot_store(tmp_path):
    """A value that does not fit leaves its column empty."""
    day = [doc(1, **{"log.level": "info", "duration_ms": 1.5}), doc(2, **{"duration_ms": "long"})]
    path = whole(tmp_path, day).written[0].path

    assert column(path, '"log.level"') == ["info", None]
    assert column(path, '"duration_ms"') == [1.5, None]


@pytest.fixture
def old(tmp_path):
    """A file of an older version, which knew nothing of users."""
    found, target = sealed(tmp_path, *USERS), tmp_path / "old.parquet"
    with open_duckdb(tmp_path / "x") as connection:
        lacking = f'SELECT * EXCLUDE ("user.id", user_id) FROM read_parquet({text(found)})'
        connection.execute(f"COPY ({lacking}) TO {text(target)} (FORMAT parquet)")
    return target


USERS = [doc(1, user_id="alice"), doc(2, **{"user": {"id": "bob"}}), *ODD]


def test_a_segment_of_an_older_version_gets_the_columns_that_it_lacks(tmp_path, old):
    """Out of its documents: in the archive nobody could tell them from empty ones any more."""
    export = exported(tmp_path, old)
    wanted = ("user_id", '"user.id"', "doc")
    before = [column(sealed(tmp_path, *USERS), name) for name in wanted]
    after = [column(export.written[0].path, name) for name in wanted]

    assert sorted(zip(*after, strict=True), key=str) == sorted(zip(*before, strict=True), key=str)
    assert export.source.content == content(USERS)


def test_erasing_finds_by_a_column_that_the_file_lacks(tmp_path, old, exporter):
    """Else the records of a subject would stay, and the proof of absence would be none."""
    target = tmp_path / "new.parquet"
    kept, taken = exporter.rewrite(old, target, "user_id:alice OR user.id:bob", "", "")

    assert (kept.rows, taken.content) == (len(ODD), content(USERS[:2]))
    assert column(target, "user_id") == [None] * len(ODD)


@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from(["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000001Z", "infinity"])
            | st.datetimes().map(lambda when: when.isoformat() + "Z"),
            st.none() | st.integers(0, 9),
            st.sampled_from(["", "a", "b"]),
            st.text(max_size=30),
        ),
        max_size=12,
    ),
    st.integers(1, 5),
    st.integers(1, 600),
)  # fmt: skip
def test_whatever_slices_it_is_cut_into_a_day_is_whole_and_in_order(tmp_path, monkeypatch, day, rows, size):
    """Many records of one second, one microsecond, without time or id, and documents larger than a slice."""
    monkeypatch.setattr(slices, "ROWS", rows)
    monkeypatch.setattr(slices, "BYTES", size)
    docs = [
        orjson.dumps(
            {
                key: value
                for key, value in (
                    ("@timestamp", time),
                    ("event.id", number),
                    ("event.dataset", name),
                    ("message", said),
                )
                if value is not None
            }
        )
        for time, number, name, said in day
    ]
    export = whole(tmp_path, docs)

    assert sorted(each for one in export.written for each in docs_of(one.path)) == sorted(docs)
    assert export.source.content == content(docs) == joined(each.facts.content for each in export.written)
    for each in export.written:
        order = 'ORDER BY "@timestamp" NULLS FIRST, "event.id" NULLS FIRST'
        in_order = column(each.path, '("@timestamp"::VARCHAR, "event.id")::VARCHAR')
        assert in_order == column(each.path, f'unnest(list(("@timestamp"::VARCHAR, "event.id")::VARCHAR {order}))')


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(),
    st.sampled_from(["", "Z", "+02:00", "-11:30"]),
    st.integers(0, 9),
    st.text("0123456789", min_size=9, max_size=9),
)
def test_times_mean_the_same_to_duckdb_and_to_python(when, zone, digits, fraction):
    """Whatever the precision and the offset; both cut off."""
    from shipper.store.read import open_duckdb

    text = when.replace(microsecond=0).isoformat() + (f".{fraction[:digits]}" if digits else "") + zone
    with open_duckdb(Path("/nonexistent/x"), threads=1) as connection:
        query = "SELECT strftime(TRY_CAST(? AS TIMESTAMPTZ)::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%fZ')"
        found = connection.execute(query, [text]).fetchone()[0]
    assert canonical(text) in (found, "") if when.year in (1, 9999) else canonical(text) == found


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+10:00"])
def test_what_is_no_time_is_empty(text):
    """And raises nothing."""
    assert canonical(text) == ""


# ── through the child ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def exporter():
    """The real child process."""
    with closing(Exporter()) as found:
        yield found


def test_the_child_exports_into_the_folder(tmp_path, exporter):
    """Files that nobody else can read, and nothing beside them."""
    out = tmp_path / "out"
    out.mkdir()
    export = exporter.export([ndjson(tmp_path / "a.ndjson", [doc(1), doc(2)])], out)

    assert [each.path for each in export.written] == list(out.iterdir()) == [out / "000.parquet"]
    assert stat.S_IMODE(os.stat(out / "000.parquet").st_mode) == 0o600
    assert exporter.facts(out / "000.parquet") == export.source == Facts(*export.written[0].facts)


def test_one_child_does_one_job_after_another(tmp_path, exporter):
    """Also after one that failed."""
    file = whole(tmp_path, [doc(1)]).written[0].path
    exporter.facts(file)
    first = exporter._child.process
    with pytest.raises(ShipperError):
        exporter.facts(tmp_path / "missing.parquet")
    exporter.facts(file)

    assert exporter._child.process is first


def test_a_child_that_is_killed_leaves_nothing(tmp_path, exporter):
    """The next job starts another."""
    out = tmp_path / "out"
    out.mkdir()
    file = ndjson(tmp_path / "a.ndjson", [doc(1)])
    exporter.export([file], out)[1][0].path.unlink()
    exporter._child.process.kill()
    with pytest.raises(ShipperError, match="killed by signal 9"):
        exporter.export([file], out)

    assert list(out.iterdir()) == []
    assert exporter.export([file], out).source.rows == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path, exporter):
    """On one line, and nothing is left in the folder."""
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(ShipperError) as caught:
        exporter.export([tmp_path / "broken.parquet"], out)

    assert "broken.parquet" in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{out}: not exported (")
    assert list(out.iterdir()) == []


def test_a_folder_without_room_is_named(tmp_path, exporter):
    """Or without the right to write."""
    with pytest.raises(ShipperError, match="No such file or directory"):
        exporter.export([], tmp_path / "none")


@pytest.mark.parametrize("spot", [0.1, 0.5, 0.9])
def test_a_damaged_file_is_told(tmp_path, exporter, spot):
    """By an error, or by other facts than it was written with."""
    written = whole(tmp_path, [doc(number, message=f"m{number}" * 20) for number in range(500)]).written[0]
    start, size = place_of_documents(written.path)
    raw = bytearray(written.path.read_bytes())
    raw[int(start + spot * size)] ^= 0x55
    written.path.write_bytes(raw)
    try:
        assert exporter.facts(written.path) != written.facts
    except ShipperError as error:
        assert str(error).startswith(f"{written.path}: ") and "\n" not in str(error)


def test_a_file_that_breaks_off_is_told(tmp_path, exporter):
    """Its footer is missing."""
    path = whole(tmp_path, [doc(1)]).written[0].path
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ShipperError, match="cannot be read as Parquet"):
        exporter.facts(path)


# ── taking records out ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rewritten_file_lacks_what_the_query_finds(tmp_path, exporter):
    """Both halves are told, and make up the whole."""
    alice, bob = doc(1, user_id="alice"), doc(2, user_id="bob")
    before = whole(tmp_path, [alice, bob, alice]).written[0]
    target = tmp_path / "new.parquet"
    kept, taken = exporter.rewrite(before.path, target, "user_id:alice", "", "")

    assert (docs_of(target), kept.content, taken.content) == ([bob], content([bob]), content([alice, alice]))
    assert (kept.rows, taken.rows, joined([kept.content, taken.content])) == (1, 2, before.facts.content)
    assert exporter.facts(target) == kept


def test_a_rewrite_can_be_bounded_in_time(tmp_path, exporter):
    """`since` is included, `until` is not; a record without a time lies in no time."""
    hours = [doc(hour, f"2026-11-23T{hour:02d}:00:00Z") for hour in (1, 2, 3)]
    before = whole(tmp_path, [*hours, doc(9, None)]).written[0].path
    _, taken = exporter.rewrite(before, tmp_path / "n", "*", "2026-11-23T02:00:00Z", "2026-11-23T04:00:00+01:00")

    assert (taken.rows, docs_of(tmp_path / "n")) == (1, [doc(9, None), hours[0], hours[2]])


def test_what_a_query_leaves_of_nothing_is_a_file_without_rows(tmp_path, exporter):
    """With all its columns."""
    before = whole(tmp_path, [doc(1)]).written[0].path
    kept, taken = exporter.rewrite(before, tmp_path / "n", "*", "", "")

    assert (kept.rows, taken.rows, column(tmp_path / "n", '"user.id"')) == (0, 1, [])


def test_a_rewrite_of_a_wrong_query_changes_nothing(tmp_path, exporter):
    """The reason is the parser's."""
    before = whole(tmp_path, [doc(1)]).written[0].path
    with pytest.raises(ShipperError, match="not rewritten"):
        exporter.rewrite(before, tmp_path / "n", "user:(", "", "")

    assert not (tmp_path / "n").exists() and before.exists()


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_documents_of_several_mebibytes_are_exported(tmp_path, exporter):
    """Among small ones, and with little memory."""
    out = tmp_path / "out"
    out.mkdir()
    large = [doc(number, message="x" * (7 << 20)) for number in range(0, 12, 2)]
    day = sorted([*large, *(doc(number) for number in range(1, 12, 2))])
    export = exporter.export([ndjson(tmp_path / "a.ndjson", day)], out)

    assert export.source == export.written[0].facts
    assert export.source.content == content(day)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 3 MiB, which takes root to be made."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_left_as_it_was(tmp_path, exporter, small_disk):
    """Nothing half-written takes the room that others need."""
    chance = random.Random(1)
    day = [doc(number, message=chance.randbytes(500).hex()) for number in range(8000)]
    with pytest.raises(ShipperError) as caught:
        exporter.export([ndjson(tmp_path / "a.ndjson", day)], small_disk)

    assert "No space left on device" in str(caught.value) and "\n" not in str(caught.value)
    assert list(small_disk.iterdir()) == []


def test_memory_stays_bounded_with_long_documents(tmp_path, exporter):
    """Far more of them than fit, in any order of time."""
    chance = random.Random(1)
    out = tmp_path / "out"
    out.mkdir()
    times = [f"2026-11-23T{chance.randrange(24):02d}:00:00Z" for _ in range(400)]
    day = [doc(number, time, message=chance.randbytes(50_000).hex()) for number, time in enumerate(times)]
    exporter.export([ndjson(tmp_path / "a.ndjson", day)], out)
    status = Path(f"/proc/{exporter._child.process.pid}/status").read_text()

    assert int(status.partition("VmHWM:")[2].split()[0]) < 300 * 1024
