"""A day of Elasticsearch that belongs to the archive: only what came behind its point is found in the index."""

from contextlib import closing

import pytest

from shipper.elastic.connect import Elastic
from shipper.elastic.connection import Connection
from shipper.search.elastic import ElasticStore
from shipper.tier.elastic import ElasticHot
from tests.search.stored import record
from tests.search.test_elastic import ALL, answer, put

pytestmark = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
DAY = "2026.01.01"
DOCS = [record(number) for number in range(20)]
LATE = [record(number) for number in range(20, 23)]
NEXT = record(50, "2026-01-02T10:00:00Z")


@pytest.fixture(params=[1, 3])
def point(elasticsearch, name, tmp_path, request):
    """A day with as many shards was archived up to here; another one is hot."""
    settings = {"template": {"settings": {"index": {"number_of_shards": request.param}}}}
    elasticsearch.request("PUT", f"/_component_template/{name}@custom", settings)
    put(elasticsearch, name, *DOCS, NEXT)
    with closing(ElasticHot(Elastic(Connection(url=elasticsearch.url)), name)) as hot:
        return hot.take(DAY, None, tmp_path).point


@pytest.fixture
def store(elasticsearch, name, point):
    """The records as search asks for them while the day is in grace."""
    with closing(ElasticStore(Elastic(Connection(url=elasticsearch.url)), name, lambda: {DAY: point})) as opened:
        yield opened


def test_what_is_archived_is_not_found(store):
    """The day is none of this store's."""
    assert answer([store]) == ([NEXT], [])


def test_what_came_later_is_found(elasticsearch, name, store, point):
    """With several shards, of which a query knows nothing, a few are found besides, which the archive gives as well."""
    put(elasticsearch, name, *LATE)
    found, told = answer([store], "seq:>0")

    assert (set(LATE) | {NEXT} <= set(found), told) == (True, [])
    if len(point["seq_no"]) == 1:
        assert found == [NEXT, *LATE[::-1]]


def test_a_day_that_was_made_anew_is_found_whole(elasticsearch, name, store):
    """Its numbers begin again."""
    elasticsearch.request("DELETE", f"/{name}-{DAY}")
    put(elasticsearch, name, DOCS[3])

    assert answer([store]) == ([NEXT, DOCS[3]], [])


def test_a_day_that_is_deleted_is_the_archives(elasticsearch, name, store):
    """Nothing is said of it."""
    elasticsearch.request("DELETE", f"/{name}-{DAY}")

    assert answer([store]) == ([NEXT], [])


def test_a_day_in_grace_that_cannot_be_read_is_named(elasticsearch, name, store):
    """What came later may be in it."""
    elasticsearch.request("POST", f"/{name}-{DAY}/_close")
    found, ((what, _),) = answer([store])

    assert (found, what) == ([NEXT], DAY)


def test_a_day_that_is_published_while_it_is_searched_is_read_on(elasticsearch, name, point):
    """As it was when the search began: the archive may have been asked before it had the day."""
    published = {}
    elastic = Elastic(Connection(url=elasticsearch.url))
    with closing(ElasticStore(elastic, name, lambda: dict(published))) as store:
        assert store.days(ALL) == [DAY, "2026.01.02"]
        published[DAY] = point
        assert (len(list(store.docs(ALL, DAY, 0))), store.count(ALL, DAY)) == (20, 20)
        assert store.days(ALL) == ["2026.01.02"]
