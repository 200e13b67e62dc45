"""Less when the server is busy, slowly more again."""

from hypothesis import given
from hypothesis import strategies as st

from shipper.sink.pace import LONGEST_WAIT_S, SMALLEST_BYTES, WELL_BEFORE_MORE, Pace, wait_s

MIB = 1 << 20


def test_a_busy_server_gets_fewer_and_smaller_requests():
    """One fewer, half as large."""
    pace = Pace(4 * MIB, 3)
    pace.was_busy()

    assert (pace.bytes, pace.requests) == (2 * MIB, 2)


def test_it_never_gets_none():
    """However often it says so."""
    pace = Pace(4 * MIB, 3)
    for _ in range(50):
        pace.was_busy()

    assert (pace.bytes, pace.requests) == (SMALLEST_BYTES, 1)


def test_what_is_small_is_not_made_larger_by_that():
    """A limit of the pipeline file holds."""
    pace = Pace(1000, 1)
    pace.was_busy()

    assert pace.bytes == 1000


def test_after_a_while_it_is_all_again():
    """And not at once."""
    pace = Pace(4 * MIB, 3)
    for _ in range(3):
        pace.was_busy()
    for _ in range(WELL_BEFORE_MORE - 1):
        pace.went_well()
    soon = (pace.bytes, pace.requests)
    for _ in range(20 * WELL_BEFORE_MORE):
        pace.went_well()

    assert (soon, (pace.bytes, pace.requests)) == ((MIB // 2, 1), (4 * MIB, 3))


def test_what_was_too_large_is_not_tried_again():
    """The server's limit stays where it is."""
    pace = Pace(4 * MIB, 1)
    pace.was_too_large(3 * MIB)
    for _ in range(20 * WELL_BEFORE_MORE):
        pace.went_well()

    assert pace.bytes == 3 * MIB // 2


def test_rows_that_are_too_large_alone_say_nothing_of_smaller_ones():
    """However many of them there are: what they are more than is known after the first."""
    pace = Pace(4 * MIB, 1)
    for _ in range(20):
        pace.was_too_large(3 * MIB)

    assert pace.bytes == 3 * MIB // 2


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_waits_grow_and_have_an_end(failures, chance):
    """Half of the longest at least, so that many shippers do not come back together."""
    wait = wait_s(failures, chance)

    assert wait_s(failures, 0) <= wait <= LONGEST_WAIT_S and wait_s(failures, 0) <= wait_s(failures + 1, 0)
