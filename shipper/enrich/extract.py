"""Addresses, users, requests and their answers out of a message's text.

Every pattern runs only where a literal says that it can match, and is bounded, so that hostile text costs linear time.
What comes out stands in the message as it is.
"""

import re
from typing import Any

from shipper.enrich.address import address
from shipper.enrich.rename import METHODS, split_target
from shipper.model import Doc

LIMIT = 1 << 16
"""Characters of a message that are looked at."""

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,32}m")
_STATUS = re.compile(
    r"[\"']?(?: ?\"?HTTP/[\d.]{1,4})?\"?[,:]?"
    r"(?: ?(?:-{1,2}>?|=>|responded|returned|with|status|code|status_code)[ =:]?){0,3}"
    r" ?(\d{3})(?![\w.%]| ?ms\b)"
)
_CLIENT = re.compile(r"(?:^|[\s\]])\[?([0-9A-Fa-f.:]{2,60})\]?(?::(\d{1,5}))? - (?:([^\s\"\[]{1,128}) \[)?")
_AGENT = re.compile(r" (?:\d{1,20}|-) \"[^\"]{0,2048}\" \"([^\"]{1,1024})\"")
_FROM = re.compile(
    r"\b[Ff]rom (?:IP |ip |address |host |client )?(\[?[0-9A-Fa-f:.]{2,60}\]?(?::\d{1,5})?)(?: port (\d{1,5})\b)?"
)
_NAMED = re.compile(
    r"(?:\b(?:[Ii][Pp](?:[_ ]?[Aa]ddr(?:ess)?)?|[Cc]lient(?:[_ ]ip)?|remote_addr|rhost|address)|_ip|Ip)"
    r"[\"']?[=: ]{1,2}[\"']?(\[?[0-9A-Fa-f:.]{2,60}\]?(?::\d{1,5})?)"
)
_NAME = r"(?:'([^'\s][^']{0,127})'|\"([^\"\s][^\"]{0,127})\"|([\w.@+\\-]{1,128}))"
_USER_IS = re.compile(rf"\b[Uu]ser(?:_?[Nn]ame)?[\"']?[=:] ?{_NAME}")
_USER_WORD = re.compile(rf"\b[Uu]ser(?:name)? {_NAME}")
_FOR = re.compile(
    rf"\b[Ff]or (?:(?:invalid|illegal|unknown) )?(?:account |email |login )?{_NAME}"
    r"(?=$|\s{0,2}[,;:.()\[\-]|\s(?:from|via|at|due|with|after|because|ip|port|on)\b)"
)
_SIGNING_IN = ("ogin", "ogged", "uthent", "assword", "redential", "nvalid user", "ublickey", "ign-in", "igned in")
_WORDS = (
    "a account all an and any are as at by credentials each endpoint entered error for from found has have id in input "
    "invalid is it login message missing name none not null of on or password path provider request resource session "
    "sessions that the this to token tokens unknown user username users was we with you your undefined"
)
_NO_NAMES = frozenset(_WORDS.split())
"""Words that stand where a name could, and are none."""


def from_message(message: str) -> Doc:
    """Flat ECS fields that a message tells; empty for most."""
    if len(message) > LIMIT:
        message = message[:LIMIT]
    if "\x1b" in message:
        message = _COLOUR.sub("", message)
    found: Doc = {}
    if " /" in message or " http" in message:
        _add_request(found, message)
    if "source.ip" not in found:
        _add_address(found, message)
    if "user.name" not in found and ("ser" in message or "or " in message):
        _add_user(found, message)
    return found


def _add_request(found: Doc, message: str) -> None:
    """`GET /a?b=c HTTP/1.1" 200` and its relatives, with the client before it and the user agent behind it."""
    start = _method_start(message)
    if start is None:
        return
    space = message.find(" ", start)
    found["http.request.method"] = message[start:space]
    quoted = message[start - 1 : start] == '"'
    end = _target_end(message, space + 1, quoted)
    target = message[space + 1 : end]
    found["url.path"], query = split_target(target)
    if query:
        found["url.query"] = query
    status = _STATUS.match(message, end)
    if status and 100 <= int(status[1]) <= 599:
        found["http.response.status_code"] = int(status[1])
    if " - " in message[:start]:
        _add_client(found, message[:start])
        agent = _AGENT.match(message, status.end()) if status and quoted else None
        if agent and agent[1] != "-":
            found["user_agent.original"] = agent[1]


def _method_start(message: str) -> int | None:
    """Where the word stands that is a method and is followed by a target."""
    for lead in (" /", " http"):
        at = message.find(lead)
        for _ in range(4):
            if at < 0:
                break
            start = max(message.rfind(mark, max(0, at - 10), at) for mark in " \"'([") + 1
            start = max(start, at - 10, 0)
            if message[start:at] in METHODS:
                return start
            at = message.find(lead, at + 1)
    return None


def _target_end(message: str, start: int, quoted: bool) -> int:
    """Where a request's target ends: before its protocol, which allows for blanks in it, or at the first blank."""
    if quoted:
        protocol = message.find(" HTTP/", start)
        closing = message.find('"', start)
        end = protocol if protocol >= 0 else closing
        return end if end >= 0 else len(message)
    blank = message.find(" ", start)
    end = blank if blank >= 0 else len(message)
    while end > start + 1 and message[end - 1] in ',:"':
        end -= 1
    return end


def _add_client(found: Doc, head: str) -> None:
    """The client of an access line: `10.0.0.1:1234 - ` or, in combined form, `10.0.0.1 - bob [date]`."""
    client = _CLIENT.search(head)
    if client is None:
        return
    _put_address(found, address(client[1], port_follows=True))
    if client[2] and "source.ip" in found:
        found.setdefault("source.port", int(client[2]))
    if client[3] and client[3] != "-":
        found["user.name"] = client[3]


def _add_address(found: Doc, message: str) -> None:
    """`from 10.0.0.1 port 22`, `ip=10.0.0.1`, `client 10.0.0.1:1234`."""
    if "rom " in message:
        for match in _FROM.finditer(message):
            if _put_address(found, address(match[1].rstrip(".:"))):
                if match[2] and 0 < int(match[2]) <= 65_535:
                    found.setdefault("source.port", int(match[2]))
                return
    if "ip" in message or "IP" in message or "lient" in message or "rhost" in message or "address" in message:
        for match in _NAMED.finditer(message):
            if _put_address(found, address(match[1].rstrip(".:"))):
                return


def _put_address(found: Doc, known: tuple[str, int | None] | None) -> bool:
    if known is None:
        return False
    found["source.ip"] = known[0]
    if known[1] is not None:
        found["source.port"] = known[1]
    return True


def _add_user(found: Doc, message: str) -> None:
    """`user=bob`, `User bob logged in`, `login failed for user 'bob'`, `invalid credentials for bob`."""
    about_signing_in = any(word in message for word in _SIGNING_IN)
    name = None
    if "ser" in message:
        name = _first_name(_USER_IS, message)
        if name is None and (about_signing_in or "or user " in message):
            name = _first_name(_USER_WORD, message)
    if name is None and about_signing_in and "or " in message:
        name = _first_name(_FOR, message)
        if name is not None and name.isdecimal():
            return
    if name is not None:
        found["user.name"] = name


def _first_name(pattern: re.Pattern[str], message: str) -> str | None:
    for match in pattern.finditer(message):
        name: Any = match[1] or match[2] or match[3].rstrip(".-")
        if name and name.lower() not in _NO_NAMES:
            return str(name)
    return None
