import orjson
from hypothesis import given
from hypothesis import strategies as st

from shipper.decode.stage import Decode
from shipper.enrich.stage import Config, Enrich
from shipper.fields import FIELDS
from tests.decode.batches import FILE, batch_of
from tests.decode.test_parse import BACKEND
from tests.decode.test_traceback import GROUP, TRACE
from tests.enrich.enriched import enriched, record


def test_the_backends_own_line():
    """The whole record: the original fields as they were, the ECS names beside them."""
    assert record(BACKEND) == {
        **orjson.loads(BACKEND),
        "@timestamp": "2025-10-01T05:08:03Z",
        "log.level": "info",
        "log.logger": "app.api.chat",
        "log.origin.file.name": "chat",
        "log.origin.function": "send_message",
        "log.origin.file.line": 342,
        "user.id": "user123",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "event.duration": 1_234_000_000,
        "event.kind": "event",
        "event.dataset": "backend",
        "service.name": "backend",
        "log.file.path": "/var/log/supervisor/backend.out.log",
        "event.id": f"{FILE}-0",
        "event.ingested": "2026-11-23T10:00:00.000Z",
        "log.offset": 0,
    }


def test_what_it_adds_has_a_name_in_the_table():
    """Every added name is defined once, with its type."""
    lines = [BACKEND, b"ERROR: x", *TRACE, b'{"a":', b'{"@timestamp":"x"}', b'10.0.0.1:1 - "GET /a?b HTTP/1.1" 200 OK']
    batch = enriched(*lines, config=Config(host="web1"))
    added = {name for row in range(len(batch)) for name in (batch.record(row).keys() - batch.docs[row].keys())}
    assert added - FIELDS.keys() == set()


def test_pipeline_names_are_given_by_the_configuration():
    """But a record that names its own service keeps it."""
    config = Config(service="xionimus", host="web1")
    batch = enriched(b'{"a":1}', b'{"service":{"name":"mine"},"host.name":"web2"}', config=config)
    assert (batch.record(0)["service.name"], batch.record(0)["host.name"]) == ("xionimus", "web1")
    assert "service.name" not in batch.record(1)
    assert batch.record(1)["host.name"] == "web2"


def test_what_is_wrong_is_in_the_record():
    """`event.kind` and the reason; the text is the message."""
    made = record(b'{"a":')
    assert (made["event.kind"], made["message"]) == ("pipeline_error", '{"a":')
    assert made["event.reason"].startswith("not valid JSON")


def test_a_record_cannot_pretend_to_be_another():
    """What identifies it is ours; what it said stays beside."""
    made = record(b'{"event.id":"x","log.offset":7,"event.kind":"alert"}')
    assert (made["event.id"], made["event.id_original"]) == (f"{FILE}-0", "x")
    assert (made["log.offset"], made["log.offset_original"]) == (0, 7)
    assert made["event.kind"] == "alert"
    assert record(b'{"event.kind":"event","a":NaN}')["event.kind"] == "pipeline_error"


def test_a_raw_traceback_has_its_error_fields():
    """Type, message, trace, level; alone or announced."""
    alone, announced = enriched(b"{}", *TRACE, b"{}", b"CRITICAL:app:down", *TRACE), None
    announced = alone.record(3)
    alone = alone.record(1)
    for made in (alone, announced):
        assert (made["error.type"], made["error.message"]) == ("ValueError", "no")
        assert made["error.stack_trace"] == b"\n".join(TRACE).decode()
    assert (alone["message"], alone["log.level"]) == ("ValueError: no", "error")
    assert (announced["message"], announced["log.level"]) == ("CRITICAL:app:down", "critical")
    assert announced["log.logger"] == "app"


def test_an_exception_group_is_named_by_itself():
    """Not by the exceptions inside."""
    made = enriched(b"{}", *GROUP).record(1)
    assert (made["error.type"], made["error.message"]) == ("ExceptionGroup", "two (2 sub-exceptions)")


def test_added_is_derived_when_asked_for():
    """A row that nobody looks at costs only its time."""
    batch = enriched(BACKEND, BACKEND)
    assert batch.added == [None, None]
    assert batch.record(1)["log.offset"] == len(BACKEND) + 1
    assert batch.added[0] is None


def test_deriving_twice_gives_the_same():
    """A pure function of the row, also after rows were dropped before it."""
    batch = enriched(BACKEND, b"text", b'{"a":1}')
    before = batch.record(2)
    batch.added = [None] * 3
    batch.keep([0, 2])
    assert batch.record(1) == before


@given(st.lists(st.binary(max_size=80).map(lambda raw: raw.replace(b"\n", b"")), max_size=6))
def test_no_bytes_crash_it(lines):
    """Every record can be written."""
    batch = Enrich()(Decode()(batch_of(lines)))
    for row in range(len(batch)):
        orjson.dumps(batch.record(row))


NAMES = st.sampled_from(
    [alias for field in FIELDS.values() for alias in (*field.aliases, field.name)] + ["record", "log", "err", "a"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.just("GET /a?b 200 from 1.2.3.4"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES | st.just("exc_type"), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_no_document_crashes_it_and_none_is_overwritten(doc):
    """Whatever stands under the names that it knows."""
    batch = batch_of([b"{}"])
    batch.docs = [doc]
    batch = Enrich()(batch)
    made = batch.record(0)
    orjson.dumps(batch.added[0])
    ours = {"@timestamp", "event.id", "event.ingested", "log.offset"} | {
        "event.timestamp_source",
        "event.timestamp_original",
    }
    assert {name: made[name] for name in doc if name not in ours} == {
        name: doc[name] for name in doc if name not in ours
    }
