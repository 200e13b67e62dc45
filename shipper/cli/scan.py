"""`shipper scan`: decode and detect over files, print what was found, store nothing."""

from pathlib import Path
from typing import Any

import click
import orjson

from shipper.alerts import scan_object
from shipper.build import plan, whole
from shipper.config import default_pipeline
from shipper.detect.alerting import Scan
from shipper.model import Finding
from shipper.offline import Offline, fingerprint_key


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--rules",
    "rules",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Sigma file or folder in place of the shipped ones; may be repeated.",
)
@click.option(
    "--secrets",
    "secrets",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="gitleaks TOML file or folder in place of the shipped ones; may be repeated.",
)
@click.pass_context
def scan(ctx: click.Context, files: tuple[str, ...], rules: tuple[Path, ...], secrets: tuple[Path, ...]) -> None:
    """Run the rules over FILEs (- for standard input), merged by time.

    Prints one JSON object per finding and per alert. Stores nothing; ends with 0 whether something was found or not.
    """
    shipped = plan(default_pipeline())
    loaded = whole(list(rules) or shipped.rule_paths, list(secrets) or shipped.secret_paths)
    offline = Offline(loaded, fingerprint_key(ctx.obj.data), shipped.enrich, shipped.reading)
    alerts = Scan(loaded.ruleset, scrub=offline.redact.text, realert=shipped.realert_s)
    for file in dict.fromkeys(files):
        for batch, lines in offline.batches(file):
            alerts.collect(batch)
            for finding in batch.findings:
                click.echo(orjson.dumps(_object(finding, file, lines[finding.row])))
    for alert in alerts.alerts():
        click.echo(orjson.dumps(scan_object(alert)))


def _object(finding: Finding, file: str, line: int) -> dict[str, Any]:
    return {
        "kind": "finding",
        "rule_id": finding.rule_id,
        "rule": finding.rule,
        "level": finding.level,
        "file": file,
        "line": line,
        "field": finding.field,
        "span": list(finding.span) if finding.span else None,
    }
