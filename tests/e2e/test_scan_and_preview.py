"""`check`, `preview` and `scan` say before a run what the run will do; they store nothing."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.build import load_rules_of, plan
from shipper.clock import iso
from shipper.config import shipped
from tests.e2e.shipper import Shipper, failed_login, line
from tests.secret_samples import PLACES, leak, ordinary

MARK = re.compile(r"    \^ (\w+): (.+) \((\S+)\)(?: in (.+?))?(?:, characters (\d+) to (\d+))?")
OWN_TO_A_RUN = {"event.id", "event.ingested"}
"""What differs between a preview and a run: the file's identity, and the clock."""
Finding = tuple[str, str, str, str | None, list[int] | None]
"""Level, rule, its id, field and span."""
NOON = 1_795_176_000
FAILED_LOGIN = "1dbeacc7-0681-4bb6-bdd6-2646c2c17d27"
BY_USER = "9a0c587d-5102-4e96-a830-f83c850fddb3"

MISTAKEN_RULE = """\
title: Mistaken
id: 0b8f3f0c-2f0f-4a3c-9d43-6a1c6d1d6f12
status: test
logsource: {category: application, product: xionimus}
detection:
  word: {message|contains: x}
  condition: wrod
level: low
"""


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    return Shipper(tmp_path)


def examples() -> Iterator[dict[str, Any] | str]:
    """Everything that the shipped rules say they match and pass."""
    for rule in load_rules_of(plan(shipped() / "xionimus.yml")).ruleset.rules:
        for example in (*rule.tests.match, *rule.tests.passes):
            yield orjson.loads(example) if isinstance(example, str) and example.startswith("{") else example


def many_lines() -> bytes:
    """A log of a bad day, a line a second: examples of all rules, secrets in every place, ordinary records between."""
    chance = random.Random(20)
    records: list[dict[str, Any] | str] = [
        *examples(),
        *(place(leak(chance)[1]) for place in PLACES.values() for _ in range(5)),
        *({"message": ordinary(chance)} for _ in range(100)),
    ]
    chance.shuffle(records)
    records.insert(0, {"message": "started"})
    return b"".join(
        (record + "\n").encode() if isinstance(record, str) else line(**{**record, "timestamp": iso(NOON + second)})
        for second, record in enumerate(records)
    )


def previewed(out: bytes) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The records, and the findings marked under them."""
    records: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for text in out.decode().splitlines():
        mark = MARK.fullmatch(text)
        if mark is None:
            records.append(orjson.loads(text))
        else:
            level, rule, rule_id, field, start, stop = mark.groups()
            findings.append((level, rule, rule_id, field, [int(start), int(stop)] if start else None))
    return records, findings


def lasting(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in OWN_TO_A_RUN}


def scanned(shipper: Shipper, *words: object, stdin: bytes = b"") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Findings and alerts."""
    objects = shipper("scan", *words, stdin=stdin).objects
    assert {found["kind"] for found in objects} <= {"finding", "alert"}
    findings = [found for found in objects if found["kind"] == "finding"]
    return findings, objects[len(findings) :]


# ── the same as a run ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_preview_shows_what_a_run_stores(shipper: Shipper) -> None:
    """Record by record, with the same fingerprints in the place of secrets."""
    shipper.log.write_bytes(many_lines())
    shipper.once()
    stored = sorted(shipper.records(), key=lambda record: record["log.offset"])
    shown, _ = previewed(shipper("preview", "--pipeline", shipper.pipeline, shipper.log).out)
    assert len(stored) > 200
    assert sum("[REDACTED:" in str(record) for record in stored) > 40
    assert [*map(lasting, shown)] == [*map(lasting, stored)]


def test_preview_marks_what_scan_finds(shipper: Shipper) -> None:
    """The same findings in the same order, each where it was found; the key of a data folder gives the fingerprints."""
    shipper.log.write_bytes(many_lines())
    shipper.once()
    _, marked = previewed(shipper("preview", shipper.log).out)
    found, _ = scanned(shipper, shipper.log)
    names = ("level", "rule", "rule_id", "field", "span")
    assert marked == [tuple(finding[name] for name in names) for finding in found]
    assert len({finding["rule"] for finding in found}) > 15


def test_scan_raises_the_alerts_of_a_run(shipper: Shipper) -> None:
    """The same rules, groups, counts and times."""
    shipper.write_pipeline(enrich={"service": "xionimus-backend"})
    shipper.log.write_bytes(many_lines() + b"".join(map(failed_login, range(7200, 7208))))
    shipper.once()
    names = ("rule_id", "rule", "level", "group", "count", "first", "last")
    stored = [{name: alert[name] for name in names} for alert in shipper.alerts()]
    _, alerts = scanned(shipper, shipper.log)
    told = [{name: value for name, value in alert.items() if name != "kind"} for alert in alerts]
    assert len(stored) > 20
    assert sorted(map(orjson.dumps, told)) == sorted(map(orjson.dumps, stored))


@pytest.mark.parametrize("words", [("check",), ("scan", "backend.log"), ("preview", "backend.log")])
def test_nothing_is_stored(shipper: Shipper, words: tuple[str, ...]) -> None:
    """Not even an empty data folder, and no other file."""
    (shipper.folder / "backend.log").write_bytes(many_lines())
    before = sorted(shipper.folder.rglob("*"))
    shipper(*words)
    assert sorted(shipper.folder.rglob("*")) == before


# ── what scan prints ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_scan_prints_the_objects_of_the_contract(shipper: Shipper) -> None:
    """Findings with file, line from 1, field and span in characters; then each alert once with its last count."""
    message = "Grüße: failed login for bob from 203.0.113.7"
    lines = [line(timestamp=f"2026-11-20T10:00:0{second}Z", message=message) for second in range(7)]
    shipper.log.write_bytes(b"INFO: started\n" + b"".join(lines))
    findings, alerts = scanned(shipper, shipper.log)
    assert findings == [
        {
            "kind": "finding",
            "rule_id": FAILED_LOGIN,
            "rule": "Failed login",
            "level": "low",
            "file": str(shipper.log),
            "line": number,
            "field": "message",
            "span": [7, 19],
        }
        for number in range(2, 9)
    ]
    assert [alert for alert in alerts if alert["rule_id"] == BY_USER] == [
        {
            "kind": "alert",
            "rule_id": BY_USER,
            "rule": "Failed logins of one user",
            "level": "high",
            "group": {"user.name": "bob"},
            "count": 7,
            "first": "2026-11-20T10:00:00Z",
            "last": "2026-11-20T10:00:06Z",
        }
    ]


def test_scan_counts_the_lines_of_a_traceback(shipper: Shipper) -> None:
    """A record of several lines is found on its first; what follows has the number an editor shows."""
    trace = b'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    call()\nValueError: no\n'
    shipper.log.write_bytes(line(message="up") + trace + failed_login(1))
    findings, _ = scanned(shipper, shipper.log)
    assert [(found["rule"], found["line"]) for found in findings] == [("Unhandled exception", 2), ("Failed login", 6)]


def test_scan_reads_standard_input(shipper: Shipper) -> None:
    """`-` gives what the file gives, under the name `-`."""
    text = b"".join(map(failed_login, range(6)))
    shipper.log.write_bytes(text)
    findings, alerts = scanned(shipper, shipper.log)
    assert scanned(shipper, "-", stdin=text) == ([{**finding, "file": "-"} for finding in findings], alerts)
    assert (len(findings), len(alerts)) == (6, 2)


def test_preview_reads_standard_input(shipper: Shipper) -> None:
    """`-` shows what the file shows."""
    text = b"".join(map(failed_login, range(6)))
    records, findings = previewed(shipper("preview", "-", stdin=text).out)
    assert [record["timestamp"] for record in records] == [f"2026-11-20T10:00:0{second}Z" for second in range(6)]
    assert len(findings) == 6


@pytest.mark.parametrize("backwards", [False, True])
def test_scan_merges_files_by_time(shipper: Shipper, backwards: bool) -> None:
    """Bursts at ten and at twelve, half of each in either file: in any order of files two alerts, six events each."""
    files = [shipper.folder / "one.log", shipper.folder / "two.log"]
    for half, file in enumerate(files):
        seconds = [start + 3 * half + step for start in (0, 7200) for step in range(3)]
        file.write_bytes(b"".join(map(failed_login, seconds)))
    given = files[::-1] if backwards else files
    findings, alerts = scanned(shipper, *given)
    assert [found["file"] for found in findings] == [str(file) for file in given for _ in range(6)]
    assert [(alert["count"], alert["first"], alert["last"]) for alert in alerts if alert["rule_id"] == BY_USER] == [
        (6, "2026-11-20T10:00:00Z", "2026-11-20T10:00:05Z"),
        (6, "2026-11-20T12:00:00Z", "2026-11-20T12:00:05Z"),
    ]


def test_scan_counts_a_file_that_is_named_twice_once(shipper: Shipper) -> None:
    """Three failed logins do not become six."""
    shipper.log.write_bytes(b"".join(map(failed_login, range(3))))
    findings, alerts = scanned(shipper, shipper.log, shipper.log)
    assert (len(findings), alerts) == (3, [])


def test_scan_uses_the_rules_that_it_is_given(shipper: Shipper) -> None:
    """`--rules` and `--secrets` take the place of the shipped ones, each alone; an empty folder means none."""
    nothing = shipper.folder / "nothing"
    nothing.mkdir()
    shipper.log.write_bytes(failed_login(0) + line(message="sent sk" + "-ant-api03-" + "a1B2" * 20))

    def rules(*words: object) -> list[str]:
        return [finding["rule"] for finding in scanned(shipper, shipper.log, *words)[0]]

    assert rules() == ["Failed login", "Anthropic API key"]
    assert rules("--rules", nothing) == ["Anthropic API key"]
    assert rules("--secrets", nothing) == ["Failed login"]
    assert rules("--rules", nothing, "--secrets", nothing) == []


# ── check ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_check_says_that_all_is_well(shipper: Shipper) -> None:
    """One line on stdout."""
    said = shipper("check", shipper.pipeline)
    assert (said.out.decode(), said.err) == (f"{shipper.pipeline}: ok\n", "")


def test_check_lists_every_mistake_of_a_pipeline(shipper: Shipper) -> None:
    """File, line, what is wrong, what to write instead, by lines; and how many on stderr."""
    text = shipper.pipeline.read_text()
    start = len(text.splitlines())
    shipper.pipeline.write_text(text + "decoed: {}\nnotify:\n- type: apprize\n- {}\n")
    said = shipper("check", shipper.pipeline, code=2)
    lines = said.out.decode().splitlines()
    assert lines[:2] == [
        f"{shipper.pipeline}:{start + 1}: unknown key `decoed`; did you mean `decode`?",
        f"{shipper.pipeline}:{start + 3}: there is no notify of type `apprize`; did you mean `apprise`?",
    ]
    assert lines[2].startswith(f"{shipper.pipeline}:{start + 4}: `notify.1.type` is missing; one of: ")
    assert said.err == f"shipper: {shipper.pipeline}: 3 mistakes, nothing was started\n"


def test_check_lists_every_broken_rule(shipper: Shipper) -> None:
    """Sigma and secrets, each with its own file."""
    rule, secret = shipper.folder / "rules" / "mine.yml", shipper.folder / "secrets" / "mine.toml"
    for path, text in ((rule, MISTAKEN_RULE), (secret, "[[rules]\n")):
        path.parent.mkdir()
        path.write_text(text)
    shipper.write_pipeline(detect={"rules": ["rules"], "secrets": ["secrets", "nowhere"]})
    said = shipper("check", shipper.pipeline, code=2)
    places = [text.split(": ")[0] for text in said.out.decode().splitlines()]
    assert sorted(place.rpartition(":")[0] for place in places) == sorted(
        str(path) for path in (rule, secret, shipper.folder / "nowhere")
    )
    assert said.err == f"shipper: {shipper.pipeline}: 3 mistakes, nothing was started\n"


def test_check_finds_what_keeps_a_run_from_starting(shipper: Shipper) -> None:
    """The same lines that `run` says."""
    shipper.write_pipeline(decoed={}, sinks=[{"type": "embeded"}])
    lines = shipper("check", shipper.pipeline, code=2).out.decode().splitlines()
    assert shipper.once(code=2).err.removeprefix("shipper: ").splitlines() == lines
