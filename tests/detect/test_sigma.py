"""Rule files: what loads, and what is said about the rest."""

from textwrap import dedent

import pytest

from shipper.detect.rule import RuleTests
from shipper.detect.sigma import load_rules

ID = "00000000-0000-4000-8000-00000000000"

RULE = f"""\
title: Failed login
id: {ID}1
name: failed_login
description: |
  Somebody tries.
level: high
tags: [attack.t1110]
logsource: {{category: application}}
detection:
  sel:
    message|contains: failed login
  condition: sel
alert:
  group-by: source.ip
  realert: 2h
tests:
  match: ["Failed login of bob", {{timestamp: 2025-10-01T05:08:03Z}}]
  pass: [Logged in]
"""

CORRELATION = f"""\
title: Many failed logins
id: {ID}9
name: many
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [source.ip, who]
  timespan: 10m
  condition: {{gt: 5}}
  aliases: {{who: {{failed_login: user.name}}}}
"""


@pytest.fixture
def load(tmp_path):
    """Writes a file of documents and loads it."""

    def write_and_load(*documents):
        (tmp_path / "rules.yml").write_text("---\n".join(map(dedent, documents)))
        return load_rules([tmp_path / "rules.yml"])

    return write_and_load


def said(ruleset):
    return [(problem.line, problem.reason) for problem in ruleset.problems]


def test_a_rule_keeps_what_its_file_says(load, tmp_path):
    """Sigma's keys and ours."""
    (rule,) = load(RULE).rules
    assert (rule.id, rule.name, rule.title, rule.level) == (f"{ID}1", "failed_login", "Failed login", "high")
    assert (rule.tags, rule.description) == (("attack.t1110",), "Somebody tries.")
    assert (rule.path, rule.line, rule.fields) == (tmp_path / "rules.yml", 1, ("message",))
    assert (rule.group_by, rule.realert, rule.alerts) == (("source.ip",), 7200.0, True)
    assert rule.tests == RuleTests(("Failed login of bob", {"timestamp": "2025-10-01T05:08:03Z"}), ("Logged in",))


def test_a_rule_needs_little():
    """No level, log source, name, alert or tests: there are defaults."""
    from tests.detect.sigma_rules import rule

    bare = rule({"message": "x"})
    assert (bare.level, bare.name, bare.group_by, bare.realert) == ("medium", bare.id, (), None)
    assert bare.tests == RuleTests()


def test_a_correlation_refers_to_rules_by_name(load):
    """Its rules and aliases hold ids, and the rules feed it only."""
    ruleset = load(CORRELATION, RULE)
    (found,) = ruleset.correlations
    assert (found.kind, found.rules, found.group_by) == ("event_count", (f"{ID}1",), ("source.ip", "who"))
    assert found.aliases == {"who": {f"{ID}1": "user.name"}}
    assert (found.timespan, found.operator, found.threshold) == (600.0, "gt", 5)
    assert [rule.alerts for rule in ruleset.rules] == [False]
    assert ruleset.problems == ()


def test_a_correlation_may_let_its_rules_alert(load):
    """`generate: true`."""
    ruleset = load(RULE, CORRELATION.replace("  timespan", "  generate: true\n  timespan"))
    assert [rule.alerts for rule in ruleset.rules] == [True]


def test_a_correlation_refers_to_rules_by_id(load):
    """In any case of letters."""
    ruleset = load(RULE.replace("id: 0", "id: 0"), CORRELATION.replace("[failed_login]", f"[{ID}1]"))
    assert ruleset.correlations[0].rules == (f"{ID}1",)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        (f"id: {ID}1\n", "", 1, "id is missing"),
        ("title: Failed login", "title:", 1, "title is missing"),
        ("detection:", "detections:", 1, "detection is missing"),
        (f"{ID}1", "seven", 2, "Sigma rule identifier must be an UUID"),
        ("level: high", "level: awful", 6, "'awful' is not a valid Sigma rule level"),
        ("[attack.t1110]", "[t1110]", 7, "Sigma tag must start with namespace"),
        ("message|contains: failed login", "message|contians: x", 11, "Unknown modifier 'contians'"),
        ("message|contains: failed login", "message|re: '(?=x)'", 11, "only what runs in linear time (RE2) is taken"),
        ("message|contains: failed login", "- a|hour: 3", 11, "the modifier hour is not supported yet"),
        ("message|contains: failed login", "a: {b: c}", 11, "Unsupported type"),
        ("condition: sel", "condition: sel and other", 12, "Detection 'other' not defined"),
        ("condition: sel", "condition: sel and (", 12, "Expected"),
        ("condition: sel", "condition: sel | count() > 5", 12, "pipe syntax"),
        ("  condition: sel\n", "", 9, "must contain at least one condition"),
        ("realert: 2h", "realert: often", 15, "'often' is not a duration"),
        ("realert: 2h", "relaert: 2h", 15, "alert.relaert is unknown; alert has group-by and realert"),
        ("group-by: source.ip", "group-by: 7", 14, "alert.group-by is a field or a list of fields"),
        ("pass: [Logged in]", "pass: Logged in", 18, "tests.pass is a list of log lines or records"),
        ("level: high", "level: high\nlevel: low", 7, "the key 'level' stands here twice"),
        ("level: high", "level: [", 8, "not valid YAML"),
        ("logsource: {category: application}", "logsource: {}", 8, "log source"),
        ("detection:", "action: global\ndetection:", 9, "action documents are not supported yet"),
    ],
)
def test_a_broken_rule_is_named_and_the_rest_loads(load, old, new, line, reason):
    """File, line of the mistake, and reason."""
    other = RULE.replace(f"{ID}1", f"{ID}2").replace("failed_login", "other")
    assert old in RULE
    ruleset = load(other, RULE.replace(old, new))
    ((at, why),) = said(ruleset)
    assert reason in why
    assert "\n" not in why
    assert at - len(other.splitlines()) - 1 == line
    assert [rule.name for rule in ruleset.rules] == ["other"]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("event_count", "value_count", 5, "correlation type value_count is not supported yet; there is event_count"),
        ("event_count", "nonsense", 5, "'nonsense' is no valid Sigma correlation type"),
        ("rules: [failed_login]", "rules: [unknown]", 6, "'unknown' is neither the name nor the id of a rule"),
        ("{failed_login: user.name}", "{unknown: user.name}", 10, "'unknown' is neither the name nor the id"),
        ("10m", "soon", 8, "Timespan 'soon' is invalid"),
        ("{gt: 5}", "{neq: 5}", 9, "condition neq is not supported; there is gt, gte, lt, lte, eq"),
        ("{gt: 5}", "{gt: 5.5}", 9, "compared with a whole number, not 5.5"),
        ("{gt: 5}", "{over: 5}", 9, "exactly one condition item"),
        ("  type: event_count", "  type: [temporal]", 4, "not understood: "),
        ("title: Many failed logins", "title:", 1, "title is missing"),
    ],
)
def test_a_broken_correlation_is_named(load, old, new, line, reason):
    """Its rules load, and alert on their own, so that nothing goes unseen."""
    assert old in CORRELATION
    ruleset = load(RULE, CORRELATION.replace(old, new))
    ((at, why),) = said(ruleset)
    assert reason in why
    assert at - len(RULE.splitlines()) - 1 == line
    assert [rule.alerts for rule in ruleset.rules] == [True]


def test_an_id_is_taken_once(load):
    """The second one does not load, and says where the first one is."""
    ruleset = load(RULE, RULE.replace("name: failed_login", "name: other"))
    ((line, reason),) = said(ruleset)
    assert (len(ruleset.rules), line) == (1, 21)
    assert f"the id {ID}1 is taken by " in reason
    assert reason.endswith("rules.yml:2")


def test_a_name_is_taken_once(load):
    """A reference has to mean one rule."""
    ((line, reason),) = said(load(RULE, RULE.replace(f"{ID}1", f"{ID}2")))
    assert (line, "the name failed_login is taken by" in reason) == (22, True)


def test_folders_are_searched_to_the_bottom(tmp_path):
    """In order, `.yml` and `.yaml`, nothing else, no file twice."""
    (tmp_path / "b").mkdir()
    for number, name in enumerate(["b/two.yaml", "a.yml", "c.txt"]):
        text = RULE.replace(f"{ID}1", f"{ID}{number}").replace("failed_login", f"rule{number}")
        (tmp_path / name).write_text(text)
    ruleset = load_rules([tmp_path, tmp_path / "a.yml"])
    assert [rule.name for rule in ruleset.rules] == ["rule1", "rule0"]
    assert ruleset.problems == ()


def test_an_empty_folder_means_no_rules(tmp_path):
    """And no problem."""
    assert load_rules([tmp_path]) == load_rules([])


def test_what_cannot_be_read_is_named(tmp_path):
    """Missing, not text, not a rule; an empty document is nothing."""
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yml").write_text("# nothing\n---\n- a\n")
    problems = load_rules([tmp_path / "missing.yml", tmp_path]).problems
    assert [(problem.path.name, problem.line, problem.reason) for problem in problems] == [
        ("missing.yml", 1, "no such file or folder"),
        ("binary.yml", 1, "cannot be read: not UTF-8 text"),
        ("list.yml", 3, "a rule is a mapping of keys and values"),
    ]


def test_a_refused_pattern_is_quiet(load, capfd):
    """RE2 would write to stderr by itself."""
    load(RULE.replace("message|contains: failed login", "message|re: '(?=x)'"))
    assert capfd.readouterr().err == ""
