"""How much is sent at a time: less when the server is busy, slowly more again. Pure."""

SMALLEST_BYTES = 256 << 10
"""Below this a bulk is not made smaller because the server is busy, nor cut for the sake of parallel requests."""
WELL_BEFORE_MORE = 8
LONGEST_WAIT_S = 60.0


class Pace:
    """`bytes` of one request before compression, and `requests` at a time."""

    def __init__(self, most_bytes: int, most_requests: int) -> None:
        self.bytes, self.requests = most_bytes, most_requests
        self._most_bytes, self._most_requests = most_bytes, most_requests
        self._well = 0

    def was_busy(self) -> None:
        """429, or a connection that does not hold: one request fewer, of half the size."""
        self._well = 0
        self.requests = max(1, self.requests - 1)
        self.bytes = max(min(SMALLEST_BYTES, self._most_bytes), self.bytes // 2)

    def was_too_large(self, size: int) -> None:
        """413 for so many bytes: never again as many."""
        self._most_bytes = max(1, min(self._most_bytes, size // 2))
        self.bytes = min(self.bytes, self._most_bytes)

    def went_well(self) -> None:
        """A while of this, and it is a little more."""
        self._well += 1
        if self._well % WELL_BEFORE_MORE == 0:
            if self.bytes < self._most_bytes:
                self.bytes = min(self._most_bytes, self.bytes * 3 // 2 + 1)
            elif self.requests < self._most_requests:
                self.requests += 1


def wait_s(failures: int, chance: float) -> float:
    """Seconds until the next try after so many failures in a row; `chance` between 0 and 1 keeps many apart."""
    return min(LONGEST_WAIT_S, 0.25 * 2.0 ** min(failures, 20)) * (0.5 + chance / 2)
