"""The end of a command."""

import subprocess
import sys

import pytest

COMMAND = """
import threading
from concurrent.futures import ThreadPoolExecutor
from shipper.cli.main import main

def upload():
    ThreadPoolExecutor(1).submit(threading.Event().wait).result()

threading.Thread(target=upload, daemon=True).start()
main()
"""
"""What a mover that is stopped leaves in its pool gets no answer."""


@pytest.mark.parametrize(("word", "code", "out"), [("--version", 0, b"shipper"), ("nonsense", 2, b"")])
def test_an_upload_that_gets_no_answer_is_not_waited_for(word, code, out):
    """A run that is stopped would end minutes later: Python waits for the threads of pools."""
    done = subprocess.run([sys.executable, "-c", COMMAND, word], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout[: len(out)]) == (code, out)


QUERY = """
import os, signal, threading
import click, duckdb
from shipper.cli import main

def count():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    duckdb.execute("SELECT count(*) FROM range(3000000) a, range(30000) b WHERE a.range + b.range = 7").fetchall()

main.cli = click.Command("count", callback=count)
main.main([])
"""


def test_ctrl_c_in_a_query_is_no_error():
    """DuckDB makes a failure of it."""
    done = subprocess.run([sys.executable, "-c", QUERY], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
