"""Files of rules below a folder, however it changes meanwhile."""

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Every file, to the bottom and in order. A folder inside that goes away while this looks has none:
    `Path.rglob` raises then, and rule folders are replaced under a shipper that runs."""
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
