"""What a component may use of its surroundings, handed to every `build(config, context)`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shipper.clock import Clock, SystemClock
from shipper.log import scrub
from shipper.metrics import Metrics
from shipper.state import State


@dataclass(slots=True)
class Context:
    """`data` is the only folder that anything is written to."""

    data: Path
    state: State
    clock: Clock = field(default_factory=SystemClock)
    metrics: Metrics = field(default_factory=Metrics)
    scrub: Callable[[str], str] = scrub
    """Strikes secrets out of a text."""
    base: Path = Path()
    """Folder of the pipeline file: relative paths in it start here."""
    once: bool = False
    """`--once`: read all that is there, then end."""
    name: str = "xionimus"
    """The pipeline's name, which its indices begin with."""
