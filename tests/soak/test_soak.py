"""Two minutes of everything at once; `python -m tests.soak` goes on as long as wanted."""

import os

import pytest

from tests.soak.soak import soak

SECONDS = 3600.0 if os.environ.get("SHIPPER_CAMPAIGN") == "full" else 90.0
"""With reading to the end, and counting, about two minutes."""


@pytest.mark.xfail(
    strict=False,
    reason="far behind its writers it takes some unread files for others when an inode is used again, so the two counts "
    "of bytes differ; once a line that three rotations at once cut was read in the wrong order",
)
@pytest.mark.timeout(SECONDS + 600)
def test_every_line_once_or_reported(tmp_path, capsys):
    """Four writers, every rotation there is, kills: what is lost is what was deleted unread, to the byte."""
    result = soak(tmp_path, seed=7, seconds=SECONDS)
    with capsys.disabled():
        print(f"\n{result}")
    assert (result.twice, result.unexplained, result.odd) == ([], [], 0), result
    assert (result.reported_bytes, result.written > 100_000) == (result.lost_bytes, True), result
