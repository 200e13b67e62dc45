"""Compressed log files: read on where their plain form was left, or from the beginning, each byte once."""

import gzip

import pytest
from backports import zstd

from shipper.state import State
from tests.source.follower import Follower
from tests.source.test_tail import append, rotate

FORMS = {"gz": gzip.compress, "zst": zstd.compress}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "backend.out.log"


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def pack(path, form="gz"):
    """As the tools do it: the new file is whole before the old one goes."""
    target = path.with_name(f"{path.name}.{form}")
    target.write_bytes(FORMS[form](path.read_bytes()))
    path.unlink()
    return target


def sibling(log, number):
    return log.with_name(f"{log.name}.{number}")


def numbered(first, last):
    return b"".join(b'{"n":%d}\n' % number for number in range(first, last))


def rows(first, last):
    return [b'{"n":%d}' % number for number in range(first, last)]


def lost(data):
    state = State(data / "state.db")
    count = sum(progress.lost for progress in state.files().values())
    state.close()
    return count


def read_some(data, log, **config):
    """One block, committed, then no more: as if stopped in the middle."""
    follower = Follower(data, log, block=4096, **config)
    follower.clock.advance(2)
    batch = next(follower._batches)
    follower.state.commit(batch)
    follower.close()
    return batch.lines


# ── rotated, then compressed ──────────────────────────────────────────────────────────────────────────────────────────


def test_goes_on_inside_a_file_that_was_half_read_and_compressed_while_stopped(data, log, form):
    """Under the id that it had, whatever its number is by then."""
    append(log, numbered(0, 2000))
    first = read_some(data, log)
    rotate(log)
    pack(sibling(log, 1), form).rename(sibling(log, f"2.{form}"))
    append(log, numbered(2000, 2010))
    second = Follower(data, log)
    assert first + second.look() == rows(0, 2010)
    assert 0 < len(first) < 2000
    assert len({event_id.split("-")[0] for event_id, _ in second.rows}) == 2
    assert second.context.metrics.lost_bytes == 0
