"""An erasure from the archive that is killed and never said again: the next run of the mover does what is left."""

from contextlib import closing

import orjson
import pytest

from shipper.archive import ledger
from shipper.archive.manifest import PUBLISHED, Manifest
from shipper.archive.names import part_key
from shipper.archive.parquet import Exporter
from shipper.errors import ShipperError
from shipper.objects.cache import BlockCache
from shipper.objects.folder import FolderStore
from shipper.objects.store import Locked
from shipper.query.parse import parse
from shipper.tier.erase_archive import ArchivedRecords, delete_erased, old_keys
from shipper.tier.verify import Verifier, Wanted
from tests.faults.objects import Faulty
from tests.tier.world import Killed, World, at, day

ALICE = "user_id:alice"
OLD, NEW = part_key("warm", "backend", day(0)), part_key("warm", "backend", day(0), revision=1)


@pytest.fixture(scope="module")
def exporter():
    with closing(Exporter()) as made:
        yield made


@pytest.fixture
def world(tmp_path, exporter):
    """One day is archived, with a record of alice's and one of bob's; a search has fetched a piece of it."""
    made = World(tmp_path, objects=lambda folder: Faulty(FolderStore(folder)), now=at(8))
    made.exporter = exporter
    written = _exported(made, ["alice", "bob"])
    part = made.archive().prove(OLD, written.path, written.facts)
    made.archive().publish(Manifest("warm", "backend", day(0), (part,), "embedded", ""), PUBLISHED, "")
    made.cache = BlockCache(tmp_path / "cache")
    made.cache.put(part.sha256, 0, b"alice")
    made.sha256 = part.sha256
    return made


def _exported(world, users):
    (world.data / "scratch").mkdir()
    docs = [
        {"@timestamp": f"{day(0).replace('.', '-')}T10:00:00Z", "event.id": user, "user_id": user} for user in users
    ]
    lines = [orjson.dumps({**doc, "event.dataset": "backend"}) + b"\n" for doc in docs]
    (world.data / "in.ndjson").write_bytes(b"".join(lines))
    return world.exporter.export([world.data / "in.ndjson"], world.data / "scratch").written[0]


def erase(world):
    (world.data / "scratch").mkdir(exist_ok=True)
    given = (world.state, world.moving().archives, world.exporter, world.data / "scratch", world.clock)
    records = ArchivedRecords(*given, tree=parse(ALICE), cache=world.data / "cache")
    records.finish()
    for one in ledger.archived(world.state):
        records.erase(one, ALICE, "certificate 1")


def killed_at(world, method, key):
    def kill(touched):
        if touched == key:
            raise Killed(key)

    world.objects.at(method, kill)
    with pytest.raises(Killed):
        erase(world)
    world.objects = world.objects.store


def parts(world):
    return [key for key in world.objects_there() if key.endswith(".parquet")]


def test_a_part_that_was_never_published_goes(world):
    """Else it would outlive its day."""
    killed_at(world, "put", "warm/backend/" + f"{day(0)}.manifest.json")
    world.state.rows("DELETE FROM meta WHERE key LIKE 'act at %'")
    world.run()
    assert parts(world) == [OLD]


def test_a_part_that_was_replaced_goes(world):
    killed_at(world, "delete", OLD)
    assert parts(world) == [OLD, NEW]
    world.run()
    assert parts(world) == [NEW]


def test_what_an_erasure_is_about_to_delete_is_nothing_additional(world):
    """Verifying goes on beside it."""
    killed_at(world, "delete", OLD)
    how = {"clock": world.clock, "exporter": world.exporter, "scratch": world.data / "scratch"}
    assert Verifier(world.objects, "archive", world.state, **how).run(Wanted()).problems == []


def test_pieces_that_a_search_had_fetched_are_gone_before_anything_else(world):
    """Nobody would know of them afterwards, and none is kept again."""
    killed_at(world, "delete", OLD)
    world.cache.put(world.sha256, 0, b"alice")
    assert world.cache.get(world.sha256, 0) is None


def test_a_part_that_cannot_be_deleted_now_does_not_stop_the_mover(world, capsys):
    killed_at(world, "delete", OLD)
    world.objects = Faulty(world.objects)

    def refuse(key):
        raise ShipperError(f"{key}: no right to delete")

    world.objects.at("delete", refuse)
    assert world.run().failed == []
    assert "no right to delete" in capsys.readouterr().err
    world.objects = world.objects.store
    erase(world)
    assert parts(world) == [NEW]


def test_a_part_that_is_locked_meanwhile_keeps_no_other_one(world):
    """It is tried again, and named."""
    keys = ["warm/a", "warm/b", "warm/c"]
    for key in keys:
        world.objects.put(key, b"alice")
    world.state.set_meta("erased_keys", orjson.dumps([["archive", key] for key in keys]).decode())

    def refuse(key):
        if key == "warm/b":
            raise Locked(f"{key}: locked")

    world.objects.at("delete", refuse)
    with pytest.raises(Locked, match="warm/b: locked"):
        delete_erased(world.state, world.moving().archives)
    left = [stored.key for stored in world.objects.list("warm/") if stored.key in keys]
    assert (left, old_keys(world.state)) == (["warm/b"], [["archive", "warm/b"]])
