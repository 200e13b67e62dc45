"""What every rule that ships has to bring."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from shipper.cli.sample import Sampler
from shipper.detect.correlation_tests import check_correlation
from shipper.detect.match import Detect
from shipper.detect.prefilter import Prefilter
from shipper.detect.rule import Correlation, Rule
from shipper.detect.rule_tests import check_rule
from shipper.metrics import Metrics
from tests.rules.lines import RULES, access, backend, shipped

FILES = sorted(RULES.rglob("*.yml"))
EVERY: list[Rule | Correlation] = [*shipped().rules, *shipped().correlations]
LEAST = 6
"""Examples of each kind."""


def parsed(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def test_every_file_loads_as_one_rule() -> None:
    """Nothing is left out, nothing is two."""
    assert shipped().problems == ()
    assert len(EVERY) == len(FILES) > 0


@pytest.mark.parametrize("rule", shipped().rules, ids=lambda rule: rule.name)
def test_a_rule_passes_its_own_tests(rule: Rule) -> None:
    """Its examples are true."""
    assert check_rule(rule, Sampler().record) == []


@pytest.mark.parametrize("correlation", shipped().correlations, ids=lambda found: found.name)
def test_a_correlation_passes_its_own_tests(correlation: Correlation) -> None:
    """Its examples are true."""
    assert check_correlation(correlation, shipped().rules, Sampler().record) == []


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_a_rule_brings_evidence_of_both_kinds(rule: Rule | Correlation) -> None:
    """Enough that match, enough that pass."""
    assert min(len(rule.tests.match), len(rule.tests.passes)) >= LEAST


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_says_what_it_is_about(path: Path) -> None:
    """A technique, a level, when it errs, what to do, a name as its file has it."""
    rule = parsed(path)
    assert rule["name"] == path.stem
    assert rule["level"] in {"low", "medium", "high", "critical"}
    assert any(str(tag).startswith("attack.t1") for tag in rule["tags"])  # type: ignore[attr-defined]
    assert rule["falsepositives"]
    silent = path.stem.startswith("failed_login") and "correlation" not in rule
    assert ("correlations" if silent else "What to do:") in str(rule["description"])


def test_ids_are_taken_once() -> None:
    """An id is what alerts and tests refer to."""
    assert Counter(rule.id for rule in EVERY).most_common(1)[0][1] == 1


@pytest.mark.parametrize("rule", shipped().rules, ids=lambda rule: rule.name)
def test_a_rule_is_on_the_fast_path(rule: Rule) -> None:
    """No ordinary record has to be made whole for its sake."""
    assert rule.needs is not None


def test_the_two_base_rules_of_failed_logins_differ_in_the_name_alone() -> None:
    """Sigma has no way to share a detection, so a test keeps the copies in step."""
    named, unnamed = (
        parsed(RULES / "security" / f"{name}.yml")["detection"] for name in ("failed_login", "failed_login_unnamed")
    )
    assert isinstance(named, dict)
    assert isinstance(unnamed, dict)
    assert named.pop("condition") == unnamed.pop("condition").replace("and nameless", "and not nameless")
    assert named == unnamed


def test_ordinary_lines_wake_no_rule() -> None:
    """The literals are rare in what the backend writes all day."""
    lines = [
        backend("Chat completion finished for session 0042abcd with 512 tokens in 4 messages", line=342, module="chat"),
        backend("Streamed 512 chunks to session 0042abcd, first token after 7 ms", line=342, module="chat"),
        backend(
            "Provider answered request 0042abcd after 7 ms, 512 prompt tokens, cache hit false", user_id="user_0042"
        ),
        backend("GET /api/sessions/0042abcd/messages?limit=7 200 from 10.0.3.4", duration_ms=1234.5),
        backend("POST /api/chat 200 from 10.0.3.4, request id 0042abcd, 512 bytes sent", provider="openai"),
        backend(
            "User user_0042 logged in from 10.0.3.4, token expires in 512 seconds", module="auth", function="login"
        ),
        backend(
            "Query on collection chat_sessions took 7 ms and returned 512 documents", module="db", function="execute"
        ),
        backend("Cache lookup for key session:0042abcd missed, loading 512 bytes from the database", model="gpt-4o"),
        backend("Stored upload 0042abcd.pdf of 512 bytes for user user_0042 in 7 ms", logger="backend"),
        backend("Rate limit at 7 percent for user user_0042, 512 requests in this window", module="limits"),
        backend("Provider call 0042abcd timed out after 512 ms, attempt 2 of 3 follows", module="providers"),
        access("127.0.0.1", "GET", "/api/health", 200),
    ]
    hits = Prefilter([rule.needs for rule in shipped().rules]).scan([line.encode() for line in lines])
    assert (hits.rules, hits.exact) == ({}, set())


def test_findings_do_not_depend_on_the_prefilter() -> None:
    """Over all examples of all rules."""
    sampler = Sampler()
    examples = [line for rule in shipped().rules for line in (*rule.tests.match, *rule.tests.passes)]

    def findings(prefilter: bool) -> list[list[str]]:
        detect = Detect(shipped(), None, Metrics(), prefilter=prefilter)
        return [[found.rule for found in detect(sampler.batch([line])).findings] for line in examples]

    assert findings(True) == findings(False)
