"""Acts that were cut short are carried out first, also those of which the ledger has nothing yet."""

import pytest

from shipper.archive import ledger
from shipper.query.parse import parse
from shipper.tier.acts import unsettled
from shipper.tier.erase_archive import ArchivedRecords, undo_unpublished
from tests.tier.world import Killed, World, at, day


@pytest.fixture
def world(tmp_path):
    """The first day of all was about to be published."""
    made = World(_made(tmp_path / "whole"), now=at(8))
    made.store(day(0), 1, 2, 3)
    made.run()
    boundary = made.passed.index("noted") + 1
    made = World(_made(tmp_path / "killed"), now=at(8))
    made.store(day(0), 1, 2, 3)
    with pytest.raises(Killed):
        made.run(kill_at=boundary)
    assert (unsettled(made.state), ledger.archived(made.state)) == (["archive"], [])
    return made


def _made(folder):
    folder.mkdir()
    return folder


def test_an_erasure_carries_out_the_first_act_of_an_archive(world):
    """Else it would delete parts that a manifest names afterwards, as what nobody published."""
    archives = world.moving().archives
    given = (world.state, archives, world.exporter, world.data / "scratch", world.clock)
    ArchivedRecords(*given, tree=parse("a:b"), cache=world.data / "cache").finish()
    undo_unpublished(world.state, world.moving().discard, world.clock)
    assert (world.archived(), world.found()) == (world.written, world.written)


def test_the_mover_carries_out_an_act_at_a_place_that_the_policy_no_longer_names(world):
    """Its records would be brought to the new one, and be there twice when the old one is named again."""
    world.tiers = world.tiers.model_copy(update={"warm": world.tiers.warm.model_copy(update={"to": "other"})})
    world.run()
    assert (unsettled(world.state), len(ledger.moves(world.state))) == ([], 1)
    assert [one.place for one in ledger.archived(world.state) if one.place == "archive"] == ["archive"]
