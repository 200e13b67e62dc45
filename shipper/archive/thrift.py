"""Thrift's compact protocol, as far as the footer of a Parquet file needs it: read, changed, written again.

A struct is `{field id: (type, value)}`, a list `(element type, values)`; numbers are int, binary is bytes, a double
stays eight bytes. What is read and written again is the same bytes.
"""

from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
NUMBERS = (I16, I32, I64)
Struct = dict[int, tuple[int, Any]]


class Values(NamedTuple):
    """A list or a set."""

    kind: int
    items: list[Any]


def read_struct(raw: bytes, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at a place, and the place behind it. Raises `IndexError` or `ValueError`."""
    found: Struct = {}
    field = 0
    while head := raw[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, at = _read_number(raw, at)
        if kind in (TRUE, FALSE):
            found[field] = (kind, None)
        else:
            value, at = _read(raw, at, kind)
            found[field] = (kind, value)
    return found, at + 1


def write_struct(struct: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    last = 0
    for field, (kind, value) in struct.items():
        step = field - last
        last = field
        if 0 < step < 16:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            out += _number(field)
        if kind not in (TRUE, FALSE):
            out += _bytes_of(value, kind)
    out.append(0)
    return bytes(out)


def _read(raw: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in NUMBERS:
        return _read_number(raw, at)
    if kind == BINARY:
        length, at = _read_varint(raw, at)
        return raw[at : at + length], at + length
    if kind == STRUCT:
        return read_struct(raw, at)
    if kind in (LIST, SET):
        return _read_values(raw, at)
    if kind in (BYTE, TRUE, FALSE):
        return raw[at : at + 1], at + 1
    if kind == DOUBLE:
        return raw[at : at + 8], at + 8
    raise ValueError(f"thrift type {kind} in a footer")


def _read_values(raw: bytes, at: int) -> tuple[Values, int]:
    count, kind = raw[at] >> 4, raw[at] & 15
    at += 1
    if count == 15:
        count, at = _read_varint(raw, at)
    items = []
    for _ in range(count):
        item, at = _read(raw, at, kind)
        items.append(item)
    return Values(kind, items), at


def _bytes_of(value: Any, kind: int) -> bytes:
    if kind in NUMBERS:
        return _number(value)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == STRUCT:
        return write_struct(value)
    if kind in (LIST, SET):
        count = len(value.items)
        head = bytes([count << 4 | value.kind]) if count < 15 else bytes([0xF0 | value.kind]) + _varint(count)
        return head + b"".join([_bytes_of(item, value.kind) for item in value.items])
    return bytes(value)


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_number(raw: bytes, at: int) -> tuple[int, int]:
    """Zigzag: 0, -1, 1, -2, …"""
    value, at = _read_varint(raw, at)
    return value >> 1 ^ -(value & 1), at


def _number(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else ~value << 1 | 1)
