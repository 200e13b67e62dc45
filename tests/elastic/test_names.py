"""The names of indices: whose they are."""

from fnmatch import fnmatchcase

import pytest

from shipper.elastic.names import day_of, index_of, pattern_of

TIME = "2026-11-23T08:00:00Z"


STREAMS = ("records", "alerts", "restored")


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", ["app", "app-2", "a"])
def test_a_pattern_finds_what_is_of_this_pipeline_and_stream_alone(name, stream):
    """Also beside a pipeline whose name goes on with a number."""
    every = {(n, s): index_of(n, s, TIME) for n in ("app", "app-2", "app-2-1", "a") for s in STREAMS}
    found = [whose for whose, index in every.items() if fnmatchcase(index, pattern_of(name, stream))]
    assert found == [(name, stream)]


@pytest.mark.parametrize(
    ("index", "day"),
    [
        ("app-2026.11.23", "2026.11.23"),
        ("app-2-2026.11.23", ""),
        ("alerts-app-2026.11", ""),
        ("restored-app-2026.11.23", ""),
        ("app-2026.11", ""),
        ("app", ""),
    ],
)
def test_the_day_of_an_index(index, day):
    """Of this pipeline's records."""
    assert day_of("app", index) == day
