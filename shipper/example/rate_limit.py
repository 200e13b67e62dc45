"""How often a user may ask."""

from collections import deque


class RateLimit:
    """At most `limit` requests a user within `seconds`."""

    def __init__(self, limit: int = 10, seconds: float = 10.0) -> None:
        self.limit, self.seconds = limit, seconds
        self._seen: dict[str, deque[float]] = {}

    def allows(self, user: str, now: float) -> bool:
        """Counts a request at `now` (seconds on any clock), unless it is one too many."""
        seen = self._seen.setdefault(user, deque())
        while seen and seen[0] <= now - self.seconds:
            seen.popleft()
        if len(seen) >= self.limit:
            return False
        seen.append(now)
        return True
