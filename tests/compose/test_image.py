"""The Dockerfile: what is in the image, and who runs it."""

import json
import re
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from shipper.lock import hold
from shipper.state import State
from tests.compose.files import DOCKERFILE, ROOT, SERVICES, instructions

IGNORED = (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def test_the_base_is_pinned():
    """One for both stages, by version and digest; only the first has a name."""
    bases = [line.split()[1:] for line in re.findall(r"^FROM .*$", DOCKERFILE, re.MULTILINE)]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases[0][0])
    assert bases == [[bases[0][0], "AS", "build"], [bases[0][0]]]


def test_everything_installed_has_a_hash_or_is_ours():
    """And nothing is compiled: what has no wheel fails."""
    installs = re.findall(r"(?:pip|python) (?:install|wheel) [^&\\]*", " && ".join(dict_of(instructions(0))["RUN"]))
    assert len(installs) == 4
    for install in installs:
        locked = "--require-hashes --only-binary :all: -r requirements" in install
        assert locked or "--no-index --no-deps" in install


def test_the_tools_that_build_it_are_locked():
    """Those that pyproject.toml asks for, with what they need."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    locked = (ROOT / "requirements-build.lock").read_text("utf-8")
    assert [re.split(r"[<>=]", name)[0] for name in asked] == ["hatchling"]
    assert "hatchling==" in locked
    for block in re.split(r"\n(?=\S)", locked):
        assert "--hash=sha256:" in block


def test_the_last_stage_has_no_tools_to_build_with():
    """It takes the finished environment, and gives away pip, which it has from the base."""
    steps = dict_of(instructions(-1))
    assert steps["COPY"] == ["--from=build /opt/shipper /opt/shipper"]
    assert "pip uninstall --yes --root-user-action=ignore pip setuptools wheel" in steps["RUN"][0]
    assert not re.search(r"apt|pip install|gcc|curl|wget", " ".join(steps["RUN"]))


def test_it_does_not_run_as_root():
    """A number, so that an orchestrator can see it; the same as of those who share a volume with it."""
    (user,) = dict_of(instructions(-1))["USER"]
    assert user == SERVICES["s3"]["user"] == "10001:10001"
    names = [name for name, _ in instructions(-1)]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))


def test_a_signal_reaches_it():
    """No shell stands between."""
    steps = dict_of(instructions(-1))
    assert [json.loads(steps[name][0]) for name in ("ENTRYPOINT", "CMD")] == [["shipper"], ["run"]]


def test_what_is_copied_is_not_ignored():
    """And nothing else is let in."""
    copied = [word for line in dict_of(instructions(0))["COPY"] for word in line.split()[:-1]]
    assert {f"!{name}" for name in copied} == {line for line in IGNORED if line.startswith("!")}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert IGNORED[1] == "*"


def test_volumes_belong_to_it():
    """A new volume takes its owner from the image's folder."""
    (folders,) = dict_of(instructions(-1))["RUN"]
    ours = [name for name in SERVICES if SERVICES[name]["image"] == "shipper:local"]
    targets = {mount.split(":")[1] for name in ours for mount in SERVICES[name].get("volumes", []) if mount[0] != "."}
    assert targets == set(re.findall(r"/var/\w+/\w+(?= )", folders.split("install --directory", 1)[1] + " "))


@pytest.fixture
def health(tmp_path):
    """The image's health check over a data folder: its exit code."""
    line = dict_of(instructions(-1))["HEALTHCHECK"][0]
    shell, *arguments = json.loads(line[line.index("CMD ") + 4 :])
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SHIPPER_DATA": str(tmp_path)}
    return lambda: subprocess.run([shell, *arguments], env=env, capture_output=True, check=False).returncode


def test_health_is_whether_it_runs(health, tmp_path):
    """No data, a run, the end of that run."""
    before = health()
    with closing(State(tmp_path / "state.db")), closing(hold(tmp_path, "tail")):
        during = health()
    assert (before, during, health()) == (1, 0, 1)


def dict_of(steps: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, arguments in steps:
        found.setdefault(name, []).append(arguments)
    return found
