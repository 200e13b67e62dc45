"""A bucket behind a bad line: busy servers, cut connections, answers that break off, servers that know less."""

import hashlib
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from shipper.clock import ManualClock
from shipper.objects import s3_send
from shipper.objects.s3 import S3Store
from shipper.objects.store import Damaged, Exists, ObjectError, Unreachable
from tests.faults.faults import cuts, half_an_answer, lost_acknowledgement, says
from tests.faults.proxy import Exchange, Fault, Proxy, passes

pytestmark = [
    pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True),
    pytest.mark.usefixtures("hurried"),
]
KEY = "warm/backend/2026.11.23.parquet"
BODY = hashlib.shake_128(b"body").digest(300_000)


@pytest.fixture
def proxy(s3_server):
    with Proxy(s3_server.url) as running:
        yield running
    assert running.troubles == []


@pytest.fixture
def store(bucket, proxy):
    """Its requests go through the proxy; one object is there."""
    bucket.store().put(KEY, BODY)
    return S3Store(bucket.name, "archive", bucket.settings.model_copy(update={"endpoint": proxy.url}), ManualClock())


def first(times: int, fault: Fault, method: str = "", asks: str = "") -> Fault:
    """So many requests of that method (of any), or that ask this, meet a fault; all others pass."""
    left = [times]

    def choose(exchange: Exchange) -> None:
        request = exchange.request
        meant = method in ("", request.method) and asks in ("", *parse_qs(urlsplit(request.path).query, True))
        left[0] -= meant
        (fault if meant and left[0] >= 0 else passes)(exchange)

    return choose


def refuses(status: int, code: str) -> Fault:
    return says(f"<Error><Code>{code}</Code><Message>As asked.</Message></Error>".encode(), status, "application/xml")


def with_header(name: str, fault: Fault) -> Fault:
    """Only what has it."""
    return lambda exchange: (fault if name in exchange.request.headers else passes)(exchange)


@pytest.mark.parametrize(
    "fault", [refuses(503, "SlowDown"), refuses(500, "InternalError"), says(b"<html>", 502), cuts, lost_acknowledgement]
)
@pytest.mark.parametrize("act", ["put", "get", "head", "list", "delete"])
def test_trouble_that_passes_is_not_noticed(store, proxy, fault, act):
    """Whatever is asked for."""
    acts: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("other", b"x").bytes,
        "get": lambda: store.get(KEY, 7, 9),
        "head": lambda: store.head(KEY).bytes,
        "list": lambda: [each.key for each in store.list()],
        "delete": lambda: store.delete("other"),
    }
    proxy.always(first(2, fault), everything=True)
    expected = {"put": 1, "get": BODY[7:9], "head": len(BODY), "list": [KEY], "delete": None}

    assert acts[act]() == expected[act]


def test_trouble_that_stays_is_said(store, proxy):
    """As something that may pass."""
    proxy.always(refuses(503, "SlowDown"), everything=True)
    for act in (lambda: store.put("a", b"x"), lambda: store.get(KEY), lambda: store.copy(KEY, "a"), store.check):
        with pytest.raises(Unreachable, match="busy or in trouble; trying again later helps"):
            act()


def test_a_body_that_breaks_off_is_taken_up(store, proxy, tmp_path):
    """Where it broke off, until it is whole."""
    proxy.always(first(2, half_an_answer, "GET"), everything=True)
    told = []

    assert store.fetch(KEY, tmp_path / "fetched", told=told.append) == hashlib.sha256(BODY).hexdigest()
    ranges = [request.headers.get("range") for request in proxy.asked if request.method == "GET"]
    assert (ranges, sum(told)) == ([None, "bytes=150000-", "bytes=225000-"], len(BODY))


def test_a_range_that_breaks_off_is_taken_up(store, proxy):
    """Up to its end."""
    proxy.always(first(1, half_an_answer, "GET"), everything=True)

    assert store.get(KEY, 100, 300) == BODY[100:300]
    assert [request.headers["range"] for request in proxy.asked] == ["bytes=100-299", "bytes=200-299"]


def nothing_of_it(exchange: Exchange) -> None:
    exchange.answer(exchange.forward(), 0)


def test_a_body_that_never_comes_is_given_up(store, proxy, tmp_path):
    """Nothing of it becomes a file."""
    proxy.always(first(99, nothing_of_it, "GET"), everything=True)
    with pytest.raises(Unreachable, match=r"was cut|missing"):
        store.fetch(KEY, tmp_path / "fetched")

    assert (list(tmp_path.iterdir()), len(proxy.asked)) == ([], 5)


def test_an_object_that_is_replaced_while_it_is_read(store, proxy, bucket, tmp_path):
    """No half of the one and half of the other."""

    def replaced(exchange):
        answer = exchange.forward()
        bucket.store().put(KEY, BODY[::-1])
        exchange.answer(answer, len(BODY) // 2)

    proxy.always(first(1, replaced, "GET"), everything=True)
    with pytest.raises(Unreachable, match="was replaced while it was read"):
        store.fetch(KEY, tmp_path / "fetched")

    assert store.fetch(KEY, tmp_path / "fetched") == hashlib.sha256(BODY[::-1]).hexdigest()


def flips(exchange: Exchange) -> None:
    answer = exchange.forward()
    exchange.answer(answer._replace(body=answer.body[:-1] + bytes([answer.body[-1] ^ 1])))


def test_a_byte_that_is_flipped_on_the_way_here(store, proxy, tmp_path):
    """Is seen, and becomes no file."""
    proxy.always(first(1, flips, "GET"), everything=True)
    with pytest.raises(Damaged, match="its bytes are not those that were stored"):
        store.fetch(KEY, tmp_path / "fetched")

    assert list(tmp_path.iterdir()) == []


def spoils(exchange: Exchange) -> None:
    exchange.answer(exchange.forward(exchange.request.body[:-1] + bytes([exchange.request.body[-1] ^ 1])))


@pytest.mark.parametrize("one_put_bytes", [1 << 20, 1], ids=["at once", "in parts"])
def test_a_byte_that_is_flipped_on_the_way_there(store, proxy, tmp_path, monkeypatch, one_put_bytes):
    """Is seen by the server, which stores nothing."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", one_put_bytes)
    source = tmp_path / "source"
    source.write_bytes(BODY)
    proxy.always(first(99, spoils, "PUT"), everything=True)
    with pytest.raises(Damaged, match="arrived with another checksum"):
        store.put("other", source)

    assert store.head("other") is None


def test_a_part_that_fails_aborts_the_upload(store, proxy, bucket, tmp_path, monkeypatch):
    """No part is left behind."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1)
    source = tmp_path / "source"
    source.write_bytes(BODY)
    proxy.always(first(99, refuses(400, "InvalidPart"), "PUT", "partNumber"), everything=True)
    with pytest.raises(ObjectError, match=r"upload_part: As asked \(InvalidPart\)"):
        store.put("other", source)

    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_an_answer_without_the_range_that_was_asked_for(store, proxy):
    """Is not taken for it."""
    proxy.always(first(1, says(BODY, 200, etag='"x"'), "GET"), everything=True)
    with pytest.raises(ObjectError, match="does not answer with the range"):
        store.get(KEY, 5, 10)


def test_a_server_that_knows_no_conditions(store, proxy):
    """It was looked for before; whoever is second is told all the same."""
    proxy.always(with_header("if-none-match", refuses(501, "NotImplemented")), everything=True)
    store.put("receipts/1", b"first", if_absent=True)
    with pytest.raises(Exists):
        store.put("receipts/1", b"second", if_absent=True)

    assert store.get("receipts/1") == b"first"


def test_an_answer_that_is_lost_does_not_make_us_second(store, proxy):
    """What is there then is ours."""
    proxy.always(first(1, lost_acknowledgement, "PUT"), everything=True)
    assert store.put("receipts/1", b"ours", if_absent=True).sha256 == hashlib.sha256(b"ours").hexdigest()


def test_somebody_who_was_quicker_is_not_us(store, proxy, bucket):
    """Between the look and the put."""

    def outrun(exchange):
        bucket.store().put("receipts/1", b"theirs")
        passes(exchange)

    proxy.always(first(1, outrun, "PUT"), everything=True)
    with pytest.raises(Exists, match="receipts/1"):
        store.put("receipts/1", b"ours", if_absent=True)

    assert store.get("receipts/1") == b"theirs"


def test_a_server_that_knows_no_versions(store, proxy):
    """There is one, which is deleted."""
    proxy.always(first(99, refuses(501, "NotImplemented"), "GET", "versions"), everything=True)
    assert [each.bytes for each in store.versions(KEY)] == [len(BODY)]
    store.delete(KEY)

    assert (store.head(KEY), store.versions(KEY)) == (None, [])


def test_a_server_that_lists_no_uploads(store, proxy, tmp_path, monkeypatch):
    """Those that a kill has left stay there, and nothing else is wrong."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1)
    source = tmp_path / "source"
    source.write_bytes(BODY)
    proxy.always(first(99, refuses(501, "NotImplemented"), "GET", "uploads"), everything=True)

    assert store.put("other", source).bytes == len(BODY)


def test_rights_that_are_missing_are_named(store, proxy):
    """By what IAM calls them."""
    proxy.always(refuses(403, "AccessDenied"), everything=True)
    acts = {
        "s3:ListBucket;": store.check,
        "s3:PutObject;": lambda: store.put("a", b"x"),
        "s3:GetObject;": lambda: store.get(KEY),
        "s3:ListBucketVersions;": lambda: store.delete(KEY),
        "s3:GetObject and s3:PutObject;": lambda: store._bucket.call("copy_object", Key="a", CopySource="b/c"),
    }
    for action, act in acts.items():
        with pytest.raises(ObjectError, match=f"not allowed; allow {action}"):
            act()
