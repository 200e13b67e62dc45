"""What the dashboards show, as `pipelines/kibana/dashboards.yml` says it."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shipper.config import shipped
from shipper.errors import UsageError

GRID = 48
"""Columns of a dashboard."""
SEARCH = "search "
"""Before the name of a saved search that stands in a dashboard's row."""


class Part(BaseModel):
    """A mapping of the file."""

    model_config = ConfigDict(extra="forbid")


class View(Part):
    """Indices that are looked at together."""

    title: str = Field(description="Index pattern; `{name}` is the pipeline's name.")
    name: str = Field(description="What people read.")


class Measure(Part):
    """A number, or the last value of a field."""

    name: str
    calc: Literal["count", "share", "unique", "average", "percentile", "last"]
    field: str = Field(default="", description="Of `unique`, `average`, `percentile` and `last`.")
    query: str = Field(default="", description="Which records count. `share`: the part.")
    of: str = Field(default="", description="`share`: the whole.")
    percent: int = Field(default=0, ge=0, lt=100, description="Of `percentile`.")
    divide: int = Field(default=1, gt=0, description="By what the number is divided, to be in `unit`.")
    per: Literal["", "second", "minute", "hour"] = Field(default="", description="`count`: as a rate.")
    unit: Literal["", "percent", "ms"] = ""
    decimals: int = 0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = {"share": ("query", "of"), "count": (), "percentile": ("field", "percent")}.get(self.calc, ("field",))
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"`{self.calc}` needs {', '.join(missing)}")
        return self


class Split(Part):
    """One row, bar or slice for each of the most frequent values of a field."""

    name: str
    field: str
    top: int = 10


class Panel(Part):
    """One picture. `tells` is a sentence for who looks at it."""

    title: str
    tells: str
    kind: Literal["number", "line", "stacked", "bars", "pie", "table", "retention"]
    view: str = "records"
    query: str = ""
    every: str = Field(default="", description="Width of a point in time: `auto`, `15m`, `1d`, `1w`.")
    last: str = Field(default="", description="A time of its own in place of the dashboard's: `1h`.")
    split: list[Split] = []
    measures: list[Measure] = []
    yellow: float | None = Field(default=None, description="From here on a number is yellow.")
    red: float | None = Field(default=None, description="From here on a number is red.")
    field: str = Field(default="", description="`retention`: whose values are the users.")
    days: list[int] = Field(default=[], description="`retention`: how many days later.")


class Search(Part):
    """A saved search."""

    title: str
    tells: str
    view: str = "records"
    query: str
    columns: list[str]


class Row(Part):
    """Panels beside one another."""

    height: int = Field(gt=0)
    panels: dict[str, int] = Field(description="Panel, or `search NAME` → width.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sum(self.panels.values()) > GRID:
            raise ValueError(f"the row {', '.join(self.panels)} is wider than {GRID} columns")
        return self


class Dashboard(Part):
    """Rows of panels, from top to bottom."""

    title: str
    tells: str
    time: str = Field(description="How far it looks back when it is opened: `24h`.")
    links: list[str] = Field(default=[], description="Saved searches to go on with.")
    rows: list[Row]


class Description(Part):
    """The whole file; every name that is used is there."""

    views: dict[str, View]
    queries: dict[str, str]
    panels: dict[str, Panel]
    searches: dict[str, Search]
    dashboards: dict[str, Dashboard]

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        unknown = [
            *(f"view {name}" for name in self._views_used() - set(self.views)),
            *(f"query {name}" for name in self._queries_used() - set(self.queries)),
            *(f"panel {name}" for name in self._placed() - {*self.panels, *(SEARCH + name for name in self.searches)}),
            *(f"search {name}" for name in self._linked() - set(self.searches)),
        ]
        if unknown:
            raise ValueError(f"there is no {', no '.join(sorted(unknown))}")
        return self

    def lucene(self, query: str) -> str:
        """The text of a named query on one line; empty for no name."""
        return " ".join(self.queries[query].split()) if query else ""

    def _views_used(self) -> set[str]:
        return {panel.view for panel in self.panels.values()} | {search.view for search in self.searches.values()}

    def _queries_used(self) -> set[str]:
        measures = [measure for panel in self.panels.values() for measure in panel.measures]
        counted = {query for measure in measures for query in (measure.query, measure.of)}
        shown = {panel.query for panel in self.panels.values()} | {search.query for search in self.searches.values()}
        return (counted | shown) - {""}

    def _placed(self) -> set[str]:
        return {name for board in self.dashboards.values() for row in board.rows for name in row.panels}

    def _linked(self) -> set[str]:
        return {name for board in self.dashboards.values() for name in board.links}


def folder() -> Path:
    """Where the description and the saved objects that are made of it lie."""
    return shipped() / "kibana"


def load(path: Path | None = None) -> Description:
    """The description of a file, of the shipped one without a path. Raises `UsageError` when it is wrong."""
    path = path or folder() / "dashboards.yml"
    try:
        raw: Any = yaml.safe_load(path.read_text("utf-8"))
        return Description.model_validate(raw)
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read ({' '.join(str(error).split())}); install shipper again") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where or 'the file'}: {first['msg']}") from None


def object_id(name: str, slug: str) -> str:
    """`shipper-xionimus-error-rate`: nobody else's, and the same with every import."""
    return f"shipper-{name}-{slug.replace('_', '-')}"


def search_id(name: str, slug: str) -> str:
    """A saved search may be called like a panel or a data view."""
    return object_id(name, f"search-{slug}")
