"""Which keys an object may have, in every store: one that a folder can have too, and that stays below its place."""

import re

from shipper.objects.store import ObjectError

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
LONGEST_BYTES = 900
"""S3 takes 1,024, of which the place's prefix is a part."""


def checked(key: str, where: str) -> str:
    """The key. Raises `ObjectError` for one that is empty, too long, or leads out of the place."""
    names = key.split("/")
    good = all(_NAME.fullmatch(name) and not name.startswith(".") for name in names)
    if not good or len(key.encode("utf-8", "replace")) > LONGEST_BYTES:
        raise ObjectError(f"{where}: {key!r} is no key for an object; write names with / between them, none with a dot")
    return key
