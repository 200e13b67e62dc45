"""What the commands of `shipper tier` share."""

from pathlib import Path
from typing import Any

import click

from shipper.archive import ledger
from shipper.archive.ledger import Move
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.state import State
from shipper.tier.policy import stages
from shipper.tiering import Opened

PIPELINE = click.argument("pipeline", required=False, type=click.Path(path_type=Path))
FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)


def adopt_all(opened: Opened) -> None:
    """Takes over what `state.db` knows nothing of; a place that can't be reached is left for later."""
    try:
        opened.mover.adopt()
    except ShipperError as error:
        click.echo(f"shipper: {error}", err=True)


def places(opened: Opened, state: State) -> list[str]:
    """Those that the policy names, and those where something lies."""
    named = [stage.place for stage in stages(opened.moving.tiers, "")]
    return [*dict.fromkeys([*named, *(one.place for one in ledger.archived(state, grace=True))])]


def move_object(move: Move) -> dict[str, Any]:
    """A move as `--format json` prints it."""
    return {
        "kind": move.kind,
        "day": move.day,
        "dataset": move.dataset or None,
        "from": move.from_tier,
        "to": move.to_tier,
        "step": move.step,
        "reason": move.reason,
        "failure": move.failure or None,
        "began": iso(move.began),
        "changed": iso(move.changed),
    }
