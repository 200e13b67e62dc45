"""A shipper, a proxy that spoils its requests, and a real server behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.faults.sent import Sending
from tests.services.elasticsearch import Elasticsearch


@pytest.fixture
def proxy(elasticsearch: Elasticsearch) -> Iterator[Proxy]:
    """Before the server of the test."""
    with Proxy(elasticsearch.url) as running:
        yield running
    assert running.troubles == []


@pytest.fixture
def sending(tmp_path: Path, name: str, proxy: Proxy) -> Callable[..., Sending]:
    """Makes a shipper that writes through the proxy; settings of its sink may be given."""
    return lambda **sink: Sending(tmp_path, name, **{"url": proxy.url, **sink})
