"""Why luqum's parser stopped, in words that say what to do: from the token it stopped at and those before it."""

from typing import Any

from shipper.query.error import QueryError

_OPERATORS = ("AND_OP", "OR_OP", "NOT", "PLUS", "MINUS", "GREATERTHAN", "LESSTHAN")
_CLOSING = {"[": "]", "{": "}"}


def explain(query: str, tokens: list[Any], stop: int) -> QueryError:
    """`stop` is the index of the token that does not fit; `len(tokens)` when the end came too early."""
    token = tokens[stop] if stop < len(tokens) else None
    before = tokens[stop - 1] if stop else None
    opened = _open_brackets(tokens[:stop])
    if opened and opened[-1].type == "LBRACKET":
        return _broken_range(query, opened[-1], token)
    if token is not None and token.type == "RBRACKET":
        return _at(
            query, token, f'unbalanced "{_text(token)}"', "an interval is written [1 TO 5], {1 TO 5} or [1 TO *]"
        )
    if before is not None and before.type == "COLUMN":
        field = tokens[stop - 2]
        return _at(
            query,
            before,
            f'nothing behind "{_text(field)}:"',
            f"write {_text(field)}:VALUE, or {_text(field)}:* for any",
        )
    if before is not None and before.type in _OPERATORS and (token is None or token.type in (*_OPERATORS, "RPAREN")):
        return _at(
            query,
            before,
            f'"{_text(before)}" with nothing behind it',
            "put a term behind it, or quote it to search it as a word",
        )
    if token is None:
        return _at(query, opened[-1], "unbalanced parenthesis", 'close it with ")"')
    return _unexpected(query, token, before, opened)


def _unexpected(query: str, token: Any, before: Any, opened: list[Any]) -> QueryError:
    if token.type == "RPAREN" and not opened:
        return _at(query, token, "unbalanced parenthesis", 'nothing is open here; leave it out, or open it with "("')
    if token.type == "RPAREN" and before is opened[-1]:
        return _at(query, before, "empty parentheses", "put a term between them")
    if token.type in ("AND_OP", "OR_OP"):
        return _at(
            query,
            token,
            f'"{_text(token)}" with nothing before it',
            "put a term before it, or quote it to search it as a word",
        )
    if token.type == "COLUMN":
        remedy = "write FIELD:VALUE" if before is None or before.type != "TERM" else 'a value with ":" goes in quotes'
        return _at(query, token, 'unexpected ":"', remedy + ", or put \\ before it")
    return _at(query, token, f'unexpected "{_text(token)}"', "quote it, or put \\ before it, to search it as text")


def _broken_range(query: str, bracket: Any, token: Any) -> QueryError:
    opening = _text(bracket)
    if token is None:
        return _at(query, bracket, f'unclosed "{opening}"', f'close it with "{_CLOSING[opening]}": [1 TO 5], [1 TO *]')
    return _at(
        query,
        token,
        f'unexpected "{_text(token)}" in an interval',
        "write [1 TO 5], {1 TO 5} or [1 TO *]; quote bounds with spaces",
    )


def _open_brackets(tokens: list[Any]) -> list[Any]:
    """Parentheses and brackets that nothing has closed yet, outermost first."""
    opened: list[Any] = []
    for token in tokens:
        if token.type in ("LPAREN", "LBRACKET"):
            opened.append(token)
        elif token.type in ("RPAREN", "RBRACKET") and opened:
            opened.pop()
    return opened


def _text(token: Any) -> str:
    return str(token.value).replace("\\", "")


def _at(query: str, token: Any, what: str, remedy: str) -> QueryError:
    return QueryError(query, token.lexpos, what, remedy)
