"""Files read whole: the same rows as the tailer's, the last line included."""

import io
import sys

import pytest

from shipper.errors import ShipperError
from shipper.source.files import read_file


def lines(batches):
    return [line for batch in batches for line in batch.lines]


def test_reads_every_line_whatever_the_block(tmp_path):
    """Offsets too."""
    path = tmp_path / "x.log"
    path.write_bytes(b"one\ntwo\r\n\nno end")
    for block in (1, 3, 4096):
        batches = list(read_file(str(path), 0.0, block=block))
        assert lines(batches) == [b"one", b"two\r", b"", b"no end"]
        assert [at for batch in batches for at in batch.offsets] == [0, 4, 9, 10]
        assert [batch.final for batch in batches][-1] is True


def test_reads_standard_input(monkeypatch):
    """Named `-`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert lines(read_file("-", 0.0)) == [b"a", b"b"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    """In one line."""
    with pytest.raises(ShipperError, match="cannot be read"):
        list(read_file(str(tmp_path / "nowhere"), 0.0))
