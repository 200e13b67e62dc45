"""An archive that `state.db` knows nothing of, taken over by whoever comes first: all of it in one transaction."""

from contextlib import closing

import pytest

from shipper.archive import ledger
from shipper.archive.names import receipt_key
from shipper.errors import ShipperError
from shipper.state import State
from shipper.tier.adopt import adopt
from tests.tier.world import World, at, day


@pytest.fixture
def world(tmp_path):
    """A day of which warm and cold have a copy, and another machine."""
    made = World(tmp_path, now=at(8))
    made.store(day(0), 1, 2, 3)
    for _ in made.on(8, 9, 31):
        pass
    made.state.close()
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    made.open_state()
    return made


def test_of_two_copies_one_is_searched_whoever_took_the_archive_over(world):
    """`tier status`, `tier restore` and `erase` do as well; the mover finds nothing to take over then."""
    adopt(world.objects, "archive", world.state)
    assert world.archived() == world.written


def test_the_other_copy_goes_when_its_grace_is_over(world):
    adopt(world.objects, "archive", world.state)
    for _ in world.on(31, 32):
        pass
    assert (world.tiers_of(day(0)), world.archived()) == (["cold"], world.written)


def test_what_a_mover_has_done_meanwhile_is_not_undone(world):
    """Who only looks has no lock: a chain that went back would stop every act from then on."""

    class Objects:
        where, list = "archive", world.objects.list

        def get(self, key):
            try:
                return world.objects.get(key)
            finally:
                with closing(State(world.data / "state.db")) as other:
                    other.run(ledger.save_chain("archive", 9, "newer"))

    assert adopt(Objects(), "archive", world.state) == 0
    assert (ledger.chain(world.state, "archive"), ledger.archived(world.state)) == ((9, "newer"), [])


def test_of_an_archive_without_one_of_its_receipts_not_even_the_beginning_is_taken_over(world):
    """The days behind the gap would be found by no search, and the next act would write that receipt anew."""
    world.objects.delete(receipt_key(1))
    with pytest.raises(ShipperError, match=r"00000001\.json: is missing, so the archive can't be taken over"):
        adopt(world.objects, "archive", world.state)
    assert (ledger.chain(world.state, "archive"), ledger.archived(world.state)) == ((0, ""), [])
