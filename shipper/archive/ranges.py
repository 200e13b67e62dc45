"""One archived object, read piece by piece through the cache: only what is asked for is fetched, and only once."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise

from shipper.archive.away import Away
from shipper.archive.manifest import Part
from shipper.objects.cache import BlockCache
from shipper.objects.store import Damaged, Told

BLOCK = 64 << 10
"""Bytes of a piece."""
SMALL = 1 << 20
"""An object up to so many bytes is fetched whole at the first look, and compared with its SHA-256 before it is used."""
STEP = 2 << 20
"""Most bytes of one request; several are under way at the same time."""
AHEAD = 8 << 20
"""Most bytes that are fetched at a time when one piece after the other is asked for."""
GAP = 4
"""Pieces that are asked for together and lie no further apart are fetched with what is between: quicker than a request
more."""
STREAMS = 16
"""Places in an object at which somebody may be reading on."""

Blocks = dict[int, bytes]
Pool = ThreadPoolExecutor


class Ranges:
    """The bytes of one part. Any number of threads may read. Raises what the store raises, and `Damaged`."""

    def __init__(self, store: Away, part: Part, cache: BlockCache, pool: Pool, told: Told) -> None:
        self.part = part
        self._store = store
        self._cache = cache
        self._pool = pool
        self._told = told
        self._count = -(-part.bytes // BLOCK)
        self._lock = threading.Lock()
        self._under_way: dict[int, Future[bytes]] = {}
        self._ends: dict[int, int] = {}
        """Piece behind the last one that was fetched → how often somebody had read on up to there."""
        self._held: set[int] | None = None

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop` (excluded), as far as there are any."""
        stop = min(stop, self.part.bytes)
        if start >= stop:
            return b""
        return self.read_all([(start, stop)])[0]

    def read_all(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes between start and stop of each place; what is missing of them is fetched at the same time."""
        wanted = sorted({number for start, stop in places for number in range(start // BLOCK, -(-stop // BLOCK))})
        blocks = dict(zip(wanted, self._blocks(wanted), strict=True))
        return [_cut(blocks, start, stop) for start, stop in places]

    def _blocks(self, wanted: Sequence[int]) -> list[bytes]:
        cached = {number: self._cached(number) for number in wanted}
        missing = [number for number, block in cached.items() if block is None]
        if missing:
            coming = self._claim(missing)
            cached |= {number: coming[number].result() for number in missing}
        return [block for block in cached.values() if block is not None]

    def _claim(self, missing: list[int]) -> dict[int, Future[bytes]]:
        """Fetches what nobody else is fetching."""
        with self._lock:
            new = [number for number in self._more(missing) if number not in self._under_way]
            self._under_way |= {number: Future() for number in new}
            coming = {number: self._under_way[number] for number in {*missing, *new}}
        try:
            for blocks in self._fetched(_runs(new)):
                for number, block in blocks.items():
                    coming[number].set_result(block)
        except BaseException as error:
            for number in new:
                if not coming[number].done():
                    coming[number].set_exception(error)
            raise
        finally:
            with self._lock:
                for number in new:
                    self._under_way.pop(number, None)
        return coming

    def _more(self, missing: list[int]) -> list[int]:
        """And what will be asked for next: twice as much each time when somebody reads on where another read ended."""
        if self.part.bytes <= SMALL:
            return list(range(self._count))
        going_on = self._ends.pop(missing[0], -1) + 1
        size = min(len(missing) << max(0, going_on - 1), AHEAD // BLOCK)
        ahead = range(missing[-1] + 1, min(missing[0] + size, self._count))
        between = [number for one, other in pairwise(missing) if other - one <= GAP for number in range(one + 1, other)]
        held = self._known() if ahead or between else set()
        more = [number for number in (*between, *ahead) if number not in held]
        found = sorted([*missing, *more]) if more else missing
        self._ends[found[-1] + 1] = going_on
        while len(self._ends) > STREAMS:
            del self._ends[next(iter(self._ends))]
        return found

    def _cached(self, number: int) -> bytes | None:
        """By its place in the object, and only if it is as long as pieces are now: an older shipper may have put it."""
        block = self._cache.get(self.part.sha256, number * BLOCK)
        return block if block is not None and len(block) == self._size(number) else None

    def _size(self, number: int) -> int:
        return min(BLOCK, self.part.bytes - number * BLOCK)

    def _known(self) -> set[int]:
        if self._held is None:
            self._held = {start // BLOCK for start in self._cache.held(self.part.sha256) if not start % BLOCK}
        return self._held

    # ── fetching ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _fetched(self, runs: Sequence[range]) -> Iterator[Blocks]:
        steps = [run[at : at + STEP // BLOCK] for run in runs for at in range(0, len(run), STEP // BLOCK)]
        # A single request needs no other thread.
        answers = map(self._get, steps) if len(steps) == 1 else self._pool.map(self._get, steps)
        for numbers, raw in zip(steps, answers, strict=True):
            blocks = {number: raw[at * BLOCK : (at + 1) * BLOCK] for at, number in enumerate(numbers)}
            if len(numbers) == self._count:
                self._compare(raw)
            for number, block in blocks.items():
                self._cache.put(self.part.sha256, number * BLOCK, block)
            self._note(blocks)
            yield blocks

    def _get(self, numbers: range) -> bytes:
        start, stop = numbers[0] * BLOCK, min((numbers[-1] + 1) * BLOCK, self.part.bytes)
        raw = self._store.get(self.part.key, start, stop)
        if len(raw) != stop - start:
            raise self._damaged(f"{len(raw)} bytes came where {stop - start} should be")
        self._told(len(raw))
        return raw

    def _note(self, blocks: Blocks) -> None:
        """When all pieces have been fetched, they are looked at as a whole once."""
        with self._lock:
            held = self._known()
            held.update(blocks)
            whole = len(held) == self._count and not self._cache.was_whole(self.part.sha256)
        if whole and self._count > len(blocks):
            self._compare_cached()
        if whole:
            self._cache.note_whole(self.part.sha256)

    def _compare(self, raw: bytes) -> None:
        if sha256(raw).hexdigest() != self.part.sha256:
            raise self._damaged("its SHA-256 is not the one in its manifest")

    def _compare_cached(self) -> None:
        total = sha256()
        for number in range(self._count):
            block = self._cached(number)
            if block is None:  # Others have pushed it out.
                return
            total.update(block)
        if total.hexdigest() != self.part.sha256:
            self._cache.forget(self.part.sha256)
            raise self._damaged("its SHA-256 is not the one in its manifest")

    def _damaged(self, what: str) -> Damaged:
        return Damaged(f"{self._store.where}/{self.part.key}: damaged, {what}; look with: shipper tier verify")


def _cut(blocks: Blocks, start: int, stop: int) -> bytes:
    """The bytes from `start` to `stop` out of the pieces that have them."""
    first = start // BLOCK
    found = b"".join([blocks[number] for number in range(first, -(-stop // BLOCK))])
    return found[start - first * BLOCK : stop - first * BLOCK]


def _runs(numbers: Sequence[int]) -> list[range]:
    """Numbers in order, as ranges without a gap."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found
