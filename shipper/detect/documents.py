"""Rule files → YAML documents that know their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shipper.detect.files import files_below
from shipper.detect.rule import Problem

SUFFIXES = (".yml", ".yaml")


class Loader(yaml.CSafeLoader):
    """Safe YAML in which a key stands once, and a time stays the text that it is in a log."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own way)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class Invalid(Exception):
    """A rule that cannot be loaded: why, and the line (from 1) to look at."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document that is a mapping."""

    path: Path
    node: yaml.MappingNode
    data: dict[str, Any]

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def line_of(self, *keys: str | int) -> int:
        """The line (from 1) of the node under these keys; of the last one that is there."""
        node: yaml.Node = self.node
        line = self.line
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line


def _child(node: yaml.Node, key: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == key:
                return key_node.start_mark.line + 1, value_node
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def rule_files(paths: Sequence[Path]) -> Iterator[Path | Problem]:
    """The YAML files of files and folders, folders searched to the bottom and in order, each file once."""
    seen = set()
    for path in paths:
        if not path.exists():
            yield Problem(path, 1, "no such file or folder")
            continue
        inside = [found for found in files_below(path) if found.suffix in SUFFIXES and found.is_file()]
        for file in [path] if path.is_file() else inside:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def read_documents(path: Path) -> Iterator[Document | Problem]:
    """The documents of one file; the first mistake in its YAML ends it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(path, 1, f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}")
        return
    yield from parse_documents(path, text)


def parse_documents(path: Path, text: str) -> Iterator[Document | Problem]:
    """The documents in a text that `path` stands for."""
    try:
        yield from _documents(path, Loader(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        yield Problem(path, mark.line + 1 if mark else 1, f"not valid YAML: {reason}")


def _documents(path: Path, loader: Loader) -> Iterator[Document | Problem]:
    while loader.check_node():
        node = loader.get_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            continue
        if isinstance(node, yaml.MappingNode):
            yield Document(path, node, loader.construct_document(node))
        else:
            yield Problem(path, node.start_mark.line + 1, "a rule is a mapping of keys and values")
