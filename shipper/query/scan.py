"""A query's text → luqum's tokens, with every place known.

luqum's lexer doesn't know `&&`, `||` and `!`, takes a path for a regular expression, and stops at the colons of a time
with a zone: the text is rewritten first, and a list says where each character of the new text stood in the old one.
Then a space between two terms becomes an AND of its own, so that it means exactly what a written AND means.
"""

import re
from typing import Any

from luqum import parser as luqum
from luqum.exceptions import IllegalCharacterError
from luqum.head_tail import TokenValue

from shipper.query.error import QueryError

MAX_TERMS = 1024

_SPECIAL = ':()[]{}~^"'
_CLOCK_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[:\d.,]*(?:[+-]\d\d:?\d\d)?")
_WANTS_VALUE = re.compile(r"(?:[:<>\[{]|[<>]=|\sTO)\s*\Z")
_NEGATIVE = re.compile(r"-\.?[0-9]")
_ENDS = {"TERM", "PHRASE", "RPAREN", "RBRACKET", "TO"}
_STARTS = {"TERM", "PHRASE", "LPAREN", "LBRACKET", "NOT", "PLUS", "MINUS", "LESSTHAN", "GREATERTHAN", "TO"}


class _Rewriter:
    """Goes through the text once; `out` and `at` grow together."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.out: list[str] = []
        self.at: list[int] = []
        self.place = 0

    def emit(self, text: str, taken: int) -> None:
        """Writes `text` for the next `taken` characters, and goes on behind them."""
        self.out.append(text)
        same = len(text) == taken
        self.at.extend(self.place + (offset if same else 0) for offset in range(len(text)))
        self.place += taken

    def run(self) -> None:
        while self.place < len(self.query):
            character = self.query[self.place]
            if character == '"':
                self.phrase()
            elif character == "!":
                self.emit("NOT ", 1)
            elif self.at_operator():
                self.emit(" AND " if character == "&" else " OR ", 2)
            elif character == "-" and self.is_negative_number():
                self.emit("\\-", 1)
                self.word()
            elif self.query.startswith((">=", "<="), self.place):
                self.emit(character + "=", 2)
            elif character in ":()[]{}<>+-~^" or character.isspace():
                self.emit(character, 1)
            else:
                self.word()

    def at_operator(self) -> bool:
        return self.query.startswith(("&&", "||"), self.place)

    def is_negative_number(self) -> bool:
        before = "".join(self.out[-8:])
        return bool(_NEGATIVE.match(self.query, self.place)) and bool(_WANTS_VALUE.search(before))

    def phrase(self) -> None:
        end = self.place + 1
        while end < len(self.query) and self.query[end] != '"':
            end += 2 if self.query[end] == "\\" else 1
        if end >= len(self.query):
            raise QueryError(self.query, self.place, "unclosed quote", 'close it with another "')
        self.emit(self.query[self.place : end + 1], end + 1 - self.place)

    def word(self) -> None:
        start = self.place
        self.first_character()
        while self.place < len(self.query):
            character = self.query[self.place]
            if character == "\\":
                self.escape()
            elif character == '"':
                raise QueryError(
                    self.query, self.place, "a quote inside a word", 'put \\ before it, or quote it all: "…"'
                )
            elif character in _SPECIAL or character.isspace() or self.at_operator():
                break
            else:
                self.emit(character, 1)
        if self.place == start:
            self.emit(self.query[start], 1)

    def first_character(self) -> None:
        time = _CLOCK_TIME.match(self.query, self.place)
        if time:
            for character in time.group():
                self.emit("\\:" if character == ":" else character, 1)
        elif self.query[self.place] == "/":
            self.refuse_regex()
            self.emit("\\/", 1)
        elif self.query[self.place] == "'":
            raise QueryError(self.query, self.place, "a single quote", 'phrases go in double quotes: "…"')

    def refuse_regex(self) -> None:
        found = re.compile(r'/[^\s()"]+/(?=[\s)]|\Z)').match(self.query, self.place)
        if found:
            raise QueryError(
                self.query,
                self.place,
                "a regular expression",
                f'not supported; use * and ?, or quote a path: "{found.group()}"',
            )

    def escape(self) -> None:
        if self.place + 1 >= len(self.query):
            raise QueryError(self.query, self.place, "a backslash with nothing behind it", "write \\\\ for a backslash")
        if self.query[self.place + 1] == "\n":
            raise QueryError(self.query, self.place, "an escaped line break", "leave it out")
        self.emit(self.query[self.place : self.place + 2], 2)


def scan(query: str) -> list[Any]:
    """luqum's tokens, `lexpos` counted in `query`. Raises `QueryError`."""
    for column, character in enumerate(query):
        if 0xD800 <= ord(character) <= 0xDFFF or character == "\0":
            raise QueryError(query, column, "bytes that are not UTF-8 text", "write the query in UTF-8")
    rewriter = _Rewriter(query)
    rewriter.run()
    tokens = _lex(query, "".join(rewriter.out), rewriter.at)
    terms = [token for token in tokens if token.type in ("TERM", "PHRASE")]
    if len(terms) > MAX_TERMS:
        raise QueryError(query, terms[MAX_TERMS].lexpos, f"more than {MAX_TERMS:,} terms", "ask for less at a time")
    return _with_ands(tokens)


def _lex(query: str, text: str, at: list[int]) -> list[Any]:
    lexer = luqum.lexer.clone()
    lexer.input(text)
    tokens = []
    try:
        while token := lexer.token():
            token.lexpos = at[token.lexpos]
            token.value.pos = token.lexpos
            if token.type == "APPROX":
                raise QueryError(
                    query, token.lexpos, '"~"', "fuzzy search is not supported; use * and ?, or put \\ before it"
                )
            if token.type == "BOOST":
                raise QueryError(
                    query, token.lexpos, '"^"', "weights are not supported; leave it out, or put \\ before it"
                )
            tokens.append(token)
    except IllegalCharacterError:
        place = at[lexer.lexpos]
        raise QueryError(
            query, place, f'unexpected "{query[place]}"', "put \\ before it, or quote the text around it"
        ) from None
    return tokens


def _with_ands(tokens: list[Any]) -> list[Any]:
    done: list[Any] = []
    in_range = False
    for token in tokens:
        if done and not in_range and done[-1].type in _ENDS and token.type in _STARTS:
            done.append(_and_before(token))
        in_range = token.type == "LBRACKET" or (in_range and token.type != "RBRACKET")
        done.append(token)
    return done


def _and_before(token: Any) -> Any:
    made = luqum.lex.LexToken()
    made.type, made.lineno, made.lexpos = "AND_OP", token.lineno, token.lexpos
    made.value = TokenValue("")
    return made
