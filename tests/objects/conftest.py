"""What several tests of a bucket need."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def hurried(monkeypatch):
    """boto3 tries again without a pause."""
    import botocore.endpoint

    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
