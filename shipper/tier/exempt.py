"""What an erasure leaves where it is: days of a dataset on which a record is on hold."""

from collections.abc import Callable

from shipper.archive import ledger
from shipper.archive.ledger import Hold
from shipper.elastic.documents import parsed
from shipper.fields import value
from shipper.query.moved import predicate
from shipper.query.parse import parse
from shipper.query.values import period
from shipper.state import State
from shipper.tier.hold import seconds

HELD = "on hold"


class Exempt:
    """Remembers what it was told: a hold that comes while an erasure is at work waits for the lock."""

    def __init__(self, state: State, held: Callable[[str, str], list[Hold]], struck: Callable[[str], str]) -> None:
        """`held`: see `Holds.held`; `struck` takes the subject out of a text."""
        self._held, self._struck = held, struck
        self._known: dict[tuple[str, str], str] = {}
        self._holds = [(hold, predicate(parse(hold.query))) for hold in ledger.holds(state)]

    def why(self, dataset: str, day: str) -> str:
        """Which holds keep a dataset's day; empty: none."""
        if (dataset, day) not in self._known:
            found = self._held(dataset, day)
            told = "; ".join(f"{HELD} {hold.id} ({self._struck(hold.reason)})" for hold in found)
            self._known[dataset, day] = told
        return self._known[dataset, day]

    def keeps(self, doc: bytes) -> bool:
        """Whether a document that lies in no tier is on hold itself."""
        if not self._holds:
            return False
        record = parsed(doc)
        found = period(str(value(record, "@timestamp", "")))
        at = found[0] / 1e6 if found else None
        return any(matches(record) and _covers(hold, at) for hold, matches in self._holds)


def _covers(hold: Hold, at: float | None) -> bool:
    since, until = seconds(hold.since), seconds(hold.until)
    if at is None:
        return True
    return (since is None or at >= since) and (until is None or at < until)
