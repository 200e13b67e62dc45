"""What messages tell, read the plain way: the check of the quicker `shipper.enrich.extract`, which has to agree with it
on every text. Changed only together with what records are to hold."""

import ipaddress
import re
from itertools import islice

from shipper.model import Doc

METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
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
_AGENT = re.compile(r" (?:\d{1,20}|-) \"[^\"]{0,2048}\" \"([^\"]{1,1024})\"")
_V4 = r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"(?:({_V4})(?::(\d{{1,5}})(?!\w))?(?!\w|\.\d)|(\[?[0-9A-Fa-f:.]{{2,60}}\]?(?::\d{{1,5}})?))"
_BEHIND_FROM = re.compile(rf"(?:IP |ip |address |host |client )?{_ADDRESS}(?: port (\d{{1,5}})\b)?")
_NAMED = re.compile(
    r"(?:\b(?:[Ii][Pp](?:[_ ]?[Aa]ddr(?:ess)?)?|[Cc]lient(?:[_ ]ip)?|remote_addr|rhost|address)|_ip|Ip)"
    rf"[\"']?[=: ]{{1,2}}[\"']?{_ADDRESS}()"
)
_NAME = r"(?:([\w.@+\\-]{1,128})|'([^'\s][^']{0,127})'|\"([^\"\s][^\"]{0,127})\")"
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
    if " /" in message or " http" in message:
        _add_request(found, message)
    if "source.ip" not in found:
        if "rom " in message:
            _add_address_behind_from(found, message)
        if "ip" in message or "IP" in message or "lient" in message or "rhost" in message or "address" in message:
            _add_named_address(found, message)
    if "user.name" not in found:
        if "ser" in message:
            _add_named_user(found, message)
        if "or " in message and "user.name" not in found and _about_signing_in(message):
            _add_user_behind_for(found, message)
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
    if status:
        found["http.response.status_code"] = int(status[1])
    if " - " in message[:start]:
        _add_client(found, message[:start])
        agent = _AGENT.match(message, status.end()) if status and quoted else None
        if agent and agent[1] != "-":
            found["user_agent.original"] = agent[1]


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


def _add_address_behind_from(found: Doc, message: str) -> None:
    """`from 10.0.0.1 port 22`."""
    for at in _places(message, "rom "):
        match = _BEHIND_FROM.match(message, at + 4)
        if match and _put_match(found, match):
            return


def _add_named_address(found: Doc, message: str) -> None:
    """`ip=10.0.0.1`, `client 10.0.0.1:1234`."""
    if "source.ip" not in found:
        for match in islice(_NAMED.finditer(message), _MANY):
            if _put_match(found, match):
                return


def _put_match(found: Doc, match: re.Match[str]) -> bool:
    """Takes what `_ADDRESS` matched, and the port behind it."""
    ip, port, other, port_behind = match.groups()
    if ip:
        known: tuple[str, int | None] | None = (ip, int(port) if port and int(port) <= 65_535 else None)
    else:
        known = address(other.rstrip(".:"))
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
    plain = None
    for at in _places(message, "ser"):
        match = _BEHIND_USER.match(message, at + 3) if _starts_word(message, at, "Uu") else None
        name = _name_in(match, 2) if match else None
        if match and name:
            if match[1]:
                found["user.name"] = name
                return
            plain = plain or name
    if plain and ("or user " in message or _about_signing_in(message)):
        found["user.name"] = plain


def _add_user_behind_for(found: Doc, message: str) -> None:
    """`invalid credentials for bob`; a bare number is no name."""
    for at in _places(message, "or "):
        match = _BEHIND_FOR.match(message, at + 3) if _starts_word(message, at, "Ff") else None
        name = _name_in(match, 1) if match else None
        if name and not name.isdecimal():
            found["user.name"] = name
            return


def _name_in(match: re.Match[str], group: int) -> str | None:
    bare = match[group]
    name = bare.rstrip(".-") if bare else match[group + 1] or match[group + 2]
    return name if name and name.lower() not in _NO_NAMES else None


def _starts_word(message: str, at: int, first: str) -> bool:
    """True when the letter before `at` is one of `first`, and begins a word."""
    return at > 0 and message[at - 1] in first and (at == 1 or not _in_word(message[at - 2]))


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


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


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request's target."""
    scheme = target.find("://")
    if 0 < scheme < 10:
        slash = target.find("/", scheme + 3)
        target = target[slash:] if slash > 0 else "/"
    path, _, query = target.partition("?")
    return path, query


_HOST_V4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d{1,5}))?", re.ASCII)
_V6_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::(\d{1,5}))?", re.ASCII)


def address(text: str, *, port_follows: bool = False) -> tuple[str, int | None] | None:
    """`(ip, port)` as they stand in `text`, which holds nothing else; None when it is no address. Of `::ffff:10.0.0.1`,
    as servers of both IP versions write it, the address is `10.0.0.1`.

    `port_follows`: what stands behind the last colon of an IPv6 address is a port, as uvicorn writes it.
    """
    v4 = _HOST_V4.fullmatch(text)
    if v4:
        port = v4[5]
        whole = text if port is None else text[: -len(port) - 1]
        return (whole, _port(port)) if all(_is_byte(v4[part]) for part in range(1, 5)) else None
    if ":" not in text or len(text) > 60:
        return None
    bracketed = _V6_PORT.fullmatch(text)
    if bracketed:
        return (_plain(bracketed[1]), _port(bracketed[2])) if _is_v6(bracketed[1]) else None
    host, _, port = text.rpartition(":")
    if port_follows and port.isdecimal() and _is_v6(host):
        return _plain(host), _port(port)
    if _is_v6(text):
        return _plain(text), None
    return (_plain(host), _port(port)) if port.isdecimal() and _is_v6(host) else None


def _is_byte(digits: str) -> bool:
    return int(digits) <= 255 and (digits[0] != "0" or digits == "0")


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def _plain(v6: str) -> str:
    # With hexadecimal digits in place of the dots it would not be what stands in the line, which rules are sought in.
    last = v6.rpartition(":")[2]
    return last if "." in last and ipaddress.IPv6Address(v6).ipv4_mapped is not None else v6


def _port(digits: str | None) -> int | None:
    return int(digits) if digits and len(digits) <= 5 and 0 < int(digits) <= 65_535 else None
