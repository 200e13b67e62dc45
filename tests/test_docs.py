"""What is documented is true: every command, option and setting is described, and the README names what there is."""

import re
from importlib import import_module
from pathlib import Path

import click
import click.testing
import pytest
import yaml

from shipper.build import PACKAGES, check, component_names, plan
from shipper.cli.main import COMMANDS, cli
from shipper.config import DetectConfig, Pipeline, shipped
from shipper.decode.stage import Config as DecodeConfig
from shipper.enrich.stage import Config as EnrichConfig
from shipper.objects.settings import S3
from shipper.rules import load
from shipper.tier.policy import Override, Prices, Tier, Tiers

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def commands(group: click.Group, path: str = "shipper"):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands(cli))
COMPONENTS = [(package, name) for package in PACKAGES.values() for name in component_names(package)]
CONFIGS = [
    *(import_module(f"shipper.{package}.{name}").Config for package, name in COMPONENTS),
    *(Pipeline, DetectConfig, DecodeConfig, EnrichConfig),
    *(Tiers, Tier, Override, Prices, S3),
]


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_and_option_is_described(name):
    """In its own help."""
    command = ALL[name]
    assert command.help or command.short_help
    undescribed = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert [option for option in undescribed if option != "form"] == []


@pytest.mark.parametrize("name", ["shipper", *sorted(name for name in ALL if isinstance(ALL[name], click.Group))])
def test_no_line_of_a_help_is_cut_off(name):
    """At 80 columns a list of commands says of each what it does."""
    shown = click.testing.CliRunner().invoke(cli, [*name.split()[1:], "--help"], terminal_width=80).output
    assert [line for line in shown.partition("\nCommands:")[2].splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.__module__}.{config.__name__}")
def test_every_setting_is_described(config):
    """With its unit, for whoever writes a pipeline file."""
    nested = ("decode", "enrich", "detect")
    fields = {name: field.description for name, field in config.model_fields.items() if name not in nested}
    assert [name for name, description in fields.items() if not description] == []


@pytest.mark.parametrize(("package", "name"), COMPONENTS)
def test_every_component_is_described(package, name):
    """In its file, which is its documentation."""
    assert import_module(f"shipper.{package}.{name}").__doc__


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_readme_names_every_command(name):
    """In its table."""
    assert f"`shipper {name}" in README


def test_the_readme_names_every_variable_of_the_pipeline():
    """And none that there is not."""
    used = set(re.findall(r"\$\{((?:SHIPPER|ELASTICSEARCH)_\w+)", (shipped() / "xionimus.yml").read_text("utf-8")))
    rows = re.findall(r"^\| (`(?:SHIPPER|ELASTICSEARCH)_[^|]*)\|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == used | {"SHIPPER_DATA", "SHIPPER_REDACTION_KEY"}


def test_the_readme_counts_the_secrets_that_ship():
    """As many kinds as there are rules."""
    chosen = plan(shipped() / "xionimus.yml", {})
    assert f"{len(load(chosen.rule_paths, chosen.secret_paths).secrets.rules)} kinds of leaked secrets" in README


def test_the_rule_in_the_readme_is_a_rule(tmp_path):
    """It loads, and its own tests hold."""
    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "detection:" in block]
    rule = tmp_path / "rule.yml"
    rule.write_text(text)
    assert yaml.safe_load(text)["tests"].keys() == {"match", "pass"}
    result = click.testing.CliRunner().invoke(cli, ["rules", "test", str(rule)])
    assert (result.exit_code, "0 failed" in result.output) == (0, True), result.output


def test_the_policy_in_the_readme_is_one(tmp_path):
    """It is without mistakes, and so is how its bucket is reached."""
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (text,), (bucket,) = ([block for block in blocks if block.startswith(begin)] for begin in ("tiers:", "  s3:"))
    path = tmp_path / "pipeline.yml"
    path.write_text(f"sources: [{{type: tail, paths: [x]}}]\nsinks: [{{type: embedded}}]\n{text}{bucket}")
    assert check(path, {})[1] == []


@pytest.mark.parametrize("name", ["README.md", "docs/archive.md"])
def test_every_link_within_the_project_leads_somewhere(name):
    """To a file or folder, and to a heading of it."""
    page = ROOT / name
    for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_no_gaps():
    """What a run printed was put in."""
    assert re.findall(r"^[A-Z]+_OUTPUT$", README, re.MULTILINE) == []
