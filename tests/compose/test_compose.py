"""docker-compose.yml: what the compose library makes of it, and what the house asks of every service."""

import re
from itertools import pairwise

import pytest
import yaml

from shipper.cli.main import COMMANDS, cli
from shipper.config import shipped
from tests.compose.files import (
    COMPOSE,
    ENV_EXAMPLE,
    LEFT_OUT,
    ROOT,
    SERVICES,
    build_loader,
    copy_of_the_files,
    instructions,
    load,
    make_env,
)

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
WITHOUT_DIGEST = {"kibana"}
"""Images whose digest could not be found out without pulling them."""

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    return build_loader(tmp_path_factory.mktemp("loader"))


@pytest.fixture
def files(tmp_path):
    return copy_of_the_files(tmp_path)


def test_the_compose_library_takes_the_file(loader, files):
    """With the passwords of a fresh .env, and every profile."""
    assert make_env(files).returncode == 0
    project = load(loader, files / ".env", files / "docker-compose.yml")
    assert project["services"].keys() == SERVICES.keys()
    assert project["services"]["shipper"]["mem_limit"] == str(768 * 2**20)
    ports = [port for service in project["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for port in ports}) == len(ports)


def test_without_passwords_nothing_is_started(loader, files):
    """It says what to run."""
    with pytest.raises(ValueError, match=r"ELASTIC_PASSWORD is missing a value: run deploy/make-env"):
        load(loader, files / ".env.example", files / "docker-compose.yml")


def test_the_compose_library_finds_mistakes(loader, files):
    """Or its approval would mean nothing."""
    assert make_env(files).returncode == 0
    compose = files / "docker-compose.yml"
    compose.write_text(TEXT.replace("mem_limit: 2g", "memlimit: 2g"))
    with pytest.raises(ValueError, match="memlimit"):
        load(loader, files / ".env", compose)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_go_the_library_is_left_out(monkeypatch, tmp_path, ci, outcome):
    """In one line; in CI that is a failure."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=LEFT_OUT):
        build_loader(tmp_path)


def test_every_variable_is_in_the_example():
    """And none that is not used; what is not empty there is the default here."""
    used = dict(re.findall(r"(?<!\$)\$\{(\w+):[-?]([^}]*)\}", TEXT))
    assert used.keys() == ENV_EXAMPLE.keys()
    assert {name: "" if value == "run deploy/make-env" else value for name, value in used.items()} == ENV_EXAMPLE


@each_service
def test_no_password_is_in_the_file(name):
    """What is one comes from the environment, which has to have it."""
    environment = SERVICES[name].get("environment", {})
    kept = {key: value for key, value in environment.items() if re.search("PASSWORD|SECRET|KEY", key)}
    assert [key for key, value in kept.items() if not re.fullmatch(r"\$\{\w+:\?run deploy/make-env\}", value)] == []


@each_service
def test_a_service_is_bounded(name):
    """Memory and its own log, what it may do, and when it is started again."""
    service = SERVICES[name]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert {"max-size", "max-file"} == service["logging"]["options"].keys()
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert "privileged" not in service
    assert service.get("user") != "root"


def test_nobody_writes_to_a_root_file_system():
    """But the two of Elastic, whose images keep configuration and temporary files there."""
    assert {name for name, service in SERVICES.items() if not service.get("read_only")} == {"elasticsearch", "kibana"}


@each_service
def test_a_service_says_whether_it_is_well(name):
    """shipper by its image; what runs once by how it ends."""
    check = SERVICES[name].get("healthcheck", {})
    if name in ONCE:
        assert check == {"disable": True}
    elif name == "shipper":
        assert (check, "HEALTHCHECK" in dict(instructions(-1))) == ({}, True)
    else:
        assert check.keys() == {"test", "interval", "timeout", "retries", "start_period"}


@each_service
def test_a_service_waits_for_what_can_be_waited_for(name):
    """Completion of those that run once, health of those that tell it."""
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_completed_successfully":
            assert other in ONCE
        else:
            assert other not in ONCE
        if wanted["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]


@each_service
def test_a_port_is_open_to_this_machine_alone(name):
    """Whatever its firewall does."""
    ports = SERVICES[name].get("ports", [])
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port)] == []


@each_service
def test_an_image_is_pinned(name):
    """By version and digest; ours is built here."""
    image = SERVICES[name]["image"]
    if image != "shipper:local":
        version, _, digest = image.partition("@")
        assert re.search(r":v?\d+\.\d+\.\d+$", version)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or (name in WITHOUT_DIGEST and not digest)


def test_kibana_is_as_old_as_elasticsearch():
    """It refuses to start beside an older one."""
    version = {name: SERVICES[name]["image"].split("@")[0].split(":")[-1] for name in ("elasticsearch", "kibana")}
    assert version["elasticsearch"] == version["kibana"]
    assert version["kibana"].startswith("8.19.")


@each_service
def test_a_mount_is_there(name):
    """A file of ours, which nobody may change, or a volume that is declared."""
    for mount in SERVICES[name].get("volumes", []):
        source, target, *mode = mount.split(":")
        if source.startswith("./"):
            assert ((ROOT / source).is_file(), mode) == (True, ["ro"])
        else:
            assert source in COMPOSE["volumes"]
        assert target.startswith("/")


def test_every_volume_is_used():
    """And named once."""
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert COMPOSE["volumes"].keys() == {source for source in mounts if not source.startswith("./")}


@pytest.mark.parametrize("name", sorted(name for name in SERVICES if SERVICES[name]["image"] == "shipper:local"))
def test_a_command_of_ours_exists(name):
    """With the options that it is given."""
    service = SERVICES[name]
    if "entrypoint" not in service:
        command, *arguments = service.get("command", ["run"])
        assert command in COMMANDS
        known = {option for parameter in cli.get_command(None, command).params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_shipper_is_told_what_its_pipeline_asks_for():
    """Every variable of Elasticsearch that is set is one that the pipeline reads."""
    read = set(re.findall(r"\$\{(\w+)", (shipped() / "xionimus.yml").read_text("utf-8"))) | {"ELASTICSEARCH_URL"}
    told = {key for key in SERVICES["shipper"]["environment"] if key.startswith(("ELASTICSEARCH_", "SHIPPER_"))}
    assert told <= read


def test_an_address_between_containers_names_a_service_and_its_port():
    """Also those in the files that are mounted."""
    known = {f"{name}:{port.split(':')[-1]}" for name, service in SERVICES.items() for port in service.get("ports", [])}
    mounted = [(ROOT / "deploy" / name).read_text("utf-8") for name in ("prometheus.yml", "grafana-datasource.yml")]
    texts = "\n".join([TEXT, *mounted])
    asked = set(re.findall(rf"\b((?:{'|'.join(SERVICES)}):\d{{4,}})\b", texts))
    assert asked <= known
    assert {"elasticsearch:9200", "kibana:5601", "backend:8001", "prometheus:9090"} <= asked


def test_services_stand_after_what_they_wait_for_to_end():
    """So that the file can be read from top to bottom: accounts, templates, setup."""
    order = list(SERVICES)
    places = [order.index(name) for name in ("elasticsearch", "accounts", "templates", "setup")]
    assert all(first < second for first, second in pairwise(places))


@pytest.mark.parametrize("name", ["prometheus.yml", "grafana-datasource.yml"])
def test_what_is_mounted_is_yaml(name):
    """And not empty."""
    assert isinstance(yaml.safe_load((ROOT / "deploy" / name).read_text("utf-8")), dict)
