"""The disk of the data folder is full: files that appear meanwhile are known all the same, so their loss is told."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.state import State
from tests.e2e.shipper import Shipper, line
from tests.services.supervisor import wait_for

SIZE = "24m"


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[Shipper]:
    """Its data folder is a small disk of its own, which takes root to be made."""
    made = Shipper(tmp_path)
    made.data.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(made.data)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    yield made
    subprocess.run(["umount", "-l", str(made.data)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    filler = folder / "filler"
    handle = os.open(filler, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(handle, b"x" * 4096):
            pass
    except OSError:
        return filler
    finally:
        os.close(handle)


def known(shipper: Shipper) -> list[str]:
    """Paths of the files that are committed."""
    state = State(shipper.data / "state.db", readonly=True)
    found = [progress.path for progress in state.files().values()]
    state.close()
    return found


def rotate(shipper: Shipper, number: int) -> None:
    """The oldest of all goes; there is a new live file."""
    first = shipper.log.with_name(f"{shipper.log.name}.1")
    shipper.log.rename(first)
    shipper.log.write_bytes(b"".join(line(n=number + each) for each in range(1000)))


def test_what_rotation_and_a_kill_took_from_a_full_disk_is_counted(shipper: Shipper) -> None:
    """Nothing of it could be stored; it was seen, and how large it was when it was renamed."""
    shipper.log.write_bytes(line(n=0))
    run = shipper.start()
    wait_for(lambda: shipper.count() == 1)
    filler = fill(shipper.data)
    sizes = []
    for number in (1000, 2000, 3000):
        before = len(known(shipper))
        rotate(shipper, number)
        sizes.append(shipper.log.stat().st_size)
        wait_for(lambda before=before: len(known(shipper)) > before)
    run.kill()
    for path in shipper.logs.iterdir():
        path.unlink()
    filler.unlink()
    shipper.log.write_bytes(line(n=4000))
    said = shipper.once()
    assert shipper.numbers() == [0, 4000]
    assert sum(entry["lost_bytes"] for entry in shipper("status", "--format", "json").objects[0]["files"]) >= sum(
        sizes[:2]
    )
    assert "bytes were gone before they were read" in said.err
    (alert,) = shipper("alerts", "--format", "json").objects
    assert (alert["rule_id"], alert["group"]) == ("shipper-lost-bytes", {"file.path": str(shipper.log)})


def test_what_appears_on_a_full_disk_is_read_once_there_is_room(shipper: Shipper) -> None:
    """Every line once, through rotations and a kill."""
    shipper.log.write_bytes(line(n=0))
    run = shipper.start()
    wait_for(lambda: shipper.count() == 1)
    filler = fill(shipper.data)
    rotate(shipper, 1000)
    wait_for(lambda: len(known(shipper)) == 2)
    run.kill()
    filler.unlink()
    shipper.once()
    assert shipper.numbers() == [0, *range(1000, 2000)]
