"""S3 servers: versitygw, a real one, and moto, a double; one of each for a whole test run, started when first needed.

def test_something(objects):              # an `ObjectStore`: in a folder, on moto, on versitygw; fixtures of tests/conftest.py
def test_a_bucket(bucket):                # a fresh bucket on moto and on versitygw: `.place`, `.settings`, `.store()`, `.client`
def test_locks(locked_bucket):            # one with versions and Object Lock

@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)         # on one of them alone
@pytest.mark.parametrize("objects", ["folder"], indirect=True)

versitygw checks signatures, checksums and conditions, and takes any storage class but keeps none. moto knows the classes,
and refuses to read what needs a restore, which it grants at once; it takes wrong checksums and any credentials. For what
neither does see `tests/faults/objects.py`. versitygw is built from its Go module, once, into the tests' cache (2 minutes).
Without Go those tests are left out, which the last line of the run says; with `CI=true` they fail.

    python -m tests.services.s3           # builds it now
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from shipper.objects.s3 import S3Store
from shipper.objects.settings import S3
from tests.services.distribution import Missing, cache_folder, locked
from tests.services.elasticsearch import Servers

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
KINDS = ("moto", "versitygw")
REGION = "us-east-1"
ACCESS_KEY = "tests"
START_WITHIN_SECONDS = 30.0
STARTS = 5
"""Another program may take the port between the moment that it is chosen and the moment that it is used."""


@dataclass(frozen=True)
class S3Server:
    """How it is reached."""

    kind: str
    url: str
    access_key: str
    secret_key: str

    @property
    def settings(self) -> S3:
        return S3(endpoint=self.url, region=REGION, access_key=self.access_key, secret_key=self.secret_key)  # type: ignore[arg-type]

    def bucket(self, name: str, *, locks: bool = False) -> "Bucket":
        """A new one; with `locks` it has versions too."""
        client = client_of(self)
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks)
        return Bucket(self, name)


@dataclass(frozen=True)
class Bucket:
    """One that no other test has."""

    server: S3Server
    name: str

    @property
    def place(self) -> str:
        return f"s3://{self.name}/archive"

    @property
    def settings(self) -> S3:
        return self.server.settings

    @property
    def client(self) -> Any:
        """boto3's."""
        return client_of(self.server)

    def store(self, **settings: Any) -> S3Store:
        """The place, reached with other settings where some are given."""
        return S3Store(self.name, "archive", self.settings.model_copy(update=settings))


@cache
def client_of(server: S3Server) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session(server.access_key, server.secret_key, region_name=REGION).client(
        "s3", endpoint_url=server.url, config=Config(s3={"addressing_style": "path"})
    )


def shared(kind: str) -> S3Server:
    """The one that all tests of the run use. Raises `Missing`, `AssertionError` when it does not start."""
    told = Servers.of_this_run().folder / f"s3-{kind}.json"
    with locked(told.with_suffix(".starting")):
        if not told.exists():
            # Said once: the others shall not wait for a start that fails again.
            told.write_bytes(orjson.dumps({"failed": "it was tried before"}))
            told.write_bytes(orjson.dumps(_started(kind)))
    said = orjson.loads(told.read_bytes())
    if "missing" in said:
        raise Missing(said["missing"])
    assert "failed" not in said, said["failed"]
    return S3Server(**said)


def kept_at() -> Path:
    """The program, whether it has been built or not."""
    return cache_folder() / f"versitygw-{VERSITYGW.rpartition('@')[2]}"


def build() -> Path:
    """versitygw, built when it is not there. Raises `Missing`."""
    program = kept_at()
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise Missing("no Go to build it with; install it")
    program.parent.mkdir(parents=True, exist_ok=True)
    with locked(program.parent / "lock"):
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=program.parent, prefix="fetching-") as scratch:
                environment = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0"}
                command = [go, "install", "-trimpath", "-ldflags=-s -w", VERSITYGW]
                done = subprocess.run(command, check=False, capture_output=True, env=environment, cwd=scratch)
                if done.returncode:
                    said = done.stderr.decode(errors="replace").strip().splitlines() or ["Go said nothing"]
                    raise Missing(f"Go did not build it: {said[-1][:300]}")
                # Whole or not there at all, also when this is killed.
                (Path(scratch) / "versitygw").rename(program)
    return program


def _started(kind: str) -> dict[str, Any]:
    try:
        for _ in range(STARTS):
            if (server := _start(kind)) is not None:
                return asdict(server)
    except Missing as missing:
        return {"missing": str(missing)}
    return {"failed": f"{kind} did not start; see its log in {Servers.of_this_run().folder}"}


def _start(kind: str) -> S3Server | None:
    """None: it ended at once. It lives as long as the run, whose folder it works in."""
    folder = Path(tempfile.mkdtemp(dir=Servers.of_this_run().folder, prefix=f"{kind}-"))
    port, secret = _free_port(), os.urandom(16).hex()
    program = _command(kind, folder, port)
    keeper = Path(__file__).with_name("keeper.py")
    run = Servers.of_this_run().folder
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(keeper), str(run / "lock"), str(run), "", *program],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": secret},
            start_new_session=True,
        )
    server = S3Server(kind, f"http://127.0.0.1:{port}", ACCESS_KEY, secret)
    return server if _answers(server, process) else None


def _command(kind: str, folder: Path, port: int) -> list[str]:
    if kind == "moto":
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    for name in ("data", "versions"):
        (folder / name).mkdir()
    where = ["--port", f"127.0.0.1:{port}", "--health", "/health"]
    return [
        str(build()),
        "--quiet",
        *where,
        "posix",
        "--versioning-dir",
        str(folder / "versions"),
        str(folder / "data"),
    ]


def _answers(server: S3Server, process: "subprocess.Popen[bytes]") -> bool:
    path = "/moto-api/data.json" if server.kind == "moto" else "/health"
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(server.url + path, timeout=3):
            return True
        time.sleep(0.05)
    process.terminate()
    process.wait()
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


if __name__ == "__main__":
    print(build())
