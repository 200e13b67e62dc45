"""How far a batch is on its way to Elasticsearch, over as many calls as it takes. Pure."""

from dataclasses import dataclass, field

from shipper.elastic.template import mapping
from shipper.model import Batch, Doc, Refused
from shipper.sink.labels import Fields, are_too_many, fields_of, offender, relabelled, strangers

MOST_MOVES = 4
"""Fields of one row that are moved one by one, before all that are unknown are."""


@dataclass(slots=True)
class Delivery:
    """How far one batch is. The lists are parallel, an entry for each row that is not settled."""

    batch: Batch
    left: list[int]
    rows: list[bytes]
    """As they are sent."""
    actions: list[bytes]
    indices: list[str]
    refused: list[Refused] = field(default_factory=list)
    moves: dict[int, int] = field(default_factory=dict)
    """Row → how often fields of it were moved."""
    blocked: dict[int, str] = field(default_factory=dict)
    """Row → why its index takes nothing."""

    def keep(self, rows: set[int]) -> None:
        """Only these are left to do."""
        places = [place for place, row in enumerate(self.left) if row in rows]
        self.left = [self.left[place] for place in places]
        self.rows = [self.rows[place] for place in places]
        self.actions = [self.actions[place] for place in places]
        self.indices = [self.indices[place] for place in places]

    def mended(self, row: int, out: bytes, error: Doc, known: Fields | None) -> bytes | None:
        """The row in another form, None when there is none that was not tried. `known`: what its index has, when it
        has no room for more."""
        moves = self.moves.get(row, 0)
        self.moves[row] = moves + 1
        if moves > MOST_MOVES:
            return None
        name = offender(error)
        mended = relabelled(out, [name]) if name is not None and moves < MOST_MOVES else None
        if mended is None and are_too_many(error) and known is not None:
            mended = relabelled(out, strangers(out, known))
        if mended is None:
            self.moves[row] = MOST_MOVES + 1
            mended = relabelled(out, strangers(out, fields_of(mapping(self.batch.stream))))
        return mended
