"""Stores records in the data folder itself: no server, searched with `shipper search`.

One open file a day takes the rows as JSON lines; full, or when its day is over, it is sealed to Parquet beside the
running writer. Rows are durable when the batch is committed, and seen by readers from then on. At `max_bytes` the sink
takes nothing more and says so; reading waits.

Refused for good: a row that is not one line of UTF-8 with one JSON object from `{` to `}`.
"""

from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from shipper.clock import Clock
from shipper.context import Context
from shipper.model import Batch, Gather, Refused
from shipper.state import State
from shipper.store.layout import period
from shipper.store.recover import recover
from shipper.store.sealer import Sealer
from shipper.store.segments import Limits, Segments

BREAKERS = (b"\n", b"\r", b"\x01")
"""What a stored line cannot hold; JSON holds none of them unescaped."""
_FIRST, _LAST = itemgetter(0), itemgetter(-1)


class Config(BaseModel):
    """How much is stored, and in what pieces."""

    model_config = ConfigDict(extra="forbid")

    max_bytes: ByteSize = Field(
        default=ByteSize(10 << 30),
        gt=0,
        description="Budget on the disk, in bytes or as `10GiB`; reading waits when it is full.",
    )
    seal_bytes: ByteSize = Field(
        default=ByteSize(64 << 20),
        gt=0,
        description="JSON lines, in bytes or as `64MiB`, after which a file is sealed to Parquet.",
    )
    seal_rows: int = Field(default=250_000, gt=0, description="Rows after which a file is sealed to Parquet.")
    quiet_seconds: float = Field(
        default=600.0, ge=0, description="Seconds without new rows after which a day that is over is sealed."
    )


class EmbeddedSink:
    """The writer of the data folder's store; there is one a folder."""

    name = "embedded"
    gather: Gather | None = None

    def __init__(self, data: Path, limits: Limits, clock: Clock, *, seal_at_end: bool = False) -> None:
        """Repairs what a crash left, and starts sealing. Raises `StateMismatch`: see `store.recover`."""
        self._state = State(data / "state.db")
        recover(data, self._state)
        self._segments = Segments(data, self._state, limits, clock)
        self._sealer = Sealer(self._segments)
        self._seal_at_end = seal_at_end
        self._open = True
        self._sealer.start()

    def write(self, batch: Batch) -> list[Refused]:
        """Appends the batch; its rows are stored once `batch.changes`, to which this adds, are committed."""
        refused = [Refused(row, self.name, reason) for row, reason in unfit(batch.out)]
        if not batch.out or len(refused) == len(batch.out):
            return refused
        changes = [
            self._segments.append(batch.stream, day, rows, first, last)
            for day, rows, first, last in by_day(batch, {each.row for each in refused})
        ]
        batch.changes.extend(changes)
        return refused

    def close(self) -> None:
        """Waits for the seal in hand; with `--once` seals all that is due."""
        if self._open:
            self._open = False
            self._sealer.stop()
            if self._seal_at_end:
                self._sealer.seal_due()
            self._segments.close()
            self._state.close()


def build(config: Config, context: Context) -> EmbeddedSink:
    """The sink of a pipeline file's `type: embedded`."""
    limits = Limits(config.seal_bytes, config.seal_rows, config.quiet_seconds, config.max_bytes)
    return EmbeddedSink(context.data, limits, context.clock, seal_at_end=context.once)


def by_day(batch: Batch, without: set[int]) -> Iterable[tuple[str, list[bytes], str, str]]:
    """`(day, rows, lowest time, highest time)` for each day (alerts: month) of a batch, rows in order."""
    first, last = min(batch.times), max(batch.times)
    if not without and period(batch.stream, first) == period(batch.stream, last):
        return [(period(batch.stream, first), batch.out, first, last)]
    days: dict[str, tuple[list[bytes], list[str]]] = {}
    for row, (out, time) in enumerate(zip(batch.out, batch.times, strict=True)):
        if row not in without:
            rows, times = days.setdefault(period(batch.stream, time), ([], []))
            rows.append(out)
            times.append(time)
    return [(day, rows, min(times), max(times)) for day, (rows, times) in days.items()]


def unfit(rows: list[bytes]) -> list[tuple[int, str]]:
    """Rows that cannot be stored as a line, and why; looks at each only when the block as a whole is not clean."""
    block = b"".join(rows)
    framed = all(rows) and set(map(_FIRST, rows)) <= {ord("{")} and set(map(_LAST, rows)) <= {ord("}")}
    if framed and not any(each in block for each in BREAKERS) and _is_utf8(block):
        return []
    return [(row, reason) for row, line in enumerate(rows) if (reason := _why_unfit(line))]


def _why_unfit(line: bytes) -> str:
    if line[:1] != b"{" or line[-1:] != b"}":
        return "not a JSON object"
    if any(each in line for each in BREAKERS):
        return "a line break or control character that JSON has to escape"
    return "" if _is_utf8(line) else "not UTF-8"


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
