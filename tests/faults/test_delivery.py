"""Whatever goes wrong on the way to Elasticsearch: in the end every line is in the index exactly once."""

import random
from collections.abc import Callable

import orjson
import pytest

from tests.campaign.forms import rounds
from tests.e2e.shipper import line
from tests.faults.faults import (
    answers,
    cuts,
    every,
    fewer_items,
    first_time,
    half_an_answer,
    holding,
    late,
    lost_acknowledgement,
    of_index,
    refuses,
    says,
    together,
    too_large,
)
from tests.faults.proxy import Fault, Proxy, passes
from tests.faults.sent import PATIENCE_SECONDS, Sending
from tests.services.elasticsearch import Elasticsearch
from tests.services.supervisor import wait_for

Make = Callable[..., Sending]

BUSY = "es_rejected_execution_exception"
NOT_JSON = b"<html><body>Welcome to the hotel's network</body></html>"
TIMEOUT_S = 1.0

SCRIPTS: dict[str, list[Fault]] = {
    "nothing goes wrong": [],
    "429 for a request": [passes, answers(429, retry_after="1"), answers(429), passes, answers(429, retry_after="0")],
    "503, 502 and 504 for a request": [answers(503), says(NOT_JSON, 502), passes, says(b"", 504)],
    "429 for items": [refuses(every(3), 429, BUSY)] * 4,
    "503 for all items": [refuses(every(1), 503, "unavailable_shards_exception")] * 3,
    "500 for items": [refuses(every(2), 500, "node_closed_exception")] * 2,
    "acknowledgement lost": [passes, *[lost_acknowledgement] * 3],
    "connection cut before": [cuts, passes, cuts, cuts],
    "half an answer": [half_an_answer] * 3,
    "an answer that tells of fewer rows": [fewer_items] * 2,
    "an HTML page": [says(NOT_JSON), passes, says(NOT_JSON)],
    "an empty answer": [says(b""), says(b"", content_type="application/json")],
    "an answer to another question": [says(b'{"took":1}', content_type="application/json")] * 2,
    "a redirect": [says(b"", 302, location="http://127.0.0.1:9/login")] * 2,
    "answers after the timeout": [late(2 * TIMEOUT_S)] * 3,
    "413 for more than 20,000 bytes": [too_large(20_000)] * 30,
    "400 once for items": [
        refuses(first_time(every(7)), 400, "document_parsing_exception", "[1:8] failed to parse field [logger]")
    ]
    * 3,
}
ON_9 = ("429 for items", "acknowledgement lost", "413 for more than 20,000 bytes")
CASES = [("8", case) for case in SCRIPTS] + [("9", case) for case in ON_9]


@pytest.mark.parametrize(("elasticsearch", "case"), CASES, indirect=["elasticsearch"])
def test_every_line_once(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make, case: str) -> None:
    """After each kind of fault."""
    sent = sending(timeout_s=TIMEOUT_S) if "timeout" in case else sending()
    sent.write()
    proxy.next(*SCRIPTS[case])
    sent.once()
    assert (sent.offsets(elasticsearch), len(proxy.bulks) >= len(SCRIPTS[case])) == (sent.expected, True)


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_only_what_is_not_stored_is_sent_again(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make) -> None:
    """Of a bulk with refused items the others are not sent a second time."""
    sent = sending(requests=1)
    sent.write(1_000)
    proxy.next(*[refuses(every(4), 429, BUSY)] * 3)
    sent.once()
    rows = sum(len(request.rows) for request in proxy.bulks)
    assert (sent.offsets(elasticsearch), 1_000 < rows < 1_300) == (sent.expected, True)


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_some_requests_at_a_time(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make) -> None:
    """As many as are allowed."""
    sent = sending(requests=3, age_s=5.0)
    sent.write()
    proxy.next(*[together(3, 10.0)] * 3)
    sent.once()
    assert (sent.offsets(elasticsearch), proxy.most_in_flight) == (sent.expected, 3)


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
@pytest.mark.parametrize("seed", range(rounds(2, 40)))
def test_anything_at_any_time(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make, seed: int) -> None:
    """A third of the requests meets some fault."""
    chance = random.Random(seed)
    kinds = [fault for case, script in SCRIPTS.items() if "400" not in case for fault in script] + [passes]
    sent = sending(timeout_s=TIMEOUT_S)
    sent.write(rounds(3_000, 20_000))
    proxy.next(*(chance.choice(kinds) if chance.random() < 0.33 else passes for _ in range(rounds(30, 200))))
    with sent.running():
        pass
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("from_the_start", [True, False], ids=["from the start", "later"])
def test_holds_while_it_may_not_write(
    elasticsearch: Elasticsearch, proxy: Proxy, sending: Make, status: int, from_the_start: bool
) -> None:
    """It says so, drops nothing, and goes on as soon as somebody has mended it."""
    sent = sending()
    sent.write()
    proxy.next(*[] if from_the_start else [passes] * 4)
    proxy.always(answers(status, kind="security_exception"), everything=from_the_start)
    with sent.running() as run:
        wait_for(lambda: '"holding' in run.err)
        asked = len(proxy.asked)
        wait_for(lambda: len(proxy.asked) > asked)
        proxy.always(passes)
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
@pytest.mark.parametrize(
    ("status", "reason"), [(403, "[FORBIDDEN/8/index write (api)]"), (429, "[TOO_MANY_REQUESTS/12/disk]")]
)
def test_a_blocked_day_holds_up_no_other(
    elasticsearch: Elasticsearch, proxy: Proxy, sending: Make, status: int, reason: str
) -> None:
    """Rows of a day whose index takes nothing for now wait, those of other days are stored; then all are."""
    sent = sending(spool_bytes=64 << 20)
    made = sent.write()
    day = orjson.loads(made[len(made) // 2])["timestamp"][:10]
    waiting = sum(f'"{day}'.encode() in line for line in made)
    proxy.always(refuses(of_index(day.replace("-", ".")), status, "cluster_block_exception", f"blocked by: {reason};"))
    with sent.shipper.following():
        wait_for(lambda: sent.count(elasticsearch) == len(made) - waiting)
        proxy.always(passes)
        wait_for(lambda: sent.count(elasticsearch) == len(made), PATIENCE_SECONDS)
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8", "9"], indirect=True)
def test_a_day_that_is_closed_to_writes(elasticsearch: Elasticsearch, sending: Make) -> None:
    """As the real server blocks an index."""
    sent = sending(spool_bytes=64 << 20)
    made = sent.write()
    day = orjson.loads(made[len(made) // 2])["timestamp"][:10]
    index = f"{sent.name}-{day.replace('-', '.')}"
    waiting = sum(f'"{day}'.encode() in line for line in made)
    elasticsearch.request("PUT", f"/{index}", {"settings": {"index.blocks.write": True}})
    with sent.shipper.following():
        wait_for(lambda: sent.count(elasticsearch) == len(made) - waiting)
        elasticsearch.request("PUT", f"/{index}/_settings", {"index.blocks.write": None})
        wait_for(lambda: sent.count(elasticsearch) == len(made), PATIENCE_SECONDS)
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_rows_that_are_never_taken(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make) -> None:
    """They are in the quarantine, each once; replayed later, every line is in the index once."""
    sent = sending()
    sent.write(1_000)
    proxy.always(refuses(holding(b"5 sent"), 400, "document_parsing_exception", "[1:8] failed to parse field [logger]"))
    sent.once()
    kept = {record["n"] for record in elasticsearch.documents(f"{sent.name}-*")}
    quarantined = sent.shipper("quarantine", "list", "--format", "json").objects
    assert (kept, len(quarantined)) == ({n for n in range(1_000) if n % 10 != 5}, 100)
    proxy.always(passes)
    sent.shipper("quarantine", "replay", "--pipeline", sent.shipper.pipeline)
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_a_row_larger_than_any_request(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make) -> None:
    """It alone goes to the quarantine; it stops nobody."""
    sent = sending()
    sent.write(500)
    with sent.shipper.log.open("ab") as file:
        file.write(line(n=500, message="long " * 20_000))
    sent.write(500, first=501)
    proxy.always(too_large(60_000))
    sent.once()
    kept = sorted(record["n"] for record in elasticsearch.documents(f"{sent.name}-*"))
    assert kept == [n for n in range(1_001) if n != 500]
    assert len(sent.shipper("quarantine", "list", "--format", "json").objects) == 1
