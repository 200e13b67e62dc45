"""`preview` and `scan` read a file as the pipeline's source reads it."""

from pathlib import Path

import orjson
import pytest

from shipper.cli.main import run_command

PIPELINE = """\
sources:
  - {type: tail, paths: [x.log], dataset: api, timezone: America/New_York, max_line: 256}
detect: {rules: [], secrets: []}
sinks: [{type: embedded}]
"""


def preview(folder: Path, capsys: pytest.CaptureFixture[str], log: bytes) -> list[dict[str, object]]:
    (folder / "pipeline.yml").write_text(PIPELINE)
    (folder / "x.log").write_bytes(log)
    names = ["--pipeline", str(folder / "pipeline.yml"), str(folder / "x.log")]
    assert run_command(["--data", str(folder / "data"), "preview", *names]) == 0
    return [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_preview_shows_the_zone_and_the_dataset_of_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A time without a zone is in the source's zone, as in a run."""
    [record] = preview(tmp_path, capsys, b'{"timestamp": "2026-11-23T09:00:00", "message": "x"}\n')
    assert (record["@timestamp"], record["event.dataset"]) == ("2026-11-23T14:00:00Z", "api")


def test_preview_cuts_a_line_where_the_source_cuts_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`max_line`, in bytes."""
    assert len(preview(tmp_path, capsys, b"a " * 300 + b"\n")) == 3


def test_scan_takes_the_zone_of_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six failures in ten minutes are told with the times of a run."""
    monkeypatch.setenv("SHIPPER_TIMEZONE", "America/New_York")
    lines = [f'{{"timestamp": "2026-11-23T09:0{n}:00", "message": "Failed login for user bob"}}' for n in range(6)]
    (tmp_path / "x.log").write_text("\n".join(lines))
    assert run_command(["--data", str(tmp_path / "data"), "scan", str(tmp_path / "x.log")]) == 0
    alert = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert (alert["first"], alert["last"]) == ("2026-11-23T14:00:00Z", "2026-11-23T14:05:00Z")
