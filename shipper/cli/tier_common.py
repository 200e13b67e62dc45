"""What the commands of `shipper tier` share."""

from pathlib import Path
from typing import Any

import click

from shipper.archive import ledger
from shipper.archive.ledger import Move
from shipper.archive.names import RECEIPTS
from shipper.build import Plan
from shipper.clock import iso
from shipper.errors import ShipperError
from shipper.lock import make_data_folder
from shipper.objects.place import is_bucket, open_place
from shipper.state import State
from shipper.tier.policy import stages
from shipper.tiering import Opened

PIPELINE = click.argument("pipeline", required=False, type=click.Path(path_type=Path))
FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)


def refuse_empty(data: Path, plan: Plan) -> None:
    """For who looks at what is stored: raises `ShipperError` where nothing is, neither in the data folder nor in an
    archive that a new machine has to take over."""
    if not (data / "state.db").exists() and plan.tiers is not None:
        for place in dict.fromkeys(stage.place for stage in stages(plan.tiers, "")):
            there = is_bucket(place) or (data / place).is_dir()
            if there and any(open_place(place, data, plan.tiers.s3).list(RECEIPTS)):
                make_data_folder(data)
                State(data / "state.db").close()
    State(data / "state.db", readonly=True).close()


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
