"""The container files, as they are and as the compose library understands them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
LOADER = Path(__file__).with_name("loader")
LEFT_OUT = "no Go: docker-compose.yml was not loaded with the compose library"

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENV_EXAMPLE = dict(
    line.split("=", 1) for line in (ROOT / ".env.example").read_text("utf-8").splitlines() if line[:1] not in ("", "#")
)
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def instructions(stage: int) -> list[tuple[str, str]]:
    """Instruction and arguments of each step of a stage, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    steps = [(line.split(maxsplit=1)[0], " ".join(line.split()[1:])) for line in text.splitlines() if line.strip()]
    starts = [place for place, (name, _) in enumerate(steps) if name == "FROM"] + [len(steps)]
    last = len(starts) - 2
    return steps[starts[stage % (last + 1)] : starts[stage % (last + 1) + 1]]


def copy_of_the_files(folder: Path) -> Path:
    """The files that somebody has who is about to start the containers."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for name in ("docker-compose.yml", ".env.example", "Dockerfile"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def make_env(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([folder / "deploy" / "make-env"], capture_output=True, text=True, check=False)


def build_loader(folder: Path) -> Path:
    """The program in `loader/`. Without Go, tests that need it are left out; in CI they fail."""
    go = shutil.which("go")
    if go is None:
        if os.environ.get("CI") == "true":
            pytest.fail(LEFT_OUT, pytrace=False)
        pytest.skip(LEFT_OUT)
    program = folder / "loader"
    built = subprocess.run([go, "build", "-o", program, "."], cwd=LOADER, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def load(loader: Path, environment: Path, compose: Path) -> dict[str, Any]:
    """Raises `ValueError` with what the library says."""
    done = subprocess.run([loader, environment, compose], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    project: dict[str, Any] = json.loads(done.stdout)
    return project
