"""Answers of few records: by the rows that the typed columns tell, out of the pages that have them."""

import random

import pytest

from shipper.archive.ledger import archived
from shipper.objects.folder import FolderStore
from shipper.query.parse import parse
from shipper.search import answer, picked, slices
from shipper.search.archive import ArchiveStore
from shipper.search.store import Question
from tests.search.archived import PLACE, put, state_of
from tests.search.stored import record

DAY = "2026.01.01"
COUNT = 9000
NOISE = random.Random(7)


def doc(number):
    """Some share a time, some have none that can be read."""
    time = "no time" if number % 500 == 3 else f"T{number // 3600:02d}:{number // 60 % 60:02d}:{number // 7 % 60:02d}Z"
    user = f"user{NOISE.randrange(50)}"
    return record(number, f"{DAY.replace('.', '-')}{time}", **{"user.id": user, "text": "x" * NOISE.randrange(400)})


DOCS = [doc(number) for number in range(COUNT)]
QUERIES = ["user.id:user7", "user.id:user7 OR event.id:*99", "user.id:*", "user.id:nobody", "NOT user.id:user?"]


class Archive:
    """A day of an archive, and the same without pages."""

    def __init__(self, folder, paged, files):
        self.state = state_of(folder)
        objects = FolderStore(folder / PLACE)
        for number in range(files):
            docs = DOCS[number::files]
            put(self.state, objects, docs, folder / "scratch", supplement=number, paged=paged)
        self.store = ArchiveStore(folder, lambda day: archived(self.state, day=day), lambda place: objects)

    def find(self, query, limit=0):
        return list(self.store.docs(Question(parse(query)), DAY, limit))


@pytest.fixture(scope="module", params=[1, 3], ids=["one file", "several files"])
def archives(request, tmp_path_factory):
    """The way that is tested, and the one that it has to equal."""
    folder = tmp_path_factory.mktemp("picked")
    found = [Archive(folder / str(paged), paged, request.param) for paged in (True, False)]
    yield found
    for each in found:
        each.store.close()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Everything happens several times."""
    monkeypatch.setattr(picked, "FIRST", 3)
    monkeypatch.setattr(picked, "LARGEST", 50)
    monkeypatch.setattr(picked, "IN_A_GROUP", 2)
    monkeypatch.setattr(slices, "SLICE", 1000)


@pytest.mark.parametrize("limit", [0, 1, 40, 5000])
@pytest.mark.parametrize("query", QUERIES)
def test_the_answer_is_the_same_as_without_pages(archives, query, limit):
    """In order, byte for byte."""
    new, old = archives

    assert new.find(query, limit) == old.find(query, limit)


@pytest.mark.parametrize("limit", [0, 40])
def test_few_records_are_read_by_pages(archives, monkeypatch, limit):
    """And by nothing else."""
    monkeypatch.setattr(answer, "_by_groups", lambda *_: pytest.fail("by row groups"))

    assert len(archives[0].find("user.id:user7", limit)) == (limit or sum(b'"user7"' in each for each in DOCS))


def test_too_many_records_are_read_as_ever(archives, monkeypatch):
    """Their rows would take too much memory."""
    new, old = archives
    monkeypatch.setattr(picked, "MOST", 30)
    monkeypatch.setattr(answer, "MOST", 30)
    monkeypatch.setattr(answer, "documents", lambda *_: pytest.fail("by pages"))

    assert new.find("user.id:user7") == old.find("user.id:user7")
    assert new.find("user.id:user7", 31) == old.find("user.id:user7", 31)


@pytest.mark.parametrize("most", [1, 3000])
def test_long_documents_are_read_a_few_at_a_time(archives, monkeypatch, most):
    """And one that is longer than all that, alone."""
    monkeypatch.setattr(picked, "BYTES", most)
    new, old = archives

    assert new.find("user.id:user7") == old.find("user.id:user7")


def test_systems_without_memory_files_have_others(archives, monkeypatch):
    """That go with the answer."""
    new, old = archives
    monkeypatch.delattr("os.memfd_create", raising=False)

    assert new.find("user.id:user7") == old.find("user.id:user7")
    assert [path for path in new.store._scratch.rglob("*") if path.is_file()] == []
