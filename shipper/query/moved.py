"""What a record is when it comes from Elasticsearch: the sink moves what fits no field to `labels`, as text."""

from typing import Any

import orjson

from shipper.elastic.template import LABELS
from shipper.fields import value
from shipper.model import Doc
from shipper.query.match import Predicate, matcher
from shipper.query.tree import Node


def predicate(tree: Node) -> Predicate:
    """`match.matcher` for documents as Elasticsearch has them."""
    matches = matcher(tree)
    return lambda record: matches(with_moved(record))


def with_moved(record: Doc) -> Doc:
    """A record with what was moved at its place again."""
    labels = record.get(LABELS)
    if not isinstance(labels, dict):
        return record
    moved = {name: text for name, text in labels.items() if isinstance(text, str) and value(record, name) is None}
    if isinstance(labels.get(LABELS), str):
        moved[LABELS] = labels[LABELS]
    return {**record, **{name: _unlisted(text) for name, text in moved.items()}} if moved else record


def _unlisted(text: str) -> Any:
    """A list was moved as its JSON text."""
    if not text.startswith("["):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
