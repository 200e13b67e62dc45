"""`shipper tier` as people use it: over a year, with the archive in a folder."""

from pathlib import Path

import pytest

from shipper.lock import hold
from shipper.state import State
from shipper.tiering import LAST
from tests.e2e.shipper import Shipper, line
from tests.services.supervisor import wait_for

TIERS = {"hot": "7d", "warm": "30d", "cold": "365d"}


@pytest.fixture
def shipper(tmp_path):
    """Two days are stored, the older one ten days before the other."""
    made = Shipper(tmp_path)
    made.write_pipeline(tiers=TIERS)
    made.log.write_bytes(b"".join(line(timestamp=f"2026-11-{10 + n % 2 * 10}T10:00:00Z", n=n) for n in range(100)))
    made.once()
    return made


def moved(shipper, now, code=0):
    """What `tier run` says of each move."""
    said = shipper("tier", "run", shipper.pipeline, "--now", now, "--format", "json", code=code)
    return [(each["kind"], each["day"], each["to"], each["step"]) for each in said.objects]


def parts(shipper):
    return sorted(path.relative_to(shipper.data / "archive") for path in shipper.data.glob("archive/*/*/*.parquet"))


def test_a_day_goes_through_all_tiers_and_is_found_in_each(shipper):
    steps = [
        moved(shipper, now)
        for now in ("2026-11-21T03:00:00Z", "2026-11-22T04:00:00Z", "2026-12-11T03:00:00Z", "2026-12-12T04:00:00Z")
    ]
    assert steps == [
        [("archive", "2026.11.10", "warm", "marked")],
        [("archive", "2026.11.10", "warm", "deleted")],
        [("copy", "2026.11.10", "cold", "marked"), ("archive", "2026.11.20", "warm", "marked")],
        [("copy", "2026.11.10", "cold", "deleted"), ("archive", "2026.11.20", "warm", "deleted")],
    ]
    assert list(map(str, parts(shipper))) == ["cold/backend/2026.11.10.parquet", "warm/backend/2026.11.20.parquet"]
    assert (shipper.numbers(), shipper("tier", "verify", shipper.pipeline).code) == (list(range(100)), 0)


def test_status_says_what_is_where(shipper):
    moved(shipper, "2026-11-21T03:00:00Z")
    [found] = shipper("tier", "status", shipper.pipeline, "--format", "json").objects
    rows = {each["tier"]: each["rows"] for each in found["tiers"]}
    table = shipper("tier", "status", shipper.pipeline).out.decode()
    assert (found["hot_days"], "2026.11.20  2026.11.20" in table) == (["2026.11.20"] * 2, True)
    assert (rows, found["places"][0]["receipts"], [each["step"] for each in found["moves"]]) == (
        {"hot": 50, "warm": 50, "cold": 0},
        1,
        ["marked"],
    )
    assert ("in grace" in table, "2026.11.10" in table) == (True, True)
    [short] = shipper("status", "--format", "json").objects
    assert (short["tiers"]["archived"]["warm"]["rows"], short["tiers"]["failed"]) == (50, [])


def test_verify_names_what_was_touched(shipper):
    """With its place and key, and exit code 1."""
    moved(shipper, "2026-11-21T03:00:00Z")
    [part] = parts(shipper)
    path = Path(shipper.data / "archive" / part)
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    said = shipper("tier", "verify", shipper.pipeline, code=1).out.decode()
    [found] = shipper("tier", "verify", shipper.pipeline, "--quick", "--format", "json", code=1).objects
    assert (f"archive/{part}: changed" in said, [each["key"] for each in found["problems"]]) == (True, [str(part)])


def test_what_cannot_be_moved_stays_and_the_exit_code_says_so(shipper):
    """A file lies where the archive should. Searches answer, and say that too: whether it holds records is not known."""
    (shipper.data / "archive").write_text("")
    said = shipper("tier", "run", shipper.pipeline, "--now", "2026-11-21T03:00:00Z", code=1)
    found = shipper("search", "--count", code=1)

    assert "is no folder" in said.err + said.out.decode()
    assert ("is no folder" in found.err, found.out) == (True, b"100\n")


def test_only_one_moves_at_a_time(shipper):
    with hold(shipper.data, "move"):
        said = shipper("tier", "run", shipper.pipeline, code=2)
    assert "in use by" in said.err


def test_a_pipeline_without_tiers_says_what_to_write(shipper):
    del shipper.configuration["tiers"]
    shipper.write_pipeline()
    assert "has no `tiers`" in shipper("tier", "run", shipper.pipeline, code=2).err


def test_a_wrong_time_is_said(shipper):
    assert "--since: 'x' is not a time" in shipper("tier", "verify", shipper.pipeline, "--since", "x", code=2).err


def test_a_run_moves_what_was_missed_while_it_was_down(shipper):
    """Beside reading on, and ends in time all the same. 2026.11.10 has left the hot store long ago by any clock."""
    state = State(shipper.data / "state.db")
    state.set_meta(LAST, "1.0")
    state.close()
    shipper.log.write_bytes(shipper.log.read_bytes() + line(timestamp="2026-11-23T10:00:00Z", n=100))
    with shipper.following() as run:
        wait_for(lambda: parts(shipper) != [])
        wait_for(lambda: shipper.count() == 101)
        said = run.end()
    assert (said.code, shipper.numbers()) == (0, list(range(101)))
