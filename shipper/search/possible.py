"""What a manifest alone rules out: records of a level that a query can't find, of another dataset, of another time."""

from shipper.archive.ledger import Archived
from shipper.archive.manifest import Part
from shipper.archive.parquet import ANY_OTHER, OTHER
from shipper.model import Doc
from shipper.query.match import matcher
from shipper.query.tree import And, Everything, Node, Not, Or
from shipper.query.values import period
from shipper.search.store import Question, times_of

LEVEL, DATASET = "log.level", "event.dataset"


def may_answer(question: Question, one: Archived) -> bool:
    """Whether an archived day can hold a part of the answer."""
    return bool(parts_of(question, one))


def parts_of(question: Question, one: Archived) -> list[Part]:
    """The parts of an archived day that can."""
    start, end = times_of(one.day)
    since, until = question.since, question.until
    if (since is not None and since >= end) or (until is not None and until <= start):
        return []
    return [
        part
        for part in one.manifest.parts
        if part.rows and _in_time(question, one.day, part) and _of_level(question.tree, one.dataset, part)
    ]


def _in_time(question: Question, day: str, part: Part) -> bool:
    """A record without a readable time is found only where the whole day is asked for."""
    since, until = question.part_of(day)
    if since is None and until is None:
        return True
    first, last = period(part.first), period(part.last)
    if first is None or last is None:
        return bool(part.first)
    return (since is None or last[1] > since) and (until is None or first[0] < until)


def _of_level(tree: Node, dataset: str, part: Part) -> bool:
    return any(_possible(tree, {**known, **level}) for known in _of_dataset(dataset) for level in _levels(part))


def _of_dataset(dataset: str) -> list[Doc]:
    """What the field of a record may be; a list of several datasets is stored as its text, an empty one as none."""
    if dataset == OTHER or dataset.startswith("["):
        return [{}]
    return [{DATASET: dataset}] if dataset else [{DATASET: None}, {DATASET: ""}]


def _levels(part: Part) -> list[Doc]:
    """What the level of a record of a part may be."""
    found: list[Doc] = [{} if level == ANY_OTHER else {LEVEL: level} for level in part.levels]
    return [*found, {LEVEL: None}] if sum(part.levels.values()) < part.rows else found


def _possible(tree: Node, known: Doc) -> bool:
    """False only when no record with these values can fulfil the query, whatever else it has."""
    match tree:
        case And(parts):
            return all(_possible(part, known) for part in parts)
        case Or(parts):
            return any(_possible(part, known) for part in parts)
        case Not() | Everything():
            return True
        case leaf:
            return leaf.field not in known or matcher(leaf)(known)
