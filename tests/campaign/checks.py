"""What has to be true of a data folder and its archive at any time, whatever was killed before.

Nothing here asks a command: what is found is what a search finds, and what an archive holds is what lies in it.
"""

import hashlib
import shutil
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import orjson

from shipper.archive import ledger
from shipper.archive.manifest import EXPIRED
from shipper.archive.names import receipt_key
from shipper.cli.stores import stores
from shipper.objects.store import ObjectStore
from shipper.query.tree import Everything
from shipper.search.merge import search
from shipper.search.store import Question
from shipper.state import State
from tests.campaign.hot import Hot
from tests.search.stored import day_of

Kind = tuple[str, str]
"""Day and dataset."""
Found = dict[Kind, Counter[bytes]]
"""Documents, and how often each is there."""


def found_by_search(data: Path, *, fetched_anew: bool) -> Found:
    """What a search over all tiers finds; `fetched_anew`: of what lies in the archive now, not of what was fetched
    before."""
    if fetched_anew:
        shutil.rmtree(data / "cache", ignore_errors=True)
    found, problems = defaultdict[Kind, Counter[bytes]](Counter), list[tuple[str, str]]()
    asked = stores(data)
    try:
        for doc in search(asked.stores, Question(Everything()), 0, lambda what, why: problems.append((what, why))):
            found[day_of(doc), orjson.loads(doc)["event.dataset"]][doc] += 1
    finally:
        for each in asked.stores:
            each.close()
    assert (problems, asked.missing) == ([], "")
    return found


def check_found(there: Counter[bytes], docs: Counter[bytes], going: Counter[bytes], where: str) -> None:
    """All of `docs` are there once, but that some of those that are `going` may be missing."""
    assert docs - going <= there <= docs, f"{where}: {_difference(there, docs - going, docs)}"


def _difference(there: Counter[bytes], must: Counter[bytes], may: Counter[bytes]) -> str:
    return f"{sum((must - there).values())} of {must.total()} records missing, {(there - may).total()} too many"


def check_stored_once(data: Path, hot: Hot, found: Found) -> None:
    """A search gives a record once that two tiers have. What they have by their lists is not more than it found."""
    rows = hot.rows()
    with closing(State(data / "state.db")) as state:
        for one in ledger.archived(state):
            rows[one.day] += one.manifest.rows
    expected: Counter[str] = Counter()
    for (day, _), docs in found.items():
        expected[day] += docs.total()
    assert rows == expected


def check_chain(objects: ObjectStore) -> None:
    """The receipts are numbered without a gap, and each holds the hash of the one before."""
    previous = ""
    keys = sorted(stored.key for stored in objects.list("receipts/"))
    for number, key in enumerate(keys, 1):
        raw = objects.get(key)
        receipt = orjson.loads(raw)
        assert (key, receipt["number"], receipt["previous"]) == (receipt_key(number), number, previous)
        previous = hashlib.sha256(raw).hexdigest()


def check_protected(data: Path, objects: ObjectStore, held: set[Kind]) -> None:
    """What is on hold has the legal hold of its bucket, and nothing else has."""
    with closing(State(data / "state.db")) as state:
        there = [(one.day, one.dataset, part.key) for one in ledger.archived(state) for part in one.manifest.parts]
    found = {key: objects.head(key) for *_, key in there}
    protected = {key: stored is not None and stored.legal_hold for key, stored in found.items()}
    assert protected == {key: (day, dataset) in held for day, dataset, key in there}


def check_nothing_left(data: Path, hot: Hot, objects: ObjectStore) -> None:
    """Nothing but receipts, and certificates of what was erased."""
    assert {stored.key.partition("/")[0] for stored in objects.list()} - {"certificates"} == {"receipts"}
    assert hot.left() == []
    left = [path for path in (data / "tmp").rglob("*") if path.is_file()]
    assert [*left, *data.glob("erasing*")] == []


def expired(objects: ObjectStore) -> set[Kind]:
    """What receipts declare gone."""
    receipts = [orjson.loads(objects.get(stored.key)) for stored in objects.list("receipts/")]
    return {(each["day"], each["dataset"]) for each in receipts if each["act"] == EXPIRED}
