"""The files of `shipper status`: how far each is read, and what of it is gone."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from shipper.alerts import printable
from shipper.cli.sizes import human_bytes, human_seconds
from shipper.source.cursor import compressed
from shipper.state import State

MOST_SHOWN = 20
LEAST_PATH = 12
"""Characters."""


def collect_files(state: State, read: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every file that the state knows, by path and newest first. `read`: how far the running process read files that
    it has open, by id; nothing in it counts as stored."""
    rows = state.rows("SELECT * FROM files ORDER BY family, generation DESC, updated DESC")
    return [_file(row, read.get(row["file_id"], row["offset"])) for row in rows]


def _file(row: Any, read: int) -> dict[str, Any]:
    size = _size(row)
    lag = max(0, size - row["offset"]) if not row["done"] else 0
    return {
        "path": row["path"],
        "file_id": row["file_id"],
        "generation": row["generation"],
        "size": size,
        "read": min(max(read, row["offset"]), max(size, row["offset"])),
        "committed": row["offset"],
        "lag_bytes": lag,
        "lag_s": _age(row) if lag else 0.0,
        "lost_bytes": row["lost"],
        "done": bool(row["done"]),
    }


def _size(row: Any) -> int:
    """As it is now, unless another file stands there; of a compressed one, how much was unpacked."""
    try:
        found = os.stat(row["path"])
    except OSError:
        return int(row["size"])
    same = (found.st_dev, found.st_ino) == (row["device"], row["inode"])
    return found.st_size if same and not compressed(row["path"]) else int(row["size"])


def _age(row: Any) -> float:
    """Seconds since the last record that was stored of a file; of one without any, since it was found."""
    then = datetime.fromisoformat(row["time"]).timestamp() if row["time"] else row["updated"]
    return max(0.0, round(datetime.now(UTC).timestamp() - then, 1))


def files_table(files: Sequence[Mapping[str, Any]], width: int = 80) -> tuple[Table, str]:
    """The table, at most `MOST_SHOWN` lines: what lost bytes or lags most comes first; of rotated files that are read
    only those that lost some. And in a line what is left out, or nothing."""
    wanted = [one for one in files if not one["done"] or one["lost_bytes"]]
    worst = sorted(wanted, key=lambda one: (-one["lost_bytes"], -one["lag_bytes"]))
    rows = [_cells(one) for one in worst[:MOST_SHOWN]]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("file", no_wrap=True)
    others = 0
    for place, name in enumerate(("gen", "size", "read", "stored", "lag", "lost")):
        table.add_column(name, justify="right", no_wrap=True)
        others += 1 + max(len(name), *(len(row[place]) for row in rows), 0)
    for one, cells in zip(worst, rows, strict=False):
        path = Text(shortened(printable(one["path"]), max(LEAST_PATH, width - others)))
        lost = Text(cells[-1], "bold red" if one["lost_bytes"] else "")
        table.add_row(path, *cells[:-1], lost)
    more, read = len(worst) - MOST_SHOWN, len(files) - len(wanted)
    left_out = [f"{more:,} more files that lag less"] if more > 0 else []
    left_out += [f"{read:,} rotated {'file' if read == 1 else 'files'} read to the end"] if read else []
    return table, ", ".join(left_out) + ("; all with --format json" if left_out else "")


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    late = f" {human_seconds(one['lag_s'])}" if one["lag_s"] else ""
    size, read, stored, lag, lost = (
        human_bytes(one[name]) for name in ("size", "read", "committed", "lag_bytes", "lost_bytes")
    )
    return str(one["generation"]), size, read, stored, lag + late, lost


def shortened(path: str, width: int) -> str:
    """A path without its middle when it is too long; its end, where the name is, matters most."""
    if len(path) <= width:
        return path
    behind = min(max(len(os.path.basename(path)) + 1, width * 3 // 4), width - 1)
    return path[: width - behind - 1] + "…" + path[-behind:]
