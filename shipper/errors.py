"""Errors by what to do now: correct the input, wait and try again, or stop.

Every message is one line that says what is wrong, where, and what to do. None of them ever holds a secret:
whoever puts foreign text into an error passes it through `redact` first.
"""


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

    `after` is in seconds.
    """

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after
