"""One Elasticsearch node: how it is started, and how tests speak to it. For how to get one see `elasticsearch.py`."""

import base64
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.services.certificates import Authority
from tests.services.distribution import LINES, fetch, find_java

HEAP = "512m"
START_WITHIN_SECONDS = 150.0
ROWS_AT_ONCE = 5_000

JVM = """\
-Xms{heap}
-Xmx{heap}
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-XX:-AlwaysPreTouch
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir={folder}/tmp
-XX:ErrorFile={folder}/logs/hs_err_%p.log
"""

SETTINGS = """\
cluster.name: shipper-tests
node.name: test
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: 0
node.portsfile: true
path.data: {folder}/data
path.logs: {folder}/logs
path.repo: ["{folder}/snapshots"]
node.store.allow_mmap: false
cluster.routing.allocation.disk.threshold_enabled: false
cluster.max_shards_per_node: 5000
action.destructive_requires_name: false
xpack.security.enabled: {security}
"""

TLS = """\
xpack.security.autoconfiguration.enabled: false
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: {key}
xpack.security.http.ssl.certificate: {certificate}
xpack.security.http.ssl.certificate_authorities: [ca.pem]
"""


@dataclass(frozen=True, slots=True)
class Elasticsearch:
    """A server that answers. With `ca`, it speaks TLS and knows a superuser."""

    url: str
    version: str
    ca: str = ""
    """Path of the authority's certificate."""
    username: str = ""
    password: str = ""

    def request(self, method: str, path: str, body: Any = None, *, allow: Collection[int] = ()) -> Any:
        """The answer as JSON. `body`: bytes (NDJSON as they are), or what becomes JSON.

        Raises `AssertionError` with the server's words for any status from 400 on that is not in `allow`.
        """
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        headers = {"content-type": kind, **self._credentials()}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with self._opener().open(request, timeout=60) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            content = error.read()
            assert error.code in allow, f"{method} {path}: {error.code} {content.decode(errors='replace')[:2000]}"
        return orjson.loads(content) if content else None

    def documents(self, pattern: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The `_source` of all that matches in all indices that match, in no order that means anything."""
        return [hit["_source"] for hit in self.hits(pattern, query)]

    def hits(self, pattern: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The same with `_index`, `_id`, and `_version`, which says how often it was written."""
        self.request("POST", f"/{pattern}/_refresh")
        body = {"size": ROWS_AT_ONCE, "sort": ["_doc"], "version": True, "query": query or {"match_all": {}}}
        page = self.request("POST", f"/{pattern}/_search?scroll=1m", body)
        found: list[dict[str, Any]] = []
        while hits := page["hits"]["hits"]:
            found += hits
            page = self.request("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
        self.request("DELETE", "/_search/scroll", {"scroll_id": [page["_scroll_id"]]}, allow=[404])
        return found

    def forget(self, name: str) -> None:
        """Deletes all that a test made under its name."""
        for pattern in (f"{name}-*", f"alerts-{name}-*", f"restored-{name}-*", name):
            self.request("DELETE", f"/{pattern}?expand_wildcards=all", allow=[400, 404])
        for template in (f"{name}*", f"alerts-{name}*", f"restored-{name}*"):
            self.request("DELETE", f"/_index_template/{template}", allow=[404])
            self.request("DELETE", f"/_component_template/{template}", allow=[404])

    def _credentials(self) -> dict[str, str]:
        if not self.username:
            return {}
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def _opener(self) -> urllib.request.OpenerDirector:
        trusted = ssl.create_default_context(cafile=self.ca) if self.ca else None
        # Never through a proxy of the machine's.
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )


class Server:
    """One node with its own folder, in the folder of a run; it ends with that run at the latest."""

    def __init__(self, run: Path, line: str, *, secure: bool = False) -> None:
        """Fetches what it takes, and starts nothing yet. Raises `Missing`."""
        self.line = LINES[line]
        self._run = run
        self._java = find_java(self.line)
        self._home = fetch(self.line)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{line}-", dir=run))
        self._keeper: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._user, self._password = ("tester", secrets.token_hex(16)) if secure else ("", "")
        for name in ("config", "data", "logs", "snapshots", "tmp"):
            (self.folder / name).mkdir()
        if secure:
            self._make_secure()
        self._account = _account()
        _give_to(self._account, self.folder)

    @property
    def client(self) -> Elasticsearch:
        """How to reach it; the address stays the same over every restart."""
        ca = str(self._config / "ca.pem") if self._user else ""
        scheme = "https" if self._user else "http"
        return Elasticsearch(f"{scheme}://127.0.0.1:{self._port}", self.line.version, ca, self._user, self._password)

    @property
    def pid(self) -> int:
        """Of Elasticsearch itself."""
        return int((self.folder / "pid").read_text())

    def start(self) -> Elasticsearch:
        """Starts it on the data that it has, and returns once it answers. Raises `AssertionError` when it does not."""
        (self.folder / "logs" / "http.ports").unlink(missing_ok=True)
        self._configure()
        keeper = Path(__file__).with_name("keeper.py")
        words = [
            sys.executable,
            keeper,
            self._run / "lock",
            self._run,
            self._account,
            *self._command(),
        ]
        with (self.folder / "logs" / "start.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [*map(str, words), "-p", str(self.folder / "pid")],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        self._wait()
        return self.client

    def kill(self) -> None:
        """`kill -9` of Elasticsearch, and returns when it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """Ends it at once, and returns when it is gone; the data stays."""
        (self.folder / "pid").unlink(missing_ok=True)
        if self._keeper is not None:
            self._keeper.terminate()
            self._keeper.wait()
            self._keeper = None

    @property
    def _config(self) -> Path:
        return self.folder / "config"

    def _configure(self) -> None:
        for name in ("log4j2.properties", "roles.yml", "role_mapping.yml"):
            shutil.copy(self._home / "config" / name, self._config)
        secure = bool(self._user)
        settings = SETTINGS.format(folder=self.folder, port=self._port, security=str(secure).lower())
        settings += TLS.format(key="localhost.key", certificate="localhost.pem") if secure else ""
        (self._config / "elasticsearch.yml").write_text(settings)
        (self._config / "jvm.options").write_text(JVM.format(heap=HEAP, folder=self.folder))

    def _make_secure(self) -> None:
        Authority(self._config).sign()
        (self._config / "users").write_text(f"{self._user}:{_hashed(self._password)}\n")
        (self._config / "users_roles").write_text(f"superuser:{self._user}\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "ES_HOME": str(self._home),
            "ES_PATH_CONF": str(self._config),
            "ES_TMPDIR": str(self.folder / "tmp"),
            "ES_JAVA_HOME": str(self._java),
            "ES_DISTRIBUTION_TYPE": "zip",
            "JAVA": str(self._java / "bin" / "java"),
            "JAVA_TYPE": "ES_JAVA_HOME",
        }

    def _command(self) -> list[str]:
        """What starts the server and stays with it: when this ends, so does the server."""
        java = [str(self._java / "bin" / "java"), "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        launcher = self._home / "lib" / "tools" / "server-launcher"
        if launcher.is_dir():
            return [*java, "-cp", f"{launcher}/*", "org.elasticsearch.server.launcher.ServerLauncher"]
        return [
            *(*java, "-Dcli.name=server", "-Dcli.script=", "-Dcli.libs=lib/tools/server-cli"),
            *(f"-Des.path.home={self._home}", f"-Des.path.conf={self._config}"),
            *("-Des.distribution.type=zip", "-Des.java.type=ES_JAVA_HOME"),
            *(
                "-cp",
                f"{self._home}/lib/*:{self._home}/lib/cli-launcher/*",
                "org.elasticsearch.launcher.CliToolLauncher",
            ),
        ]

    def _wait(self) -> None:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not self._healthy():
            assert self._keeper is not None
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "logs" / "start.log").read_text(errors="replace")[-3000:]
                self.stop()
                raise AssertionError(f"Elasticsearch {self.line.version} did not start: {said}")
            time.sleep(0.1)

    def _healthy(self) -> bool:
        try:
            ports = (self.folder / "logs" / "http.ports").read_text()
            self._port = int(ports.splitlines()[0].rpartition(":")[2])
            self.client.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s")
        except (OSError, IndexError, AssertionError):
            return False
        return True


def _account() -> str:
    """Elasticsearch refuses to work for root: the number of the user that it works for then, else empty."""
    return str(pwd.getpwnam("nobody").pw_uid) if os.getuid() == 0 else ""


def _give_to(account: str, folder: Path) -> None:
    if account:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, int(account), int(account))


def _hashed(password: str) -> str:
    """As Elasticsearch's file of users has it."""
    salt = secrets.token_bytes(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return "{PBKDF2}10000$" + "$".join(base64.b64encode(part).decode() for part in (salt, key))
