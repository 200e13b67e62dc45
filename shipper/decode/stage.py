"""The decode stage: raw lines → documents, lines that belong together made one.

A row that may still go on (any text at the end of what was read) is held back, per file: it is not in the batch, and
the batch's position for that file ends before it. It comes out with what follows it, when its file is done or stays
quiet, or with a batch that is `final`.
"""

from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field

from shipper.context import Context
from shipper.decode.parse import NUL, Parsed, decode_text, examine, not_plain, parse, read
from shipper.decode.traceback import Group
from shipper.metrics import Metrics
from shipper.model import Batch, Doc, Origin, Progress, Span


class Config(BaseModel):
    """How lines become records."""

    model_config = ConfigDict(extra="forbid")

    quiet: float = Field(1.0, ge=0, description="Seconds without a new line after which a held row is stored as it is.")


def build(config: Config, context: Context) -> "Decode":
    """The stage, counting into the run's metrics."""
    return Decode(config.quiet, context.metrics)


@dataclass(slots=True)
class Held:
    """A row that may still go on, and its file's position behind it."""

    group: Group
    progress: Progress | None
    since: float


class Decode:
    """Fills `docs` and `odd`; joins and drops rows. Keeps the open row of each file between batches."""

    def __init__(self, quiet: float = 1.0, metrics: Metrics | None = None) -> None:
        """`quiet` in seconds; unparsed rows are counted in `metrics`."""
        self._quiet = quiet
        self._metrics = metrics or Metrics()
        self._held: dict[str, Held] = {}

    def __call__(self, batch: Batch) -> Batch:
        """Takes a batch over from the source and hands it on, decoded."""
        docs, slow = parse_plain(batch)
        if slow or self._held:
            rows = _Rows(batch, docs)
            opened = {file_id: held.group for file_id, held in self._held.items()}
            touched = _join(rows, slow, opened)
            self._hold(rows, opened, touched)
            rows.store()
            self._metrics.lines_unparsed += sum(1 for why in batch.odd.values() if why)
        else:
            batch.docs = docs
        return batch

    def _hold(self, rows: "_Rows", opened: dict[str, Group], touched: set[str]) -> None:
        """Decides for every open row whether it waits, and moves positions back before those that do."""
        before, self._held = self._held, {}
        batch = rows.batch
        for file_id, group in opened.items():
            earlier = before.get(file_id)
            progress = batch.progress.get(file_id) or (earlier.progress if earlier else None)
            since = batch.clock if file_id in touched or earlier is None else earlier.since
            done = progress is not None and progress.done
            if done or batch.final or batch.clock - since > self._quiet:
                batch.clocked |= not done
                rows.add_group(group)
                if progress is not None:
                    batch.progress[file_id] = progress
                continue
            self._held[file_id] = Held(group, progress, since)
            if file_id in batch.progress:
                batch.progress[file_id] = replace(batch.progress[file_id], offset=group.offset)
        for file_id, held in before.items():
            if file_id not in opened and held.progress is not None:
                batch.progress.setdefault(file_id, held.progress)


def parse_plain(batch: Batch) -> tuple[list[Doc], list[int]]:
    """The documents of plain JSON rows, and the other rows, whose document is a first guess (`{}`: no JSON object)."""
    docs = parse(batch.lines)
    slow = not_plain(batch.lines, docs)
    for row in slow:
        if type(docs[row]) is not dict:
            docs[row] = {}
    if batch.odd or batch.stitched:
        slow = sorted({*slow, *batch.odd, *batch.stitched})
    return docs, slow


class _Rows:
    """The rows of a batch as they come out: copied, joined or dropped, always in order."""

    def __init__(self, batch: Batch, docs: list[Doc]) -> None:
        self.batch = batch
        self._read = docs
        self._lines: list[bytes] = []
        self._offsets: list[int] = []
        self._docs: list[Doc] = []
        self._spans: list[Span] = []
        self._odd: dict[int, str] = {}
        self._stitched: dict[int, tuple[tuple[str, int, int], ...]] = {}

    def copy(self, start: int, stop: int, origin: Origin) -> None:
        """Takes plain rows over as they are."""
        if start < stop:
            self._lines += self.batch.lines[start:stop]
            self._offsets += self.batch.offsets[start:stop]
            self._docs += self._read[start:stop]
            self._extend(origin)

    def add(self, line: bytes, offset: int, parsed: Parsed, origin: Origin) -> None:
        """Adds one row."""
        if parsed.why is not None:
            self._odd[len(self._lines)] = parsed.why
        self._lines.append(line)
        self._offsets.append(offset)
        self._docs.append(parsed.doc)
        self._extend(origin)

    def add_group(self, group: Group, last: int | None = None) -> None:
        """Adds the lines of a group as one row; `last` is a row of the batch that goes over a rotation and ends it."""
        if last is not None:
            (file_id, _, stop), *others = self.batch.stitched[last]
            self._stitched[len(self._lines)] = ((file_id, group.offset, stop), *others)
        line, parsed = group.finish()
        self.add(line, group.offset, parsed, group.origin)

    def add_alone(self, row: int, parsed: Parsed, origin: Origin) -> None:
        """Adds one row of the batch that belongs to no other."""
        if row in self.batch.stitched:
            self._stitched[len(self._lines)] = self.batch.stitched[row]
        self.add(self.batch.lines[row], self.batch.offsets[row], parsed, origin)

    def read(self, row: int) -> Parsed | None:
        """The row's document; None for text."""
        line = self.batch.lines[row]
        return examine(line, self._read[row]) if self._read[row] else read(line)

    def store(self) -> None:
        """Puts the rows into the batch."""
        batch = self.batch
        batch.lines, batch.offsets, batch.docs = self._lines, self._offsets, self._docs
        batch.spans, batch.odd, batch.stitched = self._spans, self._odd, self._stitched

    def _extend(self, origin: Origin) -> None:
        stop = len(self._lines)
        if self._spans and self._spans[-1].origin == origin:
            self._spans[-1] = Span(self._spans[-1].start, stop, origin)
        else:
            self._spans.append(Span(self._spans[-1].stop if self._spans else 0, stop, origin))


def _join(rows: _Rows, slow: list[int], opened: dict[str, Group]) -> set[str]:
    """Goes through a batch in order. `opened` holds each file's open row, before and after; the answer is the files
    that had rows."""
    touched, index = set(), 0
    for span in rows.batch.spans:
        file_id = span.origin.file_id
        touched.add(file_id)
        _close_rotated(rows, opened, span.origin)
        done = span.start
        while index < len(slow) and slow[index] < span.stop:
            row = slow[index]
            index += 1
            if row > done:
                _close(rows, opened, file_id)
                rows.copy(done, row, span.origin)
            _take(rows, row, span.origin, opened)
            done = row + 1
        if done < span.stop:
            _close(rows, opened, file_id)
            rows.copy(done, span.stop, span.origin)
    return touched


def _close_rotated(rows: _Rows, opened: dict[str, Group], origin: Origin) -> None:
    """The open row of the file that was rotated away comes before all that stands in the new one."""
    rotated = [each for each, group in opened.items() if each != origin.file_id and group.origin.path == origin.path]
    for file_id in rotated:
        _close(rows, opened, file_id)


def _take(rows: _Rows, row: int, origin: Origin, opened: dict[str, Group]) -> None:
    """One row that is not plain JSON: joins the open row, or closes it."""
    batch, group = rows.batch, opened.get(origin.file_id)
    line = batch.lines[row]
    if row in batch.odd or row in batch.stitched:
        if row not in batch.odd and _ends(rows, row, group):
            del opened[origin.file_id]
            return
        _close(rows, opened, origin.file_id)
        rows.add_alone(row, _piece(rows, row), origin)
        return
    parsed = rows.read(row)
    may_join = group is not None and NUL not in line and (parsed is None or group.is_source(line))
    if may_join and _continues(rows, row, origin, opened):
        return
    _close(rows, opened, origin.file_id)
    if parsed is not None:
        rows.add_alone(row, parsed, origin)
    elif line.strip():
        opened[origin.file_id] = Group(line, batch.offsets[row], origin)


def _ends(rows: _Rows, row: int, group: Group | None) -> bool:
    """Adds a stitched row to the open group if it belongs there. What follows stands in another file: it is closed."""
    line = rows.batch.lines[row]
    if group is None or NUL in line or not group.belongs(line) or group.is_full(line):
        return False
    if rows.read(row) is not None and not group.is_source(line):
        return False
    group.add(line)
    rows.add_group(group, row)
    return True


def _continues(rows: _Rows, row: int, origin: Origin, opened: dict[str, Group]) -> bool:
    """Adds a row to the open one if it belongs there; a row that grew too large is cut."""
    line, group = rows.batch.lines[row], opened[origin.file_id]
    if not group.belongs(line):
        return False
    if group.is_full(line):
        opened[origin.file_id] = group.split(line, rows.batch.offsets[row])
        rows.add_group(group)
    else:
        group.add(line)
    return True


def _piece(rows: _Rows, row: int) -> Parsed:
    """A row that the source cut or stitched: it is judged by itself."""
    why = rows.batch.odd.get(row)
    line = rows.batch.lines[row]
    if why:
        return Parsed({"message": decode_text(line)[0]}, why)
    return rows.read(row) or Group(line, 0, rows.batch.origin(row)).finish()[1]


def _close(rows: _Rows, opened: dict[str, Group], file_id: str) -> None:
    group = opened.pop(file_id, None)
    if group is not None:
        rows.add_group(group)
