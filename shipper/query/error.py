"""What is wrong with a query, and where."""

import unicodedata

from shipper.errors import UsageError


class QueryError(UsageError):
    """A query that can't be answered. Its text is one line; `picture` is the query with a caret under the place."""

    def __init__(self, query: str, column: int, what: str, remedy: str) -> None:
        """`column` counts characters from 0; the text shows it from 1."""
        super().__init__(_plain(f"query: {what} at column {column + 1}: {remedy}"))
        self.query = query
        self.column = column

    @property
    def picture(self) -> str:
        """Two lines: the query, and a caret under the place. Nothing in it can drive a terminal."""
        start = max(0, self.column - 60)
        before = _plain(self.query[start : self.column])
        return f"{_plain(self.query[start : start + 76])}\n{' ' * _cells(before)}^"


def _plain(text: str) -> str:
    return "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)


def _cells(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
