"""Real Elasticsearch servers, one of each line for a whole test run, started by the first test that needs it.

def test_something(elasticsearch, name):                 # runs twice, on 8 and on 9; fixtures of tests/conftest.py
    elasticsearch.request("PUT", f"/{name}-2026.11.23/_doc/1", {"message": "Hello"})
    assert elasticsearch.documents(f"{name}-*") == [{"message": "Hello"}]

@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)      # on 8 alone
def test_permissions(secure_elasticsearch, name):        # https with an authority of its own (`.ca`), users, API keys
def test_a_crash(own_elasticsearch):                     # nobody else's: `.kill()` is kill -9, `.start()` on its data

Servers are shared, so indices and templates begin with `name`, a fresh one for each test; they are deleted after it.
All of them are gone when the run is, also when it is killed. Without Java or Maven such tests are left out, which the
last line of the run says; with `CI=true` they fail.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from tests.services.distribution import Missing, locked
from tests.services.node import Elasticsearch, Server

SERVERS = "SHIPPER_TEST_SERVERS"
"""The folder of this run, for its workers."""
PREFIX = "shipper-servers-"

__all__ = ["Elasticsearch", "Server", "Servers"]


class Servers:
    """The servers of one run. The folder's `lock` is held by who began it; the servers live as long."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def begun(cls) -> Iterator["Servers"]:
        """A new run's, told to the processes that this one starts; nothing is left of them behind the block."""
        _sweep()
        before = os.environ.get(SERVERS)
        unseen = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        folder = unseen.with_name(unseen.name[1:])
        # Those who come here are servers, which run under another account.
        unseen.chmod(0o711)
        try:
            with (unseen / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Others may sweep up what nobody holds: it has its name only now.
                unseen.rename(folder)
                os.environ[SERVERS] = str(folder)
                yield cls(folder)
        finally:
            os.environ.pop(SERVERS) if before is None else os.environ.update({SERVERS: before})
            _wait_until_empty(folder)

    @classmethod
    def of_this_run(cls) -> "Servers":
        return cls(Path(os.environ[SERVERS]))

    def shared(self, line: str, *, secure: bool = False) -> Elasticsearch:
        """The one that all tests of the run use. Raises `Missing`, `AssertionError` when it does not start."""
        told = self.folder / f"{line}{'-secure' if secure else ''}.json"
        with locked(told.with_suffix(".starting")):
            if not told.exists():
                # Said once: the others shall not wait for a start that fails again.
                told.write_bytes(orjson.dumps({"failed": "it was tried before"}))
                told.chmod(0o600)
                told.write_bytes(orjson.dumps(self._started(line, secure)))
        said = orjson.loads(told.read_bytes())
        if "missing" in said:
            raise Missing(said["missing"])
        assert "failed" not in said, said["failed"]
        return Elasticsearch(**said)

    @contextmanager
    def own(self, line: str, *, secure: bool = False) -> Iterator[Server]:
        """One that nobody else uses, running. Raises `Missing`."""
        server = Server(self.folder, line, secure=secure)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)

    def _started(self, line: str, secure: bool) -> dict[str, Any]:
        try:
            return asdict(Server(self.folder, line, secure=secure).start())
        except Missing as missing:
            return {"missing": str(missing)}
        except AssertionError as error:
            return {"failed": str(error)}


def _sweep() -> None:
    """Removes what runs left that were killed while one of their servers was not running."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_until_empty(folder: Path) -> None:
    """The keepers remove it, each after its server has ended; where there was none, we do."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(path.is_dir() for path in _inside(folder)):
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
