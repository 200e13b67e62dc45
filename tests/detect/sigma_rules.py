"""Rules and batches for tests, without files."""

from pathlib import Path

import orjson
import yaml

from shipper.detect.documents import Document
from shipper.detect.rule import Rule
from shipper.detect.sigma import rule_from
from shipper.model import Batch, Origin, Span

ORIGIN = Origin("f" * 32, "/log/backend.out.log", "backend", "UTC")
PATH = Path("rule.yml")
NO_LINES = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark("", 0, 0, 0, None, None))


def rule(detection, number=1, **keys) -> Rule:
    """A rule of a detection; a detection without a condition has the one selection `sel`."""
    detection = detection if "condition" in detection else {"sel": detection, "condition": "sel"}
    data = {"title": f"Rule {number}", "id": f"00000000-0000-4000-8000-{number:012d}", "detection": detection}
    return rule_from(Document(PATH, NO_LINES, {**data, **keys}))


def batch(lines, docs=None, odd=None) -> Batch:
    """Enriched rows whose added fields are empty."""
    docs = [orjson.loads(line) for line in lines] if docs is None else docs
    return Batch(
        lines=list(lines),
        offsets=[0] * len(lines),
        spans=[Span(0, len(lines), ORIGIN)],
        clock=0.0,
        docs=docs,
        odd=odd or {},
        added=[{} for _ in lines],
    )
