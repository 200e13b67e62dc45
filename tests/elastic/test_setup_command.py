"""`shipper setup` as it is typed: what it prints, what it refuses, and that a look changes nothing."""

import base64
import os

import pytest
import yaml

from shipper.cli import setup as command
from shipper.cli.main import run_command
from shipper.elastic.privileges import commands
from shipper.elastic.setup import Change
from shipper.elastic.template import templates

NOWHERE = "http://127.0.0.1:1"

on_one_line = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
"""What is asked of the server, test_setup.py asks of both."""


@pytest.fixture
def shipper(tmp_path, capsys, monkeypatch):
    """Runs `shipper setup` with a sink: exit code, lines of stdout, lines of stderr."""
    for variable in [each for each in os.environ if each.startswith(("ELASTICSEARCH_", "SHIPPER_"))]:
        monkeypatch.delenv(variable)
    path = tmp_path / "pipeline.yml"

    def run(*options, name="tnone", **sink):
        sinks = [{"type": "elasticsearch", **sink}] if sink else [{"type": "embedded"}]
        source = {"type": "tail", "paths": [str(tmp_path / "*.log")]}
        path.write_text(
            yaml.safe_dump({"name": name, "sources": [source], "detect": {"rules": [], "secrets": []}, "sinks": sinks})
        )
        code = run_command(["setup", *options, str(path)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    run.path = path
    return run


def made_and_changed(lines):
    """What is said before the commands."""
    return lines[: lines.index("")]


@on_one_line
def test_it_says_what_it_made_and_then_that_nothing_is_to_do(shipper, elasticsearch, name):
    """Twice the same, once the work."""
    first, second = (shipper(name=name, url=elasticsearch.url) for _ in range(2))
    assert [(code, err) for code, _, err in (first, second)] == [(0, []), (0, [])]
    assert made_and_changed(first[1])[:2] == [f"made: index template {name}", f"made: index template alerts-{name}"]
    assert made_and_changed(second[1]) == [
        f"{elasticsearch.url}: nothing to do, 4 templates and indices are as they should be"
    ]


@on_one_line
def test_a_dry_run_shows_a_diff_and_changes_nothing(shipper, elasticsearch, name):
    """A whole template where there is none."""
    code, out, err = shipper("--dry-run", name=name, url=elasticsearch.url)
    shown = made_and_changed(out)
    assert (code, err, shown[:2]) == (0, [], ["--- /dev/null", f"+++ index template {name} (after)"])
    assert shown[-1] == f"{elasticsearch.url}: 4 to change; nothing was changed"
    assert elasticsearch.request("GET", f"/_index_template/{name}", allow=[404])["status"] == 404


@on_one_line
def test_a_diff_has_only_what_differs(shipper, elasticsearch, name):
    """As it is, and as it would be."""
    shipper(name=name, url=elasticsearch.url)
    elasticsearch.request("PUT", f"/_index_template/{name}", {**templates(name)[name], "priority": 400})
    _, out, _ = shipper("--dry-run", name=name, url=elasticsearch.url)
    assert [line for line in made_and_changed(out) if line[:1] in "+-"] == [
        f"--- index template {name} (now)",
        f"+++ index template {name} (after)",
        '-  "priority": 400,',
        '+  "priority": 500,',
    ]


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["setup", "dry-run"])
@on_one_line
def test_all_fits_a_terminal_and_ends_with_the_commands(shipper, elasticsearch, name, options):
    """80 columns."""
    _, out, _ = shipper(*options, name=name, url=elasticsearch.url)
    printed = commands(name, elasticsearch.url)
    assert ([line for line in out if len(line) > 80], out[-len(printed) :]) == ([], printed)


def test_long_names_are_the_only_long_lines_of_the_commands():
    """They fit with the default name, and hold no credential."""
    lines = commands("xionimus", "https://elasticsearch.example:9200", "/etc/ssl/certs/elasticsearch-ca.pem")
    assert [line for line in lines if len(line) > 80] == []


@on_one_line
def test_a_warning_is_one_line(shipper, elasticsearch, name):
    """On stderr; the rest is done."""
    elasticsearch.request("PUT", f"/_index_template/{name}-other", {"index_patterns": [f"{name}-*"], "priority": 900})
    code, out, err = shipper(name=name, url=elasticsearch.url)
    assert (code, len(err), made_and_changed(out)[0]) == (0, 1, f"made: index template {name}")
    assert err[0].startswith(f"shipper: warning: index template {name}-other (priority 900) takes {name}-")


@on_one_line
def test_a_day_that_cannot_be_changed_is_a_warning(shipper, elasticsearch, name):
    """It stays as it is; the exit code is that of what was done."""
    shipper(name=name, url=elasticsearch.url)
    index = f"{name}-2026.11.20"
    elasticsearch.request("PUT", f"/{index}")
    elasticsearch.request("PUT", f"/{index}/_mapping", {"_meta": {"managed_by": "shipper", "version": 0}})
    elasticsearch.request("PUT", f"/{index}/_block/read_only")
    code, _, (said,) = shipper(name=name, url=elasticsearch.url)
    elasticsearch.request("PUT", f"/{index}/_settings", {"index.blocks.read_only": None})
    assert (code, said.partition(" stays as it is")[0]) == (0, f"shipper: warning: index {index}:")


@on_one_line
def test_a_foreign_template_is_an_error(shipper, elasticsearch, name):
    """Nothing is made beside it."""
    elasticsearch.request("PUT", f"/_index_template/alerts-{name}", {"index_patterns": [f"alerts-{name}-20*"]})
    assert shipper(name=name, url=elasticsearch.url) == (
        1,
        [],
        [
            f"shipper: {elasticsearch.url}: index template alerts-{name} was not made by shipper for this pipeline, "
            "and is not touched; rename or remove it, or give the pipeline another `name`"
        ],
    )
    assert elasticsearch.request("GET", f"/_index_template/{name}", allow=[404])["status"] == 404


def test_without_a_sink_of_elasticsearch_it_says_what_to_set(shipper):
    """Wrong usage: the variable is not set."""
    assert shipper() == (
        2,
        [],
        [
            f"shipper: {shipper.path}: no sink of type elasticsearch is on; "
            "set ELASTICSEARCH_URL, for example http://localhost:9200, or ELASTICSEARCH_CLOUD_ID"
        ],
    )


def test_a_cloud_id_alone_is_an_address(tmp_path, monkeypatch, capsys):
    """With a proxy in between, and its password in no line."""
    cloud_id = "name:" + base64.b64encode(b"cloud.invalid$deployment$kibana").decode()
    monkeypatch.setenv("ELASTICSEARCH_CLOUD_ID", cloud_id)
    monkeypatch.setenv("ELASTICSEARCH_PROXY", "http://us:" + "pass-word@127.0.0.1:9")
    code = run_command(["setup"])
    (said,) = capsys.readouterr().err.splitlines()
    assert (code, said.startswith("shipper: https://deployment.cloud.invalid:443: "), "pass-word" in said) == (
        1,
        True,
        False,
    )


def test_the_default_pipeline_takes_its_address_from_the_environment(shipper, monkeypatch, capsys):
    """It names it when nobody is there."""
    monkeypatch.setenv("ELASTICSEARCH_URL", NOWHERE)
    code = run_command(["setup"])
    (said,) = capsys.readouterr().err.splitlines()
    assert (code, said.startswith(f"shipper: {NOWHERE}: ")) == (1, True)


def test_nobody_there_is_one_line(shipper):
    """Where, and what to look at."""
    assert shipper(url=NOWHERE) == (
        1,
        [],
        [f"shipper: {NOWHERE}: refuses the connection; is Elasticsearch running there?"],
    )


def test_a_wrong_password_is_one_line_without_it(shipper, secure_elasticsearch, name):
    """And says which settings to check."""
    server, wrong = secure_elasticsearch, "not-the-password"
    code, out, (said,) = shipper(name=name, url=server.url, ca=server.ca, username=server.username, password=wrong)
    assert (code, out, wrong in said) == (1, [], False)
    assert said.startswith(f"shipper: {server.url}: the credentials are not accepted (401); check ")


def test_a_missing_privilege_is_named_beside_the_commands_that_give_it(shipper, secure_elasticsearch, name):
    """They come first, so that the error is the last line."""
    server = secure_elasticsearch
    role = {"test": {"cluster": ["indices:admin/index_template/get"]}}
    key = server.request("POST", "/_security/api_key", {"name": "test", "role_descriptors": role})["encoded"]
    code, out, (said,) = shipper(name=name, url=server.url, ca=server.ca, api_key=key)
    printed = commands(name, server.url, server.ca)
    assert (code, out[-len(printed) :]) == (1, printed)
    assert said == (
        f"shipper: {server.url}: not allowed, the index privilege view_index_metadata is missing; "
        "above are the commands for a key that may"
    )


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["setup", "dry-run"])
@on_one_line
def test_kibana_is_asked_when_it_is_named(shipper, elasticsearch, name, monkeypatch, options):
    """With who we are at Elasticsearch, and whether it is only a look; what it says is printed."""
    asked = []

    def import_all(url, name, settings, *, dry_run):
        asked.append((url, name, settings.url, dry_run))
        return ["imported all"]

    monkeypatch.setattr(command, "import_all", import_all)
    _, out, _ = shipper("--kibana", "http://kibana:5601", *options, name=name, url=elasticsearch.url)
    assert asked == [("http://kibana:5601", name, elasticsearch.url, bool(options))]
    assert "imported all" in out


def test_long_texts_are_cut_and_still_differ():
    """By a checksum: a change far behind in a pattern is seen."""
    first, second = (Change("x", "PUT", "/x", {}, None, {"pattern": "a" * 200 + end}) for end in "bc")
    lines = [*command.diff(first)][4], [*command.diff(second)][4]
    assert (max(map(len, lines)) <= 80, lines[0] != lines[1]) == (True, True)
