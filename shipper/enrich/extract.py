"""Addresses, users, requests and their answers out of a message's text.

Every pattern runs only where a literal says that it can match, and is bounded, so that hostile text costs linear time.
What comes out stands in the message as it is.
"""

import re
from itertools import islice

from shipper.enrich.address import address
from shipper.enrich.rename import METHODS, split_target
from shipper.model import Doc

LIMIT = 1 << 16
"""Characters of a message that are looked at."""

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,32}m")
_METHOD = re.compile(r"(?<![A-Za-z])(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|PROPFIND)$")
_STATUS = re.compile(
    r"[\"']?(?: ?\"?HTTP/[\d.]{1,4})?\"?[,:]?"
    r"(?: ?(?:-{1,2}>?|=>|responded|returned|with|status|code|status_code)[ =:]?){0,3}"
    r" ?([1-5]\d\d)(?![\w.%]| ?ms\b)"
)
_CLIENT = re.compile(r"(?:^|[\s\]])\[?([0-9A-Fa-f.:]{2,60})\]?(?::(\d{1,5}))? - (?:([^\s\"\[]{1,128}) \[)?")
_ACCESS = re.compile(
    r"(?:([0-9.]{7,15}) (- (?=\"))?)?(\")?(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|PROPFIND)"
    r" (/[^ ?,:\"]*)(?:\?([^ ,:\"]*))?(?(3) HTTP/1\.[01]\") ([1-5][0-9][0-9])(?![\w.%]| ?ms\b)"
)
"""The forms that nearly all requests have, at the beginning of a message; what `_add_any_request` finds there."""
_AGENT = re.compile(r" (?:\d{1,20}|-) \"[^\"]{0,2048}\" \"([^\"]{1,1024})\"")
_V4 = r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"(?:({_V4})(?::(\d{{1,5}})(?!\w))?(?!\w|\.\d)|(\[?[0-9A-Fa-f:.]{{2,60}}\]?(?::\d{{1,5}})?))"
_BEHIND_FROM = re.compile(rf"(?:IP |ip |address |host |client )?{_ADDRESS}(?: port (\d{{1,5}})\b)?")
# The first letter alone, what stands before it looked at behind it: the engine then goes from one such letter to the
# next, instead of trying at every place.
_NAMED = re.compile(
    r"[IiCcra_](?:lient(?<=\b[Cc]lient)(?:[_ ]ip)?|emote_addr(?<=\bremote_addr)|host(?<=\brhost)|ddress(?<=\baddress)"
    r"|ip(?<=_ip)|[Pp](?<=\b[Ii][Pp])(?:[_ ]?[Aa]ddr(?:ess)?)?|p(?<=Ip))"
    rf"[\"']?[=: ]{{1,2}}[\"']?{_ADDRESS}()"
)
_NAME = r"(?:([\w.@+\\-]{1,128})|'([^'\s][^']{0,127})'|\"([^\"\s][^\"]{0,127})\")"
_USER = re.compile(r"[Uu](?<!\w[Uu])ser(?=(?:_?[Nn]ame)?[\"']?[=: ])")
_FOR = re.compile(r"[Ff](?<!\w[Ff])or ")
_BEHIND_USER = re.compile(rf"(?:_?[Nn]ame)?[\"']?(?:([=:]) ?| ){_NAME}")
_BEHIND_FOR = re.compile(
    rf"(?:(?:invalid|illegal|unknown) )?(?:account |email |login )?{_NAME}"
    r"(?=$|\s{0,2}[,;:.()\[\-]|\s(?:from|via|at|due|with|after|because|ip|port|on)\b)"
)
_MANY = 16
"""Places in one message that are tried before it is left alone."""

_WORDS = (
    "a account all already an and any are as at attempted authenticated authentication authorization authorized "
    "blocked by can cannot could created credentials deactivated deleted denied did disabled does each endpoint "
    "entered error expired failed for found from had has have id in inactive input invalid is it locked logged "
    "logging login logout may message missing must name none not null of on or password path provider registered "
    "rejected request resource session sessions should signed signing that the this to token tokens tried undefined "
    "unknown updated user username users verified was we will with would you your"
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
    # Single letters are sought five times as fast as words: every method has a T or a D.
    if ("T" in message or "D" in message) and ("/" in message or " http" in message):
        _add_request(found, message)
    if "source.ip" not in found and (
        # No address has fewer, and what tells that it is one stands before it and is at least `ip=`.
        ("." in message and message.count(".", 4) > 2) or (":" in message and message.count(":", 3) > 1)
    ):
        _add_address(found, message)
    if "user.name" not in found:
        if "ser" in message:
            _add_named_user(found, message)
        if "or " in message and "user.name" not in found:
            _add_user_behind_for(found, message)
    return found


def _add_request(found: Doc, message: str) -> None:
    """`GET /a?b=c HTTP/1.1" 200` and its relatives, with the client before it and the user agent behind it."""
    access = _ACCESS.match(message)
    if access is None:
        _add_any_request(found, message)
        return
    ip, client, _, found["http.request.method"], found["url.path"], query, status = access.groups()
    if query:
        found["url.query"] = query
    found["http.response.status_code"] = int(status)
    if client:
        _put_address(found, address(ip))
        _add_agent(found, message, access.end())


def _add_any_request(found: Doc, message: str) -> None:
    """A request anywhere."""
    start = _method_start(message)
    if start is None:
        return
    space = message.find(" ", start)
    found["http.request.method"] = message[start:space]
    quoted = message[start - 1 : start] == '"'
    end = _target_end(message, space + 1, quoted)
    found["url.path"], query = split_target(message[space + 1 : end])
    if query:
        found["url.query"] = query
    status = _STATUS.match(message, end)
    if status:
        found["http.response.status_code"] = int(status[1])
    if " - " in message[:start]:
        _add_client(found, message[:start])
        if status and quoted:
            _add_agent(found, message, status.end())


def _method_start(message: str) -> int | None:
    """Where the word stands that is a method and is followed by a target."""
    for lead in (" /", " http"):
        for at in _places(message, lead):
            if message[:at] in METHODS:
                return 0
            found = _METHOD.search(message, max(0, at - 8), at)
            if found:
                return found.start()
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


def _add_agent(found: Doc, message: str, behind_status: int) -> None:
    agent = _AGENT.match(message, behind_status)
    if agent and agent[1] != "-":
        found["user_agent.original"] = agent[1]


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
    """`from 10.0.0.1 port 22`, else `ip=10.0.0.1`, `client 10.0.0.1:1234`."""
    at, tries = message.find("rom "), _MANY
    while at >= 0 and tries:
        match = _BEHIND_FROM.match(message, at + 4)
        if match and _put_match(found, match):
            return
        at, tries = message.find("rom ", at + 4), tries - 1
    if "lient" in message or "rhost" in message or "address" in message or "IP" in message or "ip" in message:
        for match in islice(_NAMED.finditer(message), _MANY):
            if _put_match(found, match):
                return


def _put_match(found: Doc, match: re.Match[str]) -> bool:
    """Takes what `_ADDRESS` matched, and the port behind it."""
    ip, port, other, port_behind = match.groups()
    if not ip:
        known = address(other.rstrip(".:"))
    elif port or port_behind:
        known = (ip, int(port) if port and int(port) <= 65_535 else None)
    else:
        found["source.ip"] = ip
        return True
    if port_behind and int(port_behind) <= 65_535:
        found["source.port"] = int(port_behind)
    return _put_address(found, known)


def _put_address(found: Doc, known: tuple[str, int | None] | None) -> bool:
    if known is None:
        found.pop("source.port", None)
        return False
    found["source.ip"] = known[0]
    if known[1]:
        found["source.port"] = known[1]
    return True


def _add_named_user(found: Doc, message: str) -> None:
    """`user=bob`, `User bob logged in`: behind `=` or `:` a name counts most, behind a blank it needs a context."""
    word = _USER.search(message)
    if word is None:
        return
    marked = "=" in message or ":" in message
    context = "or user " in message or _about_signing_in(message)
    plain = None
    while word and (context or marked) and not _is_beyond(message, "ser", word):
        match = _BEHIND_USER.match(message, word.end())
        name = _name_in(match, 2) if match else None
        if match and name:
            if match[1]:
                found["user.name"] = name
                return
            plain = plain or name
            if not marked:
                break
        word = _USER.search(message, word.end())
    if plain and context:
        found["user.name"] = plain


def _add_user_behind_for(found: Doc, message: str) -> None:
    """`invalid credentials for bob`; a bare number is no name."""
    word = _FOR.search(message)
    if word is None or not _about_signing_in(message):
        return
    while word and not _is_beyond(message, "or ", word):
        match = _BEHIND_FOR.match(message, word.end())
        name = _name_in(match, 1) if match else None
        if name and not name.isdecimal():
            found["user.name"] = name
            return
        word = _FOR.search(message, word.end())


def _name_in(match: re.Match[str], group: int) -> str | None:
    bare = match[group]
    name = bare.rstrip(".-") if bare else match[group + 1] or match[group + 2]
    return name if name and name.lower() not in _NO_NAMES else None


def _is_beyond(message: str, literal: str, word: re.Match[str]) -> bool:
    """True when too many places have been tried."""
    return message.count(literal, 0, word.start() + 1) >= _MANY


def _about_signing_in(message: str) -> bool:
    return (
        "ogin" in message
        or "ogged" in message
        or "uthent" in message
        or "assword" in message
        or "redential" in message
        or "nvalid user" in message
        or "ublickey" in message
        or "ign-in" in message
        or "igned in" in message
    )


def _places(message: str, literal: str) -> list[int]:
    """Where a literal stands: the first few places."""
    places: list[int] = []
    at = message.find(literal)
    while at >= 0 and len(places) < _MANY:
        places.append(at)
        at = message.find(literal, at + 1)
    return places
