"""The mover over doubles: a life of days, killed at every boundary, and all that can stop a move."""

import pytest

from shipper.archive import ledger
from shipper.objects.folder import FolderStore
from shipper.objects.store import Locked, Unreachable
from shipper.tier.move import Mover
from shipper.tier.moving import Stopped
from tests.tier.slow_objects import SlowFolder
from tests.tier.world import Killed, World, at, day


@pytest.fixture
def world(tmp_path):
    """Two datasets of one day, which is old enough to leave the hot store."""
    made = World(tmp_path, now=at(8))
    made.store(day(0), 1, 2, 3)
    made.store(day(0), 4, dataset="audit")
    return made


def test_a_day_goes_through_all_tiers(world):
    """Hot 7 days, warm 30, cold 365, then gone."""
    mornings = (7, 8, 9, 30, 31, 32, 365, 366)
    seen = [world.tiers_of(day(0)) or [*world.hot.docs] for _ in world.on(*mornings)]
    assert seen == [
        [day(0)],
        ["warm", "warm"],
        ["warm", "warm"],
        ["warm", "warm"],
        ["cold", "warm", "cold", "warm"],
        ["cold", "cold"],
        ["cold", "cold"],
        [],
    ]


def test_nothing_of_a_day_is_left_when_it_is_gone(world):
    """But for the receipts."""
    for _ in world.on(8, 9, 31, 32, 366):
        pass
    assert {key.partition("/")[0] for key in world.objects_there()} == {"receipts"}


def test_the_hot_copy_waits_for_its_grace(world):
    world.run()
    waits = [*world.hot.docs]
    world.clock.advance(86_399)
    world.run()
    still = [*world.hot.docs]
    world.clock.advance(1)
    world.run()
    assert (waits, still, [*world.hot.docs]) == ([day(0)], [day(0)], [])


@pytest.mark.parametrize("ending", [Stopped, KeyboardInterrupt])
def test_who_is_stopped_leaves_no_day_blocked(world, ending):
    """A sink that has something for it would hold until the next run."""
    world.run()
    world.clock.advance(86_400)

    def passed(what):
        if what == "blocked":
            raise ending

    moving = world.moving()
    moving.passed = passed
    with pytest.raises(ending):
        Mover(moving).run()
    assert (world.hot.blocked, world.found()) == (set(), world.written)


def test_moves_that_were_done_long_ago_are_forgotten(world):
    """The receipts tell of them."""
    for _ in world.on(8, 9, 31, 32):
        pass
    there = world.state.rows("SELECT count(*) FROM moves")[0][0]
    for _ in world.on(63):
        pass
    assert (there, world.state.rows("SELECT count(*) FROM moves")[0][0]) == (3, 0)


def test_what_searches_have_fetched_of_a_day_goes_with_it(world):
    """And not with its warm copy: the cold one has the same bytes."""
    told = []

    def run():
        moving = world.moving()
        moving.forget = told.extend
        Mover(moving).run()

    for number in (8, 9, 31, 32):
        world.clock.advance(at(number) - world.clock.now())
        run()
    parts = [part.sha256 for one in ledger.archived(world.state) for part in one.manifest.parts]
    before = list(told)
    world.clock.advance(at(366) - world.clock.now())
    run()
    assert (before, sorted(told), len(told)) == ([], sorted(parts), 2)


def test_a_day_in_grace_is_found_once(world):
    world.run()
    assert world.found() == world.written


def test_late_records_become_a_supplement_before_the_day_is_deleted(world):
    world.run()
    world.store(day(0), 5)
    world.clock.advance(86_400)
    world.run()
    keys = [key for key in world.objects_there() if key.endswith(".parquet")]
    assert (keys, world.found()) == (
        [f"warm/audit/{day(0)}.parquet", f"warm/backend/{day(0)}.parquet", f"warm/backend/{day(0)}.s1.parquet"],
        world.written,
    )


def test_a_record_that_comes_after_that_is_the_next_supplement_where_its_day_lies_now(world):
    for number, _ in world.day_by_day(8, 45):
        if number == 40:
            world.store(day(0), 6)
    assert (f"cold/backend/{day(0)}.s1.parquet" in world.objects_there(), world.found()) == (True, world.written)


def test_a_day_that_is_older_than_every_tier_goes_through_the_last_one(tmp_path):
    """Its receipts say that it was there."""
    world = World(tmp_path, now=at(500))
    world.store(day(0), 1)
    report = world.run()
    assert ([(move.kind, move.to_tier) for move in report.done], world.tiers_of(day(0))) == ([("expire", "gone")], [])


def test_a_day_on_hold_is_moved_and_never_expires(world):
    world.held.add(("backend", day(0)))
    for _ in world.on(8, 9, 31, 32, 370, 380):
        pass
    assert world.tiers_of(day(0)) == ["cold"]


def test_a_hold_that_comes_before_a_deletion_goes_on_counts(tmp_path):
    """The store was away when its receipt was to be written."""
    world = World(tmp_path, AwayFolder, now=at(8))
    world.store(day(0), 1, 2)
    for _ in world.on(8, 9, 31, 32):
        pass
    world.clock.advance(at(366) - world.clock.now())
    world.objects.away = 1000
    assert len(world.run().failed) == 1
    world.objects.away = 0
    world.held = {("backend", day(0))}
    world.run()
    assert (world.archived(), world.tiers_of(day(0))) == (world.written, ["cold"])


def test_a_hold_that_comes_between_plan_and_deletion_counts(world):
    """The plan does not see it, the deletion does; and nobody is alarmed."""
    for _ in world.on(8, 9, 31, 32, 365):
        pass
    world.clock.advance(86_400)
    asked = []
    moving = world.moving()
    moving.held = lambda dataset, _: asked.append(dataset) or asked.count(dataset) > 1
    report = Mover(moving).run()
    assert (len(report.failed), world.tiers_of(day(0)), world.alerts()) == (2, ["cold", "cold"], [])


# ── killed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def boundaries(tmp_path, mornings):
    """How many there are on each morning of a life in which nothing goes wrong."""
    world, counts = lived(tmp_path / "whole"), {}
    for number, _ in world.day_by_day(8, max(mornings) + 1):
        late(world, number)
        counts[number] = len(world.passed)
    return {number: counts[number] for number in mornings}


def lived(folder):
    folder.mkdir()
    world = World(folder, now=at(8))
    world.store(day(0), 1, 2, 3)
    world.store(day(0), 4, dataset="audit")
    return world


def late(world, number):
    if number == 8:
        world.store(day(0), 5)


@pytest.mark.parametrize("morning", [8, 9, 31, 32])
def test_killed_at_every_boundary_nothing_is_lost_or_there_twice(tmp_path, morning):
    """And once it goes on, all is where it would be."""
    count = boundaries(tmp_path, [morning])[morning]
    assert count > 5
    for boundary in range(1, count + 1):
        world = lived(tmp_path / str(boundary))
        for number, _ in world.day_by_day(8, morning):
            late(world, number)
        world.clock.advance(at(morning) - world.clock.now())
        with pytest.raises(Killed):
            world.run(kill_at=boundary)
        assert_each_once(world, boundary)
        for number, _ in world.day_by_day(morning, morning + 3):
            late(world, number)
            assert_each_once(world, boundary)
        assert sorted(world.objects_there()) == sorted(expected_keys(world))


def assert_each_once(world, boundary):
    found = world.found()
    assert set(found) == set(world.written), boundary
    assert max(found.values()) == 1, boundary


def expected_keys(world):
    archived = ledger.archived(world.state, grace=True)
    parts = [part.key for one in archived for part in one.manifest.parts]
    manifests = [f"{one.tier}/{one.dataset}/{one.day}.manifest.json" for one in archived]
    receipts = [f"receipts/{number:08d}.json" for number in range(1, ledger.chain(world.state, "archive")[0] + 1)]
    return [*parts, *manifests, *receipts]


def test_killed_while_it_expires_a_day_is_there_whole_or_gone(tmp_path):
    """What is being deleted is not searched any more."""
    for boundary in range(1, 30):
        world = lived(tmp_path / str(boundary))
        for _ in world.on(8, 9, 31, 32):
            pass
        world.clock.advance(at(366) - world.clock.now())
        try:
            world.run(kill_at=boundary)
        except Killed:
            assert set(world.found().values()) <= {1}
        else:
            break
        for _ in world.day_by_day(366, 368):
            pass
        assert {key.partition("/")[0] for key in world.objects_there()} == {"receipts"}
    assert boundary > 10


# ── what stops a move ─────────────────────────────────────────────────────────────────────────────────────────────────


class FlippingFolder(FolderStore):
    """Every part that is read back has one byte wrong, while `broken`."""

    broken = True

    def fetch(self, key, target, told=None):
        super().fetch(key, target, told)
        if self.broken:
            raw = bytearray(target.read_bytes())
            raw[10] ^= 1
            target.write_bytes(raw)
            return "0" * 64
        return super().fetch(key, target, told)


def test_wrong_bytes_read_back_stop_the_move_and_tell(tmp_path):
    """Nothing is deleted, and the next run tries again."""
    world = World(tmp_path, FlippingFolder, now=at(8))
    world.store(day(0), 1, 2)
    report = world.run()
    [(state, group, words)] = world.alerts()
    failed = (len(report.failed), state, group, "read back" in words, world.found() == world.written)
    world.objects.broken = False
    world.clock.advance(3600)
    again = world.run()
    assert failed == (1, "open", {"day": day(0), "kind": "archive"}, True, True)
    assert (len(again.waiting), [state for state, *_ in world.alerts()]) == (1, ["resolved"])
    assert world.archived() == world.written


def test_a_record_that_was_not_written_stops_the_move(world):
    world.exporter.lose = 1
    report = world.run()
    assert ("not the same" in report.failed[0].failure, world.objects_there(), world.found()) == (
        True,
        [],
        world.written,
    )


def test_a_record_that_was_not_read_stops_the_move(world):
    """What the store itself counts is compared with what came out of it."""
    take = world.hot.take
    world.hot.take = lambda *how: take(*how)._replace(rows=99)
    report = world.run()
    assert ("the store counts 99" in report.failed[0].failure, world.objects_there()) == (True, [])


def test_one_day_that_fails_does_not_stop_the_others(world):
    world.store(day(-1), 1)
    take = world.hot.take
    world.hot.take = lambda day_, *how: take(day_, *how)._replace(rows=99 if day_ == day(0) else 1)
    report = world.run()
    assert ([move.day for move in report.failed], [move.day for move in report.waiting]) == ([day(0)], [day(-1)])


class AwayFolder(FolderStore):
    """Answers nothing, so often."""

    away = 0

    def put(self, key, source, **how):
        if self.away:
            self.away -= 1
            raise Unreachable(f"{self.where}: no answer")
        return super().put(key, source, **how)


def test_a_store_that_is_away_for_a_moment_is_asked_again(tmp_path):
    world = World(tmp_path, AwayFolder, now=at(8))
    world.store(day(0), 1)
    world.objects.away = 3
    assert (len(world.run().waiting), world.clock.now() - at(8)) == (1, 7.0)


def test_a_store_that_stays_away_ends_the_run_and_tells(tmp_path):
    """Other moves would only wait as long."""
    world = World(tmp_path, AwayFolder, now=at(8))
    world.store(day(0), 1)
    world.store(day(-1), 1)
    world.objects.away = 1000
    reports = [world.run(), world.run()]
    assert [len(report.failed) for report in reports] == [1, 1]
    assert [(state, group["day"]) for state, group, _ in world.alerts()] == [("open", day(-1))]
    world.objects.away = 0
    assert (len(world.run().waiting), [state for state, *_ in world.alerts()]) == (2, ["resolved"])


def test_an_act_that_was_cut_short_by_the_store_is_carried_out_by_the_next_run(tmp_path):
    """Parts were put, then the store went away."""
    world = World(tmp_path, AwayFolder, now=at(8))
    world.store(day(0), 1)
    put = world.objects.put

    def once_published(key, source, **how):
        if key.endswith(".manifest.json"):
            world.objects.away = 4
        return put(key, source, **how)

    world.objects.put = once_published
    first = world.run()
    world.objects.put = put
    world.clock.advance(3600)
    second = world.run()
    assert (len(first.failed), len(second.waiting), world.found()) == (1, 1, world.written)


def test_a_disk_without_room_is_said_before_anything_is_written(world):
    world.free = 100
    report = world.run()
    assert ("make room" in report.failed[0].failure, world.objects_there()) == (True, [])


def test_a_part_that_vanished_in_grace_keeps_the_hot_copy(world):
    world.run()
    world.objects.delete(f"warm/backend/{day(0)}.parquet")
    world.clock.advance(86_400)
    report = world.run()
    assert ("gone" in report.failed[0].failure, [*world.hot.docs], world.hot.blocked) == (True, [day(0)], set())


def test_a_byte_that_flipped_before_the_cold_copy_keeps_the_warm_one_and_tells(world):
    for _ in world.day_by_day(8, 31):
        pass
    path = world.data / "archive" / f"warm/backend/{day(0)}.parquet"
    path.write_bytes(path.read_bytes()[:-2] + b"x\n")
    world.clock.advance(86_400)
    report = world.run()
    assert ([move.dataset for move in report.failed], world.tiers_of(day(0))) == (["backend"], ["cold", "warm", "warm"])


class LockedFolder(FolderStore):
    """Everything is locked."""

    def versions(self, key):
        return [each._replace(locked_until=at(9999)) for each in super().versions(key)]

    def delete(self, key):
        raise Locked(f"{self.where}/{key}: locked")


def test_what_is_locked_is_left_and_named(tmp_path):
    """Nobody is alarmed: it is meant to be so."""
    world = World(tmp_path, LockedFolder, now=at(500))
    world.store(day(0), 1)
    report = world.run()
    assert ("locked until" in report.failed[0].failure, world.alerts(), world.found()) == (True, [], world.written)


def test_another_shipper_at_the_same_place_is_seen(world):
    world.run()
    number, _ = ledger.chain(world.state, "archive")
    world.objects.put(f"receipts/{number + 1:08d}.json", b"{}")
    world.store(day(1), 1)
    world.clock.advance(86_400)
    report = world.run()
    assert "another shipper" in " ".join(move.failure for move in report.failed)


# ── a state that was lost ─────────────────────────────────────────────────────────────────────────────────────────────


def forget_all(world):
    """A new machine, with the same archive and hot store."""
    world.state.close()
    for path in world.data.glob("state.db*"):
        path.unlink()
    world.open_state()


def test_an_archive_is_taken_over(world):
    for _ in world.day_by_day(8, 12):
        pass
    before = ledger.archived(world.state), ledger.chain(world.state, "archive")
    forget_all(world)
    report = world.run()
    after = ledger.archived(world.state), ledger.chain(world.state, "archive")
    assert (report.adopted, [one[:5] for one in after[0]], after[1]) == (2, [one[:5] for one in before[0]], before[1])


def test_of_two_copies_of_an_archive_that_is_taken_over_the_warm_one_goes(world):
    for _ in world.day_by_day(8, 32):
        pass
    forget_all(world)
    for _ in world.day_by_day(32, 35):
        assert world.archived() == world.written
    receipts, _ = ledger.chain(world.state, "archive")
    assert (world.tiers_of(day(0)), receipts) == (["cold", "cold"], len(["published", "copied", "dropped"]) * 2)


def test_a_hot_day_that_is_archived_already_is_not_archived_twice(world):
    world.run()
    forget_all(world)
    for _ in world.day_by_day(8, 11):
        pass
    assert (world.archived(), [*world.hot.docs]) == (world.written, [])


def test_the_union_of_all_tiers_is_the_same_every_morning(tmp_path):
    """Days come and go for two months, each with late records."""
    world = World(tmp_path, now=at(0), hot="2d", warm="5d", cold="20d")
    for number in range(26):
        world.store(day(number), 1, 2)
        world.store(day(number), 3, dataset="audit")
        world.store(day(max(0, number - 4)), 100 + number)
        world.clock.advance(at(number) - world.clock.now())
        world.run()
        assert set(world.found()) >= {doc for doc in world.written if _age(doc, number) <= 20}
        assert max(world.found().values()) == 1


def _age(doc, number):
    days = {day(each): each for each in range(60)}
    return number - days[doc.decode().split('"event.id":"f-')[1][:10]]


def test_a_cold_copy_that_vanished_in_grace_keeps_the_warm_one(world):
    for _ in world.on(8, 9, 31):
        pass
    world.objects.delete(f"cold/backend/{day(0)}.parquet")
    [(_, report)] = world.on(32)
    assert ([move.dataset for move in report.failed], world.tiers_of(day(0))) == (["backend"], ["cold", "cold", "warm"])


def test_warm_bytes_are_read_before_they_go_where_they_cannot_be_read(tmp_path):
    """The copy of a wrong byte has the right size, and the checksum that was noted of the right one."""
    world = World(tmp_path, SlowFolder, now=at(8), cold={"until": "365d", "storage_class": "GLACIER"})
    world.store(day(0), 1)
    world.objects.storage_class = "STANDARD"
    world.objects.until = dict.fromkeys([f"warm/backend/{day(0)}.parquet"], at(999))
    for _ in world.on(8, 9):
        pass
    part = ledger.archived(world.state)[0].manifest.parts[0]
    head = world.objects.head
    world.objects.head = lambda key: (there := head(key)) and there._replace(sha256=part.sha256)
    path = world.data / "archive" / part.key
    path.write_bytes(path.read_bytes()[:-2] + b"x\n")
    [(_, report)] = world.on(31)
    assert ("read back" in report.failed[0].failure, world.tiers_of(day(0))) == (True, ["warm"])


def test_what_a_killed_move_had_put_is_gone_when_its_records_are(world):
    """They were erased from the hot store before the move went on."""
    with pytest.raises(Killed):
        world.run(kill_at=world_boundaries(world, "verified"))
    put = [key for key in world.objects_there() if "/audit/" in key]
    world.hot.docs[day(0)] = [doc for doc in world.hot.docs[day(0)] if b"audit" not in doc]
    world.run()
    assert (len(put), [key for key in world.objects_there() if "/audit/" in key]) == (1, [])


def world_boundaries(world, step):
    """The number of a boundary, from a run over a copy of the same day."""
    folder = world.data / "copy"
    folder.mkdir()
    other = World(folder, now=world.clock.now())
    other.hot.docs = {each: list(docs) for each, docs in world.hot.docs.items()}
    other.run()
    return other.passed.index(step) + 1


def test_legal_holds_of_the_store_go_with_a_held_day(world):
    """Once when a copy is published, and once before what it is of goes. The old copy loses its own only when the new
    one has it; what fails is said, and stops nothing."""
    seen = []
    for number in (8, 9, 31, 32):
        world.clock.advance(at(number) - world.clock.now())
        moving = world.moving()
        moving.protect = lambda place, dataset, _, keys: [seen.append(("on", key)) or "away" for key in keys]
        moving.let_go = lambda place, keys: [seen.append(("off", key)) or "away" for key in keys]
        assert Mover(moving).run().failed == []
    warm, cold = (f"{tier}/backend/{day(0)}.parquet" for tier in ("warm", "cold"))
    assert [each for each in seen if "backend" in each[1]] == [
        *[("on", warm), ("on", warm)],
        *[("on", cold), ("on", cold), ("off", warm)],
    ]


def test_a_day_that_expires_loses_the_legal_holds_that_were_set_here(world):
    """A release that was cut short has left them, and nobody can say it again."""
    seen, locked = [], {f"cold/backend/{day(0)}.parquet"}
    for number in (8, 9, 31, 32, 366):
        world.clock.advance(at(number) - world.clock.now())
        moving = world.moving()
        moving.let_go = lambda place, keys: [seen.append(key) or locked.discard(key) for key in keys] and []
        moving.forget = lambda _: seen.append(f"locked {sorted(locked)}") if world.clock.now() >= at(366) else None
        assert Mover(moving).run().failed == []
    cold = f"cold/backend/{day(0)}.parquet"
    assert (seen[-2:], world.tiers_of(day(0))) == ([cold, "locked []"], [])
