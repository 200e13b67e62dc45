"""Pieces of objects on the disk: bounded, shared, and never wrong."""

import os

import pytest

from shipper.objects.cache import GONE, WHOLE, BlockCache, purge

A, B = "a" * 64, "b" * 64


@pytest.fixture
def cache(tmp_path):
    return BlockCache(tmp_path / "cache")


def used(folder):
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_there(cache):
    """By object and number, for another process too."""
    cache.put(A, 3, b"three")
    other = BlockCache(cache.folder)
    assert (other.get(A, 3), other.get(A, 4), other.get(B, 3)) == (b"three", None, None)
    assert other.held(A) == {3}


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:-1] + b"x"])
def test_a_damaged_piece_is_not_served(cache, damage):
    """Cut off, empty, or a flipped byte: it is fetched again."""
    cache.put(A, 0, b"piece")
    path = cache.folder / A / "000000000000"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(A, 0) is None
    assert not path.exists()


def test_a_piece_in_the_wrong_place_is_not_served(cache):
    """Its number is a part of what is checked."""
    cache.put(A, 0, b"piece")
    (cache.folder / A / "000000000000").rename(cache.folder / A / "000000000001")
    assert cache.get(A, 1) is None


def test_it_stays_below_its_limit(tmp_path):
    """The least used pieces go."""
    cache = BlockCache(tmp_path, 100_000)
    for number in range(50):
        cache.put(A, number, bytes(10_000))
        os.utime(tmp_path / A / f"{number:012d}", (number, number))
        assert number == 0 or cache.get(A, 0) is not None
        assert used(tmp_path) <= 135_000
    assert cache.get(A, 49) is not None
    assert cache.get(A, 1) is None


def test_what_is_purged_comes_never_back(cache):
    """Also not from a search that was fetching it meanwhile: something was erased from it."""
    cache.put(A, 0, b"piece")
    cache.put(B, 0, b"piece")
    purge(cache.folder, [A])
    cache.put(A, 1, b"late")
    assert (cache.get(A, 0), cache.get(A, 1), cache.get(B, 0)) == (None, None, b"piece")
    assert b"late" not in b"".join(path.read_bytes() for path in cache.folder.rglob("*") if path.is_file())


def test_purging_without_a_cache_makes_none(tmp_path):
    """Nobody has searched yet."""
    purge(tmp_path / "cache", [A])
    assert not (tmp_path / "cache").exists()


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path):
    """And nobody is stopped by it."""
    (tmp_path / "file").touch()
    cache = BlockCache(tmp_path / "file" / "cache")
    cache.put(A, 0, b"piece")
    cache.note_whole(A)
    assert (cache.get(A, 0), cache.held(A), cache.was_whole(A)) == (None, set(), False)


def test_forgotten_pieces_may_come_again(cache):
    """They were wrong, and the next ones need not be."""
    cache.put(A, 0, b"piece")
    cache.note_whole(A)
    assert cache.was_whole(A)
    cache.forget(A)
    assert not cache.was_whole(A)
    cache.put(A, 0, b"piece")
    assert cache.get(A, 0) == b"piece"


def test_nobody_else_may_read_it(cache):
    """It holds records."""
    cache.put(A, 0, b"piece")
    cache.note_whole(A)
    modes = {path.stat().st_mode & 0o077 for path in cache.folder.rglob("*")}
    assert (modes, (cache.folder / A / WHOLE).exists()) == ({0}, True)


def test_marks_of_what_was_purged_long_ago_go(cache):
    """Else there were more of them every day."""
    cache.put(A, 0, b"piece")
    purge(cache.folder, [A])
    mark = cache.folder / f"{A}{GONE}"
    os.utime(mark, (0, 0))
    purge(cache.folder, [B])
    assert [path.name for path in cache.folder.iterdir()] == [f"{B}{GONE}"]
