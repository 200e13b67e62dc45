"""How long a campaign is: short in `make test`, long with `SHIPPER_CAMPAIGN=full`."""

import os

FULL = os.environ.get("SHIPPER_CAMPAIGN") == "full"


def rounds(short: int, full: int) -> int:
    """The one that counts now."""
    return full if FULL else short
