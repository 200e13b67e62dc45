"""Pipeline files: the environment, the conditionals, and every mistake with its line."""

from pathlib import Path

import pytest

from shipper import build
from shipper.config import read_document, shipped
from shipper.context import Context
from shipper.errors import UsageError
from shipper.model import StateChange
from shipper.spool import Spool
from shipper.state import State


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "pipeline.yml"
        path.write_text(text)
        return path

    return write


GOOD = """\
sources:
  - type: tail
    paths: ["${LOGS:-/var/log/x.log}"]
sinks:
  - type: null
"""


def mistakes(path, env=None):
    return [f"{mistake.line}: {mistake.what}" for mistake in build.check(path, env or {})[1]]


def test_the_shipped_pipeline_is_without_mistakes():
    """With nothing set in the environment."""
    assert mistakes(shipped() / "xionimus.yml") == []


def test_a_default_stands_in_for_what_the_environment_lacks(write):
    """And gives way to what it has."""
    path = write(GOOD)
    assert build.plan(path, {}).pipeline.sources[0]["paths"] == ["/var/log/x.log"]
    assert build.plan(path, {"LOGS": "/l/*.log"}).pipeline.sources[0]["paths"] == ["/l/*.log"]


def test_a_doubled_dollar_stands_for_itself(write):
    """`$${NAME}` is the text `${NAME}`."""
    path = write(GOOD.replace("${LOGS:-/var/log/x.log}", "$${LOGS}"))
    assert build.plan(path, {}).pipeline.sources[0]["paths"] == ["${LOGS}"]


def test_a_component_is_there_when_its_condition_holds(write):
    """`when_set` and `unless_set` are the only conditionals, and what is left out needs no environment."""
    path = write(
        GOOD + "  - {type: console, when_set: SHOW}\nnotify:\n  - {type: apprise, urls: ['${U}'], when_set: U}\n"
    )
    kinds = [len(build.plan(path, env).parts["sinks"]) for env in ({}, {"SHOW": "1"}, {"SHOW": ""})]
    assert kinds == [1, 2, 1]


@pytest.mark.parametrize("names", ["[A, B]", "A B", "A,B", "A, B", '"A"', "\n      - A\n      - B"])
@pytest.mark.parametrize("env", [{}, {"A": "1"}, {"B": "1"}, {"A": "1", "B": "1"}, {"A": "", "B": ""}])
def test_a_condition_may_name_several_variables(write, names, env):
    """`when_set`: one of them is set at least; `unless_set`: none of them is."""
    path = write(GOOD + f"  - type: console\n    when_set: {names}\n  - type: memory\n    unless_set: {names}\n")
    any_set = bool(env.get("A") or (env.get("B") and "B" in names))
    kinds = [part.module.__name__.rpartition(".")[2] for part in build.plan(path, env).parts["sinks"]]
    assert kinds == ["null", "console" if any_set else "memory"]


@pytest.mark.parametrize("names", ["", "''", "[]", "{A: B}", "[A, [B]]", "[A, '']", "$A", "A;B", "A=1"])
def test_a_condition_without_names_is_a_mistake(write, names):
    """And does not leave the component out without a word."""
    found = mistakes(write(GOOD + f"  - type: console\n    when_set: {names}\n"))
    assert found == ["7: `when_set` wants environment variables: one name, or several as in [ONE, OTHER]"]


def test_names_every_mistake_at_once_with_its_line(write):
    """Wrong key, wrong type of component, missing key, missing variable, wrong value."""
    path = write(
        "sorces: []\n"
        "sources:\n"
        "  - type: tail\n"
        "    path: ['${NOWHERE}']\n"
        "    poll_s: -1\n"
        "  - type: tial\n"
        "sinks:\n"
        "  - {}\n"
        "detect:\n"
        "  realert: soon\n"
        "  ruels: []\n"
    )
    found = mistakes(path)
    assert [line.partition(":")[0] for line in found] == sorted((m.partition(":")[0] for m in found), key=int)
    text = "\n".join(found)
    assert "1: unknown key `sorces`; did you mean `sources`?" in text
    assert "4: unknown key `path`; did you mean `paths`?" in text
    assert "3: `paths` is missing; add it" in text
    assert "4: environment variable NOWHERE is not set; set it, or write ${NOWHERE:-default}" in text
    assert "5: `poll_s`: input should be greater than 0" in text
    assert "6: there is no source of type `tial`; did you mean `tail`?" in text
    assert "8: `sinks.0.type` is missing" in text
    assert "10: `detect.realert`: 'soon' is not a duration" in text
    assert "11: unknown key `detect.ruels`; did you mean `rules`?" in text


def test_names_the_mistakes_of_the_rules_beside_those_of_the_file(write, tmp_path):
    """Nobody has to check twice; where the rules stand cannot be told, the file's own mistakes stand alone."""
    (tmp_path / "mine.yml").write_text("title: no id\n")
    path = write(GOOD + "sorces: []\ndetect: {rules: [mine.yml, nowhere], secrets: [], ruels: []}\n")
    found = [line.removeprefix(f"{tmp_path}/").partition(" ")[0] for line in build.check_all(path, {})]
    assert sorted(found) == ["mine.yml:1:", "nowhere:1:", "pipeline.yml:6:", "pipeline.yml:7:"]
    assert len(build.check_all(write(GOOD + "detect: [rules]\n"), {})) == 1
    assert len(build.check_all(write("- 1\n"), {})) == 1


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            "timezone: Europe/Berln",
            ["4: this machine knows no time zone `Europe/Berln`; did you mean `Europe/Berlin`?"],
        ),
        ("timezone: Europe", ["4: this machine knows no time zone `Europe`"]),
        ("timezone: ../UTC", ["4: this machine knows no time zone `../UTC`"]),
        ("start: sometime", ["4: `start`: 'sometime' is not a time; write for example"]),
        ("timezone: UTC", []),
        ("timezone: America/New_York", []),
        ("start: end", []),
        ("start: 7d", []),
        ("start: '2026-11-23'", []),
    ],
)
def test_a_source_says_times_that_there_are(write, setting, expected):
    """A zone that does not exist would be taken for UTC without a word."""
    found = mistakes(write(GOOD.replace("sinks:", f"    {setting}\nsinks:")))
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the file is empty"),
        ("a: [", "1: not valid YAML"),
        ("- 1", "1: `this file`: input should be"),
        (GOOD + "sinks: []\n", "6: `sinks` stands here twice"),
        (GOOD + "detect: {realert: soon}\n", "6: `detect.realert`"),
        (GOOD.replace("type: null", "{type: elasticsearch, url: es1}"), "5: `url` is no address; write for example"),
    ],
)
def test_names_what_is_no_pipeline(write, text, expected):
    """One line each, never a traceback."""
    assert any(line.startswith(expected) for line in mistakes(write(text))), mistakes(write(text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app-2", []),
        ("app2026", []),
        ("alerting", []),
        ("alerts", []),
        ("alerts-shop", ["1: `name`: indices of other pipelines begin with `alerts-`; write for example"]),
        ("restored-shop", ["1: `name`: indices of other pipelines begin with `restored-`; write"]),
        ("app-20", ["1: `name`: behind a hyphen `20` begins the date of an index; put a letter before"]),
        ("app-2026-11", ["1: `name`: behind a hyphen `20` begins the date of an index"]),
        ("App", ["1: `name`: string should match pattern"]),
    ],
)
def test_a_name_is_not_taken_for_an_index_of_another_pipeline(write, name, expected):
    """Its indices begin with it, and those of a pipeline `app` are found by `app-20*`."""
    found = mistakes(write(f"name: {name}\n" + GOOD))
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_a_pipeline_that_is_not_there_is_wrong_usage():
    """With the path."""
    with pytest.raises(UsageError, match=r"nowhere\.yml: cannot be read"):
        read_document(Path("nowhere.yml"))


def test_a_pipeline_that_is_not_text_is_wrong_usage(tmp_path):
    """With the byte."""
    (tmp_path / "x.yml").write_bytes(b"name: \xff")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_document(tmp_path / "x.yml")


ELASTIC = "  - {type: elasticsearch, url: 'http://127.0.0.1:1'}\n"


@pytest.mark.parametrize(
    ("sink", "given", "expected"),
    [("", "", 3653.0), (ELASTIC, "", 400.0), (ELASTIC, "enrich: {oldest_days: 1000}\n", 1000.0)],
    ids=["embedded days", "an index a day", "as the file says"],
)
def test_how_old_a_time_may_be_depends_on_what_a_day_costs(write, sink, given, expected):
    """Nobody's broken clock makes a thousand indices."""
    assert build.plan(write(GOOD + sink + given), {}).enrich.oldest_days == expected


@pytest.mark.parametrize("sink", [ELASTIC, "  - {type: embedded}\n", "  - {type: 'null'}\n"])
def test_a_type_of_sink_stands_there_once(write, sink):
    """In the status, in alerts and in the quarantine nobody could tell them apart."""
    found = mistakes(write("sources:\n  - {type: tail, paths: [/x]}\nsinks:\n" + sink + sink))
    kind = sink.partition("type: ")[2].strip("{}'\n").partition(",")[0]
    assert found == [
        f"5: line 4 has a sink of type `{kind}` already; a second one needs a pipeline and --data of its own"
    ]


def test_what_lies_in_the_spool_is_given_to_the_sink_that_may_have_one(write, tmp_path):
    """Also when it is to have none any more."""
    without = ELASTIC.replace("}", ", spool_bytes: 0}")
    state = State(tmp_path / "state.db")

    def spools(sink):
        made = build.plan(write(GOOD + sink), {}).spooled_sinks(Context(tmp_path, state))
        for each in made:
            each.close()
        return [isinstance(each, Spool) for each in made]

    before = spools(without)
    state.run(StateChange("INSERT INTO segments VALUES (1,'spool-records','2026.11.23','ndjson',0,1,'','')", ()))
    (tmp_path / "spool/records/2026.11.23").mkdir(parents=True)
    (tmp_path / "spool/records/2026.11.23/000001.ndjson").touch()
    state.set_meta("next_segment", "2")
    assert (before, spools(without), spools(ELASTIC)) == ([False, False], [False, True], [False, True])
    state.close()
