"""The mover over buckets: storage classes, Object Lock, versions, lost answers, Elasticsearch as the hot store."""

import time
from collections import Counter
from contextlib import closing
from functools import partial

import orjson
import pytest

from shipper.archive import ledger
from shipper.archive.content import content
from shipper.archive.parquet import Exporter
from shipper.elastic.connect import Elastic
from shipper.elastic.connection import Connection
from shipper.elastic.template import templates
from shipper.objects.store import Locked
from shipper.tier.elastic import ElasticHot
from shipper.tier.move import Mover
from tests.faults.objects import Faulty
from tests.tier.world import Killed, World, at, day, record

CLASSES = {"warm": {"until": "30d", "storage_class": "STANDARD_IA"}, "cold": {"until": "365d"}}


def world_in(bucket, tmp_path, **policy):
    made = World(tmp_path, lambda _: bucket.store(), now=at(8), **policy)
    made.store(day(0), 1, 2, 3)
    return made


def classes(world):
    """Storage class of each part, as the store tells it and as the manifest does."""
    parts = [part for one in ledger.archived(world.state) for part in one.manifest.parts]
    return [(world.objects.head(part.key).storage_class, part.storage_class) for part in parts]


def test_a_day_goes_through_all_tiers(bucket, tmp_path):
    world = world_in(bucket, tmp_path)
    where = []
    for _ in world.on(8, 9, 31, 32, 366):
        where.append(world.tiers_of(day(0)))
    assert where == [["warm"], ["warm"], ["cold", "warm"], ["cold"], []]
    assert {stored.key.partition("/")[0] for stored in world.objects.list()} == {"receipts"}


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_each_tier_has_its_class(bucket, tmp_path):
    world = world_in(bucket, tmp_path, **{**CLASSES, "cold": {"until": "365d", "storage_class": "GLACIER_IR"}})
    seen = [classes(world) for _ in world.on(8, 32)]
    assert (seen, world.archived()) == ([[("STANDARD_IA",) * 2], [("GLACIER_IR",) * 2]], world.written)


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
@pytest.mark.parametrize("class_", ["GLACIER", "DEEP_ARCHIVE"])
def test_a_class_that_cannot_be_read_at_once_is_proven_as_warm_bytes(bucket, tmp_path, class_):
    world = world_in(bucket, tmp_path, **{**CLASSES, "cold": {"until": "365d", "storage_class": class_}})
    reports = [report for _, report in world.on(8, 9, 31, 32)]
    assert ([report.failed for report in reports], classes(world)) == ([[], [], [], []], [(class_, class_)])


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_late_record_goes_straight_into_a_class_that_cannot_be_read_at_once(bucket, tmp_path):
    """Read back as STANDARD under another key, which is gone afterwards."""
    world = world_in(bucket, tmp_path, **{**CLASSES, "cold": {"until": "365d", "storage_class": "GLACIER"}})
    for number, _ in world.on(8, 9, 31, 32, 40, 41):
        if number == 32:
            world.store(day(0), 7)
    keys = [stored.key for stored in world.objects.list("cold/") if stored.key.endswith(("parquet", "proof"))]
    assert (keys, classes(world)) == (
        [f"cold/backend/{day(0)}.parquet", f"cold/backend/{day(0)}.s1.parquet"],
        [("GLACIER",) * 2] * 2,
    )


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_glacier_copy_that_says_another_checksum_keeps_the_warm_one(bucket, tmp_path):
    world = world_in(bucket, tmp_path, **{**CLASSES, "cold": {"until": "365d", "storage_class": "GLACIER"}})
    for _ in world.on(8, 9):
        pass
    world.objects = Faulty(world.objects)
    world.objects.says(f"cold/backend/{day(0)}.parquet", sha256="0" * 64)
    for _, report in world.on(31, 32, 33):
        [failed] = report.failed
        assert "checksum" in failed.failure
    assert (world.tiers_of(day(0)), world.archived()) == (["warm"], world.written)


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_a_locked_day_stays_until_its_time_whoever_wants_it_gone(locked_bucket, tmp_path):
    """Warm and cold: the lock of each ends with its stage."""
    today = int((time.time() - at(0, hour=0)) // 86_400)
    policy = {"datasets": {"backend": {"until": "9999d", "lock": True}}}
    world = World(tmp_path, lambda _: locked_bucket.store(), now=at(today), **policy)
    world.store(day(today - 20), 1)
    world.run()
    key = f"warm/backend/{day(today - 20)}.parquet"
    stored = world.objects.head(key)
    assert stored.locked_until == at(today - 19, hour=0) + 31 * 86_400
    archive = world.archive()
    with pytest.raises(Locked, match="locked until"):
        archive.retire(archive.find("warm", "backend", day(today - 20)), "expired", "by hand")
    assert (world.found(), world.tiers_of(day(today - 20))) == (world.written, ["warm"])


def test_what_was_put_with_another_answer_lost_is_published_once(bucket, tmp_path):
    """Each kind of write is done, and nobody hears of it."""
    world = world_in(bucket, tmp_path)
    world.objects = Faulty(world.objects)
    for method in ("put", "copy", "delete"):
        world.objects.lost_acknowledgement(method, 2)
    reports = [report for _, report in world.on(8, 9, 31, 33)]
    assert [report.failed for report in reports] == [[], [], [], []]
    assert (world.archived(), world.tiers_of(day(0))) == (world.written, ["cold"])


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
@pytest.mark.parametrize("morning", [8, 31, 32])
def test_killed_before_any_call_each_record_is_found_once(bucket, tmp_path, morning):
    """Of the store itself, not only between steps."""
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, partial(_below, bucket, number), now=at(8))
        world.store(day(0), 1, 2)
        for _ in world.on(*(each for each in (8, 9, 31, 32) if each < morning)):
            pass
        if not _killed(world, morning, number):
            break
        assert world.found() == world.written
        for _ in world.on(morning, morning + 1, morning + 2):
            assert world.found() == world.written
        assert len(world.tiers_of(day(0))) == 1
    assert number > 5


def _below(bucket, number, _):
    """A place of its own in a bucket."""
    store = bucket.store()
    return type(store)(bucket.name, f"{number}", bucket.settings)


def _killed(world, morning, number):
    """Whether it came to so many calls."""
    store, left = world.objects, [number]

    def count(_):
        left[0] -= 1
        if not left[0]:
            raise Killed

    world.objects = Faulty(store)
    for method in ("put", "get", "fetch", "copy", "delete", "head"):
        world.objects.at(method, count)
    world.clock.advance(at(morning) - world.clock.now())
    try:
        world.run()
    except Killed:
        return True
    finally:
        world.objects = store
    return False


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_a_day_of_elasticsearch_goes_into_a_bucket(elasticsearch, name, bucket, tmp_path):
    """With what comes while it waits in grace, and then the index is gone."""
    world = World(tmp_path, lambda _: bucket.store(), now=at(8))
    world.hot = ElasticHot(Elastic(Connection(url=elasticsearch.url)), name, world.clock)
    elasticsearch.request("PUT", f"/_index_template/{name}", templates(name)[name])
    docs = [record(number, day(0)) for number in range(50)]
    _put(elasticsearch, f"{name}-{day(0)}", docs[:40])
    with closing(Exporter()) as world.exporter, closing(world.hot):
        first = Mover(world.moving()).run()
        _put(elasticsearch, f"{name}-{day(0)}", docs[40:])
        world.clock.advance(86_400)
        second = Mover(world.moving()).run()
        left = list(world.hot.days())
    manifest = ledger.archived(world.state)[0].manifest
    assert (first.failed, second.failed, left) == ([], [], [])
    assert ([part.rows for part in manifest.parts], manifest.content) == ([40, 10], _content(docs))


def _put(server, index, docs):
    rows = []
    for doc in docs:
        rows += [orjson.dumps({"create": {"_index": index, "_id": orjson.loads(doc)["event.id"]}}), doc]
    assert not server.request("POST", "/_bulk", b"\n".join(rows) + b"\n")["errors"]


def _content(docs):
    assert max(Counter(docs).values()) == 1
    return content(docs)
