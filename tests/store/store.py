"""A store to write to and look into, for tests."""

from shipper.clock import ManualClock
from shipper.sink.embedded import by_day
from shipper.state import State
from shipper.store.read import Reader
from shipper.store.recover import recover
from shipper.store.seal import write_parquet
from shipper.store.segments import Limits, Segments
from tests.batches import finished

NOON = 1_763_899_200.0
"""2025-11-23T12:00:00Z"""
TODAY = "2025-11-23T12:00:00Z"
YESTERDAY = "2025-11-22T12:00:00Z"


def row(number, **fields):
    """A small document."""
    rest = "".join(f',"{name}":"{value}"' for name, value in fields.items())
    return f'{{"seq":{number}{rest}}}'.encode()


def seal_here(segment, data, target):
    """Sealing in this process: quicker than the child, the same work."""
    write_parquet(segment.path(data), segment.bytes, segment.rows, target, data / "tmp")


class Store:
    """A data folder opened for writing, as a sink does it."""

    def __init__(self, data, clock=None, **limits):
        self.data = data
        self.state = State(data / "state.db")
        recover(data, self.state)
        self.segments = Segments(data, self.state, Limits(**limits), clock or ManualClock(NOON))

    def append(self, *rows, start=0, time=TODAY, stream="records"):
        """A batch whose rows are appended, but not committed."""
        batch = finished(*rows, start=start, time=time)
        batch.stream = stream
        batch.changes = [self.segments.append(stream, *each) for each in by_day(batch, set())]
        return batch

    def commit(self, *rows, **how):
        self.state.commit(self.append(*rows, **how))

    def close(self):
        self.segments.close()
        self.state.close()

    def files(self):
        return sorted(str(path.relative_to(self.data)) for path in self.data.glob("*/*/*") if path.is_file())


def stored(data, stream="records", query="SELECT doc FROM records"):
    """What a reader sees, in any order: sorted."""
    reader = Reader(data)
    with reader.connect(stream) as connection:
        found = sorted(row[0].encode() for row in connection.execute(query).fetchall())
    reader.close()
    return found


def followed(data, stream="records"):
    """What `shipper tail` would show from the beginning on, sorted."""
    reader = Reader(data)
    rows, _ = reader.new_rows({}, stream)
    reader.close()
    return sorted(rows)
