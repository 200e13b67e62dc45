"""The backend on paper logs what the real one logs."""

import json
import random
import re
import subprocess
import sys

from shipper.example.client import Client
from shipper.example.day import DAY_S, log_of_a_day
from shipper.example.paper import PaperBackend
from shipper.example.simulation import free_port
from shipper.example.traffic import INCIDENTS, ORDINARY, Cast
from tests.services.supervisor import wait_for

MIDNIGHT = 1_759_276_800.0
MADE_UP = re.compile(r"Session \w+|sessions?/\w+/|/chat/\w+/|returned \d+|port \d+|sk-ant-[\w-]+")


def essence(log):
    """Of each line what does not depend on chance: fields, level and text, without numbers that were drawn."""
    lines = [
        line
        for line in log.splitlines()
        if "Uvicorn" not in line and not re.match(r"INFO: .*(process|startup|shut)", line)
    ]
    found = []
    for line in lines:
        shown = line
        if line.startswith("{"):
            entry = json.loads(line)
            about = [entry[key] for key in ("level", "logger", "message", "module", "function")]
            shown = f"{sorted(entry)} {about} {entry.get('exc_info', '').rpartition(chr(10))[2]}"
        found.append(MADE_UP.sub("…", shown))
    return found


def lived(client):
    """Everything that can happen, once; how many requests too many there are is a matter of speed."""
    cast = Cast(client, random.Random(3))
    for do in (*dict.fromkeys(ORDINARY), *(step.do for step in INCIDENTS if step.do.__name__ != "hammer")):
        do(cast)


def test_both_log_the_same(tmp_path, monkeypatch):
    port, path = free_port(0), tmp_path / "log"
    monkeypatch.setenv("ENABLE_JSON_LOGGING", "true")
    command = [sys.executable, "-u", "-m", "shipper.example.backend", "--port", str(port)]
    with (
        path.open("wb") as out,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL),
    ):
        client = Client("127.0.0.1", port)
        wait_for(client.up)
        before = path.read_text()
        lived(client)
        wait_for(lambda: path.read_text().count("Unhandled exception") == 1)
    paper = PaperBackend(MIDNIGHT, random.Random(1))
    first = len(paper.lines)
    lived(paper)
    assert essence("\n".join(paper.lines[:first])) == essence(before)[:1]
    assert essence("\n".join(paper.lines[first:])) == essence(path.read_text()[len(before) :])


def test_too_many_requests_are_refused():
    """The eleventh within ten seconds."""
    backend = PaperBackend(MIDNIGHT, random.Random(1))
    cast = Cast(backend, random.Random(1))
    next(step.do for step in INCIDENTS if step.do.__name__ == "hammer")(cast)
    assert sum("Rate limit exceeded" in line for line in backend.lines) == 4


def test_a_day_is_a_few_hundred_lines_in_order():
    """All within the day, as every day of some weeks."""
    for number in range(30):
        lines = log_of_a_day(MIDNIGHT, random.Random(number)).decode().splitlines()
        times = [json.loads(line)["timestamp"] for line in lines if line.startswith("{")]
        assert (150 < len(lines) < 500, times, times[-1] < "2025-10-02") == (True, sorted(times), True)


def test_some_days_are_bad():
    """With failed logins, injections, a leaked key, an exception; others have none of it."""
    days = [log_of_a_day(MIDNIGHT + number * DAY_S, random.Random(number)).decode() for number in range(30)]
    bad = [day for day in days if "Failed login" in day]
    signs = ("DROP%20TABLE", "UNION%20SELECT", "sk-ant-", "ZeroDivisionError", "Rate limit exceeded")
    assert (5 < len(bad) < 20, all(any(sign in day for day in bad) for sign in signs)) == (True, True)
