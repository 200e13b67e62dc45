"""Erases all records that a query finds, wherever they lie, and what was derived from them.

What is on hold or locked stays, whole days of a dataset, and is named. Everything else is erased all the same. Killed
anywhere, the same erasure run again does what is left.
"""

import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipper.archive import ledger
from shipper.archive.ledger import Archived
from shipper.clock import iso
from shipper.elastic.documents import parsed
from shipper.elastic.moment import Requests
from shipper.errors import ShipperError
from shipper.fields import value
from shipper.model import StateChange
from shipper.objects.store import NeedsRestore
from shipper.store.recover import remove_spills, remove_unlisted
from shipper.store.sealer import seal_now
from shipper.tier.audit import ERASE_REFUSED, ERASED, audit, who
from shipper.tier.certificate import Line, Proof, certificate, keep
from shipper.tier.derived import Derived
from shipper.tier.erase_archive import ArchivedRecords, Refused, frozen, undo_unpublished
from shipper.tier.erase_elastic import erase_documents
from shipper.tier.erase_embedded import EmbeddedRecords, Matches
from shipper.tier.exempt import Exempt
from shipper.tier.progress import Progress
from shipper.tier.quiet import quiet
from shipper.tier.reach import ELASTIC, HOT, RESTORED, Reach
from shipper.tier.subject import Subject

SEAL_S = 60.0
"""Seconds that a running writer has to seal what is open."""


@dataclass(slots=True)
class Report:
    """What an erasure came to."""

    number: str
    erased: list[Line]
    refused: list[Line]
    proof: Proof
    path: Path
    """Of the certificate."""
    problems: list[str]
    """Where else it could not be stored, a line each."""

    @property
    def is_whole(self) -> bool:
        return self.proof.is_absent and not self.refused and not self.problems


class Erasure:
    """One subject. Used by one thread."""

    def __init__(self, reach: Reach, subject: Subject) -> None:
        self._reach, self._subject = reach, subject
        self._exempt = Exempt(reach.state, reach.held, subject.struck)
        self._progress = Progress(reach.state, reach.data, reach.clock, subject.fingerprint(reach.key))
        self._derived = Derived(reach, subject, self._exempt, self._progress)
        about = self._progress.note_ids
        self._embedded = EmbeddedRecords(reach.data, reach.state, reach.exporter, subject.tree, about)
        self._archive = ArchivedRecords(
            reach.state,
            reach.archives,
            reach.exporter,
            reach.scratch,
            reach.clock,
            tree=subject.tree,
            cache=reach.data / "cache",
            about=about,
        )

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> list[Line]:
        """What would go where, and what would stay. Changes nothing."""
        lines = [Line(ELASTIC, "", "", None, self._reach.missing)] if self._reach.missing else []
        parts: dict[str, Callable[[], list[Line]]] = {
            HOT: lambda: self._lines(HOT, self._embedded.find()),
            ELASTIC: lambda: self._lines(ELASTIC, _joined(self._indexed(ELASTIC))),
            RESTORED: lambda: self._lines(RESTORED, _joined(self._indexed(RESTORED))),
            "archive": lambda: [line for line in map(self._look_at, self._archived()) if line.rows != 0],
            "state.db": lambda: self._derived.look(_staying(lines)),
        }
        for where, part in parts.items():
            try:
                lines += part()
            except ShipperError as error:
                lines.append(Line(where, "", "", None, str(error)))
        return lines

    def _lines(self, where: str, matches: Matches) -> list[Line]:
        return [
            Line(where, dataset, day, len(ids), self._why(where, dataset, day), must=True)
            for (dataset, day), ids in sorted(matches.items(), key=lambda item: item[0][::-1])
        ]

    def _archived(self) -> list[Archived]:
        """Copies in grace first: what they were copied to tells whether there is something in them."""
        return sorted(ledger.archived(self._reach.state, grace=True), key=lambda one: not one.grace)

    def _look_at(self, one: Archived) -> Line:
        line = Line(f"{one.tier}, in grace" if one.grace else one.tier, one.dataset, one.day, None)
        try:
            rows = self._reach.count_archived(self._subject.tree, one)
            why = rows and self._exempt.why(one.dataset, one.day)
            if rows and not why:
                self._archive.check_free(one)
        except NeedsRestore:
            return line._replace(refused=frozen(one))
        except Refused as error:
            return line._replace(rows=rows, refused=str(error), must=True)
        except ShipperError as error:
            return line._replace(refused=str(error))
        return line._replace(rows=rows, refused=why or "", must=bool(why))

    # ── erasing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, reason: str) -> Report:
        """Erases, proves it, and leaves a certificate. Raises `ShipperError` only when nothing more can be done: a run
        that does not come to rest, a disk that is full."""
        reach, progress = self._reach, self._progress
        progress.save()
        self._archive.finish()
        undo_unpublished(reach.state, reach.discard, reach.clock)
        if reach.missing:
            progress.refuse(Line(ELASTIC, "", "", None, reach.missing))
        for one in self._archived():
            self._from_archived(one)
        if reach.elastic is not None:
            self._from_indices(reach.elastic, ELASTIC)
            self._from_indices(reach.elastic, RESTORED)
        self._from_hot()
        with quiet(reach.data, reach.state, reach.clock):
            self._from_hot()
            self._derived.erase(_staying(self._progress.refused))
            # What somebody replaced who was killed then is named by no list, and holds records too.
            remove_unlisted(reach.data, reach.state)
        # Working folders of processes that were killed hold records too.
        remove_spills(reach.data / "tmp")
        return self._finish(self._subject.struck(reason))

    def _from_archived(self, one: Archived) -> None:
        line = self._look_at(one)
        if line.must and not self._exempt.why(one.dataset, one.day):
            # A release that was cut short has left the bucket's own hold.
            self._reach.let_go(one.place, [part.key for part in one.manifest.parts])
            line = self._look_at(one)
        if line.refused:
            self._progress.refuse(line)
        elif line.rows:
            try:
                erased = self._archive.erase(one, self._subject.query, f"certificate {self._progress.number}")
            except ShipperError as error:
                self._progress.refuse(line._replace(refused=str(error), must=isinstance(error, Refused)))
            else:
                self._progress.count(line.where, line.rows if one.grace else erased.rows, one.dataset, one.day)

    def _from_indices(self, elastic: Requests, where: str) -> None:
        try:
            for index, matches in self._indexed(where).items():
                going = self._going(where, matches)
                ids = [event_id for some in going.values() for event_id in some]
                if ids:
                    self._progress.note_ids(ids)
                    erase_documents(elastic, index, ids)
                self._count(where, going)
        except ShipperError as error:
            self._progress.refuse(Line(where, "", "", None, str(error)))

    def _from_hot(self) -> None:
        reach = self._reach
        try:
            left = seal_now(reach.data, reach.state, reach.clock, SEAL_S)
            self._count(HOT, self._going(HOT, self._embedded.erase(self._exempt.why, self._subject.but)))
        except ShipperError as error:
            self._progress.refuse(Line(HOT, "", "", None, str(error)))
            return
        for segment in left:
            why = f"{segment.file}: its writer did not seal it in time; run the same erase again"
            self._progress.refuse(Line(HOT, "", segment.day, None, why))

    # ── what goes, and what stays ─────────────────────────────────────────────────────────────────────────────────

    def _indexed(self, where: str) -> dict[str, Matches]:
        """Index → what matches in it."""
        found: dict[str, Matches] = defaultdict(lambda: defaultdict(list))
        for index, day, doc in self._reach.indexed(self._subject.tree, restored=where == RESTORED):
            record = parsed(doc)
            dataset, event_id = (str(value(record, name, "") or "") for name in ("event.dataset", "event.id"))
            found[index][dataset, day].append(event_id)
        return found

    def _why(self, where: str, dataset: str, day: str) -> str:
        """Why it stays. A restored index is a copy, which no hold asks for."""
        return "" if where == RESTORED else self._exempt.why(dataset, day)

    def _going(self, where: str, matches: Matches) -> Matches:
        """What does not stay; the rest is named."""
        going: Matches = {}
        for (dataset, day), ids in matches.items():
            if why := self._why(where, dataset, day):
                self._progress.refuse(Line(where, dataset, day, len(ids), why, must=True))
            else:
                going[dataset, day] = ids
        return going

    def _count(self, where: str, going: Matches) -> None:
        for (dataset, day), ids in going.items():
            self._progress.count(where, len(ids), dataset, day)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, reason: str) -> Report:
        reach, progress = self._reach, self._progress
        erased, refused = progress.erased, progress.refused
        left, problems = reach.remaining(self._subject.tree)
        now = iso(reach.clock.now())
        proof = Proof(left, self._had_to_stay(refused) if left else 0, problems, now)
        raw = certificate(
            number=progress.number,
            subject=self._subject.fingerprint(reach.key),
            times=(progress.begun, now),
            who=who(),
            host=socket.gethostname(),
            reason=reason,
            taken_up=progress.taken_up,
            erased=erased,
            refused=refused,
            proof=proof,
            logs=reach.logs,
        )
        places = dict.fromkeys(one.place for one in ledger.archived(reach.state, grace=True))
        path, failed = keep(raw, progress.number, reach.data, (reach.archives(place).objects for place in places))
        progress.end(*self._acts(reason, erased, refused))
        return Report(progress.number, erased, refused, proof, path, failed)

    def _had_to_stay(self, refused: Sequence[Line]) -> int:
        """Of what is still found. Records of a copy in grace, which is not searched, are not counted twice."""
        return sum(self._reach.remaining(self._subject.tree, kind)[0] for kind in _staying(refused))

    def _acts(self, reason: str, erased: list[Line], refused: list[Line]) -> Iterator[StateChange]:
        number, now = self._progress.number, self._reach.clock.now()
        subject = self._subject.fingerprint(self._reach.key)
        fields = {"erase.certificate": number, "erase.subject": subject, "erase.reason": reason}
        records = sum(line.rows or 0 for line in erased if line.day)
        what = f"{records} records were erased, certificate {number}"
        yield audit(ERASED, what, now, **fields, **{"erase.records": records})
        if refused:
            stays = [" ".join(filter(None, line[:3])) for line in refused]
            what = f"not all was erased, certificate {number}"
            yield audit(ERASE_REFUSED, what, now, **fields, **{"erase.refused": stays})


def _staying(lines: Sequence[Line]) -> set[tuple[str, str]]:
    """Dataset and day of what has to stay."""
    return {(line.dataset, line.day) for line in lines if line.refused and line.must and line.day}


def _joined(found: dict[str, Matches]) -> Matches:
    matches: Matches = defaultdict(list)
    for some in found.values():
        for key, ids in some.items():
            matches[key] += ids
    return matches
