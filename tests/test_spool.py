"""The spool: rows are in it, or in the sink, or not committed; the sink gets them in order."""

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.errors import Blocked, Retry, StateMismatch
from shipper.metrics import Metrics
from shipper.model import Refused
from shipper.quarantine import entries
from shipper.spool import Spool
from shipper.state import State
from shipper.store.layout import PARKED, SPOOLED, listed
from shipper.store.recover import fresh_state
from shipper.store.waiting import Waiting
from tests.batches import FILE_ID, finished

DAY, NEXT_DAY = "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"
DOWN = Retry("down", 2.0)


class Inner:
    """Takes everything but while it is `away` (an error), and rows of the days that are `blocked`."""

    name = "inner"
    gather = None

    def __init__(self):
        self.away = None
        self.blocked = set()
        self.refuses = set()
        self.taken = []
        self.asked = 0
        self.batches = []

    def write(self, batch):
        self.asked += 1
        self.batches.append(batch)
        if self.away:
            raise self.away
        blocked = [row for row in range(len(batch)) if batch.times[row][:10] in self.blocked]
        refused = [
            Refused(row, self.name, "no good") for row in range(len(batch)) if batch.event_id(row) in self.refuses
        ]
        out = {*blocked, *(each.row for each in refused)}
        self.taken += [(batch.stream, batch.event_id(row)) for row in range(len(batch)) if row not in out]
        if blocked:
            raise Blocked("index is read-only", blocked, refused)
        return refused

    def close(self):
        pass


class Place:
    """A spool over a data folder, its sink, and what a writer does with them."""

    def __init__(self, data, max_bytes=1 << 20):
        self.data = data
        self.inner, self.clock, self.risk = Inner(), ManualClock(), True
        self.metrics = Metrics()
        self.state = State(data / "state.db")
        self.max_bytes = max_bytes
        self.open()

    def open(self):
        waiting = Waiting(self.data, self.max_bytes, self.clock)
        self.spool = Spool(
            self.inner,
            waiting,
            after_s=5.0,
            at_risk=lambda: self.risk,
            clock=self.clock,
            metrics=self.metrics,
        )

    def reopen(self):
        self.spool.close()
        self.open()

    def write(self, batch):
        """Writes and commits; the error when it was held."""
        try:
            refused = self.spool.write(batch)
        except Retry as error:
            return str(error)
        self.state.commit(batch)
        return refused

    def goes_away(self, error=DOWN):
        """And has been so for a minute."""
        self.inner.away = error
        self.write(rows(0))
        self.clock.advance(60)

    def comes_back(self):
        self.inner.away = None
        self.clock.advance(60)

    def waiting(self, streams=SPOOLED):
        return sum(segment.rows for segment in listed(self.state, *streams.values()))

    def files(self):
        return [path for path in (self.data / "spool").rglob("*") if path.is_file()]

    def numbers(self):
        return [int(event_id.rpartition("-")[2]) // 10 for _, event_id in self.inner.taken]


@pytest.fixture
def place(tmp_path):
    opened = Place(tmp_path)
    yield opened
    opened.spool.close()
    opened.state.close()


def rows(*numbers, time=DAY, stream="records"):
    """A batch of numbered rows that tell who they are."""
    out = [
        orjson.dumps({"n": number, "event.id": f"{FILE_ID}-{10 * number}", "@timestamp": time}) for number in numbers
    ]
    batch = finished(*out, time=time, start=10 * numbers[0])
    batch.stream = stream
    batch.forget_inputs()
    return batch


def test_rows_go_to_the_sink_while_it_takes_them(place):
    """Nothing is written to the disk."""
    assert (place.write(rows(1, 2)), place.numbers(), place.files()) == ([], [1, 2], [])


def test_at_first_it_holds(place):
    """The log file is the buffer for some seconds."""
    place.inner.away = DOWN
    assert (place.write(rows(1)), place.waiting()) == ("down", 0)


def test_while_no_file_would_be_rotated_away_it_holds(place):
    """For as long as that takes."""
    place.risk = False
    place.goes_away()
    assert (place.write(rows(1)), place.waiting()) == ("down", 0)


def test_rows_that_would_be_rotated_away_are_kept(place):
    """Accepted; the sink is not asked with every batch."""
    place.goes_away()
    assert [place.write(rows(number)) for number in (1, 2, 3)] == [[], [], []]
    assert (place.waiting(), place.inner.asked) == (3, 2)


def test_what_was_not_committed_is_not_kept(place):
    """The batch comes again after a crash."""
    place.goes_away()
    place.spool.write(rows(1))
    place.write(rows(2))
    place.comes_back()
    place.write(rows(3))
    assert place.numbers() == [2, 3]


def test_the_sink_gets_them_in_order_before_all_that_follows(place):
    """And nothing is left on the disk."""
    place.goes_away()
    for number in range(5):
        place.write(rows(number))
    place.comes_back()
    place.write(rows(5))
    assert (place.numbers(), place.waiting(), place.files()) == ([0, 1, 2, 3, 4, 5], 0, [])
    assert list((place.data / "spool/records").iterdir()) == []


def test_a_segment_has_a_number_that_none_had_before(place):
    """Also when it takes the place of one that was just drained."""
    numbers = []
    for number in range(3):
        place.goes_away()
        place.write(rows(number))
        numbers += [segment.number for segment in listed(place.state)]
        place.comes_back()
        place.spool.tend()
    assert numbers == [1, 2, 3]


def test_alerts_are_kept_too(place):
    """They must not stand in the way of records, and come out as alerts."""
    place.goes_away()
    place.write(rows(1, stream="alerts"))
    place.write(rows(2))
    place.comes_back()
    while place.spool.tend():
        pass
    assert place.inner.taken == [("alerts", f"{FILE_ID}-10"), ("records", f"{FILE_ID}-20")]


def many_segments(place, monkeypatch, count):
    """One batch in each."""
    monkeypatch.setattr("shipper.store.waiting.SEGMENT_BYTES", 10)
    place.reopen()
    place.goes_away()
    for number in range(count):
        place.write(rows(number))
    place.comes_back()
    place.risk = False
    place.clock.advance(60)


def test_it_is_drained_a_segment_a_call(place, monkeypatch):
    """So that the status shows how far it is, and a stop is heeded."""
    many_segments(place, monkeypatch, 4)
    batch = rows(4)
    said = [place.write(batch) for _ in range(4)]
    assert said == [f"draining the spool: {left} segments left" for left in (3, 2, 1)] + [[]]
    assert place.numbers() == [0, 1, 2, 3, 4]


def test_draining_asks_to_be_called_again_at_once(place, monkeypatch):
    """It is no hold."""
    many_segments(place, monkeypatch, 3)
    with pytest.raises(Retry) as held:
        place.spool.write(rows(4))
    assert (held.value.after, place.spool.away) == (0.0, None)


def test_while_it_is_drained_it_takes_what_would_be_rotated_away(place, monkeypatch):
    """Behind all that is in it."""
    many_segments(place, monkeypatch, 3)
    place.risk = True
    assert [place.write(rows(number)) for number in (3, 4, 5, 6, 7)] == [[]] * 5
    while place.spool.tend():
        pass
    assert (place.numbers(), place.files()) == (list(range(8)), [])


def test_a_full_spool_is_drained_without_waiting(tmp_path, monkeypatch):
    """Each segment that goes makes room; what is to be kept behind them waits for no more than that."""
    place = Place(tmp_path, max_bytes=300)
    many_segments(place, monkeypatch, 3)
    place.risk = True
    batch, waits = rows(3, 4, 5), []
    for _ in range(2):
        with pytest.raises(Retry) as held:
            place.spool.write(batch)
        waits.append(held.value.after)
    place.write(batch)
    assert (waits, place.numbers()) == ([0.0, 0.0], [0, 1, 2, 3, 4, 5])
    place.spool.close()
    place.state.close()


def test_it_is_drained_when_nothing_comes(place, monkeypatch):
    """A quiet log must not leave rows waiting."""
    many_segments(place, monkeypatch, 3)
    assert [place.spool.tend() for _ in range(4)] == [True, True, False, False]
    assert (place.numbers(), place.spool.away) == ([0, 1, 2], None)


def test_the_sink_gets_the_same_batch_again(place):
    """It remembers what of it is settled."""
    place.goes_away()
    place.write(rows(1))
    for _ in range(2):
        place.clock.advance(60)
        place.spool.tend()
    assert place.inner.batches[-1] is place.inner.batches[-2]


def test_it_survives_a_restart(place):
    """And rows behind the committed ones are cut off."""
    place.goes_away()
    place.write(rows(1))
    place.spool.write(rows(2))
    place.reopen()
    place.comes_back()
    place.write(rows(3))
    assert (place.numbers(), place.files()) == ([1, 3], [])


def test_a_kill_between_the_sink_and_the_commit_sends_a_segment_again(place, monkeypatch):
    """The `_id` makes it harmless."""
    place.goes_away()
    place.write(rows(1, 2))
    place.comes_back()
    with monkeypatch.context() as patched:
        patched.setattr(Waiting, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            place.spool.tend()
    place.reopen()
    place.spool.tend()
    assert (place.numbers(), place.files()) == ([1, 2, 1, 2], [])


def test_a_kill_between_commit_and_unlink_leaves_nothing(place, monkeypatch):
    """The next start removes the file."""
    place.goes_away()
    place.write(rows(1))
    place.comes_back()
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            place.spool.tend()
    left = len(place.files())
    place.reopen()
    assert (left, place.files(), place.spool.tend(), place.numbers()) == (1, [], False, [1])


def killed(*_, **__):
    raise KeyboardInterrupt


def test_rows_that_are_refused_later_go_to_the_quarantine(place):
    """With the segment's end, in one commit."""
    place.inner.refuses = {f"{FILE_ID}-20"}
    place.goes_away()
    place.write(rows(1, 2, 3))
    place.comes_back()
    place.spool.tend()
    (entry,) = entries(place.state)
    assert (entry.event_id, entry.reason, place.numbers(), place.metrics.refused) == (
        f"{FILE_ID}-20",
        "no good",
        [1, 3],
        1,
    )


def test_a_row_that_is_no_line_is_refused_at_once(place):
    """It could not be kept as one."""
    place.goes_away()
    batch = rows(1, 2)
    batch.out[0] = b"{\n}"
    refused = place.write(batch)
    assert ([each.row for each in refused], place.waiting()) == ([0], 1)


def test_a_row_without_an_id_gets_one(place):
    """It is given to the sink, which judges it."""
    place.goes_away()
    place.write(finished(b'{"message":"\\ud800"}', time=DAY))
    place.comes_back()
    place.spool.tend()
    assert place.inner.taken == [("records", "spool1-0")]


def test_a_full_spool_holds_and_says_so(tmp_path):
    """Nothing of the batch is in it."""
    place = Place(tmp_path, max_bytes=200)
    place.goes_away()
    said = [place.write(rows(number)) for number in range(4)]
    assert [each if isinstance(each, list) else "spool holds" in each for each in said] == [[], [], True, True]
    place.comes_back()
    place.write(rows(9))
    assert place.numbers() == [0, 1, 9]
    place.spool.close()
    place.state.close()


def test_a_grave_reason_stays_grave(place):
    """People are told at once, whether the spool helps or not."""
    place.inner.away = Retry("401", 2.0, grave=True)
    with pytest.raises(Retry) as held:
        place.spool.write(rows(1))
    place.clock.advance(60)
    place.spool.write(rows(1))
    assert (held.value.grave, place.spool.away.grave) == (True, True)


def test_says_once_that_it_begins_and_once_that_it_is_drained(place, capsys):
    """One line each."""
    place.goes_away()
    for number in range(3):
        place.write(rows(number))
    place.comes_back()
    place.write(rows(3))
    place.write(rows(4))
    said = [orjson.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "log files would be rotated away while the sink is away, spooling",
        "the spool is drained",
    ]


def test_spooled_segments_that_are_gone_stop_the_start(place):
    """They were the only copy."""
    place.goes_away()
    place.write(rows(1))
    place.files()[0].unlink()
    with pytest.raises(StateMismatch, match="missing"):
        place.reopen()
    place.inner.close()


def test_a_fresh_state_keeps_what_is_spooled(tmp_path):
    """It may be nowhere else."""
    place = Place(tmp_path)
    place.goes_away()
    place.write(rows(1))
    place.spool.close()
    place.state.close()
    fresh_state(tmp_path)
    again = Place(tmp_path)
    again.spool.tend()
    assert again.numbers() == [1]
    again.spool.close()
    again.state.close()


# ── parked ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_blocked_rows_are_parked_and_all_others_go_on(place):
    """Accepted."""
    place.inner.blocked = {DAY[:10]}
    batch = rows(1, 2)
    batch.times = [DAY, NEXT_DAY]
    assert (place.write(batch), place.numbers(), place.waiting(PARKED)) == ([], [2], 1)
    assert place.write(rows(3, time=NEXT_DAY)) == []
    assert place.numbers() == [2, 3]


def test_refused_rows_beside_blocked_ones_are_reported(place):
    """By the sink's own word."""
    place.inner.blocked, place.inner.refuses = {DAY[:10]}, {f"{FILE_ID}-20"}
    batch = rows(1, 2)
    batch.times = [DAY, NEXT_DAY]
    assert [each.row for each in place.write(batch)] == [1]


def test_parked_rows_are_tried_again_less_and_less_often(place):
    """After a second, two, four … thirty."""
    place.inner.blocked = {DAY[:10]}
    place.write(rows(1))
    asked = []
    for second in range(100):
        before = place.inner.asked
        place.spool.tend()
        asked += [second] * (place.inner.asked - before)
        place.clock.advance(1)
    assert asked == [1, 2, 4, 8, 16, 32, 62, 92]


def test_parked_rows_are_taken_when_the_block_is_gone(place):
    """After a restart too."""
    place.inner.blocked = {DAY[:10]}
    place.write(rows(1))
    place.write(rows(2))
    place.reopen()
    place.inner.blocked = set()
    while place.spool.tend():
        pass
    assert (place.numbers(), place.files()) == ([1, 2], [])


def test_one_blocked_day_does_not_keep_another(place):
    """Each has a pace of its own."""
    place.inner.blocked = {DAY[:10], NEXT_DAY[:10]}
    place.write(rows(1))
    place.write(rows(2, time=NEXT_DAY))
    place.inner.blocked = {DAY[:10]}
    for _ in range(4):
        place.clock.advance(10)
        place.spool.tend()
    assert (place.numbers(), place.waiting(PARKED)) == ([2], 1)


def test_what_is_blocked_while_it_is_drained_is_parked(place):
    """The spool goes on."""
    place.goes_away()
    place.write(rows(1))
    place.write(rows(2))
    place.comes_back()
    place.inner.blocked = {DAY[:10]}
    place.write(rows(3, time=NEXT_DAY))
    assert (place.waiting(SPOOLED), place.waiting(PARKED), place.numbers()) == (0, 2, [3])


def test_parked_rows_share_the_budget(tmp_path):
    """Full: it holds."""
    place = Place(tmp_path, max_bytes=200)
    place.inner.blocked, place.risk = {DAY[:10]}, False
    said = [place.write(rows(number)) for number in range(3)]
    assert said[:2] == [[], []]
    assert "spool holds" in said[2]
    place.spool.close()
    place.state.close()


def test_a_full_quarantine_keeps_the_segment(place, monkeypatch):
    """Until there is room for what is refused."""
    place.inner.refuses = {f"{FILE_ID}-10"}
    place.goes_away()
    place.write(rows(1))
    place.comes_back()
    monkeypatch.setattr("shipper.quarantine.check_budget.__defaults__", (0,), raising=False)
    place.spool.tend()
    assert ("quarantine" in str(place.spool.away), place.waiting()) == (True, 1)
