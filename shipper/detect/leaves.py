"""A record as the texts that may hold a secret."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Leaf(NamedTuple):
    """A text in a record: a value, or a key (then `name` is empty). `name` is the key nearest to a value."""

    path: tuple[str, ...]
    name: str
    text: str
    is_key: bool


def leaves(record: Any) -> Iterator[Leaf]:
    """Every key, and every text and number, of a record at any depth, in its order."""
    stack: list[tuple[tuple[str, ...], str, Any]] = [((), "", record)]
    while stack:
        path, name, value = stack.pop()
        if isinstance(value, dict):
            inner = []
            for key, entry in value.items():
                if isinstance(key, str):
                    yield Leaf((*path, key), "", key, True)
                inner.append(((*path, str(key)), str(key), entry))
            stack += reversed(inner)
        elif isinstance(value, list):
            stack += reversed([((*path, str(place)), name, entry) for place, entry in enumerate(value)])
        elif isinstance(value, str):
            yield Leaf(path, name, value, False)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield Leaf(path, name, str(value), False)
