"""`shipper check`: every mistake of a pipeline and its rules, in one go."""

from pathlib import Path

import click

from shipper import build
from shipper.config import default_pipeline
from shipper.errors import UsageError


@click.command()
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
def check(pipeline: Path | None) -> None:
    """Check PIPELINE (default: pipelines/xionimus.yml) and its rules: file, line, what is wrong, what to write instead.

    Ends with 0 when all is well, with 2 when something is wrong.
    """
    path = pipeline or default_pipeline()
    lines = build.check_all(path)
    for line in lines:
        click.echo(line)
    if lines:
        raise UsageError(f"{path}: {len(lines)} mistake{'s' if len(lines) > 1 else ''}, nothing was started")
    click.echo(f"{path}: ok")
