"""The child process that makes the archive's Parquet (`python -m shipper.archive.export`): see `archive.parquet`."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shipper.archive.intake import complete, take
from shipper.archive.look import Rows, facts
from shipper.archive.parquet import MOST_DATASETS, OTHER, canonical
from shipper.archive.sort import write_sorted
from shipper.query.parse import parse
from shipper.query.sql import where
from shipper.store.child import serve
from shipper.store.columns import text
from shipper.store.read import open_duckdb

MEMORY = ("150MB", "300MB", "900MB")
"""DuckDB's limit at the first attempt and after each one that failed for want of memory (documents of many MiB)."""
Job = dict[str, Any]


def export(connection: Any, job: Job, scratch: Path) -> Job:
    """Takes the files in, and writes what they hold by dataset."""
    taken = take(connection, [Path(file) for file in job["files"]], scratch)
    written = []
    for number, (dataset, condition) in enumerate(datasets(connection, taken.files, job["apart"])):
        target = scratch / f"{number:03d}.parquet"
        write_sorted(connection, Rows(taken.files, condition), target, scratch)
        written.append((dataset, str(target), facts(connection, Rows([str(target)]))))
    return {"source": taken.facts, "written": written}


def datasets(connection: Any, files: Sequence[str], apart: Sequence[str]) -> list[tuple[str, str]]:
    """Each dataset with the condition for its rows: the largest, those that have to be `apart`, and all others as
    `OTHER`."""
    if not files:
        return []
    name = "coalesce(\"event.dataset\", '')"
    counted = connection.execute(f"SELECT {name}, count(*) FROM {Rows(files).relation} GROUP BY 1 ORDER BY 2 DESC, 1")
    found = [dataset for dataset, _ in counted.fetchall()]
    own = [dataset for place, dataset in enumerate(found) if place < MOST_DATASETS or dataset in apart]
    own = [dataset for dataset in own if dataset != OTHER]
    if own == found and len(own) == 1:
        return [(own[0], "true")]
    conditions = [(dataset, f"{name} = {text(dataset)}") for dataset in own]
    if len(own) < len(found):
        conditions.append((OTHER, " AND ".join(["true", *(f"{name} <> {text(dataset)}" for dataset in own)])))
    return conditions


def look(connection: Any, job: Job, scratch: Path) -> Job:
    """Reads a file."""
    return {"facts": facts(connection, Rows([job["path"]]))}


def rewrite(connection: Any, job: Job, scratch: Path) -> Job:
    """Copies a file without what a query finds."""
    whole = Rows(complete(connection, [job["path"]], scratch), numbered=True)
    target = scratch / "rewritten.parquet"
    condition = where(parse(job["query"]))
    times = [
        f'"@timestamp" {operator} TIMESTAMPTZ {text(canonical(job[name]))}'
        for name, operator in (("since", ">="), ("until", "<"))
        if job[name]
    ]
    wanted = " AND ".join([condition.sql, *times])
    connection.execute("CREATE OR REPLACE TEMP TABLE taken (row BIGINT)")
    connection.execute(
        f"INSERT INTO taken SELECT file_row_number FROM {whole.relation} WHERE {wanted}",
        list(condition.values),
    )
    found = "file_row_number IN (SELECT row FROM taken)"
    write_sorted(connection, whole._replace(where=f"NOT {found}"), target, scratch)
    return {
        "path": str(target),
        "kept": facts(connection, Rows([str(target)])),
        "taken": facts(connection, whole._replace(where=found)),
    }


JOBS: dict[str, Callable[[Any, Job, Path], Job]] = {"export": export, "facts": look, "rewrite": rewrite}


def done(job: Job) -> Job:
    """Does a job, with more memory when there was too little."""
    scratch, spill = Path(job["scratch"]), Path(job["scratch"]) / f"spill-{os.getpid()}"
    for memory in MEMORY:
        try:
            with open_duckdb(spill, memory, threads=1) as connection:
                return JOBS[job["do"]](connection, job, scratch)
        except Exception as error:
            if "OutOfMemory" not in type(error).__name__ or memory == MEMORY[-1]:
                raise
    raise AssertionError("the last attempt returns or raises")


def answer(line: str) -> str:
    """What `Exporter` is told of a job, as JSON."""
    try:
        told = done(json.loads(line))
    except Exception as error:
        told = {"failed": " ".join(str(error).split()) or type(error).__name__}
    return json.dumps(told)


if __name__ == "__main__":
    serve(answer)
