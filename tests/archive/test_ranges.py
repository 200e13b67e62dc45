"""An archived object by ranges: only what is asked for is fetched, and only once."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.archive.manifest import Part
from shipper.archive.ranges import AHEAD, BLOCK, SMALL, STEP, Ranges
from shipper.objects.cache import BlockCache
from shipper.objects.store import Damaged, Unreachable

LARGE = random.Random(3).randbytes(40 * BLOCK + 17)


class Objects:
    """One object; keeps what it was asked for."""

    where = "s3://bucket"

    def __init__(self, raw):
        self.raw = raw
        self.asked = []
        self.failures = []

    def get(self, key, start=0, stop=None):
        self.asked.append((start, stop))
        if self.failures:
            raise self.failures.pop()
        return self.raw[start:stop]


class Opened:
    """`Ranges` over it."""

    def __init__(self, folder, raw=LARGE, sent=None):
        self.objects = Objects(raw if sent is None else sent)
        self.fetched = []
        self.cache = BlockCache(folder)
        self.part = Part("key", len(raw), sha256(raw).hexdigest(), 1, "", "", "")
        self.pool = ThreadPoolExecutor(4)
        self.again()

    def again(self):
        """As another process would open it."""
        self.ranges = Ranges(self.objects, self.part, self.cache, self.pool, self.fetched.append)


@pytest.fixture
def opened(tmp_path):
    return Opened(tmp_path)


@settings(deadline=None, max_examples=50)
@given(reads=st.lists(st.tuples(st.integers(0, len(LARGE) + 5), st.integers(0, 5 * BLOCK)), max_size=12))
def test_any_reads_give_the_bytes(tmp_path_factory, reads):
    """In any order, across pieces, beyond the end."""
    ranges = Opened(tmp_path_factory.mktemp("cache")).ranges
    for start, length in reads:
        assert ranges.read(start, start + length) == LARGE[start : start + length]


def test_only_what_is_needed_is_fetched(opened):
    """The pieces that a range touches, in one request."""
    assert opened.ranges.read(BLOCK + 5, 3 * BLOCK - 5) == LARGE[BLOCK + 5 : 3 * BLOCK - 5]
    assert opened.objects.asked == [(BLOCK, 3 * BLOCK)]
    assert sum(opened.fetched) == 2 * BLOCK


def test_nothing_is_fetched_twice(opened):
    """Nor by the next process."""
    opened.ranges.read(0, 2 * BLOCK)
    opened.again()
    opened.ranges.read(0, 2 * BLOCK)
    opened.ranges.read(BLOCK, 3 * BLOCK)
    assert opened.objects.asked == [(0, 2 * BLOCK), (2 * BLOCK, 3 * BLOCK)]


def test_reading_on_fetches_ever_more_at_a_time(opened):
    """A scan of all takes few requests, several at the same time."""
    for start in range(0, len(LARGE), BLOCK):
        opened.ranges.read(start, start + BLOCK)
    assert len(opened.objects.asked) < 9
    assert sum(opened.fetched) == len(LARGE)


def test_jumping_about_fetches_nothing_ahead(opened):
    """A column of every fifth row group."""
    for start in range(0, len(LARGE), 5 * BLOCK):
        opened.ranges.read(start, start + 1)
    assert sum(opened.fetched) == 8 * BLOCK + len(LARGE) % BLOCK


def test_large_reads_travel_in_steps(opened):
    """None larger than a step, so that a reader with little memory gets along."""
    assert opened.ranges.read(0, len(LARGE)) == LARGE
    assert max(stop - start for start, stop in opened.objects.asked) == STEP <= AHEAD


def test_threads_share_what_is_under_way(opened):
    """Each piece comes once, whoever asks first."""
    together = threading.Barrier(4)

    def read(_):
        together.wait()
        return opened.ranges.read(0, len(LARGE))

    with ThreadPoolExecutor(4) as readers:
        assert list(readers.map(read, range(4))) == [LARGE] * 4
    assert sum(opened.fetched) == len(LARGE)


def test_a_small_object_comes_whole_and_is_compared(tmp_path):
    """With its SHA-256, before a byte of it is used."""
    raw = LARGE[:SMALL]
    good = Opened(tmp_path / "good", raw)
    assert good.ranges.read(5, 6) == raw[5:6]
    assert good.objects.asked == [(0, SMALL)]
    bad = Opened(tmp_path / "bad", raw, sent=raw[:-1] + b"?")
    with pytest.raises(Damaged, match=r"s3://bucket/key: damaged, its SHA-256 .* look with: shipper tier verify"):
        bad.ranges.read(5, 6)
    assert bad.cache.held(bad.part.sha256) == set()


def test_a_large_object_is_compared_when_all_of_it_came(tmp_path):
    """However it came; what was kept of a damaged one goes."""
    wrong = bytearray(LARGE)
    wrong[10] ^= 1
    bad = Opened(tmp_path, sent=bytes(wrong))
    with pytest.raises(Damaged, match="SHA-256"):
        for start in range(0, len(LARGE), BLOCK):
            bad.ranges.read(start, start + BLOCK)
    assert bad.cache.held(bad.part.sha256) == set()


def test_a_whole_object_is_compared_once(opened):
    """Also when it came to several processes, bit by bit."""
    opened.ranges.read(0, 20 * BLOCK)
    opened.again()
    assert not opened.cache.was_whole(opened.part.sha256)
    opened.ranges.read(20 * BLOCK, len(LARGE))
    assert opened.cache.was_whole(opened.part.sha256)


def test_a_short_answer_is_damage(tmp_path):
    """Not the end of the object."""
    short = Opened(tmp_path, sent=LARGE[: 30 * BLOCK])
    with pytest.raises(Damaged, match=r"0 bytes came where \d+ should be"):
        short.ranges.read(35 * BLOCK, 36 * BLOCK)


def test_a_failure_is_told_and_tried_again_by_the_next(opened):
    """Nobody waits for a piece that does not come."""
    opened.objects.failures.append(Unreachable("away"))
    with pytest.raises(Unreachable):
        opened.ranges.read(0, BLOCK)
    assert opened.ranges.read(0, BLOCK) == LARGE[:BLOCK]


def test_a_damaged_piece_in_the_cache_is_fetched_again(opened):
    """From the store, which has it right."""
    opened.ranges.read(0, BLOCK)
    path = opened.cache.folder / opened.part.sha256 / "000000000000"
    path.write_bytes(path.read_bytes()[:-1])
    assert opened.ranges.read(0, BLOCK) == LARGE[:BLOCK]


def test_pieces_of_another_size_are_not_taken_for_ours(opened):
    """What an older shipper kept in larger ones, or in smaller ones."""
    opened.cache.put(opened.part.sha256, 0, LARGE[: 2 * BLOCK])
    opened.cache.put(opened.part.sha256, 2 * BLOCK, LARGE[2 * BLOCK : 2 * BLOCK + 5])
    opened.cache.put(opened.part.sha256, 7, LARGE[7:9])
    assert opened.ranges.read(0, 4 * BLOCK) == LARGE[: 4 * BLOCK]
    assert opened.ranges.read(0, len(LARGE)) == LARGE


def test_a_cache_that_keeps_nothing_changes_no_answer(tmp_path):
    """A full disk, a folder without the right to write."""
    (tmp_path / "file").touch()
    opened = Opened(tmp_path / "file" / "cache")
    assert opened.ranges.read(0, len(LARGE)) == LARGE
    assert opened.ranges.read(7, 9) == LARGE[7:9]


def test_several_places_are_fetched_together(opened):
    """With what lies between two that are near, and each piece once."""
    places = [(10, 20), (2 * BLOCK, 3 * BLOCK + 5), (3 * BLOCK, 3 * BLOCK + 1), (20 * BLOCK, 20 * BLOCK + 9)]

    assert opened.ranges.read_all(places) == [LARGE[start:stop] for start, stop in places]
    assert opened.objects.asked == [(0, 4 * BLOCK), (20 * BLOCK, 21 * BLOCK)]
    assert opened.ranges.read_all(places[::-1]) == [LARGE[start:stop] for start, stop in places[::-1]]
    assert len(opened.objects.asked) == 2
