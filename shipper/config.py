"""The pipeline file: YAML with `${ENV}`, checked whole, every mistake with its line and what to write instead."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shipper.clock import parse_duration, parse_when
from shipper.decode.stage import Config as DecodeConfig
from shipper.enrich.stage import Config as EnrichConfig
from shipper.errors import UsageError
from shipper.tier.policy import Tiers

Loc = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

CONDITIONS = {"when_set": True, "unless_set": False}

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Mistake(NamedTuple):
    """Something wrong in a file, and what to do about it."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


class DetectConfig(BaseModel):
    """Which rules run."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Path] = Field(default=[Path("rules")], description="Sigma files or folders, from the pipeline file on.")
    secrets: list[Path] = Field(default=[Path("secrets")], description="gitleaks TOML files or folders.")
    realert: str = Field(default="1h", description="Until the same rule and group is a new alert: `15m`, `1h`.")
    prefilter: bool = Field(default=True, description="Off: every rule looks at every record. The findings are equal.")


class Pipeline(BaseModel):
    """The whole file. A component is a mapping with a `type`, the name of its file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="xionimus", pattern=r"^[a-z][a-z0-9-]*$", description="Prefix of indices.")
    sources: list[dict[str, Any]] = Field(min_length=1, description="Where records come from.")
    decode: DecodeConfig = Field(default_factory=lambda: DecodeConfig.model_validate({}))
    enrich: EnrichConfig = Field(default_factory=lambda: EnrichConfig.model_validate({}))
    detect: DetectConfig = Field(default_factory=DetectConfig)
    sinks: list[dict[str, Any]] = Field(min_length=1, description="Where records go.")
    notify: list[dict[str, Any]] = Field(default=[], description="Who is told of alerts.")
    tiers: Tiers | None = Field(default=None, description="How long records stay where; without it, in the hot store.")

    @field_validator("name")
    @classmethod
    def _is_no_name_of_an_index(cls, name: str) -> str:
        """Indices are found by `NAME-20*`, alerts by `alerts-NAME-20*`: those of one pipeline are no other's."""
        for taken in ("alerts-", "restored-"):
            if name.startswith(taken):
                raise ValueError(f"indices of other pipelines begin with `{taken}`; write for example `{_moved(name)}`")
        if "-20" in name:
            raise ValueError("behind a hyphen `20` begins the date of an index; put a letter before it: `app-y2026`")
        return name


def _moved(name: str) -> str:
    """`alerts-shop` → `shop-alerts`."""
    first, _, rest = name.partition("-")
    return f"{rest}-{first}" if rest else first


@dataclass(slots=True)
class Document:
    """A YAML file as Python values, with the line of every value."""

    path: Path
    value: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, loc: Loc) -> int:
        """The line of a value, or of the nearest thing around it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def wrong(self, loc: Loc, what: str) -> None:
        self.mistakes.append(Mistake(self.path, self.line(loc), what))


def default_pipeline() -> Path:
    """`pipelines/xionimus.yml` of the current folder, else the one that ships."""
    local = Path("pipelines/xionimus.yml")
    return local if local.exists() else shipped() / "xionimus.yml"


def shipped() -> Path:
    """The folder of pipelines, rules and secrets that ships with the package."""
    package = Path(__file__).parent
    installed = package / "_pipelines"
    return installed if installed.is_dir() else package.parent / "pipelines"


def read_document(path: Path, env: Mapping[str, str] = os.environ) -> Document:
    """Reads a pipeline file and fills in the environment. Raises `UsageError` when there is no such file."""
    document = Document(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); name a pipeline file: shipper run FILE"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append(Mistake(path, mark.line + 1 if mark else 1, f"not valid YAML: {error.problem}"))
        return document
    except yaml.YAMLError as error:
        document.mistakes.append(Mistake(path, 1, f"not valid YAML: {' '.join(str(error).split())}"))
        return document
    document.value = _construct(document, node, (), env)
    return document


def _construct(document: Document, node: yaml.Node | None, loc: Loc, env: Mapping[str, str]) -> Any:
    if node is None:
        return None
    document.lines[loc] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(document, node, loc, env)
    if isinstance(node, yaml.SequenceNode):
        active = [item for item in node.value if _is_active(document, item, env)]
        return [_construct(document, item, (*loc, place), env) for place, item in enumerate(active)]
    value = yaml.SafeLoader("").construct_object(node)
    return _fill_in(document, value, loc, env) if isinstance(value, str) else value


def _is_active(document: Document, node: yaml.Node, env: Mapping[str, str]) -> bool:
    """Whether a component's `when_set: ENV` (one of several at least) and `unless_set: ENV` (none of several) hold: the
    only conditionals in a pipeline file."""
    if not isinstance(node, yaml.MappingNode):
        return True
    conditions = [(key, _names_in(value)) for key, value in node.value if key.value in CONDITIONS]
    for key, names in conditions:
        if not names:
            what = f"`{key.value}` wants environment variables: one name, or several as in [ONE, OTHER]"
            document.mistakes.append(Mistake(document.path, key.start_mark.line + 1, what))
    return all(any(map(env.get, names)) is CONDITIONS[key.value] for key, names in conditions)


def _names_in(node: yaml.Node) -> list[str]:
    """Names of variables in a text, between blanks and commas, or in a list; none when there is anything else."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    texts = [part.value if isinstance(part, yaml.ScalarNode) else "" for part in parts]
    names = [name for text in texts for name in text.replace(",", " ").split() or [""]]
    return names if all(map(_NAME.fullmatch, names)) else []


def _mapping(document: Document, node: yaml.MappingNode, loc: Loc, env: Mapping[str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.value:
        document.lines[(*loc, key.value)] = key.start_mark.line + 1
        if key.value in result:
            document.wrong((*loc, key.value), f"`{key.value}` stands here twice; keep one of them")
        if key.value not in CONDITIONS:
            result[key.value] = _construct(document, value, (*loc, key.value), env)
    return result


def _fill_in(document: Document, text: str, loc: Loc, env: Mapping[str, str]) -> str:
    def one(found: re.Match[str]) -> str:
        escaped, name, default = found.groups()
        if escaped:
            return found.group(0)[1:]
        value = env.get(name) or default
        if value is None:
            document.wrong(loc, f"environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            return ""
        return value

    return _VARIABLE.sub(one, text)


def validate(document: Document, model: type[Model], value: Any, loc: Loc = ()) -> Model | None:
    """The value as a model; None, and every mistake noted, when it is not one."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            place = (*loc, *item["loc"])
            document.wrong(place, _explain(item, model))
        return None


def _explain(item: Any, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "this file"
    if item["type"] == "extra_forbidden":
        fields = list(_fields_at(model, item["loc"][:-1]))
        return f"unknown key `{name}`{nearest(str(item['loc'][-1]), fields)}"
    if item["type"] == "missing":
        return f"`{name}` is missing; add it"
    what = item["msg"].removeprefix("Value error, ")
    what = what[0].lower() + what[1:]
    # A model that looks at itself as a whole names what it means.
    return what if item["type"] == "value_error" and not item["loc"] else f"`{name}`: {what}"


def _fields_at(model: type[BaseModel], loc: Loc) -> Iterator[str]:
    kind: Any = model
    for part in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation if str(part) in kind.model_fields else None
        else:
            kind = get_args(kind)[-1] if get_origin(kind) is dict else None
        kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from kind.model_fields


def _bare(annotation: Any) -> Any:
    """`Tier` of `Annotated[Tier | None, …]`."""
    while get_origin(annotation) in (Annotated, UnionType):
        annotation = get_args(annotation)[0]
    return annotation


def check_times(document: Document, raw: dict[str, Any]) -> None:
    """Durations, starts and time zones of a pipeline file."""
    _check_durations(document, raw)
    _check_sources(document, raw)


def _check_durations(document: Document, raw: dict[str, Any]) -> None:
    detect = raw.get("detect")
    realert = detect.get("realert") if isinstance(detect, dict) else None
    if not isinstance(realert, str):
        return
    try:
        parse_duration(realert)
    except UsageError as error:
        document.wrong(("detect", "realert"), f"`detect.realert`: {error}")


def _check_sources(document: Document, raw: dict[str, Any]) -> None:
    """What a source says of time: no zone that does not exist, which would be taken for UTC without a word."""
    sources = raw.get("sources")
    for place, entry in enumerate(sources if isinstance(sources, list) else ()):
        zone, start = (entry.get("timezone"), entry.get("start")) if isinstance(entry, dict) else (None, None)
        if isinstance(zone, str) and not _is_zone(zone):
            close = nearest(zone, sorted(available_timezones()), listed=False)
            document.wrong(("sources", place, "timezone"), f"this machine knows no time zone `{zone}`{close}")
        if isinstance(start, str) and start not in ("beginning", "end"):
            _check_start(document, place, start)


def _is_zone(name: str) -> bool:
    try:
        return name == "UTC" or bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return False


def _check_start(document: Document, place: int, start: str) -> None:
    try:
        parse_when(start, 0.0)
    except UsageError as error:
        document.wrong(("sources", place, "start"), f"`start`: {error}, or `beginning` or `end`")


def nearest(word: str, known: list[str], *, listed: bool = True) -> str:
    """`; did you mean …?`, or else, when it is short enough to be `listed`, the list of what there is."""
    close = difflib.get_close_matches(word, known, 1, 0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known are: {', '.join(sorted(known))}" if known and listed else ""
