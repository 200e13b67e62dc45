"""Sealing: the same documents byte for byte, typed columns beside them, and nothing lost when it fails."""

import os
import subprocess
import sys
from contextlib import closing

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.clock import ManualClock
from shipper.store import seal as sealing
from shipper.store.columns import COLUMNS, text
from shipper.store.layout import listed
from shipper.store.read import open_duckdb
from shipper.store.seal import SealError, Sealing, write_parquet
from shipper.store.sealer import Sealer, publish
from tests.store.store import NOON, ODD, Store, ask, row, seal_here, sealed, stored


def docs(target):
    return [each[0].encode() for each in ask(f"SELECT doc FROM read_parquet({text(target)})", target)]


def test_odd_documents_come_back_byte_for_byte(tmp_path):
    """Whatever DuckDB thinks of them as JSON."""
    assert docs(sealed(tmp_path, *ODD)) == ODD


def test_rows_of_several_mebibytes_are_sealed(tmp_path):
    """Between small ones, in order, also when the first memory limit is too low for them."""
    rows = [row(1), b'{"message":"' + b"x" * (5 << 20) + b'"}', row(2), b'{"a":"' + b"y" * (17 << 20) + b'"}', row(3)]

    assert docs(sealed(tmp_path, *rows)) == rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*list(COLUMNS)[:6], "log", "seq", "x'y\"z"]),
            st.recursive(
                st.none()
                | st.booleans()
                | st.floats(allow_nan=False)
                | st.integers(-(2**63), 2**63)
                | st.text(max_size=8),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
                max_leaves=4,
            ),
            max_size=5,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_json_comes_back_byte_for_byte(tmp_path, found):
    """And no value of any type makes sealing fail."""
    rows = [orjson.dumps(doc) for doc in found]

    assert docs(sealed(tmp_path, *rows)) == rows


def test_the_child_process_seals(tmp_path):
    """For real, from the committed bytes to the sealed file."""
    store = Store(tmp_path, seal_rows=2)
    store.commit(*ODD)
    Sealer(store.segments).seal_due()

    assert store.files() == ["hot/2025.11.23/000001.parquet"]
    assert stored(tmp_path) == sorted(ODD)
    assert listed(store.state)[0].bytes == (tmp_path / "hot/2025.11.23/000001.parquet").stat().st_size


def test_the_child_says_in_one_line_why_it_failed(tmp_path):
    """The segment stays as it is."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))
    segment = listed(store.state)[0]._replace(rows=7)

    with closing(Sealing()) as seal, pytest.raises(SealError) as caught:
        seal(segment, tmp_path, tmp_path / "target")
    assert "1 rows and 10 bytes read back, expected 7 and 10" in str(caught.value)
    assert str(caught.value).endswith("it stays as it is and is searched all the same")


def test_one_child_seals_one_segment_after_another(tmp_path):
    """Also after one that it could not; a child that died is followed by another."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))
    segment, target = listed(store.state)[0], tmp_path / "target"
    with closing(Sealing()) as seal:
        seal(segment, tmp_path, target)
        first = seal.child.process
        seal(segment, tmp_path, target)
        second = seal.child.process
        second.kill()
        with pytest.raises(SealError, match="exit code -9"):
            seal(segment, tmp_path, target)
        seal(segment, tmp_path, target)

        assert first is second is not seal.child.process
    assert docs(target) == [row(1)]


def test_the_child_goes_when_nothing_is_due(tmp_path):
    """It holds memory that others can use."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))
    sealer = Sealer(store.segments)

    assert [sealer._look(store.state) > 0, sealer._child.child.process is None] == [False, False]
    assert [sealer._look(store.state) > 0, sealer._child.child.process is None] == [True, True]


def test_the_child_ends_with_its_parent(tmp_path):
    """The other end of its stdin is closed, however the parent ended, also in the middle of a seal."""
    code = "import time; from shipper.store.child import _jobs; _jobs(); time.sleep(60)"
    ended = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, timeout=30, check=False)

    assert ended.returncode == 0


def test_bytes_that_are_not_committed_are_not_sealed(tmp_path):
    """The child checks the length that it was told."""
    (tmp_path / "lines").write_bytes(row(1) + b"\n" + row(2))

    with pytest.raises(SealError, match="19 bytes, but 10 are committed"):
        write_parquet(tmp_path / "lines", 10, 1, tmp_path / "sealed", tmp_path)


def test_a_seal_short_of_memory_is_tried_again_with_more(tmp_path, monkeypatch):
    """The first limits are made for ordinary rows."""
    monkeypatch.setattr(sealing, "MEMORY", ("1MB", "200MB"))

    assert docs(sealed(tmp_path, row(1))) == [row(1)]


def test_a_seal_that_never_has_enough_memory_fails(tmp_path, monkeypatch):
    """With DuckDB's reason."""
    monkeypatch.setattr(sealing, "MEMORY", ("1MB",))

    with pytest.raises(Exception, match="Out of Memory"):
        sealed(tmp_path, row(1))


def failing(segment, data, target):
    target.write_bytes(b"half")
    raise SealError("no luck")


def test_a_failed_seal_leaves_the_segment_to_be_sealed_later(tmp_path):
    """No temporary file stays, readers go on reading the lines."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))
    with pytest.raises(SealError, match="no luck"):
        Sealer(store.segments, run=failing).seal_due()

    assert (store.files(), stored(tmp_path)) == (["hot/2025.11.23/000001.ndjson"], [row(1)])
    assert Sealer(store.segments, run=seal_here).seal_due() == 1


def test_the_thread_says_what_failed_and_waits_longer(tmp_path, capsys):
    """It does not end: there may be room later."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))

    assert Sealer(store.segments, patience=60.0, run=failing)._look(store.state) == 60.0
    assert "no luck" in capsys.readouterr().err


def test_the_thread_goes_on_at_once_while_there_is_work(tmp_path):
    """And looks every few seconds when there is none."""
    store = Store(tmp_path, seal_rows=1)
    store.commit(row(1))
    sealer = Sealer(store.segments, every=5.0, run=seal_here)

    assert (sealer._look(store.state), sealer._look(store.state)) == (0.0, 5.0)


def test_stop_ends_the_thread_and_may_be_called_again(tmp_path):
    """Also before it was started."""
    store = Store(tmp_path)
    sealer = Sealer(store.segments, run=seal_here)
    sealer.stop()
    sealer = Sealer(store.segments, run=seal_here)
    sealer.start()
    sealer.stop()
    sealer.stop()

    assert sealer._thread is None


def test_the_list_changes_before_the_lines_go(tmp_path):
    """`publish` alone leaves both forms; the list names the sealed one."""
    store = Store(tmp_path, ManualClock(NOON), seal_rows=1)
    store.commit(row(1))
    publish(store.segments.close_next(store.state), tmp_path, store.state, seal_here)

    assert store.files() == ["hot/2025.11.23/000001.ndjson", "hot/2025.11.23/000001.parquet"]
    assert listed(store.state)[0].form == "parquet"


def test_spilling_stays_inside_the_data_folder(tmp_path, monkeypatch):
    """Nothing is written elsewhere, and nothing stays."""
    monkeypatch.chdir(tmp_path)
    with open_duckdb(tmp_path / "data" / "tmp" / "x", "30MB", threads=1) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(1500000)")
        spilled = os.listdir(tmp_path / "data" / "tmp" / "x")

    assert spilled
    assert not (tmp_path / "data" / "tmp" / "x").exists() and os.listdir(tmp_path) == ["data"]


def test_duckdb_is_not_loaded_by_the_writer():
    """It costs 25 MiB and 0.1 s; the child has it."""
    code = "import sys, shipper.sink.embedded; sys.exit('duckdb' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
