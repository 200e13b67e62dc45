"""What tests of tiers have in common."""

import pytest


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """Waiting for the disk takes most of the time."""
    monkeypatch.setattr("os.fsync", lambda _: None)
