"""`docs/archive.md` is what a person has who reads the archive without shipper: it may not lie."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from shipper.archive.content import content
from shipper.archive.manifest import Manifest, Part, Receipt
from shipper.archive.parquet import MOST_DATASETS, OTHER
from shipper.archive.sort import ROW_GROUP
from shipper.store.columns import COLUMNS
from shipper.store.read import open_duckdb
from tests.archive.parquet import doc, whole
from tests.store.store import ODD

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text("utf-8")


def code(language):
    """The blocks of code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_columns_are_the_ones_that_are_written():
    """In their order, with their types."""
    listed = PAGE.partition("<!-- columns -->")[2].partition("<!-- /columns -->")[0]

    assert dict(re.findall(r"^\| `(.+)` \| (\w+) \|$", listed, re.MULTILINE)) == {**COLUMNS, "doc": "VARCHAR"}


@pytest.mark.parametrize("kind", [Part, Manifest, Receipt])
def test_every_name_in_a_manifest_and_a_receipt_is_explained(kind):
    """By its own name."""
    assert [each.name for each in fields(kind) if f"`{each.name}`" not in PAGE] == []


def test_the_numbers_are_those_of_the_code():
    """Rows of a row group, datasets of a day."""
    assert f"{ROW_GROUP:,} rows" in PAGE and f"More than {MOST_DATASETS} datasets" in PAGE and f"`{OTHER}`" in PAGE


def test_the_content_hash_is_computed_as_the_page_says(tmp_path):
    """Its DuckDB form, run as it stands; the other differs only in the reader."""
    program = next(each for each in code("python") if "duckdb" in each)
    path = whole(tmp_path, ODD).written[0].path
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == content(ODD)


def test_the_query_runs(tmp_path, monkeypatch):
    """In the folder of the archive."""
    record = doc(1, "2026-11-23T10:30:00Z", **{"log.level": "info"})
    path = whole(tmp_path, [record, doc(2, "2026-11-23T12:00:00Z")]).written[0].path
    folder = tmp_path / "warm" / "backend"
    folder.mkdir(parents=True)
    path.rename(folder / "2026.11.23.parquet")
    monkeypatch.chdir(tmp_path)
    with open_duckdb(tmp_path / "spill") as connection:
        assert connection.execute(code("sql")[0]).fetchall() == [("info", 1)]
