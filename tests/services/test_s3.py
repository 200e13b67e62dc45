"""The S3 servers that other tests use: shared, with a bucket for each test, gone with the run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.services import s3
from tests.services.processes import working_in
from tests.services.supervisor import wait_for
from tests.services.test_elasticsearch import ROOT, run_without

ONE_TEST = "def test_it(bucket):\n    bucket.store().check()\n"


def test_a_bucket_of_ones_own(bucket: s3.Bucket) -> None:
    """Empty, with a place in it."""
    assert list(bucket.store().list()) == []
    assert bucket.place == f"s3://{bucket.name}/archive"


def test_a_bucket_that_can_lock(locked_bucket: s3.Bucket) -> None:
    """It has versions too."""
    assert locked_bucket.client.get_bucket_versioning(Bucket=locked_bucket.name)["Status"] == "Enabled"


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_the_real_one_checks_what_it_is_sent(bucket: s3.Bucket) -> None:
    """Which the other one does not."""
    with pytest.raises(ClientError, match="BadDigest"):
        bucket.client.put_object(Bucket=bucket.name, Key="a", Body=b"x", ChecksumSHA256="A" * 43 + "=")


def test_they_die_with_the_run() -> None:
    """Even when that is killed: no process and no file is left."""
    code = (
        "import time; from tests.services import s3; from tests.services.elasticsearch import Servers\n"
        "with Servers.begun() as servers:\n"
        "    s3.shared('moto'); print(servers.folder, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().decode().strip())
    (work,) = folder.glob("moto-*")
    assert len(working_in(work)) >= 1
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not folder.exists() and working_in(work) == [])


def test_without_go(tmp_path: Path) -> None:
    """One line says what was left out; the double works."""
    done = run_without(tmp_path, ONE_TEST)
    line = "left out: tests against a real S3 server, 1 for want of versitygw: no Go to build it with; install it"
    assert (done.returncode, done.stdout.count("left out:"), line in done.stdout) == (0, 1, True), done
    assert "1 passed, 1 skipped" in done.stdout


def test_without_go_in_ci(tmp_path: Path) -> None:
    """Where nobody reads the last line, it is a failure."""
    done = run_without(tmp_path, ONE_TEST, CI="true")
    assert (done.returncode, "no real S3 server versitygw: no Go" in done.stdout) == (1, True), done.stdout
