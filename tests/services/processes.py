"""Which processes there are, by /proc."""

from pathlib import Path


def alive(pid: int) -> bool:
    """A process that has ended and waits to be fetched counts as dead."""
    return _stat(pid)[:1] not in ([], ["Z"])


def of_session(leader: int) -> list[int]:
    """The living processes of a session: its leader and whatever that started, however deep."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if alive(pid) and _stat(pid)[3:4] == [str(leader)]]


def _stat(pid: int) -> list[str]:
    """From the state on: state, parent, group, session, …; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
