"""What a hold asks of a day that an archive has under the name of a dataset."""

from contextlib import closing

import orjson
import pytest

from shipper.archive.parquet import Exporter
from shipper.everywhere import of_dataset
from shipper.query.parse import parse
from shipper.query.sql import where
from shipper.store.read import Snapshot, open_duckdb, view

ODD = [None, "", 5, 1.5, True, "-", "_other", "a*b", "Backend", " ", ["a", "b"], ["solo"], [], {"x": 1}]
"""Values of `event.dataset`."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Each in a record of alice's, exported as a day is; one record has no dataset."""
    folder = tmp_path_factory.mktemp("odd")
    docs = [{"user_id": "alice", "event.id": str(n), "event.dataset": value} for n, value in enumerate(ODD)]
    lines = [orjson.dumps(doc) for doc in [{"user_id": "alice", "event.id": "none"}, *docs]]
    (folder / "in.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "out").mkdir()
    with closing(Exporter()) as exporter:
        return exporter.export([folder / "in.ndjson"], folder / "out").written


def test_each_record_of_an_exported_dataset_is_found_under_its_name(written, tmp_path):
    """Else a hold on it would keep nothing."""
    assert {each.dataset: count(each, tmp_path) for each in written} == {
        each.dataset: each.facts.rows for each in written
    }


def count(each, folder):
    asked = where(of_dataset(parse("user_id:alice"), each.dataset))
    with open_duckdb(folder / "spill", threads=1) as connection:
        sql = f"SELECT count(*) FROM ({view(connection, Snapshot([str(each.path)], [], 0))}) WHERE {asked.sql}"
        return connection.execute(sql, list(asked.values)).fetchone()[0]
