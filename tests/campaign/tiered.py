"""A data folder whose days live from hot to gone, all that was ever written to it, and what has to be true at any time."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import yaml

from shipper.archive import ledger
from shipper.clock import iso
from shipper.objects.folder import FolderStore
from shipper.objects.store import ObjectStore
from shipper.state import State
from tests.campaign.checks import (
    Kind,
    check_chain,
    check_found,
    check_nothing_left,
    check_stored_once,
    expired,
    found_by_search,
)
from tests.campaign.hot import Hot, InFolder, writing
from tests.campaign.processes import KILLED, Ended, Processes
from tests.faults.objects import flipped
from tests.search.stored import day_of, record
from tests.services.s3 import Bucket
from tests.tier.days import at, day

HOT_DAYS, WARM_DAYS, COLD_DAYS = 7, 30, 365
GRACE = "12h"
STEP_S = 20.0
"""Between two commands of one morning."""
USERS = 7
NUMBERS = {day(number): number for number in range(100)}
"""Of days, the other way round."""


class Life:
    """Days go hot → warm → cold → gone, by `shipper tier run` on some mornings. `at(0)` is 2026-01-01."""

    def __init__(
        self,
        folder: Path,
        shipper: Processes,
        bucket: Bucket | None = None,
        *,
        hot: Hot | None = None,
        through: str = "",
    ) -> None:
        """`hot`: else the data folder's own; its data folder is `folder / "data"`. `through`: the address at which
        commands reach the bucket."""
        self.data, self.pipeline, self._shipper = folder / "data", folder / "pipeline.yml", shipper
        self._boundaries = folder / "boundaries"
        self.objects: ObjectStore = bucket.store() if bucket else FolderStore(self.data / "archive", self.data)
        self.hot = hot or InFolder(self.data)
        self.written: dict[Kind, Counter[bytes]] = defaultdict(Counter)
        self.held: set[Kind] = set()
        self._held_late: set[Kind] = set()
        """Their deletion was under way; the next run of the mover takes it back."""
        self.erasing: set[str] = set()
        """Users; an erasure of theirs was begun, and did not come through yet."""
        self.morning, self.kills, self.records = 0, 0, 0
        self._bucket, self._commands = bucket, 0
        self.hot.begin()
        self.pipeline.write_text(yaml.safe_dump(self.hot.pipeline | _pipeline(folder, bucket, through)))
        with closing(self.state()) as state:
            noted = {"pipeline": str(self.pipeline), "sinks": [self.hot.pipeline["sinks"][0]["type"]]}
            state.set_meta("sinks", orjson.dumps(noted).decode())

    def state(self) -> State:
        return State(self.data / "state.db")

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, number: int, rows: int, dataset: str = "backend") -> None:
        """So many more records of a day."""
        self.wrote(self.hot.write(self.docs(number, rows, dataset)))

    def writing(self, number: int, dataset: str = "backend") -> AbstractContextManager[None]:
        """Meanwhile a writer adds to a day."""
        return writing(self.hot, lambda: self.docs(number, 3, dataset), self.wrote)

    def docs(self, number: int, rows: int, dataset: str = "backend") -> list[bytes]:
        """Records that nobody has written yet."""
        begin, self.records = self.records, self.records + rows
        return [
            record(each, iso(at(number, 0) + each * 7.003 % 86_400), **{**_fields(each), "event.dataset": dataset})
            for each in range(begin, self.records)
        ]

    def wrote(self, docs: list[bytes]) -> None:
        """These are in the store now."""
        for doc in docs:
            self.written[day_of(doc), orjson.loads(doc)["event.dataset"]][doc] += 1

    def dawn(self, morning: int) -> None:
        """It is a later day."""
        assert morning > self.morning
        self.morning, self._commands = morning, 0

    def command(self, *arguments: object, **how: Any) -> Ended:
        """One that is not killed by itself has nothing to say that nobody foresaw."""
        ended = self._shipper.run(*arguments, "--data", self.data, **how)
        self.kills += ended.code == KILLED
        assert "Traceback" not in ended.err, ended.err
        return ended

    def move(self, **how: Any) -> Ended:
        """`shipper tier run`, some seconds after the last."""
        self._commands += 1
        return self.command("tier", "run", self.pipeline, "--now", iso(self.now), **how)

    def killed(self, what: str, one_in: int = 1) -> dict[str, Any]:
        """For a command: ended behind the first write of this morning behind which it was not ended yet, if there is
        one; of one in so many writes."""
        return {"kill_behind_new": (self._boundaries, f"morning {self.morning}, {what}", one_in)}

    @property
    def now(self) -> float:
        return at(self.morning) + self._commands * STEP_S

    def hold(self, number: int, dataset: str, **how: Any) -> Ended:
        """On one user's records, so the whole of that dataset and day stays."""
        since, until = (iso(at(each, 0)) for each in (number, number + 1))
        query = f"user.id:u1 AND event.dataset:{dataset}"
        case = ("--reason", "a case", "--since", since, "--until", until)
        before = self.holds()
        ended = self.command("hold", "add", self.pipeline, "--where", query, *case, **how)
        assert ended.code in (0, KILLED), ended
        kind = (day(number), dataset)
        if self.holds() != before and kind not in expired(self.objects):
            if self.is_over(kind):
                self._held_late.add(kind)
            self.held.add(kind)
        return ended

    def holds(self) -> list[int]:
        """The numbers of those in force."""
        with closing(self.state()) as state:
            return [each.id for each in ledger.holds(state)]

    def release(self, **how: Any) -> Ended:
        """All that is on hold."""
        ended = Ended(0, "", "", 0.0)
        while (numbers := self.holds()) and ended.code == 0:
            ended = self.release_one(numbers[0], **how)
        if not numbers:
            self.held.clear()
        return ended

    def release_one(self, number: int, **how: Any) -> Ended:
        """By the number of the hold."""
        ended = self.command("hold", "release", number, self.pipeline, "--reason", "it is over", **how)
        assert ended.code in (0, KILLED), ended
        return ended

    def erase(self, user: str, **how: Any) -> Ended:
        """All records of a user but those of what is on hold; when it comes through they are gone, else some may be."""
        self.erasing.add(user)
        going = {kind: self._going(kind) for kind in self.written}
        said = ("--reason", f"{user} asked for it", "--format", "json")
        ended = self.command("erase", self.pipeline, "--where", f"user.id:{user}", "--yes", *said, **how)
        if ended.code != KILLED and _is_erased(ended):
            for kind, docs in going.items():
                self.written[kind] -= docs
            self.erasing.remove(user)
        return ended

    # ── what has to be true ───────────────────────────────────────────────────────────────────────────────────────

    def check(self, *, moved: bool) -> None:
        """Each record is found once until its last day, and none after it; of a day that is going, and not all was
        `moved`, a dataset is there as a whole or not at all. Of a user who is being erased, some may be gone."""
        found = found_by_search(self.data, fetched_anew=moved)
        check_stored_once(self.data, self.hot, found)
        for kind, docs in self.written.items():
            there = found.pop(kind, Counter())
            if self.is_over(kind) and moved:
                assert not there, f"{kind}: {there.total()} records are there after its last day"
                docs.clear()
            elif there or moved or not (self.is_over(kind) or kind in self._held_late):
                check_found(there, docs, self._going(kind), f"{kind} on morning {self.morning}")
        assert not found, found.keys()
        check_chain(self.objects)
        if moved:
            self._held_late.clear()

    def is_over(self, kind: Kind) -> bool:
        """It has had its last day, and nothing holds it."""
        return self.now >= at(NUMBERS[kind[0]] + 1, 0) + COLD_DAYS * 86_400 and kind not in self.held

    def _going(self, kind: Kind) -> Counter[bytes]:
        """What may be erased of it now."""
        users = () if kind in self.held else self.erasing
        docs = {doc: count for doc, count in self.written[kind].items() if orjson.loads(doc)["user.id"] in users}
        return Counter(docs)

    def verify(self, *options: str) -> dict[str, Any]:
        """What `shipper tier verify` says of the only place, by name."""
        ended = self.command("tier", "verify", self.pipeline, "--format", "json", *options)
        told: dict[str, Any] = orjson.loads(ended.out)
        assert ended.code == bool(told["problems"]), ended
        return told

    def parts(self) -> list[str]:
        """Keys of all that is archived, with what is in grace."""
        with closing(self.state()) as state:
            there = ledger.archived(state, grace=True)
        return [part.key for one in there for part in one.manifest.parts]

    # ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────

    def flip(self, key: str) -> None:
        """A bit of an object changes where it lies; what its store says of it stays as it was."""
        if self._bucket is None:
            Path(self.objects.where, key).write_bytes(flipped(self.objects.get(key)))
            return
        there = {"Bucket": self._bucket.name, "Key": f"archive/{key}"}
        metadata = self._bucket.client.head_object(**there)["Metadata"]
        self._bucket.client.put_object(**there, Body=flipped(self.objects.get(key)), Metadata=metadata)

    def lose(self, key: str) -> None:
        """Somebody deletes an object; where there are versions, nobody sees them any more."""
        if self._bucket is None:
            self.objects.delete(key)
        else:
            self._bucket.client.delete_object(Bucket=self._bucket.name, Key=f"archive/{key}")

    @contextmanager
    def damaged(self, key: str, damage: Callable[[str], None]) -> Iterator[None]:
        """Meanwhile an object is flipped or lost; then somebody brings it back, if its day is still there."""
        raw = self.objects.get(key)
        damage(key)
        yield
        if key in self.parts():
            self.objects.put(key, raw)

    def check_gone(self) -> None:
        """Nothing is left that says what was there but receipts and certificates."""
        check_nothing_left(self.data, self.hot, self.objects)
        assert self.verify()["problems"] == []


def _is_erased(ended: Ended) -> bool:
    """All but what is on hold."""
    *lines, certificate = map(orjson.loads, ended.out.splitlines() or ["{}"])
    stays = [line["why"] for line in lines if line["kind"] == "stays"]
    only_held = all(why.startswith("on hold") for why in stays)
    return bool(certificate) and _is_as_told(certificate) and only_held


def _is_as_told(certificate: dict[str, Any]) -> bool:
    return certificate["found"] <= certificate["of_these_refused"] and not certificate["not_searched"]


def _fields(number: int) -> dict[str, Any]:
    return {
        "user.id": f"u{number % USERS}",
        "log.level": ("INFO", "INFO", "WARNING", "ERROR")[number % 4],
        "message": f"message {number} was sent" + "." * (number % 50),
    }


def _pipeline(folder: Path, bucket: Bucket | None, through: str) -> dict[str, Any]:
    tiers: dict[str, Any] = {
        "hot": f"{HOT_DAYS}d",
        "warm": {"until": f"{WARM_DAYS}d", "to": bucket.place if bucket else "archive"},
        "cold": {"until": f"{COLD_DAYS}d"},
        "grace": GRACE,
    }
    if bucket:
        settings = bucket.settings
        secrets = {name: getattr(settings, name).get_secret_value() for name in ("access_key", "secret_key")}
        tiers["s3"] = {"endpoint": through or settings.endpoint, "region": settings.region, **secrets}
    return {"sources": [{"type": "tail", "paths": [str(folder / "none.log")]}], "tiers": tiers}
