"""What travels through the pipeline. Standard library only; everything else points down at this file.

A record's way: `source` makes a `Batch` of raw lines, each stage hands a batch on (who passes it on does not touch it
again), the sinks store it, and one transaction in `state.db` commits all that the batch carries.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Doc = dict[str, Any]


class Origin(NamedTuple):
    """Where rows come from, the same for every row of one file (or other source)."""

    file_id: str
    """128 random bits in hex, given at the first sight and kept through renames."""
    path: str
    """The path it was first matched under: `/var/log/supervisor/backend.out.log`, also for its rotated siblings."""
    dataset: str
    timezone: str
    """IANA name for times that carry no zone."""


class Span(NamedTuple):
    """A run of consecutive rows of one batch that share an origin: rows `start` (included) to `stop` (excluded)."""

    start: int
    stop: int
    origin: Origin


class Position(NamedTuple):
    """The bytes that one row covers: two ranges for a line stitched over a rotation, else one."""

    source_id: str
    ranges: tuple[tuple[str, int, int], ...]
    """`(file id, first byte, byte behind the last)` each."""

    @property
    def event_id(self) -> str:
        """The record's `_id`: the same bytes always get the same one."""
        return f"{self.source_id}-{self.ranges[0][1]}"


@dataclass(slots=True)
class Progress:
    """How far one file is read once the batch that carries this is committed."""

    file_id: str
    offset: int
    """The first byte that no committed row covers."""
    check_at: int
    """How far the file had been read; `check` identifies the file by the bytes just before this offset."""
    check: str
    device: int = 0
    inode: int = 0
    path: str = ""
    family: str = ""
    size: int = 0
    done: bool = False
    """Rotated and read to its end: kept only so that it is known when it is seen again."""
    lost: int = 0
    """Bytes that were deleted before they could be read."""
    time: str = ""
    """`@timestamp` of the file's last committed record: what a record without a time inherits."""
    generation: int = 0
    """Of the files that stood under the family's name one after the other, which one this is, from 1."""


@dataclass(slots=True)
class Finding:
    """One match in one record. Never holds the secret itself."""

    rule_id: str
    rule: str
    level: str
    row: int
    field: str | None = None
    span: tuple[int, int] | None = None
    """In characters of the value of `field`."""
    fingerprint: str | None = None
    """Keyed hash of a secret."""
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Alert:
    """What a person is told: one finding, or many that a correlation put together, after suppression."""

    id: str
    rule_id: str
    rule: str
    level: str
    group: dict[str, str]
    count: int
    first: str
    """`@timestamp` of the first evidence record."""
    last: str
    evidence: list[str] = field(default_factory=list)
    """`event.id` of the records, the first ones and the last (see `EVIDENCE_LIMIT`)."""
    tags: tuple[str, ...] = ()
    """ATT&CK and other tags as the rule has them: `attack.t1110`."""
    description: str = ""
    state: str = "open"
    updated: str = ""
    notify: bool = False
    """True when this change is news that a person should be told."""


@dataclass(slots=True)
class Refused:
    """A row that a sink will never take."""

    row: int
    sink: str
    reason: str


class StateChange(NamedTuple):
    """A statement that belongs into the commit's transaction: table-specific, made by who owns the table."""

    sql: str
    values: tuple[Any, ...]


@dataclass(slots=True)
class Batch:
    """Parallel lists, one entry a row. Later lists are filled by later stages; `keep` keeps them aligned."""

    lines: list[bytes]
    """As read, without the newline; rows joined from several lines hold the inner newlines."""
    offsets: list[int]
    """Where the row starts in its file, in bytes."""
    spans: list[Span]
    clock: float
    """When it was read, in seconds since the epoch: the only clock that its content may depend on."""
    progress: dict[str, Progress] = field(default_factory=dict)
    final: bool = False
    """Nothing follows for now: what a stage holds back for a continuation has to come out."""
    stitched: dict[int, tuple[tuple[str, int, int], ...]] = field(default_factory=dict)
    """Row → byte ranges, only for rows that cover more than one."""
    docs: list[Doc] = field(default_factory=list)
    """As parsed: the original fields. A row that is not JSON is `{"message": text}`."""
    odd: dict[int, str] = field(default_factory=dict)
    """Rows that are more or less than one plain JSON object: row → why (`""` when nothing is wrong with it).
    They always go the exact way."""
    clocked: bool = False
    """Some row's content depends on `clock`: its intent is committed before any sink sees it."""
    times: list[str] = field(default_factory=list)
    """`@timestamp` of each row, RFC 3339 in UTC with `Z`."""
    untimed: set[int] = field(default_factory=set)
    """Rows whose time is not their own."""
    added: list[Doc | None] = field(default_factory=list)
    """What enrichment adds, flat ECS names. None: not derived yet, see `record`."""
    derive: Callable[["Batch", int], Doc] | None = None
    """Derives `added` for one row; set by the enrich stage, a pure function of the row."""
    findings: list[Finding] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    suspects: set[int] = field(default_factory=set)
    """Rows that the prefilter says may hold a secret: `redact` looks at each of them."""
    out: list[bytes] = field(default_factory=list)
    """The rows as they leave: JSON objects in bytes, secrets struck out."""
    refused: list[Refused] = field(default_factory=list)
    changes: list[StateChange] = field(default_factory=list)
    """What else the commit writes: windows, alert states, outbox, segments."""
    stream: str = "records"
    """`records` or `alerts`: which indices or folders it goes to; `restored`: records back from the archive."""

    def __len__(self) -> int:
        return len(self.offsets)

    def origin(self, row: int) -> Origin:
        """The origin of a row."""
        for span in self.spans:
            if row < span.stop:
                return span.origin
        raise IndexError(row)

    def position(self, row: int) -> Position:
        """The bytes that a row covers."""
        file_id = self.origin(row).file_id
        start = self.offsets[row]
        newline = 0 if self.odd.get(row, "").startswith("cut") else 1
        ranges = self.stitched.get(row) or ((file_id, start, start + len(self.lines[row]) + newline),)
        return Position(file_id, ranges)

    def event_id(self, row: int) -> str:
        """`event.id` of a row, which is its `_id` in every store."""
        return f"{self.origin(row).file_id}-{self.offsets[row]}"

    def record(self, row: int) -> Doc:
        """A row as it is stored, before redaction: original fields, then what enrichment added."""
        added = self.added[row]
        if added is None:
            assert self.derive is not None, "no enrich stage has seen this batch"
            added = self.added[row] = self.derive(self, row)
        return {**self.docs[row], **added}

    def forget_inputs(self) -> None:
        """Lets go of what only the stages need, so that batches that wait for a sink are small."""
        self.lines, self.docs, self.added, self.derive = [], [], [], None

    def keep(self, rows: Sequence[int]) -> None:
        """Drops every row that is not in `rows` (ascending), and keeps all lists aligned.

        Runs before detection: findings and refusals do not exist yet.
        """
        place = {old: new for new, old in enumerate(rows)}
        for name in ("lines", "offsets", "docs", "times", "added", "out"):
            values = getattr(self, name)
            if values:
                setattr(self, name, [values[row] for row in rows])
        self.odd = {place[row]: why for row, why in self.odd.items() if row in place}
        self.untimed = {place[row] for row in self.untimed if row in place}
        self.stitched = {place[row]: ranges for row, ranges in self.stitched.items() if row in place}
        spans, new = [], 0
        for span in self.spans:
            count = sum(1 for row in rows if span.start <= row < span.stop)
            if count:
                spans.append(Span(new, new + count, span.origin))
            new += count
        self.spans = spans


class Source(Protocol):
    """Where batches come from. Iterating may block, and ends when `stop` was called or all is read."""

    def __iter__(self) -> Iterator[Batch]: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> dict[str, int]:
        """How far files that are open are read, by id: what is read is not stored yet."""

    def keep_in_sight(self) -> None:
        """Called again and again, by who iterates, while the next batch is not wanted yet: what would be deleted
        meanwhile has to be held."""


Stage = Callable[[Batch], Batch]


class Gather(NamedTuple):
    """What a sink likes to be given at once: small batches that follow one another are joined up to the first limit."""

    rows: int
    bytes: int
    """Of `out`."""
    age_s: float
    """Seconds that the first of them may wait for the others."""


class Sink(Protocol):
    """Where batches go. `write` returns the rows refused for good, and raises `Retry` when nothing may be assumed
    stored. After it returned, every row that it did not refuse is durable once `batch.changes` are committed.

    After a `Retry` the next call brings the same batch object again, so a sink may remember what of it is settled."""

    name: str
    gather: Gather | None
    """None: each batch as it comes."""

    def write(self, batch: Batch) -> list[Refused]: ...

    def close(self) -> None: ...


class Notifier(Protocol):
    """Tells people. Raises `Retry` when the receiver did not take it."""

    name: str

    def send(self, title: str, body: str, level: str, dedup_key: str) -> None: ...


EVIDENCE_LIMIT = 20
"""An alert refers to this many records at most: the first ones, and always the last."""
