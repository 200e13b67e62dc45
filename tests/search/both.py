"""The same log through one run of the pipeline into both stores: the data folder's own and Elasticsearch."""

import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import orjson
import yaml

from shipper.elastic.connect import Elastic
from shipper.elastic.connection import Connection
from shipper.model import StateChange
from shipper.query.parse import parse
from shipper.search.elastic import ElasticStore
from shipper.search.embedded import EmbeddedStore
from shipper.search.merge import count, search
from shipper.search.store import Question
from shipper.state import State
from shipper.store.read import Reader
from tests.search.odd_lines import lines

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from shipper.cli.main import main; main()"]


class Both:
    """Both stores after the run."""

    def __init__(self, folder, server, name, log, *, rules=False):
        """`rules`: those that ship, else none."""
        self.data, self.name, self.server = folder / "data", name, server
        self.pipeline = folder / "pipeline.yml"
        self._log, self._rules = folder / "app.log", rules
        self._sinks = [{"type": "embedded", "quiet_seconds": 0}, {"type": "elasticsearch", "url": server.url}]
        self.run_on(log)
        self.embedded = EmbeddedStore(Reader(self.data))
        self.elastic = ElasticStore(Elastic(Connection(url=server.url)), name)

    def run_on(self, more):
        """Appends to the log, and stores it."""
        with self._log.open("ab") as log:
            log.write(more)
        shipped = ROOT / "pipelines"
        self.pipeline.write_text(
            yaml.safe_dump(
                {
                    "name": self.name,
                    "sources": [{"type": "tail", "paths": [str(self._log)], "dataset": "app"}],
                    "enrich": {"service": "app", "host": "h", "oldest_days": 3000},
                    "detect": {"rules": [str(shipped / "rules")] if self._rules else [], "secrets": []},
                    "sinks": self._sinks,
                }
            )
        )
        command = [*COMMAND, "run", "--once", str(self.pipeline), "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def keep_only_elasticsearch(self):
        """As if the data folder had never been a store."""
        self._sinks = self._sinks[1:]
        shutil.rmtree(self.data / "hot")
        state = State(self.data / "state.db")
        state.run(StateChange("DELETE FROM segments", ()))
        state.close()

    def close(self):
        self.embedded.close()
        self.elastic.close()
        self.server.forget(self.name)


@contextmanager
def both(folder, server, name, log, **how):
    """Both stores, closed at the end."""
    stores = Both(folder, server, name, log, **how)
    try:
        yield stores
    finally:
        stores.close()


def nothing(what, reason):
    """No day may be unreadable."""
    raise AssertionError(f"{what}: {reason}")


def found(store, query, limit=0, since=None, until=None):
    """The documents that one store gives."""
    return list(search([store], Question(parse(query), since, until), limit, nothing))


def counted(store, query, since=None, until=None):
    """How many one store counts."""
    return count([store], Question(parse(query), since, until), nothing)


def ids(docs):
    """`event.id` of each."""
    return [orjson.loads(doc)["event.id"] for doc in docs]


def sample(tmp, generated=1000):
    """Ordinary traffic of three days, then the odd lines."""
    out = tmp / "generated.log"
    command = [sys.executable, str(ROOT / "benchmarks" / "generate.py"), "--count", str(generated), "--seed", "5"]
    subprocess.run(
        [*command, "--out", str(out), "--end", "2025-11-21T02:00:00Z", "--days", "0.5"], check=True, capture_output=True
    )
    return b"\n".join(lines()) + b"\n" + out.read_bytes()
