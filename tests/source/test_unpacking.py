"""What a compressed file holds, wherever it is read."""

import gzip
import os
import zlib

import pytest
from backports import zstd

from shipper.source import packed
from shipper.source.packed import End, Packed
from tests.source.packing import FORMS, numbered


def opened(path, content):
    path.write_bytes(content)
    return Packed(os.open(path, os.O_RDONLY), path.name)


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    """Either that there may be."""
    if request.param == "zlib":
        monkeypatch.setattr(packed, "GZIP", zlib)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("padding", [b"", b"\0" * 700])
def test_unpacks_any_number_of_members(tmp_path, padding):
    """As `cat` and `pigz` make them, on a tape even."""
    parts = [os.urandom(size).hex().encode() for size in (0, 1, 100_000, 0, 70_000)]
    file = opened(tmp_path / "x.gz", b"".join(map(gzip.compress, parts)) + padding)
    assert file.pread(1 << 20, 0) == b"".join(parts)
    assert (file.end, file.size()) == (End.WHOLE, len(b"".join(parts)))


def test_unpacks_any_number_of_frames(tmp_path):
    """Frames that are to be skipped among them."""
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    parts = [os.urandom(size).hex().encode() for size in (1, 300_000, 7)]
    file = opened(tmp_path / "x.zst", skipped + b"".join(map(zstd.compress, parts)) + skipped)
    assert file.pread(1 << 20, 0) == b"".join(parts)
    assert file.end is End.WHOLE


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["x.gz", "x.zst"])
def test_reads_from_anywhere(tmp_path, name):
    """Forwards and back."""
    whole = os.urandom(200_000).hex().encode()
    file = opened(tmp_path / name, FORMS[name[2:]](whole))
    places = [(10, 5), (100_000, 70_000), (0, 10), (399_990, 100), (399_000, 1000), (400_000, 10), (900_000, 3), (1, 1)]
    assert [file.pread(count, at) for at, count in places] == [whole[at : at + count] for at, count in places]


@pytest.mark.usefixtures("library")
def test_a_wrong_checksum_is_damage(tmp_path):
    """Also when every byte can be unpacked."""
    content = bytearray(gzip.compress(numbered(0, 100_000)))
    content[-8] ^= 1
    file = opened(tmp_path / "x.gz", bytes(content))
    file.pread(1 << 22, 0)
    assert (file.end, file.missing() > 0) == (End.BROKEN, True)


def test_a_small_file_that_unpacks_to_a_huge_one_takes_little_memory(tmp_path):
    """It is taken a piece at a time."""
    file = opened(tmp_path / "x.zst", zstd.compress(b"x" * 100_000_000))
    assert (len(file.pread(1000, 90_000_000)), len(file._kept) < 1 << 18) == (1000, True)
