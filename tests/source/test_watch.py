"""Notices: they wake, say what changed, and are done without while there are too many."""

import threading

from watchdog.events import FileModifiedEvent, FileMovedEvent

from shipper.source.watch import MANY, REST_S, Watch


def test_a_write_wakes_and_names_the_file(tmp_path):
    """A real notice of the file system."""
    wake = threading.Event()
    watch = Watch(wake)
    watch.follow([str(tmp_path)])
    (tmp_path / "b.log").write_bytes(b"1\n")
    assert wake.wait(10)
    watch.stop()
    assert watch.take(0.0) == {str(tmp_path / "b.log")}


def test_a_move_names_both_ends():
    """The next call knows only what came since."""
    watch = Watch(threading.Event())
    watch.on_any_event(FileMovedEvent("/l/b.log", "/l/b.log.1"))
    assert watch.take(0.0) == {"/l/b.log", "/l/b.log.1"}
    assert watch.take(0.0) == set()


def test_rests_while_there_are_too_many_and_begins_again(tmp_path):
    """A busy file is cheaper to look at than to hear of."""
    watch = Watch(threading.Event())
    watch.follow([str(tmp_path)])
    watch.take(100.0)
    for _ in range(MANY + 1):
        watch.on_any_event(FileModifiedEvent("/l/b.log"))
    watch.take(100.5)
    assert watch.resting
    assert not watch.rest_over(100.5 + REST_S - 1)
    assert watch.rest_over(100.5 + REST_S)
    watch.follow([str(tmp_path)])
    assert not watch.resting
    watch.stop()


def test_a_steady_trickle_is_listened_to():
    """Many notices in a long time are not too many."""
    watch = Watch(threading.Event())
    for second in range(2 * MANY):
        watch.on_any_event(FileModifiedEvent("/l/b.log"))
        watch.take(float(second))
    assert not watch.resting


def test_a_folder_made_anew_is_watched_anew(tmp_path):
    """The old watch ended with the old folder."""
    wake = threading.Event()
    watch = Watch(wake)
    folder = tmp_path / "logs"
    folder.mkdir()
    watch.follow([str(folder)])
    folder.rename(tmp_path / "old")
    folder.mkdir()
    watch.follow([str(folder)])
    watch.take(0.0)
    wake.clear()
    (folder / "b.log").write_bytes(b"1\n")
    assert wake.wait(10)
    watch.stop()
    assert str(folder / "b.log") in watch.take(0.0)
