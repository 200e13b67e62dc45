"""What Prometheus reads from the example backend."""

import asyncio

import pytest

from shipper.example.backend import create_app
from shipper.example.metrics import Metrics


def ask(app, path: str) -> tuple[int, str]:
    """Status and body of a GET, without a server."""
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    head = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}
    scope = {**head, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    asyncio.run(app(scope | {"root_path": "", "client": ("127.0.0.1", 1)}, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


def test_a_request_is_counted_by_route_method_and_status() -> None:
    """Statuses by hundreds."""
    metrics = Metrics()
    for status in (200, 201, 404):
        metrics.observe("/api/chat", "POST", status, 0.05)
    assert [line for line in metrics.text().splitlines() if line.startswith("http_requests_total")] == [
        'http_requests_total{handler="/api/chat",method="POST",status="2xx"} 2',
        'http_requests_total{handler="/api/chat",method="POST",status="4xx"} 1',
    ]


@pytest.mark.parametrize(
    ("seconds", "counts"), [(0.1, [1, 1, 1, 1]), (0.3, [0, 1, 1, 1]), (1.0, [0, 0, 1, 1]), (7.0, [0, 0, 0, 1])]
)
def test_a_duration_is_in_every_bucket_that_holds_it(seconds: float, counts: list[int]) -> None:
    """A bucket's limit belongs to it."""
    metrics = Metrics()
    metrics.observe("/", "GET", 200, seconds)
    buckets = [line for line in metrics.text().splitlines() if "_bucket" in line]
    assert [int(line.split()[-1]) for line in buckets] == counts
    assert f'http_request_duration_seconds_sum{{handler="/",method="GET"}} {seconds:.6f}' in metrics.text()


def test_the_backend_measures_itself() -> None:
    """What no route takes is one handler, whatever its path."""
    app = create_app()
    assert [ask(app, path)[0] for path in ("/api/health", "/nowhere", "/elsewhere")] == [200, 404, 404]
    status, text = ask(app, "/metrics")
    assert status == 200
    assert 'http_requests_total{handler="/api/health",method="GET",status="2xx"} 1\n' in text
    assert 'http_requests_total{handler="none",method="GET",status="4xx"} 2\n' in text


def test_an_endpoint_that_fails_counts_as_500() -> None:
    """Although its answer is made outside of what measures."""
    app = create_app()

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(app, "/broken")
    assert 'http_requests_total{handler="/broken",method="GET",status="5xx"} 1\n' in ask(app, "/metrics")[1]
