"""While the sinks hold nothing is read, and rotations go on."""

from tests.source.follower import Follower
from tests.source.test_tail import append, rotate


def test_what_is_rotated_away_while_nothing_is_taken_is_read_afterwards(data, log):
    """The sinks hold, so no batch is asked for; a handle keeps each file that was in sight once."""
    append(log, b"1\n")
    follower = Follower(data, log)
    lines = follower.look()
    for number in range(2, 6):
        rotate(log, keep=1)
        append(log, b"%d\n" % number)
        follower.clock.advance(2.0)
        follower.tail.keep_in_sight()
    assert lines + follower.look() == [b"1", b"2", b"3", b"4", b"5"]
    assert follower.context.metrics.lost_bytes == 0
    follower.close()


def test_what_is_rotated_away_while_nothing_is_taken_is_counted_after_a_kill(data, log):
    """No handle is left; how large each file was is stored when the next one is found."""
    append(log, b"1\n")
    killed = Follower(data, log)
    killed.look()
    for number in range(2, 6):
        rotate(log, keep=1)
        append(log, b"%d\n" % number)
        killed.clock.advance(2.0)
        killed.tail.keep_in_sight()
    killed.close()
    follower = Follower(data, log)
    assert follower.look() == [b"4", b"5"]
    assert follower.context.metrics.lost_bytes == 4
    follower.close()


def test_an_empty_rotated_file_stays_the_one_that_it_was(data, log):
    """No generation of it is made by looking again."""
    append(log, b"1\n")
    follower = Follower(data, log)
    follower.look()
    for _ in range(3):
        rotate(log)
        follower.look()
    files = follower.state.files().values()
    assert sorted(each.generation for each in files) == [1, 2, 3, 4]
    follower.close()


def test_what_was_truncated_before_anything_was_read_is_counted(data, log):
    """Its inode says nothing then, and its size that it is another file."""
    append(log, b"1\n2\n3\n")
    killed = Follower(data, log)
    next(iter(killed.tail))
    killed.close()
    log.write_bytes(b"4\n")
    follower = Follower(data, log)
    assert (follower.look(), follower.context.metrics.lost_bytes) == ([b"4"], 6)
    follower.close()
