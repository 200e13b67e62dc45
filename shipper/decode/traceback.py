"""Which lines belong together: a Python traceback and the line that announces it, indented continuations, a PEM block.

Pure: lines in, one `Group` after the other. A line that does not belong to the open group opens its own.
"""

import re
from collections.abc import Sequence
from enum import Enum

from shipper.decode.parse import Parsed, decode_text, read_text
from shipper.model import Origin

MAX_LINES = 2_000
MAX_BYTES = 1 << 20

HEADER = b"Traceback (most recent call last):"
_CHAINS = (
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
)
# What libraries print below the line with the exception's type, without indentation.
_MESSAGE_GOES_ON = (
    b"[SQL: ",
    b"[parameters: ",
    b"(Background on this error at: ",
    b"DETAIL: ",
    b"HINT: ",
    b"CONTEXT: ",
    b"LINE ",
)
_ANNOUNCES = re.compile(rb"(?i:error|critical|warning|fatal|exception)")
_RAISED = re.compile(rb"([A-Za-z_][\w.<>]*)(?::(?: .*)?)?")
_FIELD_PATH = re.compile(rb"[\w.\[\]-]+")
_PEM_BODY = re.compile(rb"[\w+/=:,. -]*")
_PEM_BEGIN, _PEM_END = b"-----BEGIN ", b"-----END "
# A line of a key whose beginning stands in the file before, or was stored already. A digest in hex is none.
_BARE_BODY = re.compile(rb"(?=[0-9A-Fa-f]*[G-Zg-z+/])[A-Za-z0-9+/]{16,}={0,2}")
_BARE_REST = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_FULL_LINE = 60
"""Bytes that every line of a key has at least, but the last one."""
_BLANKS = b" \t\r"
_TREE = b" \t|+-"
"""What stands before the text of an exception group's lines."""


class Step(Enum):
    """What the last line of a group was, and so what may follow."""

    TEXT = "any text"
    FRAMES = "a traceback's header or frames"
    RAISED = "the exception's type and message"
    GAP = "a blank line after the exception"
    CHAINED = "the words between two chained tracebacks"


class Group:
    """Consecutive lines of one file that make one record."""

    __slots__ = (
        "_bare",
        "_header",
        "_pem",
        "_raised",
        "_size",
        "_step",
        "_trace",
        "continued",
        "cut",
        "lines",
        "offset",
        "origin",
    )

    def __init__(self, line: bytes, offset: int, origin: Origin) -> None:
        """Opens a group with its first line, which starts at `offset` bytes."""
        self.lines = [line]
        self.offset = offset
        self.origin = origin
        self.cut = self.continued = ""
        self._size = len(line)
        self._trace: int | None = None
        self._raised: int | None = None
        self._header = 0
        self._step = Step.TEXT
        self._pem = _opens_pem(line)
        self._bare = _BARE_BODY.fullmatch(line.strip(_BLANKS)) is not None
        if is_header(line):
            self._start_trace(line, 0)

    def belongs(self, line: bytes) -> bool:
        """True when a line continues this group."""
        return self._after(line, line.strip(_BLANKS)) is not None

    def add(self, line: bytes) -> None:
        """Adds a line that belongs to this group."""
        bare = line.strip(_BLANKS)
        step = self._after(line, bare) or self._step
        self._pem = _opens_pem(line) or (self._pem and _is_pem_body(bare))
        self._bare = self._bare and _PEM_END not in bare
        if step is Step.FRAMES and is_header(line):
            self._start_trace(line, len(self.lines))
        else:
            if step is Step.RAISED and self._step is Step.FRAMES:
                self._raised = len(self.lines)
            self._step = step
        self.lines.append(line)
        self._size += len(line) + 1

    def is_source(self, line: bytes) -> bool:
        """True when a line that could be JSON on its own is source code inside a traceback."""
        return self._step is Step.FRAMES and line[:1] in (b" ", b"\t")

    def is_full(self, line: bytes) -> bool:
        """True when `line` would make the group larger than a record may be."""
        return len(self.lines) >= MAX_LINES or self._size + 1 + len(line) > MAX_BYTES

    def split(self, line: bytes, offset: int) -> "Group":
        """Cuts this group; `line`, which belongs to it, opens the one that goes on."""
        self.cut = f"cut: joined lines longer than {MAX_LINES} lines or {MAX_BYTES} bytes"
        rest = Group(line, offset, self.origin)
        rest.continued = f"continued: joined lines longer than {MAX_LINES} lines or {MAX_BYTES} bytes"
        rest._step, rest._pem = self._step, self._pem
        return rest

    def finish(self) -> tuple[bytes, Parsed]:
        """The joined line, and its record: a traceback goes to `error.stack_trace`, the line before it to `message`."""
        while len(self.lines) > 1 and not self.lines[-1].strip(_BLANKS):
            self.lines.pop()
        raw = b"\n".join(self.lines)
        why = self.continued or self.cut
        if self._trace is None or self.continued:
            parsed = read_text(_text(self.lines))
        else:
            stack, broken = decode_text(_text(self.lines[self._trace :]))
            parsed = read_text(_text(self.lines[: self._trace]) or self._summary())
            doc = {**parsed.doc, "error.stack_trace": stack}
            parsed = Parsed(doc, broken or parsed.why)
        return raw, Parsed(parsed.doc, why or parsed.why)

    def _start_trace(self, line: bytes, index: int) -> None:
        if self._trace is None:
            self._trace = index
        self._header, self._raised = index, None
        # Where the header is indented (an exception group), so is all that belongs to it.
        self._step = Step.RAISED if line[:1] in (b" ", b"\t") else Step.FRAMES

    def _after(self, line: bytes, bare: bytes) -> Step | None:
        """The step that `line` makes, None when it belongs to another group."""
        if self._pem and (_PEM_END in bare or _is_pem_body(bare)):
            return self._step
        if self._bare and (bare.startswith(_PEM_END) or self._goes_on_bare(bare)):
            return self._step
        inside_group = self._trace is not None and bare.startswith(b"|")
        if is_header(line) and not inside_group:
            return Step.FRAMES if self._may_precede_header() else None
        if not bare:
            return self._after_blank()
        if line[:1] in (b" ", b"\t"):
            return Step.RAISED if self._step is Step.GAP else self._step
        return self._after_unindented(bare)

    def _goes_on_bare(self, bare: bytes) -> bool:
        """True for more of a key without its beginning: lines as long as the first one, then a shorter one."""
        width = len(self.lines[0].strip(_BLANKS))
        whole = _FULL_LINE <= width == len(self.lines[-1].strip(_BLANKS))
        return whole and len(bare) <= width and _BARE_REST.fullmatch(bare) is not None

    def _after_blank(self) -> Step | None:
        if self._step is Step.RAISED:
            return Step.GAP
        return self._step if self._step in (Step.GAP, Step.CHAINED) else None

    def _after_unindented(self, bare: bytes) -> Step | None:
        if self._step is Step.FRAMES:
            return Step.RAISED if is_raised(bare) else None
        if self._step not in (Step.RAISED, Step.GAP):
            return None
        if bare.startswith(_CHAINS):
            return Step.CHAINED
        if self._step is Step.RAISED and self._message_goes_on(bare):
            return Step.RAISED
        return None

    def _message_goes_on(self, bare: bytes) -> bool:
        if bare.startswith(_MESSAGE_GOES_ON):
            return True
        raised = self.lines[self._raised] if self._raised is not None else b""
        return b"validation error" in raised and _FIELD_PATH.fullmatch(bare) is not None

    def _may_precede_header(self) -> bool:
        if self._step is Step.CHAINED:
            return True
        announces = self._step is Step.TEXT and self._trace is None
        return announces and _ANNOUNCES.search(self.lines[0][:200]) is not None

    def _summary(self) -> bytes:
        """The line that tells what was raised; without one, the last line there is."""
        if self._raised is not None:
            return self.lines[self._raised].strip(_BLANKS)
        header = self.lines[self._header]
        margin = header[: len(header) - len(header.lstrip(b" \t"))]
        inner = [line.removeprefix(margin).removeprefix(b"| ").rstrip() for line in self.lines[self._header + 1 :]]
        return next((line for line in inner if is_raised(line)), self.lines[-1].strip(_BLANKS))


def _text(lines: Sequence[bytes]) -> bytes:
    """Lines as text: a carriage return belongs to the end of a line as much as the newline does."""
    return b"\n".join(line.removesuffix(b"\r") for line in lines)


def is_header(line: bytes) -> bool:
    """True for the line that opens a traceback, whatever stands around it: indentation, an exception group's tree."""
    if HEADER not in line:
        return False
    bare = line.strip(_TREE + b"\r")
    return bare.startswith((HEADER, b"Exception Group " + HEADER)) or bare.endswith(HEADER)


def is_raised(line: bytes) -> bool:
    """True for `pkg.Type: message` and `Type`; not for a log line that starts with its level."""
    found = _RAISED.fullmatch(line)
    return found is not None and found[1].upper() not in _LEVELS


_LEVELS = frozenset((b"TRACE", b"DEBUG", b"INFO", b"NOTICE", b"WARN", b"WARNING", b"ERROR", b"CRITICAL", b"FATAL"))


def _is_pem_body(bare: bytes) -> bool:
    return _PEM_BODY.fullmatch(bare) is not None and _PEM_END not in bare


def _opens_pem(line: bytes) -> bool:
    begin = line.rfind(_PEM_BEGIN)
    return begin >= 0 and line.find(_PEM_END, begin) < 0
