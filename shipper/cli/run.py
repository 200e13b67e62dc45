"""`shipper run`: follow the files of a pipeline."""

from pathlib import Path

import click

from shipper import log
from shipper.build import plan
from shipper.config import default_pipeline
from shipper.run import run_pipeline


@click.command()
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Read all that is there, store it, and end.")
@click.option(
    "--fresh-state",
    is_flag=True,
    help="Go on although state.db is missing or older than the data: all files are read again, so records double.",
)
@click.pass_context
def run(ctx: click.Context, pipeline: Path | None, once: bool, fresh_state: bool) -> None:
    """Follow the files of PIPELINE (default: pipelines/xionimus.yml), store their records, raise alerts.

    Ctrl-C or SIGTERM stops reading, stores what was read, and ends; SIGHUP reads the rules again.
    """
    chosen = plan(pipeline or default_pipeline())
    log.say("info", "starting", pipeline=str(chosen.path), data=str(ctx.obj.data))
    run_pipeline(chosen, ctx.obj.data, once=once, fresh_state=fresh_state)
