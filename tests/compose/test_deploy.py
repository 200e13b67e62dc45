"""What the containers are given: passwords, accounts, supervisord's programs."""

import configparser
import os
import socket
import stat
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

import orjson
import pytest
import yaml

from shipper.config import read_document, shipped
from shipper.elastic.privileges import roles
from tests.compose.files import ENV_EXAMPLE, ROOT, SERVICES, copy_of_the_files, make_env
from tests.services.supervisor import wait_for

ACCOUNTS = ROOT / "deploy" / "accounts.py"
SUPERVISORD = ROOT / "deploy" / "supervisord.conf"


def read_env(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if line[:1] not in ("", "#"))


def test_make_env_makes_every_password(tmp_path):
    """Long and different ones; all else stays as it is; nobody else may read them."""
    files = copy_of_the_files(tmp_path)
    assert make_env(files).returncode == 0
    made = read_env(files / ".env")
    fresh = {name: value for name, value in made.items() if value != ENV_EXAMPLE[name]}
    assert fresh.keys() == {name for name in ENV_EXAMPLE if name.endswith(("_PASSWORD", "_KEY"))}
    assert {len(value) for value in fresh.values()} == {40}
    assert len(set(fresh.values())) == len(fresh)
    assert stat.S_IMODE((files / ".env").stat().st_mode) == 0o600


def test_make_env_keeps_the_passwords_there_are(tmp_path):
    """Volumes know them."""
    files = copy_of_the_files(tmp_path)
    (files / ".env").write_text("ELASTIC_PASSWORD=mine\n")
    done = make_env(files)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there is an .env already" in done.stderr
    assert (files / ".env").read_text() == "ELASTIC_PASSWORD=mine\n"


def accounts(server, name: str, **changed: str) -> "subprocess.CompletedProcess[str]":
    administrator = {"ELASTICSEARCH_USERNAME": server.username, "ELASTICSEARCH_PASSWORD": server.password}
    passwords = {"KIBANA_PASSWORD": "k" * 12, "SHIPPER_PASSWORD": "s" * 12}
    where = {"ELASTICSEARCH_URL": server.url, "SSL_CERT_FILE": server.ca}
    env = os.environ | where | administrator | passwords | changed
    return subprocess.run([sys.executable, ACCOUNTS, name], env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def cleaned(secure_elasticsearch, name):
    """A server that forgets the accounts of a test: of one alone, the user has the same name for all."""
    yield secure_elasticsearch
    for what in ("user/shipper", f"role/{name}-run", f"role/{name}-search", f"role/{name}-tier"):
        secure_elasticsearch.request("DELETE", f"/_security/{what}", allow=[404])


def test_accounts_are_made(cleaned, name):
    """A user with the roles of a run, of its tiers and of a search; twice is as once."""
    assert [accounts(cleaned, name).returncode for _ in range(2)] == [0, 0]
    user = cleaned.request("GET", "/_security/user/shipper")["shipper"]
    assert sorted(user["roles"]) == [f"{name}-run", f"{name}-search", f"{name}-tier"]
    for who in ("run", "search", "tier"):
        made = cleaned.request("GET", f"/_security/role/{name}-{who}")[f"{name}-{who}"]
        assert made["indices"][0]["privileges"] == roles(name)[who]["indices"][0]["privileges"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"ELASTICSEARCH_PASSWORD": "wrong-one"},
            "401, the password is not the one that the volume was made with",
        ),
        ({"KIBANA_PASSWORD": "short"}, "passwords must be at least [6] characters"),
        ({"ELASTICSEARCH_URL": "http://127.0.0.1:9"}, "Connection refused"),
    ],
)
def test_accounts_say_why_not(secure_elasticsearch, name, changed, says):
    """In one line, without a password."""
    done = accounts(secure_elasticsearch, name, **changed)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert says in done.stderr
    assert "wrong-one" not in done.stderr


def programs() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read(SUPERVISORD)
    return parser


def test_the_logs_are_those_that_the_pipeline_follows():
    """The default of its glob, in the folder that both containers mount."""
    pattern = read_document(shipped() / "xionimus.yml", {}).value["sources"][0]["paths"][0]
    backend = programs()["program:backend"]
    for stream in ("stdout_logfile", "stderr_logfile"):
        assert fnmatch(backend[stream], pattern)
    for name in ("backend", "shipper"):
        assert f"logs:{Path(pattern).parent}" in {mount.removesuffix(":ro") for mount in SERVICES[name]["volumes"]}


def test_prometheus_asks_the_backend_where_it_listens():
    """The port stands in three files."""
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    (target,) = next(job["static_configs"][0]["targets"] for job in scraped if job["job_name"] == "backend")
    port = target.rpartition(":")[2]
    assert f"--host 0.0.0.0 --port {port}" in programs()["program:backend"]["command"]
    assert SERVICES["backend"]["ports"][0].endswith(f":{port}")


def test_supervisord_runs_the_programs(tmp_path):
    """The same file in other folders: the backend logs JSON, and somebody talks to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="sv-") as short:
        text = SUPERVISORD.read_text("utf-8").replace("0.0.0.0", "127.0.0.1")
        for there, here in (("/tmp", short), ("/var/log/supervisor", str(tmp_path)), ("8001", str(port))):
            text = text.replace(there, here)
        (tmp_path / "supervisord.conf").write_text(text)
        log = tmp_path / "backend.out.log"
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper.example.leash", "--configuration=supervisord.conf"],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: log.exists() and b"signed in" in log.read_bytes(), 90)
        finally:
            process.stdin.close()
            process.wait(15)
    records = [orjson.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    assert {"app.main", "app.api.auth"} <= {record["logger"] for record in records}
