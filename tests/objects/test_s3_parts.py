"""Uploads in parts."""

import threading

import pytest

from shipper.objects import s3_parts
from shipper.objects.s3_parts import Multipart


def test_ctrl_c_waits_for_no_answer(tmp_path, monkeypatch):
    """Neither for that of the other parts, nor for long for one to giving the upload up."""
    monkeypatch.setattr(s3_parts, "ABORT_WITHIN_S", 0.01)
    source = tmp_path / "day.parquet"
    with source.open("wb") as file:
        file.truncate(40 << 20)
    answers, given_up = threading.Event(), threading.Event()

    def call(operation, **arguments):
        if arguments.get("PartNumber") == 1:
            raise KeyboardInterrupt
        if operation == "abort_multipart_upload":
            given_up.set()
        if operation in ("upload_part", "abort_multipart_upload"):
            answers.wait()
        return {"UploadId": "1"}

    with pytest.raises(KeyboardInterrupt):
        Multipart(call, "warm/day.parquet", 4, False).upload(source, {}, {}, None)
    assert given_up.wait(30)
    answers.set()
