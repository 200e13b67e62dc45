"""`GET /metrics`: requests counted and timed, in Prometheus' text format.

Names and labels are those of prometheus-fastapi-instrumentator: a dashboard for a backend that uses it fits this one.
The text format is small enough to be written here, without a package.
"""

import time
from collections import Counter
from itertools import accumulate
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

BUCKETS_SECONDS = (0.1, 0.5, 1.0)

router = APIRouter()


class Metrics:
    """What was asked for, how often and how long it took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, str], float] = {}
        self._buckets: dict[tuple[str, str], list[int]] = {}

    def observe(self, handler: str, method: str, status: int, seconds: float) -> None:
        """Counts one request. `handler` is a route and not a path: paths are without end."""
        self._requests[handler, method, f"{status // 100}xx"] += 1
        which = handler, method
        self._seconds[which] = self._seconds.get(which, 0.0) + seconds
        place = sum(seconds > limit for limit in BUCKETS_SECONDS)
        self._buckets.setdefault(which, [0] * (len(BUCKETS_SECONDS) + 1))[place] += 1

    def text(self) -> str:
        """All of it, as it is scraped."""
        lines = ["# TYPE http_requests_total counter"]
        for (handler, method, status), number in sorted(self._requests.items()):
            lines.append(f"http_requests_total{_labels(handler=handler, method=method, status=status)} {number}")
        lines.append("# TYPE http_request_duration_seconds histogram")
        for which in sorted(self._buckets):
            lines += self._histogram(*which)
        return "\n".join(lines) + "\n"

    def _histogram(self, handler: str, method: str) -> list[str]:
        name, labels = "http_request_duration_seconds", {"handler": handler, "method": method}
        counts = list(accumulate(self._buckets[handler, method]))
        limits = (*map(str, BUCKETS_SECONDS), "+Inf")
        return [
            *(f"{name}_bucket{_labels(**labels, le=le)} {count}" for le, count in zip(limits, counts, strict=True)),
            f"{name}_sum{_labels(**labels)} {self._seconds[handler, method]:.6f}",
            f"{name}_count{_labels(**labels)} {counts[-1]}",
        ]


class Measured:
    """ASGI middleware that observes every request."""

    def __init__(self, app: Any, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # An endpoint that raises is answered with 500 by who stands around us.
        status, started = 500, time.perf_counter()

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            handler = getattr(scope.get("route"), "path", "none")
            self.metrics.observe(handler, scope["method"], status, time.perf_counter() - started)


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    counted: Metrics = request.app.state.metrics
    return PlainTextResponse(counted.text(), media_type="text/plain; version=0.0.4")


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
