"""Erasing a subject from every tier: what goes, what stays, and that being cut off anywhere costs nothing."""

import shutil
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from shipper.archive.manifest import Manifest
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.objects.folder import FolderStore
from shipper.state import State
from shipper.store.layout import listed
from shipper.tier.audit import pending_acts
from shipper.tier.erase_archive import ArchivedRecords
from tests.campaign.forms import rounds
from tests.tier.days import at, day
from tests.tier.erased import ALICE, DAYS, NOW, Folder, Killed, in_this_process, kill_at, lines_of

BOB = "user_id:bob"
ALL = 3 * len(DAYS)
"""Records of alice's, and of bob's."""
STRIDE = rounds(47, 1)
PART = f"warm/backend/{day(20)}.parquet"
UNTIL = NOW + 5 * 86_400


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        folder = Folder(tmp_path_factory.mktemp("filled") / "data", at(0))
        folder.fill()
        return folder


@pytest.fixture
def folder(filled, tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    shutil.copytree(filled.data, tmp_path / "data")
    return Folder(tmp_path / "data")


def places(rows):
    """Rows of each dataset in all tiers that have a day, copies in grace too."""
    where = [("cold", 10), ("warm, in grace", 10), ("warm", 20), ("warm", 33), ("hot", 33), ("hot", 40)]
    return {(tier, dataset, day(number)): n for tier, number in where for dataset, n in rows.items()}


def test_looking_tells_what_lies_where(folder):
    """Copies in grace are named too."""
    assert lines_of(folder.look()) == places({"backend": 2, "chat": 1})


def test_all_of_the_subject_goes_and_nothing_else(folder):
    """The archive is whole afterwards, and search finds what it found of others."""
    report = folder.erase()
    assert lines_of(report.erased) == places({"backend": 2, "chat": 1})
    assert (report.refused, report.proof.is_absent, report.is_whole) == ([], True, True)
    assert (folder.found(ALICE), folder.found(BOB), folder.problems()) == (0, ALL, [])


def test_a_part_gets_a_new_key_and_its_manifest_a_revision(folder):
    """What was there is gone; the copy in grace is dropped."""
    folder.erase()
    archived = folder.archived()
    one: Manifest = archived["cold", "backend", day(10)]
    assert ([part.key for part in one.parts], one.revision) == ([f"cold/backend/{day(10)}.r1.parquet"], 2)
    assert ("warm", "backend", day(10)) not in archived
    assert not (folder.data / "archive" / "cold" / "backend" / f"{day(10)}.parquet").exists()


def test_a_day_of_which_nothing_is_left_is_retired(folder):
    """There is no empty part."""
    folder.erase("event.dataset:chat")
    assert {dataset for _, dataset, _ in folder.archived()} == {"backend"}
    assert (folder.found("event.dataset:chat"), folder.problems()) == (0, [])


def test_moves_go_on_after_an_erasure(folder):
    """The hot copy in grace is deleted when its time is over, the warm days get cold and then are gone."""
    folder.erase()
    folder.move(at(42))
    assert not list((folder.data / "hot" / day(33)).glob("*.parquet"))
    for morning in (51, 52, 64, 65, 80):
        folder.move(at(morning))
    assert {tier for tier, _, _ in folder.archived()} == {"cold", "warm"}
    assert (folder.found(ALICE), folder.found(BOB), folder.problems()) == (0, ALL, [])
    for morning in (420, 421):
        folder.move(at(morning))
    assert (folder.archived(), folder.problems()) == ({}, [])


def test_what_is_on_hold_stays_whole(folder):
    """In the hot store another dataset of the same day goes all the same."""
    folder.hold("user_id:bob AND event.dataset:chat", since=at(33, 0), until=at(34, 0))
    report = folder.erase()
    assert {line[:4] for line in report.refused} == {("hot", "chat", day(33), 1), ("warm", "chat", day(33), 1)}
    assert {line.refused for line in report.refused} == {"on hold 1 (case 7)"}
    assert (folder.found(ALICE), folder.found(BOB), report.is_whole) == (1, ALL, False)
    assert (report.proof.is_absent, report.proof.is_as_told) == (False, True)
    folder.release(1)
    assert (folder.erase().is_whole, folder.found(ALICE)) == (True, 0)


def test_what_failed_is_no_record_that_had_to_stay(folder, monkeypatch):
    """The certificate says that the subject is not absent, and how many of the found are on hold: each counts once,
    though a copy in grace has it too."""
    folder.hold("user_id:bob AND event.dataset:chat", since=at(33, 0), until=at(34, 0))
    erase = ArchivedRecords.erase

    def fails(self, one, *given):
        if one.tier == "cold":
            raise ShipperError("the disk is full")
        return erase(self, one, *given)

    monkeypatch.setattr(ArchivedRecords, "erase", fails)
    proof = folder.erase().proof
    assert (proof.found, proof.refused, proof.is_as_told) == (3 + 1, 1, False)


def test_what_is_refused_is_audited_too(folder):
    """Without the subject."""
    folder.hold(BOB, since=at(33, 0), until=at(34, 0))
    folder.erase(reason="alice asked")
    with folder.state() as state:
        acts = [act for _, act in pending_acts(state, 100) if act["event.action"].startswith("erase")]
    assert [act["event.action"] for act in acts] == ["erased", "erase-refused"]
    assert acts[1]["erase.refused"] == [
        f"hot backend {day(33)}",
        f"hot chat {day(33)}",
        f"warm backend {day(33)}",
        f"warm chat {day(33)}",
    ]
    assert b"alice" not in orjson.dumps(acts)


def test_a_second_erasure_finds_nothing(folder):
    """And says so in a certificate of its own."""
    first, second = folder.erase(), folder.erase()
    assert (second.erased, second.is_whole, first.path != second.path) == ([], True, True)


def test_an_archive_that_is_away_is_named_and_the_rest_is_erased(folder):
    """Run again when it is back, it does what is left."""
    (folder.data / "archive").rename(folder.data / "away")
    report = folder.erase()
    assert {line.where for line in report.refused} == {"cold", "warm", "warm, in grace"}
    assert not report.is_whole
    shutil.rmtree(folder.data / "archive", ignore_errors=True)
    (folder.data / "away").rename(folder.data / "archive")
    assert (folder.erase().is_whole, folder.found(ALICE), folder.problems()) == (True, 0, [])


@pytest.fixture
def says(monkeypatch):
    """What the store says of the part from now on."""
    head = FolderStore.head
    said = {}

    def told(self, key):
        found = head(self, key)
        return found._replace(**said) if found is not None and key == PART else found

    monkeypatch.setattr(FolderStore, "head", told)
    return said


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"locked_until": UNTIL}, f"locked until {iso(UNTIL)}; run the same erase again then"),
        ({"legal_hold": True}, "under a legal hold; release it, then run the same erase again"),
        ({"readable": False}, "which can't be read at once; first: shipper tier restore --since"),
        ({"readable": False, "restoring": True}, "run the same erase again when it can be read"),
    ],
)
def test_a_part_that_its_store_keeps_is_named_and_left_as_it_is(folder, says, told, why):
    """All else of the subject goes; the same erasure does the rest when it may."""
    before = (folder.data / "archive" / PART).read_bytes()
    says |= told
    report = folder.erase()
    (refused,) = report.refused
    assert (refused[:3], why in refused.refused) == (("warm", "backend", day(20)), True)
    assert ("warm", "backend", day(20)) not in lines_of(report.erased)
    assert (report.is_whole, folder.found(ALICE), (folder.data / "archive" / PART).read_bytes()) == (False, 2, before)

    says.clear()
    assert (folder.erase().is_whole, folder.found(ALICE), folder.problems()) == (True, 0, [])


def test_a_lock_that_is_over_keeps_nothing(folder, says):
    """Its time stays written on the object."""
    says |= {"locked_until": NOW - 1}
    assert (folder.erase().is_whole, folder.found(ALICE)) == (True, 0)


def test_a_file_that_was_replaced_and_not_removed_is_removed_by_the_next_one(folder, monkeypatch):
    """Killed between the commit and the removal: no list names it, and the subject stands in it."""
    real = Path.unlink

    def killed(path, missing_ok=False):
        if path.suffix == ".parquet" and "hot" in path.parts:
            raise Killed
        real(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(Killed):
            folder.erase()
    with closing(State(folder.data / "state.db")) as state:
        before, listed_before = set(folder.data.glob("hot/*/*")), {one.path(folder.data) for one in listed(state)}
    assert len(before - listed_before) == 1
    assert folder.erase().is_whole
    assert not (before - listed_before) & set(folder.data.glob("hot/*/*"))


@pytest.mark.timeout(3600)
def test_cut_off_at_any_boundary_it_is_done_by_the_next_one(folder, tmp_path, monkeypatch):
    """Of all boundaries some (the campaign takes all): the subject is gone, nobody else lost anything, the archive is
    whole, and nothing is counted twice."""
    number, ended, expected = 1, False, places({"backend": 2, "chat": 1})
    while not ended:
        data = tmp_path / f"killed-{number}" / "data"
        shutil.copytree(folder.data, data)
        one = Folder(data)
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            try:
                one.erase()
                ended = True
            except Killed:
                pass
        if not ended:
            report = one.erase()
            counted = lines_of(report.erased).items()
            assert (number, report.is_whole, counted <= expected.items()) == (number, True, True)
        assert (number, one.found(ALICE), one.found(BOB), one.problems()) == (number, 0, ALL, [])
        assert not list(data.glob("erasing*"))
        shutil.rmtree(data.parent)
        number += STRIDE
