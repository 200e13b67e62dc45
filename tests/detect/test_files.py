"""Rule folders are replaced while they are looked through."""

import os
from shutil import rmtree

from shipper.detect.files import files_below


def test_a_folder_that_goes_away_meanwhile_has_no_files(tmp_path, monkeypatch):
    for name in ("a/1.yml", "b/2.yml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    real = os.scandir

    def gone_when_opened(folder):
        if folder == str(tmp_path / "b"):
            rmtree(folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", gone_when_opened)
    assert files_below(tmp_path) == [tmp_path / "a/1.yml"]


def test_they_come_in_order_from_every_depth(tmp_path):
    for name in ("b/c/3.yml", "a.yml", "b/2.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    found = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert found == ["a.yml", "b/2.yml", "b/c/3.yml"]
