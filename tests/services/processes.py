"""Which processes there are, by /proc."""

from pathlib import Path


def alive(pid: int) -> bool:
    """A process that has ended and waits to be fetched counts as dead."""
    return _stat(pid)[:1] not in ([], ["Z"])


def of_session(leader: int) -> list[int]:
    """The living processes of a session: its leader and whatever that started, however deep."""
    return [pid for pid in _all() if alive(pid) and _stat(pid)[3:4] == [str(leader)]]


def working_in(folder: Path) -> list[int]:
    """The living processes whose working folder this is."""
    return [pid for pid in _all() if alive(pid) and _folder(pid) == folder.resolve()]


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _folder(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def _stat(pid: int) -> list[str]:
    """From the state on: state, parent, group, session, …; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
