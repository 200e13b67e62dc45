"""Is it an IP address, and which port stands behind it?"""

import ipaddress
import re

_V4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d{1,5}))?", re.ASCII)
_BYTES = frozenset(map(str, range(256)))
_V6_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::(\d{1,5}))?", re.ASCII)


def address(text: str, *, port_follows: bool = False) -> tuple[str, int | None] | None:
    """`(ip, port)` as they stand in `text`, which holds nothing else; None when it is no address. Of `::ffff:10.0.0.1`,
    as servers of both IP versions write it, the address is `10.0.0.1`.

    `port_follows`: what stands behind the last colon of an IPv6 address is a port, as uvicorn writes it.
    """
    parts = text.split(".", 4)
    if len(parts) == 4 and _BYTES.issuperset(parts):
        return text, None
    v4 = _V4.fullmatch(text)
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
