"""A day of Elasticsearch is taken up to a fixed point, what comes behind it is late, and nothing else is deleted."""

import threading
from contextlib import closing
from itertools import islice

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.elastic import moment
from shipper.elastic.connect import Elastic, ElasticError
from shipper.elastic.connection import Connection
from shipper.elastic.template import templates
from shipper.errors import ShipperError
from shipper.tier import elastic as module
from shipper.tier.elastic import NOTHING, ElasticHot
from shipper.tier.hot import HotDay
from shipper.tier.patient import Patient
from tests.search.stored import record

DAY = "2026.01.01"
ODD = [
    b'{"@timestamp": "2026-01-01T10:00:03.1234567Z",  "n":1.50, "text":"\\u00e9\\/ \xc3\xa9", "event.id":"d"}',
    b'{"@timestamp":"2026-01-01T10:00:02Z","event.id":"c","_source":{"sort":[1]},"x":",\\"_source\\":{}"}',
    b'{"@timestamp":"2026-01-01T10:00:01Z","event.id":"b","message":"\\ud800"}',
    b'{"@timestamp":"2026-01-01T10:00:00Z","event.id":"a","big":123456789012345678901234567890,"e":1e3}',
]


class Day:
    """A day of a pipeline of its own, its mover's view of it, and a folder for each take."""

    def __init__(self, server, name, tmp_path, shards):
        self.server, self.name, self.tmp_path = server, name, tmp_path
        self.index = f"{name}-{DAY}"
        self.hot = ElasticHot(Elastic(Connection(url=server.url)), name, ManualClock())
        server.request("PUT", f"/_component_template/{name}@custom", {"template": {"settings": {"index": shards}}})
        server.request("PUT", f"/_index_template/{name}", templates(name)[name])

    def put(self, *docs):
        rows = []
        for doc in docs:
            found = orjson.loads(doc.replace(b"\\ud800", b""))
            rows += [orjson.dumps({"create": {"_index": self.index, "_id": found["event.id"]}}), doc]
        answer = self.server.request("POST", "/_bulk", b"\n".join(rows) + b"\n")
        assert not answer["errors"], answer

    def take(self, behind=None):
        folder = self.tmp_path / f"take-{len(list(self.tmp_path.iterdir()))}"
        folder.mkdir()
        return self.hot.take(DAY, behind, folder)


on_8 = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
"""What was tried on 9 as well, and is nothing that differs."""
of_both_sizes = pytest.mark.parametrize("day", [1, 3], indirect=True)


@pytest.fixture
def day(elasticsearch, name, tmp_path, request):
    """With as many shards as are asked for."""
    found = Day(elasticsearch, name, tmp_path, {"number_of_shards": getattr(request, "param", 2)})
    yield found
    found.hot.close()


def lines(taken):
    """All documents of its files, sorted."""
    return sorted(line for path in taken.files for line in path.read_bytes().split(b"\n")[:-1])


def test_all_of_a_day_is_taken_byte_for_byte(day):
    """With what Elasticsearch itself says of it; times as every store has them."""
    day.put(*ODD)
    taken = day.take()

    assert lines(taken) == sorted(ODD)
    assert taken[2:] == (4, "2026-01-01T10:00:00.000000Z", "2026-01-01T10:00:03.123456Z")


@on_8
@of_both_sizes
def test_many_pages_of_several_slices_come_whole(day, monkeypatch):
    """No document is left out or doubled."""
    monkeypatch.setattr(moment, "FIRST_PAGE", 3)
    monkeypatch.setattr(moment, "PAGE_BYTES", 800)
    docs = [record(number) for number in range(100)]
    day.put(*docs)

    assert lines(day.take()) == sorted(docs)


@on_8
def test_what_comes_behind_a_point_is_late_and_taken_alone(day):
    """Again and again."""
    day.put(*map(record, range(10)))
    first = day.take()
    assert day.hot.late(DAY, first.point) == 0
    day.put(*map(record, range(10, 13)))
    assert day.hot.late(DAY, first.point) == 3
    second = day.take(first.point)
    day.put(record(13))

    assert (lines(second), second.rows) == ([record(10), record(11), record(12)], 3)
    assert lines(day.take(second.point)) == [record(13)]
    assert lines(day.take(first.point)) == [record(number) for number in range(10, 14)]


@on_8
def test_what_not_every_copy_has_stored_is_late(day, monkeypatch):
    """Though it is searchable: a record with a lower number may still be on its way."""
    day.put(*map(record, range(10)))
    checkpoint = module._checkpoint
    with monkeypatch.context() as patched:
        patched.setattr(module, "_checkpoint", lambda copies: min(1, checkpoint(copies)))
        first = day.take()
        assert first.rows < 10
    assert day.hot.late(DAY, first.point) == 10 - first.rows

    assert sorted([*lines(first), *lines(day.take(first.point))]) == sorted(map(record, range(10)))


@on_8
def test_what_was_erased_since_is_not_late(day):
    """A deletion has a number of its own, and is no record."""
    day.put(*map(record, range(10)))
    point = day.take().point
    day.server.request("POST", f"/{day.index}/_refresh")
    day.server.request("POST", f"/{day.index}/_delete_by_query", {"query": {"range": {"seq": {"lt": 4}}}})

    assert day.hot.late(DAY, point) == 0
    assert day.take().rows == 6


@on_8
def test_a_blocked_day_takes_nothing_until_it_is_released(day):
    """Blocking it again does no harm."""
    day.put(record(1))
    day.hot.block(DAY)
    day.hot.block(DAY)
    with pytest.raises(AssertionError, match="cluster_block_exception"):
        day.put(record(2))
    day.hot.release(DAY)
    day.hot.release(DAY)
    day.put(record(2))

    assert day.take().rows == 2


def test_what_came_before_the_block_is_taken_and_the_day_deleted(day):
    """A record that comes after it makes the day anew, all of which is behind the old point."""
    day.put(record(1))
    first = day.take()
    day.put(record(2))
    day.hot.block(DAY)
    second = day.take(first.point)
    day.hot.delete(DAY, second.point)
    assert list(day.hot.days()) == []
    day.put(record(3))

    assert lines(second) == [record(2)]
    assert day.hot.late(DAY, second.point) == 1
    assert lines(day.take(second.point)) == [record(3)]


@on_8
def test_deleting_again_leaves_the_day_that_was_made_anew(day):
    """As after a kill between the deletion and its commit."""
    day.put(record(1))
    point = day.take().point
    day.hot.block(DAY)
    day.hot.delete(DAY, point)
    day.hot.delete(DAY, point)
    day.put(record(2))
    day.hot.block(DAY)
    day.hot.delete(DAY, point)

    assert lines(day.take()) == [record(2)]


@on_8
def test_a_day_that_is_not_blocked_is_not_deleted(day):
    """Something may be on its way."""
    day.put(record(1))
    with pytest.raises(ShipperError, match="lifted its block"):
        day.hot.delete(DAY, day.take().point)

    assert day.take().rows == 1


@on_8
def test_a_day_with_late_records_is_not_deleted(day):
    """They are in no archive."""
    day.put(record(1))
    point = day.take().point
    day.put(record(2))
    day.hot.block(DAY)
    with pytest.raises(ShipperError, match="1 records came after it was archived"):
        day.hot.delete(DAY, point)

    assert day.take().rows == 2


@on_8
def test_a_day_that_is_not_there_is_as_good_as_deleted(day):
    """Whatever is asked of it."""
    day.hot.block(DAY)
    day.hot.release(DAY)
    day.hot.delete(DAY, {"index": "x", "seq_no": {"0": 1}})

    assert day.hot.late(DAY, NOTHING) == 0
    assert day.take() == (NOTHING, [], 0, "", "")


@on_8
def test_an_index_without_documents_is_a_day_with_nothing(day):
    """And can be deleted."""
    day.server.request("PUT", f"/{day.index}")
    taken = day.take()
    assert (taken.files, taken.rows, taken.first, taken.last) == ([], 0, "", "")
    day.hot.block(DAY)
    day.hot.delete(DAY, taken.point)

    assert list(day.hot.days()) == []


@on_8
def test_days_are_those_of_this_pipeline_with_their_sizes(day):
    """Oldest first; the names of others begin alike."""
    day.put(record(1), record(2))
    day.server.request("PUT", f"/{day.name}-2025.12.31")
    for other in ("web-2026.01.01", "2026.01", "20-notes"):
        day.server.request("PUT", f"/{day.name}-{other}")
    day.server.request("POST", f"/{day.name}-*/_refresh")
    first, second = day.hot.days()

    assert (first.day, first.rows) == ("2025.12.31", 0)
    assert (second.day, second.rows, second.bytes > 0) == (DAY, 2, True)


@on_8
def test_a_closed_index_is_named_with_the_way_out(day):
    """It is a day, but nothing of it can be read."""
    day.put(record(1))
    day.server.request("POST", f"/{day.index}/_close")

    assert list(day.hot.days()) == [HotDay(DAY, 0, 0)]
    with pytest.raises(ShipperError, match="open the index again with POST"):
        day.take()


@on_8
def test_an_index_that_lacks_a_shard_stays_as_it_is(day):
    """Nothing is taken of it, and it is not deleted."""
    nowhere = {"settings": {"index.routing.allocation.require._name": "nowhere"}}
    day.server.request("PUT", f"/{day.index}?wait_for_active_shards=0", nowhere)
    for act in (day.take, lambda: day.hot.late(DAY, NOTHING), lambda: day.hot.block(DAY)):
        with pytest.raises(ShipperError, match="shards are not there; look with GET /_cat/shards"):
            act()


@of_both_sizes
def test_every_record_of_a_busy_day_is_taken_once(day):
    """While several requests at a time store more of it."""
    day.put(record(0))
    numbers = iter(range(1, 1000))
    turn = threading.Lock()

    def store():
        while True:
            with turn:
                some = list(islice(numbers, 7))
            if not some:
                return
            day.put(*map(record, some))

    writers = [threading.Thread(target=store) for _ in range(3)]
    for writer in writers:
        writer.start()
    takes = [day.take()]
    while any(writer.is_alive() for writer in writers):
        takes.append(day.take(takes[-1].point))
    day.hot.block(DAY)
    takes.append(day.take(takes[-1].point))
    day.hot.delete(DAY, takes[-1].point)

    assert sorted(line for taken in takes for line in lines(taken)) == sorted(map(record, range(1000)))


@on_8
def test_documents_that_do_not_come_stop_the_take(day, monkeypatch):
    """Whatever swallowed them."""
    day.put(*map(record, range(10)))
    whole = moment.documents
    monkeypatch.setattr(moment, "documents", lambda raw, hits: list(whole(raw, hits))[:3])

    with pytest.raises(ShipperError, match=r"documents came, but Elasticsearch counts 10"):
        day.take()


@on_8
def test_a_document_laid_out_in_lines_is_one_line(day):
    """Nobody who writes in bulks can store it, but others can."""
    day.server.request("PUT", f"/{day.index}", {})
    laid_out = b'{\n  "@timestamp": "2026-01-01T10:00:00Z",\r\n  "a": "b"\n}'
    with closing(Elastic(Connection(url=day.server.url))) as elastic:
        elastic.request("POST", f"/{day.index}/_doc", laid_out)

    assert lines(day.take()) == [laid_out.replace(b"\n", b" ").replace(b"\r", b" ")]


class Moody:
    """Fails as often as it is told to."""

    where = "there"

    def __init__(self, *errors):
        self.errors = list(errors)

    def request(self, *what, **how):
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_a_server_that_is_busy_is_asked_again():
    """After a while that grows, or that it wishes itself."""
    clock = ManualClock(0.0)
    moody = Moody(ElasticError("busy", 429), ElasticError("away", 503, after=5.0), ElasticError("silent"))

    assert (Patient(moody, clock).request("GET", "/"), clock.now()) == ("answer", 0.5 + 5.0 + 8.0)


@pytest.mark.parametrize(
    "errors",
    [
        [ElasticError("wrong password", 401, grave=True)],
        [ElasticError("wrong certificate", grave=True)],
        [ElasticError("bad request", 400)],
        [ElasticError("away", 503)] * 4,
    ],
)
def test_what_does_not_pass_is_said(errors):
    """At once, or after the last attempt."""
    with pytest.raises(ElasticError):
        Patient(Moody(*errors), ManualClock()).request("GET", "/")
