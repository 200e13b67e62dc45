"""A question as a condition for DuckDB, the same for the hot folder and the archive."""

from shipper.query.sql import Where, where
from shipper.search.store import Question


def condition(question: Question, day: str) -> Where:
    """The query and, on a day that is asked for only in part, the times."""
    found = where(question.tree)
    since, until = question.part_of(day)
    if since is not None:
        found = Where(f'{found.sql} AND "@timestamp" >= make_timestamptz(?)', (*found.values, since))
    if until is not None:
        found = Where(f'{found.sql} AND "@timestamp" < make_timestamptz(?)', (*found.values, until))
    return found
