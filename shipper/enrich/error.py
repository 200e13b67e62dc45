"""What a stack trace says: the type and the message of the error that ended it."""

import re
from typing import Any

from shipper.model import Doc

HEADER = "Traceback (most recent call last):"
_RAISED = re.compile(r"([A-Za-z_][\w.<>]{0,200})(?::(?: (.*))?)?")


def from_stack(stack: str) -> Doc:
    """`error.type` and `error.message` of the last traceback in a text; what can't be told is left out."""
    lines = stack.splitlines()
    start, margin = _last_header(lines)
    for index in range(start, len(lines)):
        line = lines[index]
        if line.startswith(margin) and line[len(margin) : len(margin) + 1] not in ("", " ", "\t"):
            return _raised(lines, index, margin, whole=start > 0 and not margin)
    return {}


def render_stacks(stacks: list[Any]) -> str | None:
    """structlog's list of stacks (the error itself first, then what caused it) as Python prints it; None if it is
    something else. Local variables are left to the original field."""
    texts = [_render(stack) for stack in reversed(stacks) if type(stack) is dict and "exc_type" in stack]
    return "\n\n".join(texts) or None


def stack_in_text(doc: Doc) -> str | None:
    """loguru's `text` ends with the traceback."""
    text = doc.get("text")
    if type(text) is not str:
        return None
    start = text.find(HEADER)
    return text[start:].rstrip() if start >= 0 else None


def _last_header(lines: list[str]) -> tuple[int, str]:
    """The line behind the last header that is no part of an exception group, and what every line below it starts
    with before the error's own line. `(0, "")` without a header."""
    found = (0, "")
    for index, line in enumerate(lines):
        if HEADER in line and "|" not in line:
            lead = line[: len(line) - len(line.lstrip(" \t+"))]
            found = (index + 1, lead.replace("+", "|") if "+" in lead else lead)
    return found


def _raised(lines: list[str], index: int, margin: str, *, whole: bool) -> Doc:
    """`whole`: the message goes on to the end of the text."""
    found = _RAISED.fullmatch(lines[index][len(margin) :].rstrip())
    if found is None:
        return {}
    message = found[2] or ""
    if whole:
        message = "\n".join([message, *lines[index + 1 :]]).rstrip()
    return {"error.type": found[1], "error.message": message} if message else {"error.type": found[1]}


def _render(stack: Doc) -> str:
    frames = stack.get("frames")
    lines = [HEADER]
    for frame in frames if type(frames) is list else []:
        if type(frame) is dict:
            lines.append(f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}')
    return "\n".join([*lines, f"{stack['exc_type']}: {stack.get('exc_value', '')}"])
