"""The servers that other tests use: real, shared, theirs alone, and gone with the run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.distribution import LINES
from tests.services.elasticsearch import PREFIX, Elasticsearch, Server
from tests.services.processes import alive
from tests.services.supervisor import wait_for

ROOT = Path(__file__).parents[2]
ONE_TEST = "def test_it(elasticsearch, name):\n    elasticsearch.request('PUT', f'/{name}-a/_doc/1', {'n': 1})\n"


def test_stores_and_finds(elasticsearch: Elasticsearch, name: str) -> None:
    """Of the version that was asked for."""
    elasticsearch.request("PUT", f"/{name}-2026.11.23/_doc/1", {"n": 1})
    version = elasticsearch.request("GET", "/")["version"]["number"]
    assert (elasticsearch.documents(f"{name}-*"), version) == ([{"n": 1}], elasticsearch.version)


def test_all_documents_of_a_large_index(elasticsearch: Elasticsearch, name: str) -> None:
    """More than one page of them."""
    lines = "".join(f'{{"create":{{}}}}\n{{"n":{n}}}\n' for n in range(12_000))
    elasticsearch.request("POST", f"/{name}-a/_bulk", lines.encode())
    assert sorted(found["n"] for found in elasticsearch.documents(f"{name}-*")) == list(range(12_000))


def test_says_what_the_server_says(elasticsearch: Elasticsearch, name: str) -> None:
    """A status from 400 on fails the test, unless it is expected."""
    with pytest.raises(AssertionError, match=r"404 .*index_not_found_exception"):
        elasticsearch.request("GET", f"/{name}-a/_search")
    assert elasticsearch.request("GET", f"/{name}-a/_search", allow=[404])["status"] == 404


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_forgets_what_a_test_made(elasticsearch: Elasticsearch) -> None:
    """Indices, aliases and templates under its name, and nothing beside."""
    for index in ("tforgetful-a", "alerts-tforgetful-b", "tother-a"):
        elasticsearch.request("PUT", f"/{index}/_doc/1", {"n": 1})
    elasticsearch.request("PUT", "/_index_template/tforgetful", {"index_patterns": ["tforgetful-20*"]})
    elasticsearch.forget("tforgetful")
    left = [index["index"] for index in elasticsearch.request("GET", "/_cat/indices/*t*?format=json")]
    templates = elasticsearch.request("GET", "/_index_template/tforgetful*", allow=[404])["index_templates"]
    elasticsearch.forget("tother")
    assert ([index for index in left if "forgetful" in index], "tother-a" in left, templates) == ([], True, [])


def test_secure(secure_elasticsearch: Elasticsearch, name: str) -> None:
    """It speaks TLS, knows whom it lets in, and gives out API keys."""
    key = secure_elasticsearch.request("POST", "/_security/api_key", {"name": name, "expiration": "1h"})
    nobody = Elasticsearch(secure_elasticsearch.url, secure_elasticsearch.version, secure_elasticsearch.ca)
    refused = nobody.request("GET", "/", allow=[401])
    assert (bool(key["encoded"]), refused["status"]) == (True, 401)


def test_killed_and_started_again(own_elasticsearch: Server) -> None:
    """At the same address, on the data that was acknowledged."""
    client = own_elasticsearch.client
    client.request("PUT", "/a/_doc/1", {"n": 1})
    first = own_elasticsearch.pid
    own_elasticsearch.kill()
    assert not alive(first)
    assert own_elasticsearch.start() == client
    assert (client.documents("a"), own_elasticsearch.pid != first) == ([{"n": 1}], True)


def test_dies_with_the_run(tmp_path: Path) -> None:
    """Even when that is killed: no process and no file is left."""
    code = (
        "import time; from tests.services.elasticsearch import Servers\n"
        "with Servers.begun() as servers, servers.own('8') as server:\n"
        "    print(servers.folder, server.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    said = parent.stdout.readline().split()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    if not said:
        pytest.skip("no server here")
    folder, pid = Path(said[0].decode()), int(said[1])
    wait_for(lambda: not alive(pid) and not folder.exists())
    assert folder.name.startswith(PREFIX)


def run_without(tmp_path: Path, test: str, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A run of its own over one test file, on a machine with no Java, no Maven and nothing fetched before."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_one.py").write_text(test)
    bare = {"PATH": "/nowhere", "SHIPPER_TEST_JDKS": "/nowhere", "SHIPPER_TEST_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)]
    env = {**bare, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60)


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "with workers"])
def test_without_java(tmp_path: Path, options: list[str]) -> None:
    """One line says what was left out."""
    done = run_without(tmp_path, ONE_TEST, *options)
    line = (
        "left out: tests against a real Elasticsearch, "
        "1 for want of 8: no JDK 17 or newer; install one, or set JAVA_HOME; "
        "1 for want of 9: no JDK 21 or newer; install one, or set JAVA_HOME"
    )
    assert (done.returncode, done.stdout.count("left out:"), line in done.stdout) == (0, 1, True), done


def test_without_maven(tmp_path: Path) -> None:
    """It takes Maven to fetch a server."""
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch()
    (home / "release").write_text('JAVA_VERSION="25.0.3"\n')
    done = run_without(tmp_path, ONE_TEST, JAVA_HOME=str(home))
    assert f"no Maven (mvn) to fetch Elasticsearch {LINES['8'].version} with; install it" in done.stdout
    assert (done.returncode, done.stdout.count("left out:")) == (0, 1)


def test_without_java_in_ci(tmp_path: Path) -> None:
    """Where nobody reads the last line, it is a failure."""
    done = run_without(tmp_path, ONE_TEST, CI="true")
    assert (done.returncode, "2 errors" in done.stdout) == (1, True), done.stdout
    assert "no real Elasticsearch 8: no JDK 17 or newer" in done.stdout


def test_without_java_and_nothing_that_needs_it(tmp_path: Path) -> None:
    """Nothing is said."""
    done = run_without(tmp_path, "def test_it(): pass\n", CI="true")
    assert (done.returncode, "left out" in done.stdout) == (0, False)
