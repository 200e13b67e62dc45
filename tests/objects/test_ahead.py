"""Small requests, several at a time."""

import threading

import pytest

from shipper.objects.ahead import AT_ONCE, ahead


def test_answers_come_in_order():
    assert list(ahead(lambda number: number * 2, range(1000))) == list(range(0, 2000, 2))


def test_several_are_under_way_at_the_same_time():
    """Each waits for the others: one after the other, the first would never be done."""
    together = threading.Barrier(AT_ONCE, timeout=30)
    assert len(list(ahead(lambda _: together.wait(), range(AT_ONCE)))) == AT_ONCE


def test_no_more_is_asked_for_than_is_soon_wanted():
    """Of millions of keys the answers would fill the memory."""
    asked = []
    answers = ahead(asked.append, range(10_000))
    next(answers)
    answers.close()
    assert len(asked) <= 2 * AT_ONCE + 1


def test_an_error_comes_in_the_place_of_its_answer():
    answers = ahead(lambda number: 6 // number, [3, 2, 0, 1])
    assert [next(answers), next(answers)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(answers)
