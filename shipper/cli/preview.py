"""`shipper preview`: each line as it would be stored, findings marked; stores nothing."""

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from shipper.build import load_rules_of, plan
from shipper.config import default_pipeline
from shipper.model import Finding
from shipper.offline import Offline, fingerprint_key

LEVEL_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow"}


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option(
    "--pipeline", type=click.Path(path_type=Path), help="Whose rules and names.  [default: pipelines/xionimus.yml]"
)
@click.pass_context
def preview(ctx: click.Context, file: str, pipeline: Path | None) -> None:
    """Show each line of FILE (- for standard input) as it would be stored: one JSON object a line.

    Under it, indented, what the rules found in it. Nothing is stored.
    """
    chosen = plan(pipeline or default_pipeline())
    loaded = load_rules_of(chosen)
    offline = Offline(loaded, fingerprint_key(ctx.obj.data), chosen.enrich, chosen.reading)
    console = Console(highlight=False, soft_wrap=True)
    for batch, _ in offline.batches(file):
        findings: dict[int, list[Finding]] = {}
        for finding in batch.findings:
            findings.setdefault(finding.row, []).append(finding)
        for row, out in enumerate(offline.redact(batch).out):
            click.echo(out)
            for finding in findings.get(row, []):
                console.print(_mark(finding))


def _mark(finding: Finding) -> Text:
    place = f" in {finding.field}" if finding.field else ""
    if finding.span:
        place += f", characters {finding.span[0]} to {finding.span[1]}"
    return Text(
        f"    ^ {finding.level}: {finding.rule} ({finding.rule_id}){place}", LEVEL_STYLES.get(finding.level, "")
    )
