"""A store that is away costs a search its patience twice, not once for every day."""

import pytest

from shipper.archive.away import Away
from shipper.objects.store import Missing, Unreachable


class Store:
    where = "s3://bucket"

    def __init__(self, *answers):
        self.answers = list(answers)

    def get(self, key, start, stop):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def head(self, key):
        return self.get(key, 0, None)


def test_after_two_failures_in_a_row_it_is_asked_no_more():
    """The last reason is told again."""
    away = Away(Store(Unreachable("first"), Unreachable("second"), b"never asked"))
    for ask, reason in ((away.get, "first"), (away.head, "second"), (away.get, "second"), (away.head, "second")):
        with pytest.raises(Unreachable, match=reason):
            ask("key")


def test_an_answer_begins_anew():
    """One failure among many is none of the store."""
    away = Away(Store(Unreachable("now"), b"a", Unreachable("then"), b"b", Missing("gone"), b"c"))
    with pytest.raises(Unreachable):
        away.get("key")
    assert away.get("key") == b"a"
    with pytest.raises(Unreachable):
        away.get("key")
    assert away.head("key") == b"b"
    with pytest.raises(Missing):
        away.get("key")
    assert away.get("key") == b"c"
