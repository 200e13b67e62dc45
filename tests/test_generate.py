"""The benchmark's generator: the same arguments give the same bytes, and its truth is true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

GENERATE = Path(__file__).parents[1] / "benchmarks" / "generate.py"
COUNT = 20_000


def generate(out: Path, seed: int) -> bytes:
    command = [sys.executable, str(GENERATE), "--count", str(COUNT), "--seed", str(seed), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out.read_bytes()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return generate(tmp_path_factory.mktemp("one") / "log", seed=1)


@pytest.fixture(scope="module")
def truth(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = next(tmp_path_factory.getbasetemp().glob("one*"))
    return json.loads((folder / "log.truth.json").read_text())


def test_same_seed_same_bytes(content: bytes, tmp_path: Path) -> None:
    """Two runs with one seed are equal."""
    assert generate(tmp_path / "again", seed=1) == content


def test_other_seed_other_bytes(content: bytes, tmp_path: Path) -> None:
    """The seed matters."""
    assert generate(tmp_path / "other", seed=2) != content


def test_every_number_once(content: bytes, truth: dict) -> None:
    """Each record that is JSON has its own `seq`; the others have it in their text."""
    seqs = [json.loads(line)["seq"] for line in content.splitlines() if line.startswith(b"{")]
    assert len(seqs) == len(set(seqs)) == COUNT - truth["kinds"]["uvicorn"] - truth["kinds"]["traceback"]


def test_truth_counts_lines_and_bytes(content: bytes, truth: dict) -> None:
    """Lines, bytes and kinds add up."""
    assert (truth["bytes"], truth["lines"]) == (len(content), content.count(b"\n"))
    assert sum(truth["kinds"].values()) == COUNT


def test_every_secret_stands_in_the_file(content: bytes, truth: dict) -> None:
    """What the truth calls a secret was written, as often as it says."""
    assert len(truth["secrets"]) == truth["kinds"]["secret"]
    assert [secret for secret in truth["secrets"] if secret.encode() not in content] == []


def test_records_have_the_size_of_real_ones(content: bytes) -> None:
    """About 300 bytes each."""
    assert 280 < len(content) / COUNT < 330
