"""A run that is stopped while it rests, because stored records are being erased."""

import threading
import time
from contextlib import closing

import pytest
import yaml

from shipper.build import plan
from shipper.lock import hold
from shipper.run import run_pipeline
from shipper.state import State
from shipper.store.layout import listed

LINES = b'{"message": "hello"}\n' * 3


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "app.log").write_bytes(LINES)
    for empty in ("rules", "secrets"):
        (tmp_path / empty).mkdir()
    pipeline = {
        "sources": [{"type": "tail", "paths": [str(tmp_path / "*.log")]}],
        "sinks": [{"type": "embedded"}],
        "detect": {"rules": ["rules"], "secrets": ["secrets"]},
    }
    (tmp_path / "pipeline.yml").write_text(yaml.safe_dump(pipeline))
    return tmp_path / "data"


def until(found, seconds=20.0):
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nothing_is_written_by_a_run_that_is_stopped_at_rest(data):
    """What it has in hand is read again; what it remembers of erased records is never stored again."""
    runners = []
    with closing(State(data / "state.db")) as state:
        state.set_meta("rest_asked", "token")
        with closing(hold(data, "move")):
            given = {"started": runners.append}
            running = threading.Thread(
                target=run_pipeline, args=(plan(data.parent / "pipeline.yml", {}), data), kwargs=given
            )
            running.start()
            until(lambda: state.meta("at_rest") == "token")
            runners[0].stop()
            running.join(20)
        assert (running.is_alive(), listed(state), [p.offset for p in state.files().values()]) == (False, [], [0])
