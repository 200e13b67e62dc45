"""The archived days of a data folder answer as the hot ones do."""

import pytest

from shipper.archive.ledger import archived
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.search.archive import ArchiveStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from tests.search.archived import PLACE, put, state_of
from tests.search.stored import record

HOUR = 3600.0
NOW = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


def nothing(day, reason):
    """No day may be unreadable."""
    raise AssertionError(f"{day}: {reason}")


class Folder:
    """A data folder with an archive in it."""

    def __init__(self, data):
        self.data = data
        self.state = state_of(data)
        self.objects = FolderStore(data / PLACE)
        self.store = self.opened()

    def opened(self, **how):
        return ArchiveStore(
            self.data,
            lambda day: archived(self.state, day=day),
            lambda place: FolderStore(self.data / place),
            **how,
        )

    def put(self, *docs, **how):
        put(self.state, self.objects, docs, self.data / "scratch", **how)

    def find(self, query="*", limit=0, since=None, until=None):
        return list(search([self.store], Question(parse(query), since, until), limit, nothing))

    def count(self, query="*", since=None, until=None):
        return count([self.store], Question(parse(query), since, until), nothing)


@pytest.fixture
def folder(tmp_path):
    found = Folder(tmp_path)
    yield found
    found.store.close()


def test_newest_first_over_days_and_datasets(folder):
    """Whatever tier and dataset a record lies in."""
    docs = [
        record(0, "2026-01-01T10:00:00Z", **{"event.dataset": "backend"}),
        record(1, "2026-01-01T10:00:00.5Z", **{"event.dataset": "audit"}),
        record(2, "2026-01-01T10:00:01Z"),
        record(3, "2026-01-02T00:00:00Z", **{"event.dataset": "backend"}),
    ]
    folder.put(*docs[:3], tier="cold")
    folder.put(docs[3])
    assert folder.find() == docs[::-1]
    assert folder.find(limit=2) == [docs[3], docs[2]]
    assert folder.count() == 4
