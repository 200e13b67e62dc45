"""The detect stage."""

import orjson
import pytest

from shipper.detect.match import Detect
from shipper.detect.rule import Ruleset
from shipper.metrics import Metrics
from shipper.model import Finding
from tests.detect.sigma_rules import batch, rule
from tests.enrich.enriched import enriched

LINES = [
    b'{"message":"a zebra"}',
    b'{"message":"nothing"}',
    b'{"message":"a lion and a zebra"}',
]
RULES = (
    rule({"message|contains": "zebra"}, 1, level="high", tags=["attack.t1110"]),
    rule({"message|contains": "lion"}, 2),
    rule({"message": "nothing", "status": None}, 3),
)


class Keys:
    """A double: every record with `key=` is a secret's."""

    patterns = (rb"key=",)

    def findings(self, record, line, row):
        return [Finding("key", "Key", "high", row)] if b"key" in line else []


def detect(lines, rules=RULES, secrets=None, prefilter=True, **more):
    stage = Detect(Ruleset(tuple(rules), ()), secrets, Metrics(), prefilter=prefilter)
    return stage(batch(lines, **more))


def found(done):
    return [(finding.row, finding.rule_id[-1]) for finding in done.findings]


@pytest.mark.parametrize("prefilter", [True, False])
def test_findings_come_in_row_order(prefilter):
    """Rows first, then rules as they were loaded."""
    assert found(detect(LINES, prefilter=prefilter)) == [(0, "1"), (1, "3"), (2, "1"), (2, "2")]


def test_a_finding_says_what_and_where():
    """Rule, level, tags, field and span."""
    assert detect(LINES[:1], RULES[:1]).findings == [
        Finding(
            rule_id="00000000-0000-4000-8000-000000000001",
            rule="Rule 1",
            level="high",
            row=0,
            field="message",
            span=(2, 7),
            tags=("attack.t1110",),
        )
    ]


def test_a_rule_without_a_literal_sees_every_row():
    """Nothing to search the block for."""
    rules = [rule({"status": None})]
    assert found(detect(LINES, rules)) == [(0, "1"), (1, "1"), (2, "1")]


def test_a_row_that_nothing_wakes_is_never_derived():
    """It never pays for what no one asks."""
    given = batch(LINES)
    given.added, asked = [None] * 3, []
    given.derive = lambda _, row: asked.append(row) or {}
    Detect(Ruleset(RULES[:1], ()), None, Metrics())(given)
    assert asked == [0, 2]


def test_an_odd_row_goes_the_exact_way():
    """Its line need not hold what its record says."""
    done = detect([b"raw text"], docs=[{"message": "a zebra"}], odd={0: ""})
    assert (found(done), done.suspects) == ([(0, "1")], {0})


def test_what_enrichment_added_is_looked_at():
    """The whole record is what a rule sees."""
    given = batch([b'{"msg":"a zebra came"}'])
    given.added = [{"message": "a zebra came"}]
    assert found(Detect(Ruleset(RULES, ()), None, Metrics())(given)) == [(0, "1")]


def test_suspects_are_what_may_hold_a_secret():
    """Rows that a pattern hit, rows with escapes, odd rows."""
    lines = [b'{"a":"key=1"}', b'{"a":"b"}', b'{"a":"%41"}', b'{"a":"key"}']
    done = detect(lines, secrets=Keys(), odd={3: ""})
    assert done.suspects == {0, 2, 3}
    assert [finding.row for finding in done.findings] == [0, 3]


def test_without_the_prefilter_every_row_is_a_suspect():
    """Nothing is known about it."""
    assert detect(LINES, prefilter=False).suspects == {0, 1, 2}


def test_findings_are_counted():
    """In the metrics of the run."""
    metrics = Metrics()
    Detect(Ruleset(RULES, ()), Keys(), metrics)(batch(LINES))
    assert metrics.findings == 4


def test_an_empty_batch_passes():
    """An idle tick has no rows."""
    assert detect([]).findings == []


def test_decoded_forms_are_found_on_the_fast_path():
    """A rule on `shipper.decoded` needs no literal: its lines go the exact way."""
    rules = [rule({"shipper.decoded|re": r"(?i)'\s+or\s"})]
    lines = [b'{"message":"GET /?id=1%27%20OR%20%271"}', b'{"message":"GET /?id=1"}', rb'{"url.query":"\\u0027 or 1"}']
    assert found(detect(lines, rules)) == [(0, "1"), (2, "1")]


def test_records_stay_as_they_were():
    """Detection adds nothing to what is stored."""
    given = batch(LINES)
    Detect(Ruleset(RULES, ()), Keys(), Metrics())(given)
    assert given.docs == [orjson.loads(line) for line in LINES]


@pytest.mark.parametrize("prefilter", [True, False])
@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ({"source.ip": "10.0.0.1"}, [0, 1]),
        ({"source.ip|startswith": "10.0."}, [0, 1]),
        ({"source.ip|cidr": "10.0.0.0/8"}, [0, 1]),
        ({"source.ip|startswith": "::ffff:"}, []),
    ],
)
def test_an_address_in_both_notations_is_one(detection, expected, prefilter):
    """On the fast path too: what a rule asks for stands in the line."""
    lines = [b'{"client_ip":"10.0.0.1","message":"m"}', b'{"client_ip":"::ffff:10.0.0.1","message":"m"}']
    stage = Detect(Ruleset((rule(detection),), ()), None, Metrics(), prefilter=prefilter)
    assert [finding.row for finding in stage(enriched(*lines)).findings] == expected
