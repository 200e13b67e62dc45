"""Lines as the backend and uvicorn write them, and what the shipped rules make of them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from shipper.cli.sample import Sampler
from shipper.detect.alerting import Alerting
from shipper.detect.match import Detect
from shipper.detect.rule import Ruleset
from shipper.detect.sigma import load_rules
from shipper.metrics import Metrics
from shipper.model import Alert

RULES = Path(__file__).parents[2] / "pipelines" / "rules"
NOON = datetime(2025, 10, 1, 12, tzinfo=UTC).timestamp()


@cache
def shipped() -> Ruleset:
    """All rules that ship."""
    return load_rules([RULES])


def backend(message: str, at_s: float = 0, **fields: object) -> str:
    """A JSON line of the backend, `at_s` seconds past noon."""
    time = datetime.fromtimestamp(NOON + at_s, UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"timestamp": time, "level": "WARNING", "logger": "backend", "message": message, **fields})


def access(ip: str, method: str, target: str, status: int) -> str:
    """An access line of uvicorn."""
    return f'INFO:     {ip}:60084 - "{method} {target} HTTP/1.1" {status} Whatever'


def found(line: str) -> set[str]:
    """Names of the shipped rules that match a line."""
    record = Sampler().record(line)
    return {rule.name for rule in shipped().rules if rule.matches(record)}


def alerts(lines: Sequence[str], *, prefilter: bool = True) -> list[Alert]:
    """The alerts after all these lines, as the pipeline's stages make them."""
    batch = Sampler(clock=NOON + 7200).batch(lines)
    batch = Detect(shipped(), None, Metrics(), prefilter=prefilter)(batch)
    return Alerting(shipped())(batch).alerts
