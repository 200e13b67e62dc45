"""Words: how text is cut into them, and the expressions that find them. The same in every store, so nothing here is
left to a library's idea of a word.
"""

import re

from shipper.query.tree import Pattern, Wild

# fmt: off
RANGES = (
    (0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0xAA, 0xAA), (0xB5, 0xB5), (0xBA, 0xBA), (0xC0, 0xD6),
    (0xD8, 0xF6), (0xF8, 0x37D), (0x37F, 0x386), (0x388, 0x559), (0x560, 0x588), (0x591, 0x5BD), (0x5BF, 0x5BF),
    (0x5D0, 0x5F2), (0x610, 0x61A), (0x620, 0x669), (0x66E, 0x6D3), (0x6D5, 0x963), (0x966, 0x1FFF),
    (0x2C00, 0x2DFF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3031, 0x30FA), (0x30FC, 0xD7FF), (0xF900, 0xFD3D),
    (0xFD50, 0xFDFB), (0xFE70, 0xFEFC), (0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A), (0xFF66, 0xFFDC),
    (0x10000, 0x1CFFF), (0x1D400, 0x1EFFF), (0x20000, 0x3FFFF),
)
# fmt: on
"""First and last code points of what words are made of: `_`, and letters, digits and marks in whole blocks.

Unicode's own classes have 800 ranges, and an expression over them takes 16 times as long to compile: 40 ms a word for
each day that is searched.
"""

WORD_CHARACTERS = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in RANGES)
"""The inside of a character class in RE2's notation: a word is a longest run of these."""

_WORD_CHARACTER = re.compile("[" + "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in RANGES) + "]")


ALSO_LOWER = {"i": "\u0130", "k": "\u212a"}
"""Beside A to Z, the only characters whose lower case is ASCII."""


def lower(text: str) -> str:
    """Lower case, one character for one, as the stores do it."""
    return text.lower() if text.isascii() else "".join(character.lower()[0] for character in text)


def words_of(pattern: Pattern) -> tuple[Pattern, ...]:
    """Cuts a pattern into lower-case words: `app-*.Py` → `app`, `*`, `py`."""
    words: list[list[str | Wild]] = [[]]
    for part in pattern:
        for piece in (part,) if isinstance(part, Wild) else lower(part):
            if isinstance(piece, Wild) or _WORD_CHARACTER.match(piece):
                words[-1].append(piece)
            elif words[-1]:
                words.append([])
    return tuple(join_literals(word) for word in words if word)


def join_literals(pieces: list[str | Wild]) -> Pattern:
    """Puts neighbouring literals together."""
    joined: list[str | Wild] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def words_regex(words: tuple[Pattern, ...]) -> str:
    """RE2 that finds consecutive words in a lower-case text."""
    one = f"[{WORD_CHARACTERS}]"
    other = f"[^{WORD_CHARACTERS}]"
    found = f"{other}+".join(_regex(word, one) for word in words)
    return rf"(?:\A|{other}){found}(?:{other}|\z)"


def any_case_regex(literal: str) -> str:
    """RE2 that finds in a text what is a lower-case ASCII literal in its lower case: quicker than making that."""
    return "".join(
        f"[{character}{character.upper()}{ALSO_LOWER.get(character, '')}]"
        if character.isalpha()
        else re.escape(character)
        for character in literal
    )


def pattern_regex(pattern: Pattern) -> str:
    """RE2 that a whole value has to match."""
    return "(?s)" + _regex(pattern, ".")


def longest_literal(words: tuple[Pattern, ...]) -> str:
    """What every text that holds these words holds for certain."""
    return max((part for word in words for part in word if isinstance(part, str)), key=len, default="")


def _regex(pattern: Pattern, one: str) -> str:
    return "".join(
        re.escape(part) if isinstance(part, str) else one + ("*" if part is Wild.MANY else "") for part in pattern
    )
