"""How far event time has come."""

from shipper.detect.watermark import IDLE, LATENESS, Watermark

NOW = 1_700_000_000.0


def us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def watermark(clock: float = NOW, caught_up: bool = False, **newest: float) -> Watermark:
    mark = Watermark()
    for file_id, seconds in newest.items():
        mark.observe(file_id, us(seconds), clock)
    mark.advance(clock, caught_up)
    return mark


def test_the_file_furthest_behind_holds_it() -> None:
    assert watermark(a=NOW - 500, b=NOW - 900).low == us(NOW - 900 - LATENESS)


def test_a_file_without_records_for_a_while_holds_it_no_longer() -> None:
    mark = watermark(a=NOW - 500, b=NOW - 900)
    mark.observe("a", us(NOW - 400), NOW + IDLE)
    mark.advance(NOW + IDLE, caught_up=False)
    assert mark.low == us(NOW - 400 - LATENESS)


def test_the_wall_clock_moves_it_only_when_nothing_is_left_to_read() -> None:
    mark = watermark(a=NOW - 500)
    mark.advance(NOW + 3600, caught_up=False)
    assert mark.low == us(NOW - 500 - LATENESS)
    mark.advance(NOW + 3600, caught_up=True)
    assert mark.low == us(NOW + 3600 - LATENESS)


def test_a_record_from_the_future_does_not_move_it_past_the_clock() -> None:
    assert watermark(a=NOW + 3000).low == us(NOW - LATENESS)


def test_a_file_that_appears_with_old_records_takes_it_back() -> None:
    mark = watermark(a=NOW - 10)
    mark.observe("b", us(NOW - 86400), NOW + 1)
    mark.advance(NOW + 1, caught_up=False)
    assert mark.low == us(NOW - 86400 - LATENESS)


def test_it_is_the_same_after_a_restart() -> None:
    mark, again = watermark(a=NOW - 500, b=NOW - 900), Watermark()
    again.load(mark.dump())
    for each in (mark, again):
        each.observe("b", us(NOW - 100), NOW + 5)
        each.advance(NOW + 5, caught_up=False)
    assert again.low == mark.low == us(NOW - 500 - LATENESS)
