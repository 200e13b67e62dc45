"""The archived days of a data folder, as search asks them.

Only parts that a manifest can't rule out are opened; of those in a bucket only the ranges that DuckDB wants are
fetched, and kept in the cache. A part is sorted by time, so a day is answered in slices of time, newest first: the
first lines come, and a limit is reached, before the rest is fetched.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from shipper.archive.away import Away
from shipper.archive.ledger import Archived
from shipper.archive.manifest import Part
from shipper.archive.names import TIERS
from shipper.archive.ranges import Ranges
from shipper.archive.reading import Frozen, Reading
from shipper.errors import ShipperError, is_interrupt
from shipper.objects.cache import GIB, BlockCache
from shipper.objects.store import Missing, NeedsRestore, ObjectStore
from shipper.objects.thaw import SPEEDS
from shipper.query.sql import Where
from shipper.query.tree import Everything, Node
from shipper.search.answer import Files, answer, records
from shipper.search.condition import condition
from shipper.search.possible import may_answer, parts_of
from shipper.search.store import Follower, Question
from shipper.store.read import UTC, open_duckdb

CACHE = "cache"
"""Folder of the cache below the data folder."""
URL = "shipper://"
"""Before the SHA-256 of a part that is fetched (`archive.filesystem`): what DuckDB is told."""
ATTEMPTS = 3
"""Looks at a day whose parts are replaced while they are read."""

Listed = Callable[[str], list[Archived]]
"""What is archived of a day, or of all days (`""`), as it is now."""


class Found(NamedTuple):
    """A part that may hold a piece of the answer."""

    one: Archived
    part: Part


class ArchiveStore:
    """What the ledger of a data folder lists, in some tiers."""

    fed = True

    def __init__(
        self,
        data: Path,
        listed: Listed,
        open_place: Callable[[str], ObjectStore],
        tiers: Sequence[str] = TIERS,
        *,
        cache_bytes: int = GIB,
        reading: Reading | None = None,
    ) -> None:
        self.where = "the archive"
        self.reading = reading or Reading()
        self._scratch = data / "tmp" / f"archive-{os.getpid()}"
        self._listed = listed
        self._open_place = open_place
        self._tiers = frozenset(tiers)
        self._cache = BlockCache(data / CACHE, cache_bytes)
        self._stack = ExitStack()
        self._places: dict[str, Away] = {}
        self._ranges: dict[str, Ranges] = {}
        self._duckdb: Any = None
        self._system: Any = None
        self._pool: ThreadPoolExecutor | None = None

    def days(self, question: Question) -> list[str]:
        return sorted({one.day for one in self._mine("") if may_answer(question, one)})

    def docs(self, question: Question, day: str, limit: int) -> Iterator[bytes]:
        """Newest first; a record that a part and its supplement both have is given once."""
        for attempt in range(1, ATTEMPTS + 1):
            found = self.parts(question, day)
            begun = False
            try:
                for doc in self._docs(found, question, day, limit):
                    begun = True
                    yield doc
                return
            except Missing:
                if begun or attempt == ATTEMPTS or self.parts(question, day) == found:
                    raise

    def count(self, question: Question, day: str) -> int:
        for attempt in range(1, ATTEMPTS + 1):
            found = self.parts(question, day)
            try:
                return self._count(found, question, day)
            except Missing:
                if attempt == ATTEMPTS or self.parts(question, day) == found:
                    raise
        raise AssertionError

    def follow(self, tree: Node) -> Follower:
        """Nothing comes to an archive that was not in the hot store before."""
        raise ShipperError("an archive can't be followed; what is stored is: shipper tail")

    def at_close(self, then: Callable[[], None]) -> None:
        """What else ends with this store."""
        self._stack.callback(then)

    def close(self) -> None:
        self._stack.close()

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _mine(self, day: str) -> list[Archived]:
        return [one for one in self._listed(day) if one.tier in self._tiers]

    def parts(self, question: Question, day: str) -> list[Found]:
        """Parts of a day that may hold a piece of the answer."""
        return [Found(one, part) for one in self._mine(day) for part in parts_of(question, one)]

    def _docs(self, found: list[Found], question: Question, day: str, limit: int) -> Iterator[bytes]:
        if not found:
            return
        several = _supplemented(found)
        given = 0
        last: tuple[Any, Any] | None = None
        with self._connected(found) as (connection, names), closing(self._uncached()) as other:
            files = Files(connection, other, names, self._read, self._scratch)
            for doc, *key in answer(files, question.tree, condition(question, day), 0 if several else limit):
                if several and key[1] and tuple(key) == last:
                    continue
                last = (key[0], key[1])
                yield doc.encode()
                given += 1
                if limit and given == limit:
                    return

    def _count(self, found: list[Found], question: Question, day: str) -> int:
        several = _supplemented(found)
        if isinstance(question.tree, Everything) and question.part_of(day) == (None, None) and not several:
            return sum(each.part.rows for each in found)
        asked = condition(question, day)
        with self.connect(found) as connection:
            total = _number(connection, "records", asked)
            if not several or not total:
                return total
            return total - self._doubled(connection, found, asked)

    def _doubled(self, connection: Any, found: list[Found], asked: Where) -> int:
        """Records of supplements that an earlier part has as well."""
        earlier: dict[str, list[Found]] = {}
        doubled = 0
        for each in found:
            before = earlier.setdefault(each.one.dataset, [])
            if before:
                files = [self._files([each]), self._files(before)]
                for name, paths in zip(("later", "sooner"), files, strict=True):
                    records(connection, paths, name)
                doubled += _number(connection, "later", Where(f"({asked.sql}) AND {_SOONER}", asked.values))
            before.append(each)
        return doubled

    # ── DuckDB ────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def connect(self, found: Sequence[Found]) -> Iterator[Any]:
        """As `_connected`, with the view `records` over the parts: `columns.COLUMNS`, then `doc`."""
        with self._connected(found) as (connection, files):
            records(connection, files)
            yield connection

    @contextmanager
    def _connected(self, found: Sequence[Found]) -> Iterator[tuple[Any, list[str]]]:
        """A DuckDB connection, and how it names parts. Raises `NeedsRestore` and what the store of a part raises."""
        import duckdb  # noqa: PLC0415  (a tenth of a second that only a search pays)

        try:
            files = self._files(found)
            with closing(self._cursor()) as connection:
                yield connection, files
        except (duckdb.Error, OSError) as error:
            if is_interrupt(error):
                raise KeyboardInterrupt from error
            raise self._failure(found) or ShipperError(_reason(str(error), found)) from error

    def _failure(self, found: Sequence[Found]) -> ShipperError | None:
        """Why a part could not be fetched, if that is what DuckDB failed for: it hands on only the text."""
        if self._system is None or self._system.failure is None:
            return None
        sha256, failure = self._system.failure
        self._system.failure = None
        if isinstance(failure, NeedsRestore):
            # The manifest knows of no such class: somebody, or a rule of the bucket, changed it.
            return self._left_out(*(Frozen(*each, False) for each in found if each.part.sha256 == sha256))
        return failure  # type: ignore[no-any-return]

    def _cursor(self) -> Any:
        if self._duckdb is None:
            self._duckdb = self._stack.enter_context(open_duckdb(self._scratch))
            self._duckdb.execute("SET GLOBAL parquet_metadata_cache = true")
        if self._ranges and self._system is None:
            filesystem = import_module("shipper.archive.filesystem")
            self._system = self._stack.enter_context(filesystem.registered(self._duckdb, self._ranges))
        cursor = self._duckdb.cursor()
        cursor.execute(UTC)
        return cursor

    def _uncached(self) -> Any:
        """A connection that looks at each file anew: one place has several, one after the other."""
        cursor = self._duckdb.cursor()
        cursor.execute("SET parquet_metadata_cache = false")
        return cursor

    def _read(self, file: str, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Pieces of a part that DuckDB calls so, between start and stop."""
        known = self._ranges.get(file.removeprefix(URL))
        if known is not None:
            return known.read_all(places)
        with open(file, "rb", buffering=0) as opened:
            return [os.pread(opened.fileno(), stop - start, start) for start, stop in places]

    def _files(self, found: Sequence[Found]) -> list[str]:
        """How DuckDB names the parts. Raises `NeedsRestore` when one can't be read without."""
        frozen = [each for each in map(self._frozen, found) if each is not None]
        if frozen:
            raise self._left_out(*frozen)
        return [self._file(each) for each in found]

    def _left_out(self, *frozen: Frozen) -> NeedsRestore:
        for each in frozen:
            self.reading.leave_out(each)
        classes = ", ".join(sorted({each.part.storage_class for each in frozen} & SPEEDS.keys()))
        return NeedsRestore(f"it needs a restore first{classes and f' ({classes})'}")

    def _frozen(self, found: Found) -> Frozen | None:
        one, part = found
        if part.storage_class not in SPEEDS or self._is_local(one.place) or self._cache.was_whole(part.sha256):
            return None
        stored = self._place(one.place).head(part.key)
        return None if stored is None or stored.readable else Frozen(one, part, stored.restoring)

    def _file(self, found: Found) -> str:
        one, part = found
        store = self._place(one.place)
        if self._is_local(one.place):
            path = Path(store.where, part.key)
            if not path.is_file():
                raise Missing(f"{path}: missing; look with: shipper tier verify")
            return str(path)
        known = self._ranges.get(part.sha256)
        # A copy in a colder tier has the same bytes, and what was opened may be gone since.
        if known is None or known.part.key != part.key:
            if self._pool is None:
                self._pool = self._stack.enter_context(ThreadPoolExecutor(4))
            self._ranges[part.sha256] = Ranges(store, part, self._cache, self._pool, self.reading.fetch)
            if known is None:
                self.reading.open(part.bytes)
        return f"{URL}{part.sha256}"

    def _is_local(self, place: str) -> bool:
        return "://" not in self._place(place).where

    def _place(self, place: str) -> Away:
        if place not in self._places:
            self._places[place] = Away(self._open_place(place))
        return self._places[place]


_SOONER = (
    'EXISTS (SELECT 1 FROM sooner WHERE sooner."event.id" = later."event.id" '
    'AND sooner."@timestamp" IS NOT DISTINCT FROM later."@timestamp" AND later."event.id" <> \'\')'
)


def _number(connection: Any, relation: str, asked: Where) -> int:
    return int(
        connection.execute(f"SELECT count(*) FROM {relation} WHERE {asked.sql}", list(asked.values)).fetchone()[0]
    )


def _supplemented(found: Sequence[Found]) -> bool:
    """Whether a dataset has several parts: a record that was sent again after its day was archived is in two."""
    datasets = [(each.one.tier, each.one.dataset) for each in found]
    return len(set(datasets)) < len(datasets)


def _reason(message: str, found: Sequence[Found]) -> str:
    """DuckDB's words name a part by its hash."""
    reason = message.splitlines()[0]
    for each in found:
        reason = reason.replace(f"{URL}{each.part.sha256}", each.part.key)
    return reason if "emory" in reason else f"{reason}; look with: shipper tier verify"
