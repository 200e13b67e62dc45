"""The level and the logger that a text line names before it says anything."""

import re

from shipper.fields import LEVELS
from shipper.model import Doc

_UPPER = re.compile(
    r"(?:^|[\s\[|:(])(TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN|WARNING|ERROR|CRITICAL|FATAL)(?=[\s\]|:),]|$)"
)
_MARKED = re.compile(
    r"(?:^|\[|level=\"?)(trace|debug|info|notice|warn|warning|error|critical|crit|alert|emerg|fatal)(?=[\s\]:,\"]|$)"
)
_LOGGER = re.compile(r"[A-Z]{4,8}:([A-Za-z_][\w.]{0,100}):")
_ACCESS_QUOTE = re.compile(r'"[A-Z]{3,8} ')


def from_text(text: str) -> Doc:
    """`log.level` and, in Python's default form `LEVEL:logger:message`, `log.logger`."""
    head = text[:120]
    request = _ACCESS_QUOTE.search(head)
    if request:
        head = head[: request.start()]
    found = _UPPER.search(head) or _MARKED.search(head)
    if found is None:
        return {}
    level = {"log.level": LEVELS[found[1].lower()]}
    logger = _LOGGER.match(head)
    return {**level, "log.logger": logger[1]} if logger else level
