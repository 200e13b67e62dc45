"""Compressed log files for tests."""

import gzip

from backports import zstd

from shipper.state import State
from tests.source.follower import Follower

FORMS = {"gz": gzip.compress, "zst": zstd.compress}


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


def backfill(folder, count, form="gz", each=100):
    folder.mkdir()
    for number in range(count):
        path = folder / f"app-{number:03}.log.{form}"
        path.write_bytes(FORMS[form](numbered(number * each, number * each + each)))
