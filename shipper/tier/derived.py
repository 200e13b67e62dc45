"""What was derived from a subject's records, and what lies in no tier: alerts and their records, windows, quarantine,
outbox, spool and parked rows, also those of earlier states."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial

import orjson

from shipper.elastic.documents import parsed
from shipper.errors import ShipperError
from shipper.model import Doc
from shipper.state import State
from shipper.tier.certificate import Line
from shipper.tier.erase_elastic import erase_alert_documents
from shipper.tier.erase_tables import Records, Tables, earlier_states, ids_in, scrub_file
from shipper.tier.erase_waiting import erase_alert_records, erase_waiting, without_evidence
from shipper.tier.exempt import HELD, Exempt
from shipper.tier.progress import Progress
from shipper.tier.reach import Reach
from shipper.tier.subject import Subject, spread

ALERT_RECORDS, SPOOL = "alert records", "spool"

Kind = tuple[str, str]
"""Dataset and day."""


class Derived:
    """Of one subject."""

    def __init__(self, reach: Reach, subject: Subject, exempt: Exempt, progress: Progress) -> None:
        self._reach, self._subject, self._exempt, self._progress = reach, subject, exempt, progress
        self._records = Records()

    def look(self, staying: Iterable[Kind]) -> list[Line]:
        """What would go, and what would stay; `staying`: dataset and day of each that does."""
        reach = self._reach
        stay = self._ids(staying)
        going = {each for each in reach.ids(self._subject.tree) if each not in stay}
        self._records = Records(self._progress.ids | going, stay)
        tables = self._tables(reach.state)
        found, left = Counter(tables.counts), self._left_of_alert(tables)
        found[SPOOL] = len(erase_waiting(reach.data, reach.state, self._left_of_waiting(tables), dry=True))
        found[ALERT_RECORDS] = erase_alert_records(reach.data, reach.state, left, dry=True)
        if reach.elastic is not None:
            found[ALERT_RECORDS] += erase_alert_documents(reach.elastic, reach.name, left, dry=True)
        lines = [Line(where, "", "", rows) for where, rows in found.items() if rows]
        return lines + [Line(where, "", "", rows, HELD) for where, rows in tables.refused.items()]

    def erase(self, staying: Iterable[Kind]) -> None:
        """While no run is at work, and after the records: their ids are known then. `staying`: see `look`."""
        reach, progress = self._reach, self._progress
        self._records = Records(progress.ids, self._ids(staying))
        waiting = erase_waiting(reach.data, reach.state, self._left_of_waiting(self._tables(reach.state)))
        progress.note_ids(ids_in(waiting))
        progress.count(SPOOL, len(waiting))
        tables = self._tables(reach.state)
        left = self._left_of_alert(tables)
        try:
            progress.count(ALERT_RECORDS, erase_alert_records(reach.data, reach.state, left))
            if reach.elastic is not None:
                progress.count(ALERT_RECORDS, erase_alert_documents(reach.elastic, reach.name, left))
        except ShipperError as error:
            progress.refuse(Line(ALERT_RECORDS, "", "", None, str(error)))
        self._change(reach.state, tables)
        for path in earlier_states(reach.data):
            with closing(State(path)) as old:
                self._change(old, self._tables(old))

    def _change(self, state: State, tables: Tables) -> None:
        state.run(*tables.changes)
        for where, rows in tables.counts.items():
            self._progress.count(where, rows)
        for where, rows in tables.refused.items():
            self._progress.refuse(Line(where, "", "", rows, HELD))
        scrub_file(state.path)

    def _tables(self, state: State) -> Tables:
        return Tables(state, self._subject, self._records, self._reach.without, self._exempt.keeps)

    def _ids(self, kinds: Iterable[Kind]) -> frozenset[str]:
        return frozenset(each for kind in kinds for each in self._reach.ids(self._subject.tree, kind))

    def _left_of_waiting(self, tables: Tables) -> Callable[[bytes], bytes | None]:
        of_alert = self._left_of_alert(tables)

        def left(doc: bytes) -> bytes | None:
            if parsed(doc).get("event.kind") == "alert":
                return of_alert(doc)
            return None if self._subject.matches_raw(doc) and not self._exempt.keeps(doc) else doc

        return left

    def _left_of_alert(self, tables: Tables) -> Callable[[bytes], bytes | None]:
        records = self._records

        def gone(record: Doc) -> bool:
            return record.get("alert.id") in tables.gone or self._subject.matches_alert(record)

        def held(record: Doc) -> bool:
            of_staying = not records.staying.isdisjoint(record.get("alert.evidence") or ())
            return of_staying or self._exempt.keeps(orjson.dumps(spread(record)))

        return partial(without_evidence, gone=gone, erased=records.erased.__contains__, held=held)
