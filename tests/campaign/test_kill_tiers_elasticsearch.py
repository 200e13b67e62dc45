"""Days go from Elasticsearch through the archive to gone while the mover is killed behind each of its writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.forms import FULL, rounds
from tests.campaign.hot import InElasticsearch
from tests.campaign.killing import Killing
from tests.campaign.processes import Processes
from tests.campaign.tiered import Life
from tests.services.elasticsearch import Elasticsearch

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.parametrize("elasticsearch", ["8", "9"] if FULL else ["8"], indirect=True),
]


@pytest.fixture
def life(elasticsearch: Elasticsearch, name: str, tmp_path: Path) -> Iterator[Life]:
    """Its hot store is Elasticsearch, its archive a folder."""
    with Processes() as shipper:
        yield Life(tmp_path, shipper, hot=InElasticsearch(tmp_path / "data", elasticsearch, name))


def test_killed_behind_every_write(life: Life) -> None:
    """With records that come late while the day is in grace, when its index is deleted, and when it is archived; a
    user that is erased from the index and the archive; a hold."""
    killing = Killing(life, rounds(12, 1))
    life.write(0, 60)
    life.write(0, 20, "audit")
    for morning, events in {
        8: [killing.move, lambda: life.write(0, 3), lambda: killing.erase("u2")],
        9: [lambda: life.write(0, 5), killing.move],
        20: [lambda: life.write(0, 7, "audit"), killing.move],
        21: [lambda: killing.erase("u3"), killing.move],
        31: [lambda: killing.hold(0, "backend"), killing.move],
        32: [killing.move],
        366: [killing.move],
        367: [killing.release, killing.move],
    }.items():
        life.dawn(morning)
        for event in events:
            event()
        life.check(moved=True)
    life.check_gone()
    assert life.kills > 60 // killing.one_in
