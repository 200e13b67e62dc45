"""Rows on their way into Elasticsearch: what is stored is not sent again, what is refused is kept, the rest waits."""

import threading

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.errors import Blocked, Retry, UsageError
from shipper.quarantine import as_batch, entries, quarantine_changes
from shipper.sink import elasticsearch as sink
from shipper.state import State
from tests.batches import FILE_ID, finished
from tests.elastic.answers import PRODUCT, Answer, bulk, error, refused, serving

BUSY = refused(429, "es_rejected_execution_exception", "too busy")
BLOCK = refused(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];")
ODD = refused(400, "document_parsing_exception", "[1:6] failed to parse field [n] of type [long] in document with id")
TIME = "2026-11-20T10:00:00Z"


def rows(*numbers):
    return [b'{"n":%d,"@timestamp":"%b"}' % (number, TIME.encode()) for number in numbers]


@pytest.fixture
def making(tmp_path, request):
    state = State(tmp_path / "state.db")
    made = []

    def make(url, name="x", scrub=lambda text: text, **settings):
        context = Context(tmp_path, state, ManualClock(), scrub=scrub, name=name)
        settings = {"manage_templates": False, **settings}
        made.append(sink.build(sink.Config.model_validate({"url": url, **settings}), context))
        return made[-1]

    yield make
    for each in made:
        each.close()
    state.close()


@pytest.fixture
def server():
    with serving() as held:
        yield held


def failing(written, batch, kind=Retry):
    with pytest.raises(kind) as caught:
        written.write(batch)
    return caught.value


# ── what is sent ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bulk_is_sent_to_the_index_of_its_day(server, making):
    """Compressed, each row created under its event id, and the answer asked to be short."""
    assert making(server.url).write(finished(*rows(1, 2))) == []
    request = server.requests[0]

    assert (
        request.path.startswith(f"/x-2026.11.20/_bulk?{sink.ANSWER}&") and request.headers["content-encoding"] == "gzip"
    )
    assert request.lines == [
        {"create": {"_id": f"{FILE_ID}-0"}}, {"n": 1, "@timestamp": TIME},
        {"create": {"_id": f"{FILE_ID}-10"}}, {"n": 2, "@timestamp": TIME},
    ]  # fmt: skip


def test_compression_can_be_left_out(server, making):
    """For a server next door."""
    making(server.url, compress=False).write(finished(*rows(1)))

    assert "content-encoding" not in server.requests[0].headers and len(server.rows[0]) == 1


def test_a_batch_over_midnight_names_its_indices(server, making):
    """In one request."""
    batch = finished(*rows(1, 2))
    batch.times[1] = "2026-11-21T00:00:00Z"
    making(server.url).write(batch)

    assert server.requests[0].path.startswith("/_bulk?")
    assert [line["create"]["_index"] for line in server.requests[0].lines[::2]] == ["x-2026.11.20", "x-2026.11.21"]


def test_a_batch_is_cut_by_rows(server, making):
    """And nothing of it is left out."""
    making(server.url, bulk_rows=3, requests=2).write(finished(*rows(*range(10))))

    assert sorted(row["n"] for each in server.rows for row in each) == list(range(10))
    assert max(len(each) for each in server.rows) == 3


def test_requests_are_under_way_together(server, making):
    """As many as are allowed: each waits for the other."""
    met = threading.Barrier(2, timeout=30)
    answer = server.otherwise
    server.otherwise = lambda request: (met.wait(), answer(request))[1]

    assert making(server.url, bulk_rows=2, requests=2).write(finished(*rows(*range(4)))) == []


def test_no_thread_is_left_behind(server, making):
    """After the sink is closed, also twice."""
    written = making(server.url, bulk_rows=1, requests=3)
    written.write(finished(*rows(1, 2, 3)))
    written.close()
    written.close()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("elasticsearch")] == []


def test_a_run_starts_although_the_server_is_away(making):
    """Only writing notices."""
    found = failing(making("http://127.0.0.1:1", manage_templates=True), finished(*rows(1)))

    assert (found.grave, "refuses the connection" in str(found)) == (False, True)


def test_a_missing_compressor_is_named_with_what_installs_it(making, monkeypatch):
    """It is an extra, as the client is."""
    monkeypatch.setitem(__import__("sys").modules, "isal", None)
    with pytest.raises(UsageError) as caught:
        making("http://127.0.0.1:1")

    assert "shipper[elasticsearch]" in str(caught.value)


# ── what is answered ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_there_already_is_stored(server, making):
    """After a lost acknowledgement the server says so of each row."""
    server.answers = [bulk(refused(409, "version_conflict_engine_exception"), 201)]

    assert making(server.url).write(finished(*rows(1, 2))) == []


def test_only_the_rows_that_were_not_stored_are_sent_again(server, making):
    """When the same batch comes back."""
    server.answers = [bulk(201, BUSY, 201, BUSY)]
    written, batch = making(server.url), finished(*rows(1, 2, 3, 4))
    found = failing(written, batch)

    assert (found.grave, written.write(batch)) == (False, [])
    assert [[row["n"] for row in each] for each in server.rows] == [[1, 2, 3, 4], [2, 4]]


NO_ANSWERS = [
    error(429), error(503), Answer(502, b"<html>"), Answer(cut=0), bulk(201), bulk(201, 201, 201), Answer(body=b"{"),
    bulk(201, 201)._replace(cut=30), Answer(body=b"[]"),
]  # fmt: skip


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_without_an_answer_to_these_rows_all_are_sent_again(server, making, answer):
    """Nothing may be assumed stored."""
    server.answers = [answer]
    written, batch = making(server.url), finished(*rows(1, 2))
    found = failing(written, batch)

    assert (found.grave, written.write(batch), [len(each) for each in server.rows]) == (False, [], [2, 2])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_without_permission_everything_waits_for_a_person(server, making, status):
    """Of the whole request, or of some rows; nothing is refused."""
    item = refused(status, "security_exception", "unauthorized")
    server.answers = [error(status, "security_exception", "unauthorized"), bulk(201, item)]
    written, batch = making(server.url), finished(*rows(1, 2))

    assert [failing(written, batch).grave, failing(written, batch).grave, written.write(batch)] == [True, True, []]
    assert [len(each) for each in server.rows] == [2, 2, 1]


def test_the_wait_grows_and_heeds_the_server(server, making):
    """Until something is stored."""
    patient = error(429)._replace(headers={**PRODUCT, "retry-after": "40"})
    server.answers = [*[error(503)] * 6, patient, bulk(201, BUSY)]
    written, batch = making(server.url), finished(*rows(1, 2))
    waits = [failing(written, batch).after for _ in range(8)]

    assert 0.2 <= waits[0] <= 0.5 and waits[5] >= 8 and waits[6] >= 40 and waits[7] <= 0.5


def test_a_busy_server_gets_smaller_bulks_one_at_a_time(server, making):
    """And everything in the end."""
    row = b'{"n":1,"text":"' + b"x" * 10_000 + b'"}'
    server.answers = [error(429)] * 4
    written, batch = making(server.url, bulk_bytes=1 << 20, requests=2), finished(*[row] * 150)
    for _ in range(2):
        failing(written, batch)
    server.answers.clear()
    written.write(batch)
    stored = server.rows[-6:]

    assert max(len(each) for each in stored) <= (1 << 18) / 10_000 and sum(len(each) for each in stored) >= 148


def test_what_is_too_large_is_halved_until_it_is_not(server, making):
    """Without waiting; a row that is too large alone is refused."""
    large = b'{"n":0,"text":"' + b"x" * 3_000 + b'"}'

    def limited(request):
        count = len(request.lines) // 2
        return error(413) if len(request.body) > 2_000 else bulk(*[201] * count)

    server.otherwise = limited
    found = making(server.url).write(finished(*rows(*range(20)), large, *rows(*range(30, 50))))
    kept = {row["n"] for request in server.requests if len(request.body) <= 2_000 for row in request.lines[1::2]}

    assert [each.row for each in found] == [20] and "more than the server takes" in found[0].reason
    assert kept == {*range(20), *range(30, 50)}


def test_blocked_rows_are_given_back_when_the_others_are_settled(server, making):
    """With what was refused for good among those."""
    server.answers = [bulk(201, BLOCK, ODD, BLOCK), bulk(ODD), bulk(201, 201)]
    written, batch = making(server.url), finished(*rows(1, 2, 3, 4))
    found = failing(written, batch, Blocked)

    assert (found.rows, [each.row for each in found.refused]) == ([1, 3], [2])
    assert "x-2026.11.20: index [x] blocked by" in str(found)
    assert [each.row for each in written.write(batch)] == [2]
    assert [row["n"] for row in server.rows[-1]] == [2, 4]


def test_a_row_that_is_two_lines_is_refused_unsent(server, making):
    """The server would read its second line as an order."""
    found = making(server.url).write(finished(*rows(1), b'{"n":2}\n{"delete":{}}', *rows(3)))

    assert [(each.row, each.reason) for each in found] == [(1, "not one line of JSON")]
    assert [row["n"] for row in server.rows[-1]] == [1, 3]


def test_a_reason_passes_the_scrubber(server, making):
    """It holds what the row held."""
    server.answers = [bulk(refused(400, "odd", "of secret")), bulk(BLOCK), bulk(refused(429, "odd", "secret"))]
    written = making(server.url, scrub=lambda text: text.replace("secret", "***").replace("FORBIDDEN", "***"))

    assert [each.reason for each in written.write(finished(b'{"@timestamp":"x"}'))] == ["of ***"]
    assert "FORBIDDEN" not in str(failing(written, finished(*rows(1))))
    assert "secret" not in str(failing(written, finished(*rows(1))))


def test_a_name_in_the_settings_is_shown_nowhere():
    """Of what a run prints of its configuration."""
    config = sink.Config.model_validate({"url": "http://bob:secret@a:1", "api_key": "secret"})

    assert "secret" not in f"{config!r} {config} {config.model_dump_json()}"


# ── a real one ────────────────────────────────────────────────────────────────────────────────────────────────────────


def stored(elasticsearch, name):
    """`n` → document."""
    return {each.get("n"): each for each in elasticsearch.documents(f"{name}-*")}


def found(elasticsearch, name, query):
    return [each["line"] for each in elasticsearch.documents(f"{name}-*", query)]


def row(number, **fields):
    return orjson.dumps({"n": number, "line": number, "@timestamp": TIME, **fields})


def test_written_twice_is_there_once(elasticsearch, name, making):
    """By another sink, too, after a crash between the answer and the commit."""
    for _ in range(2):
        assert making(elasticsearch.url, name).write(finished(*rows(1, 2, 3))) == []

    assert sorted(stored(elasticsearch, name)) == [1, 2, 3]


def test_templates_are_installed_before_the_first_row(elasticsearch, name, making):
    """So that each field is what it should be from the beginning."""
    making(elasticsearch.url, name, manage_templates=True).write(finished(*rows(1)))
    mapping = elasticsearch.request("GET", f"/{name}-2026.11.20/_mapping")[f"{name}-2026.11.20"]["mappings"]

    assert mapping["properties"]["@timestamp"]["type"] == "date_nanos"


def test_templates_that_somebody_removed_are_there_again_for_the_next_day(elasticsearch, name, making):
    """Not only after the next start: a whole day would have fields of any kind."""
    written, next_day = making(elasticsearch.url, name, manage_templates=True), finished(*rows(2))
    written.write(finished(*rows(1)))
    elasticsearch.request("DELETE", f"/_index_template/{name}")
    next_day.times = ["2026-11-21T10:00:00Z"]
    written.write(next_day)
    mapping = elasticsearch.request("GET", f"/{name}-2026.11.21/_mapping")[f"{name}-2026.11.21"]["mappings"]

    assert mapping["properties"]["@timestamp"]["type"] == "date_nanos"


ODD_ROWS = {
    "an address that is none": ({"source.ip": "nowhere"}, "source.ip", "nowhere"),
    "the same, nested": ({"source": {"ip": "nowhere"}}, "source.ip", "nowhere"),
    "a name of Elasticsearch's own": ({"_id": "mine"}, "_id", "mine"),
    "a name without letters": ({" ": "space"}, " ", "space"),
    "labels as a text": ({"labels": "text"}, "labels", "text"),
    "a text in a field of numbers": ({"cost": "free"}, "cost", "free"),
    "a number that is too long": ({"long": orjson.Fragment(b"1" * 1_500)}, "long", "1" * 1_500),
}


@pytest.mark.parametrize("case", ODD_ROWS)
def test_what_fits_no_field_is_found_under_labels(elasticsearch, name, making, case):
    """And the rest of the row where it always is."""
    fields, label, text = ODD_ROWS[case]
    written = making(elasticsearch.url, name, manage_templates=True)

    assert written.write(finished(row(1, cost=0.5), row(2, message="Hello", **fields))) == []
    assert found(elasticsearch, name, {"term": {f"labels.{label}": text}}) == [2]
    assert found(elasticsearch, name, {"match": {"message": "hello"}}) == [2]


def test_beyond_the_limit_new_fields_go_under_labels(elasticsearch, name, making):
    """And those that there are stay in their place."""
    written = making(elasticsearch.url, name, manage_templates=True)
    written.write(finished(row(0, known="k")))
    many = {f"new{number}": number for number in range(1_200)}

    assert written.write(finished(row(1, known="k", provider="openai", **many), start=100)) == []
    assert found(elasticsearch, name, {"term": {"labels.new7": "7"}}) == [1]
    assert sorted(found(elasticsearch, name, {"term": {"known": "k"}})) == [0, 1]


def test_rows_that_fit_nowhere_are_refused_and_the_others_stored(elasticsearch, name, making):
    """With a reason of one short line."""
    written = making(elasticsearch.url, name, manage_templates=True)
    found = written.write(finished(*rows(1), b"not an object", row(2, **{"@timestamp": "never"}), b"", *rows(3)))

    assert [each.row for each in found] == [1, 2, 3] and sorted(stored(elasticsearch, name)) == [1, 3]
    assert all(0 < len(each.reason) < 300 and "\n" not in each.reason and "never" not in each.reason for each in found)


def test_a_closed_day_blocks_its_rows_alone(elasticsearch, name, making):
    """They are stored once it takes rows again."""
    written, batch = making(elasticsearch.url, name), finished(*rows(1, 2))
    written.write(finished(*rows(0), start=1_000))
    elasticsearch.request("PUT", f"/{name}-2026.11.20/_block/write")
    batch.times[1] = "2026-11-21T10:00:00Z"
    found = failing(written, batch, Blocked)
    elasticsearch.request("PUT", f"/{name}-2026.11.20/_settings", {"index.blocks.write": False})

    assert (found.rows, written.write(batch), sorted(stored(elasticsearch, name))) == ([0], [], [0, 1, 2])


def test_a_day_without_its_shard_blocks_its_rows_alone(elasticsearch, name, making):
    """Elasticsearch waits for the shard, and would do so longer than we wait for an answer."""
    nowhere = {"settings": {"index.routing.allocation.require.box": "none"}}
    elasticsearch.request("PUT", f"/{name}-2026.11.20?wait_for_active_shards=0", nowhere)
    batch = finished(*rows(1, 2), start=1_000)
    for each in (other := finished(*rows(0))), batch:
        each.times[-1] = "2026-11-21T10:00:00Z"
    making(elasticsearch.url, name).write(other)
    written = making(elasticsearch.url, name, timeout_s=6)
    found = failing(written, batch, Blocked)
    elasticsearch.request("DELETE", f"/{name}-2026.11.20")

    assert (found.rows, written.write(batch), sorted(stored(elasticsearch, name))) == ([0], [], [0, 1, 2])


def test_the_server_waits_for_a_shard_shorter_than_we_wait_for_it(server, making):
    """In milliseconds, for it takes no fractions."""
    making(server.url, timeout_s=3).write(finished(*rows(1)))

    assert server.requests[0].path.endswith("&timeout=1000ms")


def test_what_was_refused_can_be_replayed(elasticsearch, name, making, tmp_path):
    """Under the same id, once the index takes it: here a row by a template that somebody mended."""
    strict = {"mappings": {"dynamic": "strict", "properties": {"@timestamp": {"type": "date"}}}}
    elasticsearch.request("PUT", f"/{name}-2026.11.20", strict)
    written, batch = making(elasticsearch.url, name), finished(*rows(1))
    refused = written.write(batch)
    state = State(tmp_path / "other.db")
    state.run(*quarantine_changes(batch, refused, 0.0))
    elasticsearch.request("PUT", f"/{name}-2026.11.20/_mapping", {"dynamic": True})

    assert written.write(as_batch(entries(state), 0.0)) == []
    state.close()
    hits = elasticsearch.request("POST", f"/{name}-*/_search", {"query": {"ids": {"values": [f"{FILE_ID}-0"]}}})
    assert "hits" in hits and list(stored(elasticsearch, name)) == [1]
