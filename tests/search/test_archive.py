"""The archived days of a data folder answer as the hot ones do."""

import random

import orjson
import pytest

from shipper.archive.ledger import archived, drop_archived, put_in_grace
from shipper.objects.cache import purge
from shipper.objects.folder import FolderStore
from shipper.objects.store import Missing, NeedsRestore, Stored, Unreachable
from shipper.query.parse import parse
from shipper.search import slices
from shipper.search.archive import CACHE, ArchiveStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.store.columns import select_all
from shipper.store.read import Reader
from tests.search import archived as archived_docs
from tests.search.archived import PLACE, part_key, put, state_of
from tests.search.stored import AT_THE_BOUNDS, BOUNDS, record, store


class Bucket:
    """A store as far as search needs one: what it has is not to be had as files."""

    where = "s3://bucket"

    def __init__(self, folder):
        self.inner = FolderStore(folder)
        self.asked = []
        self.fail = {}
        """Key → what its reading raises."""
        self.heads = {}
        self.before = lambda key: None

    def get(self, key, start=0, stop=None):
        self.before(key)
        self.asked.append((key, start, stop))
        if key in self.fail:
            raise self.fail[key]
        return self.inner.get(key, start, stop)

    def head(self, key):
        return self.heads.get(key) or self.inner.head(key)

    def put(self, key, source, **how):
        return self.inner.put(key, source)


class Folder:
    """A data folder with an archive."""

    def __init__(self, data, objects):
        self.data = data
        self.state = state_of(data)
        self.objects = objects
        self.store = self.opened()

    def opened(self, **how):
        return ArchiveStore(self.data, lambda day: archived(self.state, day=day), lambda place: self.objects, **how)

    def put(self, *docs, **how):
        put(self.state, self.objects, docs, self.data / "scratch", **how)

    def find(self, query="*", limit=0, since=None, until=None, **how):
        told = []
        question = Question(parse(query), since, until)
        found = list(search(self.stores(), question, limit, lambda *what: told.append(what)))
        assert told == how.get("told", [])
        return found

    def count(self, query="*", since=None, until=None):
        told = []
        found = count(self.stores(), Question(parse(query), since, until), lambda *what: told.append(what))
        return (found, told) if told else found

    def stores(self):
        return [self.store]


@pytest.fixture(params=["folder", "bucket"])
def folder(request, tmp_path):
    """One whose archive lies in a folder, and one whose archive has to be fetched."""
    place = tmp_path / PLACE
    found = Folder(tmp_path, FolderStore(place) if request.param == "folder" else Bucket(place))
    yield found
    found.store.close()


@pytest.fixture
def remote(tmp_path):
    found = Folder(tmp_path, Bucket(tmp_path / PLACE))
    yield found
    found.store.close()


def test_newest_first_over_days_tiers_and_datasets(folder):
    """Whatever file a record lies in."""
    docs = [
        record(0, "2026-01-01T10:00:00Z", **{"event.dataset": "backend"}),
        record(1, "2026-01-01T10:00:00.5Z", **{"event.dataset": "audit"}),
        record(2, "2026-01-01T10:00:01Z"),
        record(3, "2026-01-02T00:00:00Z", **{"event.dataset": "backend"}),
    ]
    folder.put(*docs[:3], tier="cold")
    folder.put(docs[3])
    assert folder.find() == docs[::-1]
    assert folder.find(limit=2) == [docs[3], docs[2]]
    assert (folder.count(), folder.count("seq:>0")) == (4, 3)


def test_slices_leave_nothing_out_and_double_nothing(folder, monkeypatch):
    """Small ones, with many records of one time, and some without any."""
    monkeypatch.setattr(slices, "SLICE", 100)
    monkeypatch.setattr(slices, "LARGEST", 300)
    times = [f"2026-01-01T{number % 24 // 5:02d}:00:0{number % 2}.{number % 7}Z" for number in range(12_000)]
    times[5] = times[900] = "2026-01-01 no time"
    times[6] = "2026-01-01T05:00:00.1234567Z"
    docs = [record(number, time) for number, time in enumerate(times)]
    folder.put(*docs[:9000])
    folder.put(*docs[9000:], supplement=1)
    found = folder.store.parts(Question(parse("*")), "2026.01.01")
    with folder.store.connect(found) as connection:
        order = 'ORDER BY "@timestamp" DESC NULLS LAST, "event.id" DESC NULLS LAST'
        expected = [row[0].encode() for row in connection.execute(f"SELECT doc FROM records {order}").fetchall()]
        assert len(list(slices.slices(slices.groups_of(connection, folder.store._files(found))))) > 4
    assert folder.find() == expected
    assert len(set(expected)) == 12_000
    assert folder.find(limit=7000) == expected[:7000]
    assert folder.find("event.id:*999") == [doc for doc in expected if b'999"}' in doc]
    assert folder.find("event.id:*999", limit=5) == [doc for doc in expected if b'999"}' in doc][:5]
    assert folder.find("seq:>=11000") == [doc for doc in expected if orjson.loads(doc)["seq"] >= 11_000]


@pytest.mark.parametrize(("since", "until", "numbers"), BOUNDS)
def test_since_is_included_and_until_is_not(folder, since, until, numbers):
    """As in the hot store."""
    docs = [record(number, time) for number, time in enumerate(AT_THE_BOUNDS)]
    folder.put(*docs)
    assert folder.find(since=since, until=until) == [docs[number] for number in numbers]
    assert folder.count(since=since, until=until) == len(numbers)


def test_documents_come_byte_for_byte(folder):
    """Also those that DuckDB takes for malformed; these come last."""
    doc = b'{"@timestamp": "2026-01-01T10:00:00Z",  "n":1.50, "text":"\\u00e9\\/ \xc3\xa9", "event.id":"x"}'
    odd = b'{"@timestamp":"2026-01-01T11:00:00Z","message":"\\ud800","event.id":"y"}'
    folder.put(doc, odd)
    assert folder.find() == [doc, odd]
    assert folder.find("n:1.5") == [doc]
    assert folder.count() == 2


def test_a_column_that_an_old_part_lacks_is_taken_out_of_its_documents(folder, monkeypatch):
    """Silently nothing would be found there, and a hold on it would keep nothing."""
    new = select_all
    monkeypatch.setattr(archived_docs, "select_all", lambda source: f"SELECT * EXCLUDE (user_id) FROM ({new(source)})")
    folder.put(record(1, user_id="alice"), record(2, user_id="bob"))
    monkeypatch.undo()
    folder.put(record(3, user_id="alice"), supplement=1)
    expected = [record(3, user_id="alice"), record(1, user_id="alice")]
    assert (folder.find("user_id:alice"), folder.count("user_id:alice")) == (expected, 2)
    assert folder.find("user_id:alice", limit=2) == expected


def test_a_tier_alone(folder):
    """The other is not asked."""
    folder.put(record(0, "2026-01-01T10:00:00Z"), tier="cold")
    folder.put(record(1, "2026-01-02T10:00:00Z"), tier="warm")
    folder.store = folder.opened(tiers=["cold"])
    assert (folder.find(), folder.count()) == ([record(0, "2026-01-01T10:00:00Z")], 1)


def test_a_copy_in_grace_is_not_searched(folder):
    """The colder one is."""
    folder.put(record(0), tier="warm")
    folder.put(record(0), tier="cold")
    folder.state.run(*(put_in_grace(one) for one in archived(folder.state) if one.tier == "warm"))
    assert (folder.find(), folder.count()) == ([record(0)], 1)


def test_a_record_of_a_part_and_its_supplement_is_found_once(folder):
    """It was sent again after its day was archived."""
    folder.put(*(record(number) for number in range(5)))
    folder.put(record(3), record(4), record(5), supplement=1)
    folder.put(record(5), record(6), supplement=2)
    assert folder.find() == [record(number) for number in (6, 5, 4, 3, 2, 1, 0)]
    assert folder.find(limit=3) == [record(6), record(5), record(4)]
    assert (folder.count(), folder.count("seq:>3"), folder.count("seq:<3")) == (7, 3, 3)


# ── with the hot store ────────────────────────────────────────────────────────────────────────────────────────────────


class Hot(Folder):
    """With the embedded store beside it."""

    def stores(self):
        self.reader = EmbeddedStore(Reader(self.data))
        return [self.reader, self.store]


@pytest.fixture
def hot(tmp_path):
    found = Hot(tmp_path, FolderStore(tmp_path / PLACE))
    yield found
    found.store.close()


def test_a_record_that_both_have_is_found_once(hot):
    """A day is published while it is searched."""
    docs = [record(number, f"2026-01-01T10:00:0{number}Z") for number in range(6)]
    store(hot.data, *docs[2:])
    hot.put(*docs[:4])
    assert hot.find() == docs[::-1]
    assert hot.find(limit=3) == [docs[5], docs[4], docs[3]]
    assert (hot.count(), hot.count("seq:>1"), hot.count("seq:<2")) == (6, 4, 2)


def test_a_day_that_moves_while_others_are_read_is_not_missed(hot):
    """It was hot when the search began, and is the archive's when its turn comes."""
    older, newer = record(0, "2026-01-01T10:00:00Z"), record(1, "2026-01-02T10:00:00Z")
    store(hot.data, older, newer)
    answer = search(hot.stores(), Question(parse("*")), 0, lambda *what: pytest.fail(str(what)))
    assert next(answer) == newer
    hot.put(older)
    with hot.state.transaction() as db:
        db.execute("INSERT INTO marked SELECT number, 0 FROM segments WHERE day = '2026.01.01'")
    assert list(answer) == [older]


def test_an_archive_that_has_nothing_of_a_day_costs_it_nothing(hot, monkeypatch):
    """Hot days are counted where they are, and not one by one."""
    store(hot.data, *(record(number) for number in range(5)))
    hot.put(record(9, "2025-12-01T10:00:00Z"))
    monkeypatch.setattr("shipper.search.merge._merged", lambda parts: pytest.fail("merged"))
    assert (len(hot.find()), hot.count()) == (6, 6)


# ── fetching ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_that_is_reached_fetches_no_older_day(remote):
    """Nor is one asked that the manifest rules out."""
    remote.put(record(0, "2026-01-01T10:00:00Z"), record(1, "2026-01-02T10:00:00Z"))
    remote.find(limit=1)
    remote.find("log.level:error")
    remote.find("event.dataset:audit")
    assert {key for key, _, _ in remote.objects.asked} == {part_key("warm", "", "2026.01.02")}


def test_what_was_fetched_is_not_fetched_again(remote):
    """By the next search, of another process too."""
    remote.put(record(0), record(1))
    assert remote.find("seq:1") == [record(1)]
    asked = list(remote.objects.asked)
    remote.store.close()
    remote.store = remote.opened()
    assert remote.find("seq:0") == [record(0)]
    assert (remote.objects.asked, len(asked)) == (asked, 1)
    assert remote.store.reading.fetched == 0


def test_documents_are_fetched_only_beside_a_record_that_is_wanted(remote, monkeypatch):
    """Where a typed column tells which these are."""
    monkeypatch.setattr("shipper.archive.ranges.SMALL", 0)
    noise = random.Random(3)
    docs = [
        record(
            number,
            f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
            noise=noise.randbytes(300).hex(),
        )
        for number in range(12_000)
    ]
    remote.put(*docs)
    size = archived(remote.state)[0].manifest.bytes
    assert remote.find("event.id:file-7000 OR event.id:file-11000") == [docs[11_000], docs[7_000]]
    few = remote.store.reading.fetched
    assert remote.find("seq:7000") == [docs[7_000]]
    assert (few < size * 0.6, remote.store.reading.fetched > size * 0.9) == (True, True)
    assert remote.find() == docs[::-1]


def test_all_of_a_day_is_counted_by_its_manifest(remote):
    """Nothing is fetched."""
    remote.put(record(0), record(1))
    assert (remote.count(), remote.objects.asked) == (2, [])


def test_the_reading_is_told(remote):
    """What was fetched, and how much it may become."""
    remote.put(record(0))
    remote.find("seq:0")
    size = archived(remote.state)[0].manifest.bytes
    assert (remote.store.reading.fetched, remote.store.reading.opened) == (size, size)


# ── what can't be read ────────────────────────────────────────────────────────────────────────────────────────────────

DAYS = [record(number, f"2026-01-0{1 + number}T10:00:00Z") for number in range(3)]
KEY = part_key("warm", "", "2026.01.02")


def test_a_vanished_part_is_named_and_the_rest_is_answered(folder):
    """With its key, and what to do."""
    folder.put(*DAYS)
    (folder.data / PLACE / KEY).unlink()
    question, told = Question(parse("seq:>=0")), []
    assert list(search([folder.store], question, 0, lambda *what: told.append(what))) == [DAYS[2], DAYS[0]]
    ((day, reason),) = told
    assert (day, KEY in reason) == ("2026.01.02", True)
    found, told = folder.count("seq:>=0")
    assert (found, [day for day, _ in told]) == (2, ["2026.01.02"])


def test_a_damaged_part_is_named_and_the_rest_is_answered(folder):
    """A flipped byte in a bucket is seen by the SHA-256."""
    folder.put(*DAYS)
    path = folder.data / PLACE / KEY
    path.write_bytes(b"NOPE" + path.read_bytes()[4:-4] + b"NOPE")
    found, ((day, reason),) = folder.count("seq:>=0")
    assert (found, day) == (2, "2026.01.02")
    assert KEY in reason
    assert "shipper tier verify" in reason
    assert "\n" not in reason


def test_a_bucket_that_is_away_is_named_day_by_day(remote):
    """With the store's own words, and the rest is answered."""
    remote.put(*DAYS)
    remote.objects.fail = {KEY: Unreachable("s3://bucket: no answer; try again")}
    assert remote.find(told=[("2026.01.02", "s3://bucket: no answer; try again")]) == [DAYS[2], DAYS[0]]
    remote.objects.fail = {}
    assert remote.find() == DAYS[::-1]


def test_ctrl_c_while_a_part_is_fetched_ends_it(remote):
    """DuckDB calls Python for that, and takes what ends there for a failure of its own."""
    remote.put(*DAYS)
    remote.objects.fail = {KEY: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        remote.find()


def test_a_bucket_that_stays_away_is_not_asked_for_every_day(remote):
    """After two days it is known."""
    remote.put(*(record(number, f"2026-01-{10 + number}T10:00:00Z") for number in range(9)))
    keys = [one.manifest.parts[0].key for one in archived(remote.state)]
    remote.objects.fail = dict.fromkeys(keys, Unreachable("no answer"))
    assert remote.find("seq:>=0", told=[(f"2026.01.{18 - number}", "no answer") for number in range(9)]) == []
    assert len(remote.objects.asked) == 2


def test_a_part_that_is_replaced_while_it_is_opened_is_read_anew(remote):
    """Something was erased from its day: what stands in the ledger now is read."""
    remote.put(record(0), record(1))
    (one,) = archived(remote.state)

    def replace(key):
        remote.objects.before = lambda key: None
        remote.objects.fail = {key: Missing("gone")}
        remote.state.run(drop_archived(one))
        remote.put(record(1), tier="cold")

    remote.objects.before = replace
    assert remote.find("seq:>=0") == [record(1)]


def test_a_copy_with_the_same_bytes_is_read_where_it_lies(remote):
    """The one that was opened before is gone, with what was fetched of it."""
    remote.put(record(0))
    (one,) = archived(remote.state)
    assert remote.find("seq:0") == [record(0)]
    remote.state.run(drop_archived(one))
    purge(remote.data / CACHE, [part.sha256 for part in one.manifest.parts])
    remote.objects.inner.delete(part_key("warm", "", "2026.01.01"))
    remote.put(record(0), tier="cold")
    assert (remote.find("seq:0"), remote.count("seq:0")) == ([record(0)], 1)


def test_a_part_that_is_gone_and_stands_in_the_ledger_is_a_failure(remote):
    """It is not looked for for ever."""
    remote.put(record(0))
    remote.objects.fail = {part_key("warm", "", "2026.01.01"): Missing("gone; look")}
    assert remote.find("seq:0", told=[("2026.01.01", "gone; look")]) == []
    assert remote.count("seq:0") == (0, [("2026.01.01", "gone; look")])


def test_a_part_that_needs_a_restore_is_kept_apart(remote):
    """With what is known of it; other days are answered."""
    remote.put(*DAYS, tier="cold", storage_class="GLACIER")
    key = part_key("cold", "", "2026.01.02")
    remote.objects.heads = {key: Stored(key, 5, storage_class="GLACIER", readable=False, restoring=True)}
    assert remote.find("seq:>=0", told=[("2026.01.02", "it needs a restore first (GLACIER)")]) == [DAYS[2], DAYS[0]]
    assert [(each.one.day, each.part.key, each.restoring) for each in remote.store.reading.frozen] == [
        ("2026.01.02", key, True)
    ]
    assert remote.count() == 3


def test_a_class_that_a_rule_of_the_bucket_changed_is_seen_when_it_is_read(remote):
    """The manifest knows nothing of it."""
    remote.put(*DAYS)
    remote.objects.fail = {KEY: NeedsRestore("InvalidObjectState")}
    assert remote.find("seq:>=0", told=[("2026.01.02", "it needs a restore first")]) == [DAYS[2], DAYS[0]]
    assert [each.part.key for each in remote.store.reading.frozen] == [KEY]


def test_a_place_that_cannot_be_opened_is_named(remote):
    """Wrong settings, missing rights."""
    remote.put(DAYS[0])
    remote.store = ArchiveStore(
        remote.data,
        lambda day: archived(remote.state, day=day),
        lambda place: (_ for _ in ()).throw(Unreachable("no key")),
    )
    assert remote.find("seq:0", told=[("2026.01.01", "no key")]) == []


def test_what_no_row_group_can_have_is_not_fetched(remote, monkeypatch):
    """An id beside all those that there are: the footer says so."""
    monkeypatch.setattr("shipper.archive.ranges.SMALL", 0)
    noise = random.Random(3)
    remote.put(*(record(number, "2026-01-01T10:00:00Z", more=str(noise.random()) * 20) for number in range(6000)))
    remote.find("event.id:zzz")
    fetched = remote.store.reading.fetched
    remote.find("event.id:*zzz")

    assert fetched < remote.store.reading.fetched
