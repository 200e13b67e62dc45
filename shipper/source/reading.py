"""Reads a family, oldest file first, and puts lines together that a rotation cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shipper import log
from shipper.source.batching import Builder
from shipper.source.cursor import Change
from shipper.source.family import Family
from shipper.source.file import Tracked
from shipper.source.lines import NO_END, cut_lines, hole_length, stitches
from shipper.source.packed import End, Packed, Unfinished

HOLE_BYTES = 512
"""A file that begins with at least this many NULs begins with a hole, not with a line."""
LATE_WRITER_S = 10.0
"""How long a rotated file that was read to its end is watched for a writer that has not let go of it."""
DELETED_S = 600.0
"""How long a deleted file that no new one followed is read on: its writer may not have noticed."""


@dataclass(slots=True)
class Turn:
    """One look's reading: where rows go, how many bytes may still be read, monotonic seconds."""

    build: Builder
    budget: int
    now: float
    refused: Callable[[str, OSError], None]
    """Told of files that cannot be opened."""
    last: bool = False
    """Nothing is waited for: `--once`."""
    exact: bool = False
    """What stands behind a file's `limit` was not there: a batch is read again."""


def read(family: Family, turn: Turn) -> bool:
    """Hands on whole lines, oldest file first; True when it stopped for the budget."""
    head: list[Tracked] = []
    family.busy = family.waits = False
    for tracked in [one for one in family.files if not one.spent]:
        newer = tracked is not family.files[-1]
        if head and tracked.offset > 0:
            _give_up(head, family, turn)
            head = []
        if not _read_file(tracked, family, turn, hold=bool(head)):
            if family.waits:
                return False
            head = []
            continue
        if turn.budget <= 0:
            family.busy = True
            return True
        if head:
            if not _join(head, tracked, family, turn):
                family.busy = family.busy or newer
                if not newer or _left(tracked, turn):
                    return False
                head.append(tracked)
                continue
            head = []
            _read_file(tracked, family, turn)
            if turn.budget <= 0:
                family.busy = True
                return True
        if newer:
            head = _end_of_rotated(tracked, family, turn)
        elif tracked.ends() in {End.WHOLE, End.BROKEN}:
            _end_of_last(tracked, family, turn)
        elif tracked.away and not (tracked.buffer or tracked.unread) and turn.now - tracked.grew_at > DELETED_S:
            _finish(tracked, family, turn)
    return False


def _end_of_rotated(tracked: Tracked, family: Family, turn: Turn) -> list[Tracked]:
    """The beginning of a line that the next file may go on with, or nothing: then the file is finished."""
    family.busy = family.busy or tracked.handle is not None or bool(tracked.buffer or tracked.unread)
    if _left(tracked, turn):
        return []
    if tracked.buffer:
        return [tracked]
    if not turn.exact:
        _finish(tracked, family, turn)
    return []


def _end_of_last(tracked: Tracked, family: Family, turn: Turn) -> None:
    """A compressed file that no newer one followed; that of a source of its own never gets one."""
    if tracked.buffer and tracked.path == family.base and not turn.exact:
        _let_end(tracked, turn.build)
    _end_of_rotated(tracked, family, turn)


def _let_end(tracked: Tracked, build: Builder) -> None:
    """A line that has no end is final."""
    build.add_unfinished([tracked], tracked.buffer, NO_END)
    tracked.advance(tracked.read_at)
    tracked.continues = True


def _left(tracked: Tracked, turn: Turn) -> int:
    """Bytes that stand behind what was read."""
    return tracked.limit - tracked.read_at if turn.exact and tracked.limit is not None else tracked.unread


def _read_file(tracked: Tracked, family: Family, turn: Turn, hold: bool = False) -> bool:
    """Reads a file to its end or the budget; False when it cannot be read now."""
    try:
        if family.must_wait(tracked):
            family.busy = family.waits = True
            return False
        if tracked.handle is not None or family.reopen(tracked):
            _read_open(tracked, family, turn, hold)
            if isinstance(tracked.handle, Packed):
                _look_at_end(tracked, family, turn, hold)
    except Unfinished:
        family.stale = True
        return False
    except OSError as error:
        turn.refused(tracked.path, error)
        family.busy = True
        return False
    finally:
        if tracked.handle is None:
            family.handles.unpacked(tracked)
    return True


def _look_at_end(tracked: Tracked, family: Family, turn: Turn, hold: bool) -> None:
    """What was unpacked may end where it must not."""
    end = tracked.ends()
    if end is End.OPEN or (end is not End.SHORT and turn.budget <= 0):
        return
    family.handles.unpacked(tracked)
    if hold:
        return
    if end is End.SHORT and turn.last:
        log.say("warning", "a compressed file is not complete, its rest is left to the next run", path=tracked.path)
    elif end is End.BROKEN and not turn.exact:
        family.departed.count_damage(tracked)
        if tracked.buffer:
            # No other file goes on with it.
            _let_end(tracked, turn.build)


def _read_open(tracked: Tracked, family: Family, turn: Turn, hold: bool) -> None:
    """`hold` keeps the lines back, because the first one may go on with the file before."""
    if not hold:
        _hand_on(tracked, family, turn.build)
    while turn.budget > 0:
        verdict, data = tracked.read(family.limits.block)
        if verdict in {Change.SHRUNK, Change.REPLACED}:
            family.stale = True
        if not data:
            break
        turn.budget -= len(data)
        tracked.grew_at = family.grew_at = turn.now
        family.handles.used(tracked)
        line = _without_hole(tracked, data)
        if line is None:
            break
        tracked.take(line)
        if hold and (b"\n" in line or len(tracked.buffer) > family.limits.line):
            break
        if not hold:
            _hand_on(tracked, family, turn.build)


def _without_hole(tracked: Tracked, data: bytes) -> bytes | None:
    """What is left behind the hole that a file may begin with; None while it cannot be told whether it is one.

    The hole may be longer than what is read at once.
    """
    if tracked.offset != tracked.hole or tracked.buffer or data[:1] != b"\0":
        return data
    count = hole_length(data)
    if tracked.hole + count < HOLE_BYTES:
        return data if count < len(data) else None
    if not tracked.hole:
        log.say("warning", "skipped a hole of NUL bytes at the start of a file", path=tracked.path)
    tracked.skip(data[:count])
    return data[count:]


def _hand_on(tracked: Tracked, family: Family, build: Builder) -> None:
    if not tracked.buffer:
        return
    cut = cut_lines(tracked.buffer, tracked.offset, family.limits.line, tracked.continues)
    if cut.lines:
        build.add(tracked, cut)
        tracked.advance(cut.rest)
        tracked.continues = cut.continues


def _join(head: list[Tracked], tracked: Tracked, family: Family, turn: Turn) -> bool:
    """Puts a line together that a rotation cut; False while its rest is not there."""
    limit = family.limits.line
    start = b"".join(part.buffer for part in head)
    stop = tracked.buffer.find(b"\n")
    if stop < 0 and len(start) + len(tracked.buffer) <= limit:
        return False
    rest = tracked.buffer[: max(stop, 0)]
    if stop >= 0 and len(start) + stop <= limit and stitches(start, rest):
        turn.build.add_stitched(head, tracked, start + rest, stop + 1)
        tracked.advance(tracked.offset + stop + 1)
    else:
        turn.build.add_unfinished(head, start, NO_END)
        tracked.continues = stop < 0 or stitches(start, rest)
    _close_heads(head, family)
    return True


def _give_up(head: list[Tracked], family: Family, turn: Turn) -> None:
    """The next file was begun already, so the end of this line can only come from a writer that did not let go."""
    family.busy = True
    if turn.last or turn.now - max(part.grew_at for part in head) > LATE_WRITER_S:
        turn.build.add_unfinished(head, b"".join(part.buffer for part in head), NO_END)
        _close_heads(head, family)


def _close_heads(head: Sequence[Tracked], family: Family) -> None:
    for part in head:
        part.advance(part.read_at)
        part.continues = False
        part.done = True
        family.stale = family.stale or part.away
    family.busy = True


def _finish(tracked: Tracked, family: Family, turn: Turn) -> None:
    """A rotated file that was read to its end."""
    if tracked.rotated_at is None:
        tracked.rotated_at = turn.now
    if not tracked.done:
        tracked.done = True
        turn.build.touch(tracked)
    if isinstance(tracked.handle, Packed) or turn.now - max(tracked.rotated_at, tracked.grew_at) > LATE_WRITER_S:
        family.handles.close(tracked)
    family.stale = family.stale or (tracked.away and tracked.handle is None)


def flush_quiet(family: Family, build: Builder, now: float) -> bool:
    """Hands on a line without an end that nobody has gone on with for `flush_after`; True when there was one."""
    for tracked in family.files:
        if tracked.buffer and now - tracked.grew_at >= family.limits.flush_after:
            _let_end(tracked, build)
            return True
    return False


def read_again(family: Family, stops: dict[str, int], turn: Turn) -> None:
    """Hands on exactly the bytes up to `stops` (file id → byte), as a batch that was never committed had them."""
    everything = family.files
    family.files = [tracked for tracked in everything if tracked.file_id in stops]
    for tracked in family.files:
        tracked.limit = stops[tracked.file_id]
    turn.exact = True
    read(family, turn)
    for tracked in family.files:
        if tracked.buffer and tracked.read_at == tracked.limit:
            _let_end(tracked, turn.build)
        tracked.limit = None
    family.files, family.busy = everything, True
