"""The daily indices of Elasticsearch as a store: documents as they are stored, whole days or none, what is new."""

import json
from contextlib import closing, contextmanager

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.elastic import moment
from shipper.elastic.connect import Elastic, ElasticError
from shipper.elastic.connection import Connection
from shipper.elastic.template import templates
from shipper.errors import ShipperError
from shipper.query.parse import parse
from shipper.search.changes import LATE_S, MOST_LATE, ElasticFollower, Seen
from shipper.search.elastic import ElasticStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.store.read import Reader
from tests.search.stored import day_of, record, store

ALL = Question(parse("*"))


def put(server, name, *docs):
    """Stores documents as the sink does it; they are searchable at once."""
    rows = []
    for doc in docs:
        where = {"_index": f"{name}-{day_of(doc)}", "_id": json.loads(doc)["event.id"]}
        rows += [orjson.dumps({"create": where}), doc]
    server.request("PUT", f"/_index_template/{name}", templates(name)[name])
    answer = server.request("POST", "/_bulk?refresh=true", b"\n".join(rows) + b"\n")
    assert not answer["errors"], answer


@contextmanager
def opened(server, name):
    """The store of a pipeline."""
    with closing(ElasticStore(Elastic(Connection(url=server.url)), name)) as store:
        yield store


def answer(stores, query="*", limit=0):
    """The documents found, and what could not be read."""
    told = []
    question = Question(parse(query))
    found = list(search(stores, question, limit, lambda what, why: told.append((what, why))))
    assert count(stores, question, lambda what, why: None) == len(found) or limit
    return found, told


def test_documents_come_byte_for_byte(elasticsearch, name):
    """Blanks, escapes, number forms and doubled names stay, and a text that looks like an answer misleads nobody."""
    docs = [
        b'{"@timestamp": "2026-01-01T10:00:03Z",  "n":1.50, "text":"\\u00e9\\/ \xc3\xa9", "event.id":"d"}',
        b'{"@timestamp":"2026-01-01T10:00:02Z","event.id":"c","_source":{"sort":[1]},"x":",\\"_source\\":{}"}',
        b'{"@timestamp":"2026-01-01T10:00:01Z","event.id":"b","message":"\\ud800"}',
        b'{"@timestamp":"2026-01-01T10:00:00Z","event.id":"a","big":123456789012345678901234567890,"e":1e3}',
    ]
    put(elasticsearch, name, *docs)
    with opened(elasticsearch, name) as store:
        assert answer([store]) == (docs, [])
        assert answer([store], "n:1.5") == (docs[:1], [])


def test_more_than_a_page_comes_page_by_page(elasticsearch, name, monkeypatch):
    """Records of one time are neither lost nor doubled between two pages."""
    monkeypatch.setattr(moment, "FIRST_PAGE", 3)
    monkeypatch.setattr(moment, "PAGE_BYTES", 800)
    docs = [record(number) for number in range(60)]
    put(elasticsearch, name, *docs)
    with opened(elasticsearch, name) as store:
        assert answer([store]) == (docs[::-1], [])
        assert answer([store], "seq:<30", 25) == (docs[29:4:-1], [])


def test_no_moment_of_an_index_is_kept_behind_an_answer(elasticsearch, name):
    """Also when the reader goes away in the middle."""
    put(elasticsearch, name, *(record(number) for number in range(300)))
    with opened(elasticsearch, name) as store:
        docs = store.docs(ALL, "2026.01.01", 0)
        next(docs)
        assert open_contexts(elasticsearch, name) == 1
        docs.close()
        assert open_contexts(elasticsearch, name) == 0


def open_contexts(server, name):
    """Moments that the server keeps for readers of these indices."""
    stats = server.request("GET", f"/{name}-*/_stats/search")
    return stats["_all"]["total"]["search"]["open_contexts"]


def test_a_closed_day_is_named_and_the_rest_is_answered(elasticsearch, name):
    """It is there, and can't be read."""
    docs = [record(number, f"2026-01-0{1 + number}T10:00:00Z") for number in range(3)]
    put(elasticsearch, name, *docs)
    elasticsearch.request("POST", f"/{name}-2026.01.02/_close")
    with opened(elasticsearch, name) as store:
        found, told = answer([store])
    assert (found, [what for what, _ in told]) == ([docs[2], docs[0]], ["2026.01.02"])
    assert "closed" in told[0][1]


def test_a_day_without_all_of_its_shards_is_not_answered_in_part(elasticsearch, name):
    """A shard that no node may hold is missing."""
    body = templates(name)[name]
    body["template"]["settings"]["index"]["number_of_shards"] = "2"
    body["template"]["settings"]["index"]["routing.allocation.total_shards_per_node"] = "1"
    elasticsearch.request("PUT", f"/_index_template/{name}", body)
    elasticsearch.request("PUT", f"/{name}-2026.01.01?wait_for_active_shards=0&timeout=1s", {})
    with opened(elasticsearch, name) as store:
        ((what, reason),) = answer([store])[1]
        assert (what, "look with GET /_cat/shards" in reason) == ("2026.01.01", True)
        with pytest.raises(ShipperError):
            store.count(ALL, "2026.01.01")


def test_other_indices_are_no_days(elasticsearch, name):
    """Alerts, what was restored, and what only begins alike."""
    put(elasticsearch, name, record(1))
    for other in (
        f"alerts-{name}-2026.01",
        f"restored-{name}-2026.01.02",
        f"{name}-2026.01",
        f"{name}-2026.01.01-copy",
    ):
        elasticsearch.request("PUT", f"/{other}", {})
    with opened(elasticsearch, name) as store:
        assert store.days(ALL) == ["2026.01.01"]


def test_a_pipeline_without_an_index_has_no_days(elasticsearch, name):
    """Nothing was stored yet: an empty answer."""
    with opened(elasticsearch, name) as store:
        assert answer([store]) == ([], [])


def test_a_server_that_is_away_is_named_and_the_other_store_answers(tmp_path):
    """One reason, on one line."""
    store(tmp_path, record(1))
    away = ElasticStore(Elastic(Connection(url="http://127.0.0.1:1")), "x")
    with closing(EmbeddedStore(Reader(tmp_path))) as embedded:
        found, told = answer([embedded, away])
    assert (found, [what for what, _ in told]) == ([record(1)], ["Elasticsearch at http://127.0.0.1:1"])
    assert "\n" not in told[0][1]


def test_two_stores_answer_as_one(elasticsearch, name, tmp_path):
    """Days of either, a day of both in one order, and what both hold once."""
    docs = [record(number, f"2026-01-0{1 + number // 4}T10:00:0{number % 4}Z") for number in range(12)]
    store(tmp_path, *docs[:3], *docs[4:8:2], docs[7])
    put(elasticsearch, name, *docs[5:8:2], *docs[8:])
    there = [*docs[:3], *docs[4:]]
    with opened(elasticsearch, name) as elastic, closing(EmbeddedStore(Reader(tmp_path))) as embedded:
        assert answer([embedded, elastic]) == (there[::-1], [])
        assert answer([elastic, embedded], limit=6) == (there[:-7:-1], [])


# ── what is new ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_new_record_comes_once(elasticsearch, name):
    """In the order it was stored, on old days and on days that begin meanwhile; what is not wanted is only counted."""
    put(elasticsearch, name, record(0))
    with opened(elasticsearch, name) as store:
        follower = store.follow(parse("NOT seq:2"))
        assert follower.new() == (0, [])
        put(elasticsearch, name, record(1), record(2))
        assert follower.new() == (2, [record(1)])
        put(elasticsearch, name, record(3, "2026-01-02T00:00:00Z"), record(4))
        seen, docs = follower.new()
        assert (seen, sorted(docs)) == (2, sorted([record(3, "2026-01-02T00:00:00Z"), record(4)]))
        assert follower.new() == (0, [])


def test_a_follower_begins_before_the_first_index(elasticsearch, name):
    """Nothing is there yet, and then something is."""
    with opened(elasticsearch, name) as store:
        follower = store.follow(parse("*"))
        put(elasticsearch, name, record(1))
        assert follower.new() == (1, [record(1)])


def test_every_shard_is_followed(elasticsearch, name):
    """Each counts on its own."""
    body = templates(name)[name]
    body["template"]["settings"]["index"]["number_of_shards"] = "3"
    elasticsearch.request("PUT", f"/_index_template/{name}", body)
    elasticsearch.request("PUT", f"/{name}-2026.01.01", {})
    docs = [record(number) for number in range(60)]
    put(elasticsearch, name, *docs[:20])
    with opened(elasticsearch, name) as store:
        follower = store.follow(parse("*"))
        put(elasticsearch, name, *docs[20:])
        seen, found = follower.new()
        assert (seen, sorted(found)) == (40, sorted(docs[20:]))


def test_a_follower_without_its_server_says_so():
    """In the beginning and later."""
    with pytest.raises(ShipperError, match="refuses"):
        ElasticStore(Elastic(Connection(url="http://127.0.0.1:1")), "x").follow(parse("*"))


class Unsteady:
    """A server that can be gone for a while."""

    def __init__(self, elastic):
        self.where, self.gone, self._elastic = elastic.where, False, elastic

    def __getattr__(self, name):
        if self.gone:
            raise ElasticError("gone")
        return getattr(self._elastic, name)


def test_a_server_that_comes_back_is_followed_on(elasticsearch, name):
    """Nothing is left out and nothing shown twice."""
    put(elasticsearch, name, record(0))
    with closing(Elastic(Connection(url=elasticsearch.url))) as elastic:
        server = Unsteady(elastic)
        follower = ElasticFollower(server, name, parse("*"), ManualClock())
        put(elasticsearch, name, record(1))
        server.gone = True
        with pytest.raises(ShipperError):
            follower.new()
        server.gone = False
        assert follower.new() == (1, [record(1)])
        assert follower.new() == (0, [])


def seen(*numbers, begin=(), now=0.0):
    """A shard that has shown these numbers."""
    found = Seen()
    found.begin(begin, now)
    found.note(numbers, now)
    return found


@pytest.mark.parametrize(
    ("shard", "top", "late"),
    [
        (seen(), -1, []),
        (seen(0, 1, 2), 2, []),
        (seen(0, 3), 3, [1, 2]),
        (seen(3, begin=[0, 1, 2]), 3, []),
        (seen(begin=[7, 5, 4]), 7, [6]),
        (seen(2, begin=[0, 3]), 3, [1]),
        (seen(5 * MOST_LATE), 5 * MOST_LATE, list(range(4 * MOST_LATE, 5 * MOST_LATE))),
    ],
)
def test_numbers_that_were_left_out_are_asked_for_again(shard, top, late):
    """Not more of them than can be asked for."""
    assert (shard.top, sorted(shard.late)) == (top, late)


def test_a_number_that_does_not_come_is_given_up():
    """It belongs to a row that was refused."""
    shard = seen(0, 2, now=0.0)
    shard.note([3], LATE_S - 1)
    assert sorted(shard.late) == [1]
    shard.note([4], LATE_S)
    assert sorted(shard.late) == []


def test_a_late_number_is_shown_once():
    """Then it is waited for no more."""
    shard = seen(0, 2)
    shard.note([1], 0.0)
    assert (shard.top, shard.late) == (2, {})
