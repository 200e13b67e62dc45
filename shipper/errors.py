"""Errors by what to do now: correct the input, wait and try again, or stop.

Every message is one line that says what is wrong, where, and what to do. None of them ever holds a secret:
whoever puts foreign text into an error passes it through `redact` first.
"""

from shipper.model import Refused


class ShipperError(Exception):
    """Something failed that only a person can mend. The command line prints it and exits with `exit_code`."""

    exit_code = 1


class UsageError(ShipperError):
    """Wrong usage or configuration: nothing was started. Exit code 2."""

    exit_code = 2


class StateMismatch(ShipperError):
    """`state.db` is missing, older than the data beside it, or from a newer version. Exit code 1."""


class LockHeld(UsageError):
    """Another process holds the data folder. Exit code 2."""


class Retry(Exception):
    """Raised by `Sink.write` when nothing may be assumed stored: hold the batch and try again.

    `after` is in seconds: below one it is meant as it is said, from one on the wait grows with every attempt. `grave`:
    waiting alone will not mend it (wrong password, missing permission, wrong certificate), so people are told at once
    and not only after a while.
    """

    def __init__(self, reason: str, after: float = 1.0, *, grave: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.grave = grave


class Blocked(Retry):
    """Raised by `Sink.write` when all rows are settled but `rows`, whose index takes nothing for now (a day that is
    being archived, a full disk), while others do. `refused` is what the sink refused for good among the settled."""

    def __init__(self, reason: str, rows: list[int], refused: list[Refused], after: float = 1.0) -> None:
        super().__init__(reason, after)
        self.rows = rows
        self.refused = refused


def is_interrupt(error: Exception) -> bool:
    """Whether it is Ctrl-C, as DuckDB hands it on: for a failure of its query, or of the Python that this called."""
    said = str(error)
    return said == "Query interrupted" or (said.startswith("Traceback ") and "\nKeyboardInterrupt" in said)
