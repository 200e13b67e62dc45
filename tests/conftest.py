"""Fixtures that start real servers, and the line that says which tests were left out for want of them."""

import os
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.services.distribution import LINES, Missing, kept_at
from tests.services.elasticsearch import Elasticsearch, Server, Servers

NEED_SERVERS = {"elasticsearch", "secure_elasticsearch", "own_elasticsearch"}
LEFT_OUT = "no real Elasticsearch "
FETCH_SECONDS = 1800


def pytest_configure(config: pytest.Config) -> None:
    """The process that all others of a run come from holds the servers."""
    if not hasattr(config, "workerinput"):
        held = ExitStack()
        held.enter_context(Servers.begun())
        config.add_cleanup(held.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first run fetches the servers, on any line."""
    if all(kept_at(line).exists() for line in LINES.values()):
        return
    for item in items:
        if NEED_SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(FETCH_SECONDS))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line, whatever the number of tests."""
    stats = terminalreporter.stats
    reasons = [
        reason.partition(LEFT_OUT)[2].splitlines()[0]
        for report in (*stats.get("skipped", ()), *stats.get("error", ()))
        if LEFT_OUT in (reason := _reason(report))
    ]
    if reasons:
        each = "; ".join(f"{count} for want of {reason}" for reason, count in sorted(Counter(reasons).items()))
        terminalreporter.write_line(f"left out: tests against a real Elasticsearch, {each}")


@pytest.fixture(scope="session", params=sorted(LINES))
def elasticsearch(request: pytest.FixtureRequest) -> Elasticsearch:
    """A server that all tests share, of each line."""
    return _or_leave_out(request.param, lambda: Servers.of_this_run().shared(request.param))


@pytest.fixture(scope="session", params=["8"])
def secure_elasticsearch(request: pytest.FixtureRequest) -> Elasticsearch:
    """One with TLS, users and API keys, that all tests share."""
    return _or_leave_out(request.param, lambda: Servers.of_this_run().shared(request.param, secure=True))


@pytest.fixture(params=["8"])
def own_elasticsearch(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One that this test may kill and start again."""
    with ExitStack() as held:
        yield _or_leave_out(request.param, lambda: held.enter_context(Servers.of_this_run().own(request.param)))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A pipeline's name that no other test has; its indices and templates are deleted after the test."""
    shared = ("elasticsearch", "secure_elasticsearch")
    servers = [request.getfixturevalue(fixture) for fixture in shared if fixture in request.fixturenames]
    fresh = "t" + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=10))
    yield fresh
    for server in servers:
        server.forget(fresh)


def _or_leave_out(line: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except Missing as missing:
        reason = f"{LEFT_OUT}{line}: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def _reason(report: Any) -> str:
    """`longrepr` is a triple for what was skipped, else an object that can be printed."""
    told = report.longrepr
    return str(told[-1]) if isinstance(told, tuple | list) else str(told)
