"""Turns a pipeline file into a plan: checks all of it, and finds each component by the name of its file."""

import os
import pkgutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from shipper import config as configuration
from shipper.check_tiers import check_tiers
from shipper.clock import parse_duration
from shipper.config import DetectConfig, Document, Mistake, Pipeline, nearest, validate
from shipper.context import Context
from shipper.elastic.connect import Connection
from shipper.enrich.stage import Config as EnrichConfig
from shipper.errors import UsageError
from shipper.lock import make_data_folder
from shipper.model import Notifier, Sink, Source
from shipper.rules import Loaded, load
from shipper.spool import around
from shipper.state import State
from shipper.tier.policy import Tiers

PACKAGES = {"sources": "source", "sinks": "sink", "notify": "notify"}


@dataclass(slots=True)
class Part:
    """One configured component: its module, which has `build(config, context)`, and its checked configuration."""

    module: Any
    config: BaseModel

    def build(self, context: Context) -> Any:
        return self.module.build(self.config, context)


@dataclass(slots=True)
class Plan:
    """A pipeline file that has been checked; nothing is opened yet."""

    path: Path
    pipeline: Pipeline
    parts: dict[str, list[Part]] = field(default_factory=dict)

    @property
    def rule_paths(self) -> list[Path]:
        return [self.path.parent / path for path in self.pipeline.detect.rules]

    @property
    def secret_paths(self) -> list[Path]:
        return [self.path.parent / path for path in self.pipeline.detect.secrets]

    def sources(self, context: Context) -> list[Source]:
        return [part.build(context) for part in self.parts["sources"]]

    def sinks(self, context: Context) -> list[Sink]:
        return [part.build(context) for part in self.parts["sinks"]]

    def spooled_sinks(self, context: Context) -> list[Sink]:
        """Those of a run: around the one that may have a spool there is one, also when none is wanted any more and
        something was left in it."""
        sinks = self.sinks(context)
        for place, part in enumerate(self.parts["sinks"]):
            config: Any = part.config
            if hasattr(config, "spool_bytes"):
                limits = {"max_bytes": int(config.spool_bytes), "after_s": config.spool_after_s}
                sinks[place] = around(sinks[place], context, **limits)
        return sinks

    def notifiers(self, context: Context) -> list[Notifier]:
        return [part.build(context) for part in self.parts["notify"]]

    @property
    def reading(self) -> dict[str, Any]:
        """How `source.files.read_file` reads a file as the first source would: dataset, time zone, longest line."""
        first = self.parts["sources"][0].config
        names = {"dataset": "dataset", "timezone": "timezone", "max_line": "limit"}
        return {to: getattr(first, name) for name, to in names.items() if hasattr(first, name)}

    @property
    def tiers(self) -> Tiers | None:
        return self.pipeline.tiers

    @property
    def realert_s(self) -> float:
        return parse_duration(self.pipeline.detect.realert)

    @property
    def enrich(self) -> EnrichConfig:
        """With this machine's name where the file gives none, and times that make no thousand indices."""
        given = self.pipeline.enrich
        daily = any(isinstance(part.config, Connection) for part in self.parts["sinks"])
        missing = {"host": given.host or socket.gethostname(), "oldest_days": given.oldest(index_a_day=daily)}
        return given.model_copy(update=missing)


def check(path: Path, env: Mapping[str, str] = os.environ) -> tuple[Plan | None, list[Mistake]]:
    """Every mistake of a pipeline file, and the plan when there is none. Raises `UsageError` when there is no file."""
    document = configuration.read_document(path, env)
    if document.value is None and not document.mistakes:
        document.wrong((), "the file is empty; `sources` and `sinks` are needed")
    pipeline = validate(document, Pipeline, document.value) if document.value is not None else None
    raw = document.value if isinstance(document.value, dict) else {}
    parts = {section: _parts(document, section, package, raw) for section, package in PACKAGES.items()}
    configuration.check_times(document, raw)
    check_tiers(document, raw.get("tiers"))
    _check_twice(document, parts["sinks"])
    if pipeline is None or document.mistakes:
        return None, sorted(document.mistakes, key=lambda mistake: mistake.line)
    return Plan(path, pipeline, parts), []


def _check_twice(document: Document, sinks: list[Part]) -> None:
    """By the name of its type a sink is known in the status, in alerts and in the quarantine."""
    first: dict[Any, int] = {}
    for place, part in enumerate(sinks):
        if first.setdefault(part.module, place) != place:
            kind, line = part.module.__name__.rpartition(".")[2], document.line(("sinks", first[part.module]))
            document.wrong(
                ("sinks", place),
                f"line {line} has a sink of type `{kind}` already; a second one needs a pipeline and --data of its own",
            )


def check_all(path: Path, env: Mapping[str, str] = os.environ) -> list[str]:
    """Every mistake of a pipeline file and of the rules that it names, a line each. Raises `UsageError` as `check`."""
    found, mistakes = check(path, env)
    detect = found.pipeline.detect if found else _named_rules(configuration.read_document(path, env))
    loaded = load([path.parent / one for one in detect.rules], [path.parent / one for one in detect.secrets])
    return [*map(str, mistakes), *map(str, loaded.problems)]


def _named_rules(document: Document) -> DetectConfig:
    """Which rules a file with mistakes names, as far as it can be told: nobody should have to check twice."""
    raw: Any = document.value.get("detect") or {} if isinstance(document.value, dict) else None
    try:
        return DetectConfig.model_validate({key: raw[key] for key in ("rules", "secrets") if key in raw})
    except (TypeError, ValidationError):
        return DetectConfig(rules=[], secrets=[])


def plan(path: Path, env: Mapping[str, str] = os.environ) -> Plan:
    """The plan. Raises `UsageError` with every mistake, a line each."""
    found, mistakes = check(path, env)
    if found is None:
        raise UsageError("\n".join(map(str, mistakes)))
    return found


def _parts(document: Document, section: str, package: str, raw: dict[str, Any]) -> list[Part]:
    entries = raw.get(section) or []
    if not isinstance(entries, list):
        return []
    found = (_part(document, section, package, place, entry) for place, entry in enumerate(entries))
    return [part for part in found if part is not None]


def _part(document: Document, section: str, package: str, place: int, entry: Any) -> Part | None:
    loc = (section, place)
    if not isinstance(entry, dict):
        return None
    kind = entry.get("type", None if "type" not in entry else "null")
    kind = "null" if kind is None and "type" in entry else kind
    if kind is None:
        document.wrong(loc, f"`{section}.{place}.type` is missing; one of: {', '.join(component_names(package))}")
        return None
    if kind not in component_names(package):
        what = f"there is no {package} of type `{kind}`{nearest(str(kind), component_names(package))}"
        document.wrong((*loc, "type"), what)
        return None
    module = import_module(f"shipper.{package}.{kind}")
    checked = validate(document, module.Config, {key: value for key, value in entry.items() if key != "type"}, loc)
    return None if checked is None else Part(module, checked)


def component_names(package: str) -> list[str]:
    """The components of a package: its files that have a `Config` and a `build`."""
    folder = Path(__file__).parent / package
    names = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name for name in names if _is_component(folder / f"{name}.py"))


def _is_component(file: Path) -> bool:
    text = file.read_text("utf-8") if file.exists() else ""
    return "\nclass Config(" in text and "\ndef build(" in text


def load_rules_of(plan: Plan) -> Loaded:
    """The rules of a pipeline. Raises `UsageError` with every problem, a line each."""
    return whole(plan.rule_paths, plan.secret_paths)


def whole(rule_paths: Sequence[Path], secret_paths: Sequence[Path]) -> Loaded:
    """All rules of the paths. Raises `UsageError` with every problem, a line each."""
    loaded = load(rule_paths, secret_paths)
    if loaded.problems:
        raise UsageError("\n".join(map(str, loaded.problems)))
    return loaded


def default_notifiers(data: Path) -> list[Notifier]:
    """The notifiers of the default pipeline, for a test of them over a data folder."""
    chosen = plan(configuration.default_pipeline())
    make_data_folder(data)
    return chosen.notifiers(Context(data, State(data / "state.db"), base=chosen.path.parent, name=chosen.pipeline.name))


def id_of_rule(name: str) -> str:
    """The id of the default pipeline's rule of this name; what is no rule's name stays as it is."""
    try:
        ruleset = load_rules_of(plan(configuration.default_pipeline())).ruleset
    except UsageError:
        return name
    ids = {rule.name.casefold(): rule.id for rule in ruleset.rules}
    ids |= {rule.name.casefold(): rule.id for rule in ruleset.correlations}
    return ids.get(name.casefold(), name)
