"""Imports only go down: a module of one rank imports lower ranks, and no package of rank 2 imports another one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "shipper"

RANKS = {
    **dict.fromkeys(["model", "errors", "metrics", "clock", "fields", "log", "lock", "join", "__init__"], 0),
    **dict.fromkeys(["state", "context", "alerts", "store", "query", "elastic", "objects", "archive"], 1),
    **dict.fromkeys(
        ["source", "decode", "enrich", "detect", "redact", "quarantine", "sink", "search", "notify", "tier"], 2
    ),
    **dict.fromkeys(
        [
            "config",
            "build",
            "assembly",
            "rules",
            "offline",
            "spool",
            "holding",
            "inbox",
            "signals",
            "kibana",
            "check_tiers",
            "everywhere",
        ],
        3,
    ),
    **dict.fromkeys(["run", "writer", "tiering", "erasing"], 4),
    **dict.fromkeys(["cli", "example"], 5),
}
APART = 2
"""Packages of this rank are apart from one another."""

HEAVY = {"boto3", "botocore", "duckdb", "elasticsearch", "elastic_transport", "fsspec", "isal", "supervisor", "urllib3"}
"""What is optional, or costs every start a tenth of a second, may be loaded by the function that needs it."""

MODULES = sorted(ROOT.rglob("*.py"))


def part_of(module: str) -> str:
    """`shipper.detect.match` → `detect`; the package itself has what every rank may use."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("shipper."))
        elif isinstance(node, ast.ImportFrom) and node.module == "shipper":
            yield from ((node.lineno, f"shipper.{alias.name}") for alias in node.names if alias.name in RANKS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shipper."):
            yield node.lineno, node.module or ""


def wrong_imports(path: Path) -> list[str]:
    relative = path.relative_to(ROOT)
    here = relative.parts[0].removesuffix(".py")
    wrong = []
    for line, module in imports(ast.parse(path.read_text("utf-8"))):
        there = part_of(module)
        upward = RANKS[there] > RANKS[here]
        sideways = RANKS[there] == RANKS[here] == APART and there != here
        if upward or sideways:
            wrong.append(f"{relative}:{line} imports {module}")
    return wrong


def test_every_module_has_a_rank():
    """A new folder is given one before anything is put into it."""
    assert {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES} == set(RANKS)


def test_imports_only_go_down():
    """All that do not, by file and line."""
    assert [wrong for path in MODULES for wrong in wrong_imports(path)] == []


def names(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module or ""}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_hides(path):
    """None inside a function but for what is heavy, none for type checkers alone."""
    text = path.read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = {
        name
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in names(node)
    }
    assert (hidden - HEAVY, "TYPE_CHECKING" in text) == (set(), False)
