"""A part is proven or not there; an act is done all or not at all."""

from dataclasses import replace

import pytest

from shipper.archive import ledger
from shipper.archive.manifest import DROPPED, EXPIRED, PUBLISHED, Manifest, digest, receipt_from
from shipper.archive.names import manifest_key, next_part_key, receipt_key, revised_key
from shipper.errors import ShipperError
from shipper.model import StateChange
from shipper.objects.store import Locked
from shipper.tier.adopt import adopt
from shipper.tier.archive import Mismatch
from tests.faults.objects import Faulty
from tests.tier.world import Killed, World, day, record

DOCS = [record(number, day(0)) for number in (1, 2, 3)]
KEY = f"warm/backend/{day(0)}.parquet"


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    (tmp_path / "scratch").mkdir()
    made.objects = Faulty(made.objects)
    return made


def local(world, docs=DOCS):
    path = world.data / "local"
    path.write_bytes(b"".join(doc + b"\n" for doc in docs))
    return path


def prove(world, docs=DOCS, key=KEY, **how):
    path = local(world, docs)
    return world.archive().prove(key, path, world.exporter.facts(path), **how)


def manifest(world, *parts):
    return Manifest("warm", "backend", day(0), parts or (prove(world),), "embedded", "2026-01-01T00:00:00Z")


def puts(world, key=KEY):
    return world.objects.calls.count(("put", key))


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_is_what_was_read_back(world):
    part = prove(world)
    raw = world.objects.get(KEY)
    assert (part.key, part.rows, part.bytes, part.sha256) == (KEY, 3, len(raw), digest(raw))


@pytest.mark.parametrize("fault", ["flips", "short"])
def test_other_bytes_read_back_are_no_part(world, fault):
    getattr(world.objects, fault)(KEY)
    with pytest.raises(Mismatch, match="read back"):
        prove(world)


def test_other_records_read_back_are_no_part(world):
    """The bytes are those that were sent: they were wrong already."""
    path = local(world)
    with pytest.raises(Mismatch, match="rows 3 instead of 4"):
        world.archive().prove(KEY, path, world.exporter.facts(path)._replace(rows=4))


def test_what_a_killed_attempt_left_is_taken_when_it_holds_the_same(world):
    """Byte for byte it need not be: Parquet of the same records may be written otherwise."""
    prove(world, DOCS[::-1])
    before = world.objects.get(KEY)
    prove(world)
    assert (world.objects.get(KEY), puts(world)) == (before, 1)


def test_what_a_killed_attempt_left_gives_way_when_it_holds_other_records(world):
    prove(world, DOCS[:1])
    part = prove(world)
    assert (part.rows, world.objects.get(KEY).count(b"\n")) == (3, 3)


def test_a_part_that_is_published_gives_way_to_nobody(world):
    world.archive().publish(manifest(world), PUBLISHED, "")
    with pytest.raises(Mismatch, match="is a part of warm backend"):
        prove(world, DOCS[:1])


def test_where_something_is_locked_the_part_gets_the_next_key(world):
    prove(world, DOCS[:1])

    def refuse(_):
        raise Locked("locked")

    world.objects.at("delete", refuse)
    assert prove(world).key == revised_key(KEY)


def test_a_copy_of_another_size_is_none(world):
    part = prove(world)
    world.objects.says("cold/x", bytes=1)
    with pytest.raises(Mismatch, match="1 bytes after a copy"):
        world.archive().copy(KEY, "cold/x", part.bytes, part.sha256)


def test_keys_of_parts():
    keys = [next_part_key("warm", "a", "2026.01.01", [])]
    keys.append(next_part_key("warm", "a", "2026.01.01", keys))
    keys.append(revised_key(keys[-1]))
    keys.append(next_part_key("warm", "a", "2026.01.01", keys))
    assert [key.removeprefix("warm/a/2026.01.01") for key in keys] == [
        ".parquet",
        ".s1.parquet",
        ".s1.r1.parquet",
        ".s2.parquet",
    ]


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def noted(value):
    return StateChange("INSERT INTO meta VALUES (?, ?)", ("of the caller", value))


def test_a_day_is_published_with_its_receipt_and_what_the_caller_changes(world):
    receipt = world.archive().publish(manifest(world), PUBLISHED, "move 1", [noted("x")])
    raw = world.objects.get(receipt_key(1))
    assert receipt_from(raw, "") == receipt
    assert receipt.manifest == digest(world.objects.get(manifest_key("warm", "backend", day(0))))
    assert (ledger.chain(world.state, "archive"), world.state.meta("of the caller")) == ((1, digest(raw)), "x")


def test_each_receipt_holds_the_hash_of_the_one_before(world):
    """Those of one act as well."""
    first = manifest(world)
    other = replace(first, dataset="audit", parts=(prove(world, key=f"warm/audit/{day(0)}.parquet"),))
    receipts = world.archive().publish_all([(first, PUBLISHED), (other, PUBLISHED)], "")
    world.archive().retire(world.archive().find("warm", "audit", day(0)), EXPIRED, "")
    third = receipt_from(world.objects.get(receipt_key(3)), "")
    raw = [world.objects.get(receipt_key(number)) for number in (1, 2)]
    assert [receipts[0].previous, receipts[1].previous, third.previous] == ["", *map(digest, raw)]


def test_a_manifest_is_read_as_it_lies_there(world):
    made = manifest(world)
    before = world.archive().read_manifest("warm", "backend", day(0))
    world.archive().publish(made, PUBLISHED, "")
    assert (before, world.archive().read_manifest("warm", "backend", day(0))) == (None, made)


@pytest.mark.parametrize("method", ["delete", "get", "head"])
def test_an_act_that_is_cut_short_is_carried_out_with_all_its_changes(world, method):
    """Bytes among their values included; by whoever comes next."""
    world.archive().publish(manifest(world), PUBLISHED, "")
    one = world.archive().find("warm", "backend", day(0))

    def kill(_):
        raise Killed

    world.objects.at(method, kill)
    try:
        world.archive().retire(one, EXPIRED, "", [noted(b"x")])
    except Killed:
        world.objects = Faulty(world.objects.store)
        if world.archive().settle():
            assert (world.archive().settle(), world.state.meta("of the caller")) == (False, b"x")
        else:
            world.archive().retire(one, EXPIRED, "", [noted(b"x")])
    assert (list(world.objects.store.list("warm/")), ledger.archived(world.state, grace=True)) == ([], [])
    assert ledger.chain(world.state, "archive")[0] == 2


@pytest.mark.parametrize("act", [EXPIRED, DROPPED])
def test_a_deletion_without_a_receipt_is_taken_back(world, act):
    """Nothing is deleted yet, and whoever deletes it then looks once more for holds."""
    world.archive().publish(manifest(world), PUBLISHED, "")
    one = world.archive().find("warm", "backend", day(0))
    if act == DROPPED:
        world.state.run(ledger.put_in_grace(one))
        one = world.archive().find("warm", "backend", day(0), grace=True)

    def kill(_):
        raise Killed

    world.objects.at("put", kill)
    with pytest.raises(Killed):
        world.archive().retire(one, act, "", [noted(b"x")])
    world.objects = Faulty(world.objects.store)
    assert (world.archive().settle(), world.archive().settle()) == (True, False)
    assert (ledger.archived(world.state, grace=True), world.state.meta("of the caller")) == ([one], "")
    assert ledger.chain(world.state, "archive")[0] == 1


def test_what_is_being_deleted_is_not_searched(world):
    world.archive().publish(manifest(world), PUBLISHED, "")

    def kill(_):
        raise Killed

    world.objects.at("delete", kill)
    with pytest.raises(Killed):
        world.archive().retire(world.archive().find("warm", "backend", day(0)), EXPIRED, "")
    assert ledger.archived(world.state) == []


def test_what_gets_locked_while_it_is_deleted_is_left(world):
    """Its receipt is written; verify names the object."""
    world.archive().publish(manifest(world), PUBLISHED, "")

    def refuse(_):
        raise Locked("locked")

    world.objects.at("delete", refuse)
    world.archive().retire(world.archive().find("warm", "backend", day(0)), EXPIRED, "")
    assert (ledger.archived(world.state, grace=True), [each.key for each in world.objects.list("warm/")]) == (
        [],
        [manifest_key("warm", "backend", day(0)), KEY],
    )


# ── taking over ───────────────────────────────────────────────────────────────────────────────────────────────────────


def anew(world, tmp_path):
    """Another machine at the same archive."""
    other = World(tmp_path / "other")
    other.objects = world.objects
    return other


@pytest.mark.parametrize("what", ["receipt", "manifest"])
def test_an_archive_that_does_not_fit_together_is_not_taken_over(world, tmp_path, what):
    archive = world.archive()
    archive.publish(manifest(world), PUBLISHED, "")
    archive.retire(archive.find("warm", "backend", day(0)), EXPIRED, "")
    archive.publish(manifest(world), PUBLISHED, "")
    key = receipt_key(2) if what == "receipt" else manifest_key("warm", "backend", day(0))
    world.objects.store.put(key, world.objects.get(key).replace(b'"warm"', b'"cold"'))
    (tmp_path / "other").mkdir()
    other = anew(world, tmp_path)
    with pytest.raises(Exception, match="shipper tier verify"):
        adopt(world.objects, "archive", other.state)
    assert ledger.archived(other.state) == []


def test_an_empty_place_is_nothing_to_take_over(world):
    assert adopt(world.objects, "archive", world.state) == 0


def test_an_act_ends_the_one_that_was_cut_short_before_it(world):
    """Otherwise the chain would have two receipts of one number."""
    first = manifest(world)
    other = replace(first, dataset="audit", parts=(prove(world, key=f"warm/audit/{day(0)}.parquet"),))

    def kill(key):
        if key == receipt_key(1):
            raise Killed

    world.objects.at("put", kill)
    with pytest.raises(Killed):
        world.archive().publish(first, PUBLISHED, "")
    world.objects = Faulty(world.objects.store)
    receipt = world.archive().publish(other, PUBLISHED, "")
    assert (receipt.number, [one.dataset for one in ledger.archived(world.state)]) == (2, ["audit", "backend"])


def test_nothing_is_touched_where_another_shipper_has_gone_on(world):
    """Its manifest of the same day stays."""
    key = manifest_key("warm", "backend", day(0))
    made = manifest(world)
    world.objects.put(receipt_key(1), b"theirs")
    world.objects.put(key, b"theirs")
    with pytest.raises(ShipperError, match="another shipper writes to this place"):
        world.archive().publish(made, PUBLISHED, "")
    assert (world.objects.get(key), ledger.archived(world.state), world.archive().settle()) == (b"theirs", [], False)
