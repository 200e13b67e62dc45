"""Fixtures that start real servers, and the line that says which tests were left out for want of them."""

import os
import random
import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shipper.objects.folder import FolderStore
from shipper.objects.store import ObjectStore
from tests.services import s3
from tests.services.distribution import LINES, Missing, kept_at
from tests.services.elasticsearch import Elasticsearch, Server, Servers

NEED_SERVERS = {"elasticsearch", "secure_elasticsearch", "own_elasticsearch", "s3_server", "objects"}
LEFT_OUT = re.compile(r"no real (Elasticsearch|S3 server) (.*)")
FETCH_SECONDS = 1800


def pytest_configure(config: pytest.Config) -> None:
    """The process that all others of a run come from holds the servers."""
    if not hasattr(config, "workerinput"):
        held = ExitStack()
        held.enter_context(Servers.begun())
        config.add_cleanup(held.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first run fetches the servers, on any line."""
    if all(kept_at(line).exists() for line in LINES.values()) and s3.kept_at().exists():
        return
    for item in items:
        if NEED_SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(FETCH_SECONDS))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a kind of server, whatever the number of tests."""
    stats = terminalreporter.stats
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for report in (*stats.get("skipped", ()), *stats.get("error", ())):
        if found := LEFT_OUT.search(_reason(report)):
            reasons[found[1]][found[2]] += 1
    for server, counted in sorted(reasons.items()):
        each = "; ".join(f"{count} for want of {reason}" for reason, count in sorted(counted.items()))
        terminalreporter.write_line(f"left out: tests against a real {server}, {each}")


@pytest.fixture(scope="session", params=sorted(LINES))
def elasticsearch(request: pytest.FixtureRequest) -> Elasticsearch:
    """A server that all tests share, of each line."""
    return _or_leave_out(f"Elasticsearch {request.param}", lambda: Servers.of_this_run().shared(request.param))


@pytest.fixture(scope="session", params=["8"])
def secure_elasticsearch(request: pytest.FixtureRequest) -> Elasticsearch:
    """One with TLS, users and API keys, that all tests share."""
    which = f"Elasticsearch {request.param}"
    return _or_leave_out(which, lambda: Servers.of_this_run().shared(request.param, secure=True))


@pytest.fixture(params=["8"])
def own_elasticsearch(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One that this test may kill and start again."""
    with ExitStack() as held:
        which = f"Elasticsearch {request.param}"
        yield _or_leave_out(which, lambda: held.enter_context(Servers.of_this_run().own(request.param)))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A pipeline's name that no other test has; its indices and templates are deleted after the test."""
    shared = ("elasticsearch", "secure_elasticsearch")
    servers = [request.getfixturevalue(fixture) for fixture in shared if fixture in request.fixturenames]
    fresh = "t" + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=10))
    yield fresh
    for server in servers:
        server.forget(fresh)


@pytest.fixture(scope="session", params=s3.KINDS)
def s3_server(request: pytest.FixtureRequest) -> s3.S3Server:
    """A server that all tests share, of each kind."""
    return _s3_server(request.param)


@pytest.fixture
def bucket(s3_server: s3.S3Server) -> s3.Bucket:
    """A new one, without versions."""
    return s3_server.bucket(_bucket_name())


@pytest.fixture
def locked_bucket(s3_server: s3.S3Server) -> s3.Bucket:
    """A new one with versions and Object Lock."""
    return s3_server.bucket(_bucket_name(), locks=True)


@pytest.fixture(params=["folder", *s3.KINDS])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty place for objects, of each kind that there is."""
    if request.param == "folder":
        return FolderStore(tmp_path / "archive")
    return _s3_server(request.param).bucket(_bucket_name()).store()


def _s3_server(kind: str) -> s3.S3Server:
    server: s3.S3Server = _or_leave_out(f"S3 server {kind}", lambda: s3.shared(kind))
    return server


@pytest.fixture
def bucket_of() -> Callable[[str], s3.Bucket]:
    """Makes a new bucket on a server of a kind: with versions and Object Lock where the server knows how."""
    return lambda kind: _s3_server(kind).bucket(_bucket_name(), locks=True)


def _bucket_name() -> str:
    return "t-" + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=12))


def _or_leave_out(which: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except Missing as missing:
        reason = f"no real {which}: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def _reason(report: Any) -> str:
    """`longrepr` is a triple for what was skipped, else an object that can be printed."""
    told = report.longrepr
    return str(told[-1]) if isinstance(told, tuple | list) else str(told)
