"""Whom an erasure is about: a query, and what it means where there are no records: in alerts, in windows, in texts."""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import orjson

from shipper.alerts import alert_record
from shipper.fields import TABLE
from shipper.model import Alert, Doc
from shipper.query.match import matcher
from shipper.query.moved import predicate
from shipper.query.tree import Between, Equals, Like, Node, Or, Words

STRUCK = "[erased]"


class Subject:
    """One query. The query itself is written down nowhere: see `fingerprint`."""

    def __init__(self, query: str, tree: Node) -> None:
        """`tree`: the query as `query.parse.parse` reads it."""
        self.query, self.tree = query, tree
        self.matches: Callable[[Doc], bool] = predicate(tree)
        """True for the records that a search finds, wherever they come from."""
        self._leaves = list(_leaves(tree))
        self._tests = [(leaf, matcher(leaf)) for leaf in self._leaves]
        literals = sorted({text for leaf in self._leaves for text in _literals(leaf)}, key=len, reverse=True)
        words = (rf"(?<!\w){re.escape(text)}(?!\w)" for text in literals)
        self._mention = re.compile("|".join(words), re.IGNORECASE) if literals else None

    def fingerprint(self, key: bytes) -> str:
        """HMAC-SHA-256 of the query under the data folder's key: who has both can tell that it was this one."""
        return hmac.new(key, self.query.strip().encode(), hashlib.sha256).hexdigest()

    def but(self, datasets: Collection[str]) -> str:
        """The query without the records of some datasets (empty: of those that have none)."""
        kept = sorted(f"event.dataset:{_quoted(name)}" if name else "(NOT event.dataset:*)" for name in datasets)
        return f"({self.query}) AND NOT ({' OR '.join(kept)})" if kept else self.query

    def matches_raw(self, doc: bytes) -> bool:
        """Of a stored document's bytes; of one that is no JSON whether a value of the query stands in it."""
        try:
            found = orjson.loads(doc)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            return self.mentioned(doc.decode(errors="replace"))
        return self.matches(found) or (found.get("event.kind") == "alert" and self.matches_alert(found))

    def is_of(self, alert: Alert) -> bool:
        """Whether an alert is about the subject: its own fields, or its group under any name of a field."""
        return self.matches_alert(alert_record(alert))

    def matches_alert(self, record: Doc) -> bool:
        """Of an alert as a stored record."""
        return self.matches(spread(record))

    def has(self, value: str) -> bool:
        """Whether a value alone, of a field that is not known, is what the query asks for."""
        return any(test({leaf.field or "message": value}) for leaf, test in self._tests)

    def mentioned(self, text: str) -> bool:
        """Whether a value that the query asks for stands in a text, as words."""
        return self._mention is not None and self._mention.search(text) is not None

    def struck(self, text: str) -> str:
        """A text with the values that the query asks for struck out."""
        return self._mention.sub(STRUCK, text) if self._mention is not None else text


def spread(record: Doc) -> Doc:
    """An alert's record with the fields of its group as its own."""
    group = record.get("alert.group")
    return {**record, **(_all_names(group) if isinstance(group, dict) else {})}


def _all_names(group: dict[str, Any]) -> Doc:
    """A group's values under every name that the field has in some family of logs."""
    found: Doc = dict(group)
    for name, value in group.items():
        for field in TABLE:
            if name == field.name or name in field.aliases:
                found = {**dict.fromkeys((field.name, *field.aliases), value), **found}
    return found


def _leaves(tree: Node) -> Iterator[Equals | Like | Words | Between]:
    """The leaves each of which alone is enough for a record to be found; none of a query that asks for several at
    once, where a single value says nothing."""
    match tree:
        case Or(parts):
            found = [list(_leaves(part)) for part in parts]
            if all(found):
                yield from (leaf for some in found for leaf in some)
        case Equals() | Like() | Words():
            yield tree
        case Between(low=low, high=high) if low is not None and low == high:
            yield tree


def _literals(leaf: Equals | Like | Words | Between) -> Iterator[str]:
    match leaf:
        case Equals(_, text):
            yield text
        case Like(_, pattern):
            yield from _texts([pattern])
        case Words(_, words):
            if all(len(word) == 1 and isinstance(word[0], str) for word in words):
                yield " ".join(str(word[0]) for word in words)
        case Between(by="number" | "text", low=low):
            yield str(low)


def _texts(patterns: Sequence[Sequence[object]]) -> Iterator[str]:
    """The longest literal of each pattern, where it is long enough to mean something."""
    for pattern in patterns:
        longest = max((part for part in pattern if isinstance(part, str)), key=len, default="")
        if len(longest) > 2:
            yield longest


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
