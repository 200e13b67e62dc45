"""`shipper rules list|check|test|explain`: what is loaded, whether it loads, whether it does what it says, and how."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from shipper.build import plan
from shipper.cli.explain import explain_correlation, explain_rule, explain_secret
from shipper.cli.sample import Sampler
from shipper.config import default_pipeline
from shipper.detect.correlation_tests import check_correlation
from shipper.detect.examples import check_secret_rule
from shipper.detect.gitleaks import SecretRule
from shipper.detect.rule import Correlation, Rule
from shipper.detect.rule_tests import check_rule
from shipper.detect.secrets import load_secret_rules
from shipper.detect.sigma import load_rules
from shipper.errors import UsageError
from shipper.rules import Loaded

TOML = ".toml"
PATHS = click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))

AnyRule = Rule | Correlation | SecretRule


def everything(loaded: Loaded) -> list[AnyRule]:
    """Sigma rules, correlations, secret rules."""
    return [*loaded.ruleset.rules, *loaded.ruleset.correlations, *loaded.secrets.rules]


def default_rule_paths() -> list[Path]:
    """The rules and secrets that the default pipeline names."""
    chosen = plan(default_pipeline())
    return [*chosen.rule_paths, *chosen.secret_paths]


def load(paths: Sequence[Path]) -> Loaded:
    """Sigma from YAML, secrets from TOML, both from folders. Raises `UsageError` for a path that is not there."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder; name a rule file (.yml, .toml) or a folder of them")
    chosen = paths or [path for path in default_rule_paths() if path.exists()]
    return Loaded(
        load_rules([path for path in chosen if path.suffix != TOML]),
        load_secret_rules([path for path in chosen if path.is_dir() or path.suffix == TOML]),
    )


@click.group()
def rules() -> None:
    """The rules of the pipeline, or those in PATH: Sigma YAML, and gitleaks TOML for secrets."""


@rules.command("list")
@PATHS
def list_rules(paths: tuple[Path, ...]) -> None:
    """All rules with level, name and title."""
    loaded = load(paths)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("level", "kind", "name", "title"):
        table.add_column(column, overflow="fold", no_wrap=column in {"level", "kind"})
    for found in everything(loaded):
        table.add_row(found.level, _kind(found), _name(found), _title(found))
    Console(markup=False, highlight=False).print(table)
    _tell_problems(loaded)


@rules.command()
@PATHS
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Load all rules; each problem is one line. Ends with 1 when there is any."""
    loaded = load(paths)
    for problem in loaded.problems:
        click.echo(str(problem))
    count, problems = len(everything(loaded)), len(loaded.problems)
    click.echo(f"{_counted(count, 'rule')} load{'s' if count == 1 else ''}, {_counted(problems, 'problem')}")
    ctx.exit(1 if problems else 0)


@rules.command()
@PATHS
@click.pass_context
def test(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Run each rule's own tests. Ends with 1 when one fails, or a rule does not load."""
    loaded = load(paths)
    failures = [*map(str, loaded.problems), *failing(loaded)]
    for failure in failures:
        click.echo(failure)
    untested = [found for found in everything(loaded) if not _examples(found)]
    examples = sum(map(_examples, everything(loaded)))
    click.echo(
        f"{_counted(len(everything(loaded)), 'rule')}, {_counted(examples, 'example')}, {len(failures)} failed"
        + (f"; without tests: {', '.join(map(_name, untested))}" if untested else "")
    )
    ctx.exit(1 if failures else 0)


@rules.command(short_help="What RULE looks at, what wakes it, when it alerts.")
@click.argument("rule")
@PATHS
def explain(rule: str, paths: tuple[Path, ...]) -> None:
    """What RULE (its name, id or title) looks at, what wakes it, and when it alerts."""
    loaded = load(paths)
    found = _find(loaded, rule)
    if isinstance(found, Rule):
        lines = explain_rule(found, loaded.ruleset.correlations)
    elif isinstance(found, Correlation):
        lines = explain_correlation(found, loaded.ruleset.rules)
    else:
        lines = explain_secret(found)
    click.echo("\n".join(lines))


def failing(loaded: Loaded) -> list[str]:
    """What the rules' own tests say against them, one line each."""
    to_record = Sampler().record
    ruleset = loaded.ruleset
    return [
        *(line for rule in ruleset.rules for line in check_rule(rule, to_record)),
        *(
            line
            for found in filter(_examples, ruleset.correlations)
            for line in check_correlation(found, ruleset.rules, to_record)
        ),
        *(
            line
            for secret in filter(_examples, loaded.secrets.rules)
            for line in check_secret_rule(secret, loaded.secrets.find)
        ),
    ]


def _find(loaded: Loaded, wanted: str) -> AnyRule:
    for found in everything(loaded):
        if wanted.lower() in {found.id.lower(), _name(found).lower(), _title(found).lower()}:
            return found
    close = get_close_matches(wanted, map(_name, everything(loaded)), 1)
    hint = f"did you mean {close[0]}?" if close else "see: shipper rules list"
    raise UsageError(f"there is no rule {wanted}; {hint}")


def _tell_problems(loaded: Loaded) -> None:
    if loaded.problems:
        click.echo(f"{len(loaded.problems)} did not load; see: shipper rules check", err=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _kind(found: AnyRule) -> str:
    return {Rule: "rule", Correlation: "correlation", SecretRule: "secret"}[type(found)]


def _name(found: AnyRule) -> str:
    return found.id if isinstance(found, SecretRule) else found.name


def _title(found: AnyRule) -> str:
    return found.description if isinstance(found, SecretRule) else found.title


def _examples(found: AnyRule) -> int:
    return len(found.tests.match) + len(found.tests.passes)
