"""Every way in which an archive can be tampered with, or decay, is named with its key."""

from pathlib import Path

import orjson
import pytest

from shipper.archive import ledger
from shipper.archive.manifest import ERASED, digest, manifest_from, to_bytes
from shipper.archive.names import receipt_key
from shipper.tier.verify import Verifier, Wanted
from tests.faults.objects import flipped
from tests.tier.slow_objects import SlowFolder
from tests.tier.world import Killed, World, at, day

PART = f"warm/backend/{day(0)}.parquet"
MANIFEST = f"warm/backend/{day(0)}.manifest.json"


@pytest.fixture
def world(tmp_path):
    """Two days in warm, two datasets each, the hot copies gone."""
    made = World(tmp_path, now=at(8))
    for number in (0, 1):
        made.store(day(number), 1, 2, 3)
        made.store(day(number), 4, dataset="audit")
    for _ in made.on(8, 9, 10):
        pass
    return made


def verify(world, **wanted):
    scratch = world.data / "verify"
    scratch.mkdir(exist_ok=True)
    verifier = Verifier(
        world.objects, "archive", world.state, clock=world.clock, exporter=world.exporter, scratch=scratch
    )
    return verifier.run(Wanted(**wanted))


def problems(world, **wanted):
    return {problem.key: problem.what for problem in verify(world, **wanted).problems}


def path(world, key):
    return Path(world.objects.where) / key


def change(world, key, edit):
    path(world, key).write_bytes(edit(path(world, key).read_bytes()))


def test_an_archive_that_nobody_touched_is_whole(world):
    found = verify(world)
    assert (found.problems, found.receipts, found.days, found.rows) == ([], 4, 4, 8)


def test_a_whole_life_verifies_every_time(tmp_path):
    world = World(tmp_path, now=at(8))
    world.store(day(0), 1)
    for number, _ in world.on(8, 9, 31, 32, 366):
        if number == 9:
            world.store(day(0), 2)
        assert problems(world) == {}


def test_a_removed_part_is_named(world):
    path(world, PART).unlink()
    assert problems(world) == {PART: "removed"}


@pytest.mark.parametrize("quick", [True, False])
def test_a_flipped_byte_is_named(world, quick):
    change(world, PART, lambda raw: raw[:9] + bytes([raw[9] ^ 1]) + raw[10:])
    assert [*problems(world, quick=quick)] == [PART]


def test_bytes_that_read_differently_than_the_store_says_are_named(world):
    """A checksum that the store keeps beside an object says nothing of what comes back."""
    head, kept = world.objects.head, world.objects.head(PART)
    world.objects.head = lambda key: kept if key == PART else head(key)
    change(world, PART, lambda raw: raw[:9] + bytes([raw[9] ^ 1]) + raw[10:])
    assert (problems(world, quick=True), [*problems(world)]) == ({}, [PART])


def test_a_byte_that_flipped_in_a_bucket_is_named_with_all_else_that_is_wrong(bucket, tmp_path):
    """Its metadata says what it said, so only who reads it sees it, and the store itself refuses to hand it on."""
    world = World(tmp_path, lambda _: bucket.store(), now=at(8))
    world.store(day(0), 1)
    world.store(day(0), 2, dataset="audit")
    world.run()
    there = {"Bucket": bucket.name, "Key": f"archive/{PART}"}
    metadata = bucket.client.head_object(**there)["Metadata"]
    bucket.client.put_object(**there, Body=flipped(world.objects.get(PART)), Metadata=metadata)
    other = f"warm/audit/{day(0)}.parquet"
    world.objects.delete(other)
    assert problems(world) == {other: "removed", PART: "changed: it reads otherwise than it was stored"}


def test_a_shorter_part_is_named(world):
    change(world, PART, lambda raw: raw[:-1])
    assert "bytes" in problems(world)[PART]


def test_an_additional_object_is_named(world):
    world.objects.put(f"warm/backend/{day(5)}.parquet", b"x")
    assert problems(world) == {f"warm/backend/{day(5)}.parquet": "additional: no receipt is of it"}


def test_a_removed_manifest_is_named(world):
    path(world, MANIFEST).unlink()
    assert problems(world) == {MANIFEST: "removed"}


def test_a_manifest_without_one_of_its_parts_is_named(world):
    def without_parts(raw):
        return orjson.dumps({**orjson.loads(raw), "parts": []})

    change(world, MANIFEST, without_parts)
    assert PART in problems(world)[MANIFEST]


def test_a_removed_receipt_is_named(world):
    path(world, receipt_key(2)).unlink()
    assert problems(world)[receipt_key(2)] == "removed"


def test_the_last_receipt_is_missed_too(world):
    path(world, receipt_key(4)).unlink()
    assert problems(world)[receipt_key(4)] == "removed"


def test_a_changed_receipt_breaks_the_chain(world):
    change(world, receipt_key(2), lambda raw: raw.replace(b'"note": "', b'"note": "not '))
    assert problems(world) == {receipt_key(3): "changed: it does not follow the receipt before it"}


def test_a_last_receipt_that_was_changed_is_not_the_one_of_the_ledger(world):
    change(world, receipt_key(4), lambda raw: raw.replace(b'"note": "', b'"note": "not '))
    assert problems(world) == {receipt_key(4): "changed: state.db has another one"}


def test_what_is_no_receipt_is_named(world):
    change(world, receipt_key(3), lambda _: b"garbage")
    assert problems(world)[receipt_key(3)] == "changed: it is no receipt any more"


def test_a_receipt_that_nobody_knows_is_named(world):
    world.objects.put(receipt_key(5), b"{}")
    assert receipt_key(5) in problems(world)


def test_a_receipt_far_behind_the_others_is_named_with_what_is_missing_before_it(world):
    """Whoever puts one there makes nobody look for millions."""
    world.objects.put(receipt_key(99_999_999), b"{}")
    assert {
        receipt_key(5): f"removed, 99999994 in all before {receipt_key(99_999_999)}",
        receipt_key(99_999_999): "additional: state.db knows nothing of it",
    }.items() <= problems(world).items()


def test_a_chain_that_was_rewritten_as_a_whole_is_not_the_one_of_the_ledger(world):
    """Somebody removes a day and makes receipts that fit."""
    previous = ""
    for number in range(1, 5):
        receipt = {**orjson.loads(world.objects.get(receipt_key(number))), "previous": previous, "note": "mine"}
        raw = orjson.dumps(receipt)
        previous = digest(raw)
        world.objects.put(receipt_key(number), raw)
    assert problems(world) == {receipt_key(4): "changed: state.db has another one"}


def test_a_day_that_the_ledger_lacks_is_named(world):
    one = next(one for one in ledger.archived(world.state) if one.dataset == "audit")
    world.state.run(ledger.drop_archived(one))
    assert "not searched" in problems(world)[f"warm/audit/{day(0)}.manifest.json"]


def test_an_erased_part_passes_by_its_receipt(world):
    """What replaced it is what the newest receipt names."""
    archive = world.archive()
    one = archive.find("warm", "backend", day(0))
    old = one.manifest.parts[0]
    local = world.data / "anew"
    local.write_bytes(b"".join(line + b"\n" for line in world.objects.get(old.key).splitlines()[1:]))
    (world.data / "scratch").mkdir()
    part = archive.prove(f"warm/backend/{day(0)}.r1.parquet", local, world.exporter.facts(local))
    before = manifest_from(to_bytes(one.manifest), "")
    fields = ("tier", "dataset", "day", "source", "created")
    manifest = type(before)(**{name: getattr(before, name) for name in fields}, parts=(part,), revision=2)
    archive.publish(manifest, ERASED, "certificate 1")
    archive.discard(old.key)
    assert (problems(world), verify(world).rows) == ({}, 7)


def test_only_what_is_wanted_is_read(world):
    path(world, PART).unlink()
    assert (problems(world, first=day(1)), problems(world, tiers=("cold",)), verify(world, first=day(1)).rows) == (
        {},
        {},
        4,
    )


def test_a_part_that_needs_a_restore_is_looked_at_and_not_read(tmp_path):
    world = World(tmp_path, now=at(8))
    world.store(day(0), 1)
    world.run()
    slow = SlowFolder(tmp_path / "archive")
    world.objects = slow
    found = verify(world)
    assert (found.problems, found.unread) == ([], [PART])


def test_an_act_that_was_cut_short_is_no_problem(tmp_path):
    """At any boundary; the next mover ends it."""
    for boundary in range(1, 100):
        folder = tmp_path / str(boundary)
        folder.mkdir()
        world = World(folder, now=at(8))
        world.store(day(0), 1)
        for _ in world.on(8, 9):
            pass
        world.clock.advance(at(31) - world.clock.now())
        try:
            world.run(kill_at=boundary)
        except Killed:
            assert problems(world) == {}, world.passed
        else:
            break
    assert boundary > 8


def test_what_is_published_meanwhile_is_not_judged(world):
    """A mover that works beside it: the part vanishes because its day has gone to cold."""
    listed = world.objects.list

    def and_move(prefix=""):
        found = list(listed(prefix))
        if prefix == "receipts/" and world.clock.now() < at(30):
            for _ in world.on(31, 32, 33):
                pass
        return iter(found)

    world.objects.list = and_move
    assert problems(world) == {}
