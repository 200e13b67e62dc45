"""The virtual field `shipper.decoded`: what an attack looks like once its wrapping is taken off. Never stored.

A list of the decoded forms of `message`, `url.path` and `url.query` that differ from the original: URL-decoded once
and twice (`+` is a space), HTML entities, `\\uXXXX`. Only a record with such an escape has the field, and the prefilter
sends every such line the exact way, so a rule needs no literal in it.
"""

import html
import re
from functools import lru_cache
from urllib.parse import unquote_plus

from shipper.fields import value
from shipper.model import Doc

NAME = "shipper.decoded"

SOURCES = ("message", "url.path", "url.query")

ESCAPES: tuple[bytes, ...] = (rb"%[0-9a-f]{2}", rb"&#", rb"&[a-z][a-z0-9]{1,30};", rb"\\u[0-9a-f]{4}")
"""Hyperscan expressions, in any case: each raw line whose record has the field holds one of them."""

# Ours, and linear: bounded repeats, nothing nested.
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,30};)")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")


def decoded(record: Doc) -> list[str]:
    """The decoded forms, each once; empty for a record without escapes."""
    texts = (value(record, name) for name in SOURCES)
    forms = [form for text in texts if isinstance(text, str) and _may_be_wrapped(text) for form in _forms(text)]
    return list(dict.fromkeys(forms))


def _may_be_wrapped(text: str) -> bool:
    return "%" in text or "&" in text or "\\u" in text


# Several rules ask for the same text in a row.
@lru_cache(maxsize=4)
def _forms(text: str) -> tuple[str, ...]:
    if not (_PERCENT.search(text) or _ENTITY.search(text) or _UNICODE.search(text)):
        return ()
    once = unquote_plus(text) if "%" in text else text
    twice = unquote_plus(once) if "%" in once else once
    plain = _ENTITY.sub(_entity, text)
    shown = _characters(text)
    everything = _ENTITY.sub(_entity, _characters(twice))
    forms = dict.fromkeys((once, twice, plain, shown, everything))
    forms.pop(text, None)
    return tuple(forms)


def _entity(found: re.Match[str]) -> str:
    return html.unescape(found[0])


def _characters(text: str) -> str:
    if "\\u" not in text:
        return text
    units = _UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
    # Joins surrogate pairs; a lone one becomes U+FFFD.
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
