"""DuckDB's way into the archive."""

import threading
from types import SimpleNamespace

import pytest

from shipper.archive.filesystem import PartSystem, url_of
from shipper.errors import ShipperError


class Piece:
    """Bytes that tell where they were read, slowly enough for another thread to come between."""

    def __init__(self, together=None):
        self.part = SimpleNamespace(bytes=100)
        self._together = together

    def read(self, start, stop):
        if self._together:
            self._together.wait()
        return bytes(range(start, stop))


def test_threads_that_share_a_file_do_not_move_one_another():
    """DuckDB opens a part once and reads it with all its threads."""
    file = PartSystem({"abc": Piece(threading.Barrier(2))}).open(url_of("abc"))
    moved, found = threading.Barrier(2), {}

    def read(place):
        file.seek(place)
        moved.wait()
        found[place] = (file.read(4), file.tell())

    threads = [threading.Thread(target=read, args=(place,)) for place in (10, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {place: (bytes(range(place, place + 4)), place + 4) for place in (10, 50)}


def test_a_file_is_as_long_as_its_part():
    """DuckDB begins at the end."""
    system = PartSystem({"abc": Piece()})
    assert system.info(url_of("abc")) == {"name": "abc", "size": 100, "type": "file"}
    assert system.glob(url_of("abc")) == ["abc"]
    assert system.ls(url_of("abc"), detail=False) == ["abc"]
    file = system.open(url_of("abc"))
    file.seek(-8, 2)
    assert file.read() == bytes(range(92, 100))


def test_why_a_read_failed_is_kept():
    """DuckDB hands on only a text."""
    away = Piece()
    away.read = lambda start, stop: (_ for _ in ()).throw(ShipperError("away"))
    system = PartSystem({"abc": away})
    with pytest.raises(OSError, match="away"):
        system.open(url_of("abc")).read(1)
    assert (system.failure[0], str(system.failure[1])) == ("abc", "away")
