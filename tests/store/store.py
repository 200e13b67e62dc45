"""A store to write to and look into, for tests."""

from shipper.clock import ManualClock
from shipper.sink.embedded import by_day
from shipper.state import State
from shipper.store.read import Reader, open_duckdb
from shipper.store.recover import recover
from shipper.store.seal import write_parquet
from shipper.store.segments import Limits, Segments
from tests.batches import finished

NOON = 1_763_899_200.0
"""2025-11-23T12:00:00Z"""
TODAY = "2025-11-23T12:00:00Z"
YESTERDAY = "2025-11-22T12:00:00Z"

ODD = [
    b'{"seq": 1 ,  "spaced":[ 1,2 ] }',
    b'{"message":"a\\u0000b"}',
    b'{"message":"\\ud800 alone"}',
    '{"message":"ünïcödé 🎈"}'.encode(),
    b'{"message":1,"message":2}',
    b'{"message":"C:\\\\x01 and \\\\N"}',
    b'{"message":"a,b;c\\"d\\""}',
    b'{"n":123456789012345678901234567890,"f":1e400}',
    b'{"message":NaN}',
    b'{"deep":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b"{not JSON at all}",
    b"{}",
]
"""Documents, not all of them well-formed."""


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


def sealed(tmp_path, *rows):
    """Where the Parquet of these rows lies."""
    source, target = tmp_path / "lines", tmp_path / "sealed"
    source.write_bytes(b"".join(each + b"\n" for each in rows))
    write_parquet(source, source.stat().st_size, len(rows), target, tmp_path / "tmp")
    return target


def ask(select, *arguments):
    """The answer of a DuckDB of its own."""
    with open_duckdb(arguments[0].parent / "tmp") as connection:
        return connection.execute(select).fetchall()
