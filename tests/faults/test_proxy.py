"""The proxy itself does what a test asks of it."""

import gzip
import http.client
import threading
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.faults.faults import (
    answers,
    cuts,
    every,
    fewer_items,
    half_an_answer,
    late,
    lost_acknowledgement,
    refuses,
    too_large,
)
from tests.faults.proxy import Answer, Proxy
from tests.services.certificates import Authority
from tests.services.elasticsearch import Elasticsearch
from tests.services.supervisor import wait_for

pytestmark = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
BULK = b"".join(b'{"create":{"_id":"%d"}}\n{"n":%d}\n' % (n, n) for n in range(4))


def post(proxy: Proxy, name: str, body: bytes = BULK, **headers: str) -> Answer:
    """A bulk through the proxy."""
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=20)
    told = {"content-type": "application/x-ndjson", **{key.replace("_", "-"): value for key, value in headers.items()}}
    try:
        connection.request("POST", f"/{name}-a/_bulk?refresh=true", body, told)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), {key.lower(): value for key, value in answer.getheaders()})
    finally:
        connection.close()


def stored(server: Elasticsearch, name: str) -> list[int]:
    return sorted(found["n"] for found in server.documents(f"{name}-*"))


def test_passes_on(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """Also what comes compressed, which it can read."""
    answer = post(proxy, name, gzip.compress(BULK), content_encoding="gzip")
    assert (answer.json["errors"], stored(elasticsearch, name)) == (False, [0, 1, 2, 3])
    assert [(row.index, row.id, row.source) for row in proxy.bulks[0].rows[:2]] == [
        (f"{name}-a", "0", b'{"n":0}'),
        (f"{name}-a", "1", b'{"n":1}'),
    ]


def test_one_fault_after_the_other(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """Then none."""
    proxy.next(answers(503, "busy"), answers(429, retry_after="7"))
    first, second, third = (post(proxy, name) for _ in range(3))
    assert (first.status, first.json["error"]["reason"], second.headers["retry-after"]) == (503, "busy", "7")
    assert (third.status, stored(elasticsearch, name)) == (200, [0, 1, 2, 3])


def test_refuses_some_items(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """And lets the others through, each answer at its place."""
    proxy.always(refuses(every(2), 429, "busy"))
    items = [item["create"]["status"] for item in post(proxy, name).json["items"]]
    assert (items, stored(elasticsearch, name)) == ([201, 429, 201, 429], [0, 2])


@pytest.mark.parametrize(("fault", "there"), [(lost_acknowledgement, 4), (cuts, 0), (half_an_answer, 4)])
def test_cuts_the_connection(elasticsearch: Elasticsearch, proxy: Proxy, name: str, fault, there: int) -> None:
    """After the server has stored, or before."""
    proxy.next(fault)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(proxy, name)
    assert len(stored(elasticsearch, name)) == there


def test_tells_of_fewer_rows(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """The last one did not get through."""
    proxy.next(fewer_items)
    assert (len(post(proxy, name).json["items"]), stored(elasticsearch, name)) == (3, [0, 1, 2])


def test_too_large(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """By the size without compression."""
    proxy.always(too_large(len(BULK) - 1))
    statuses = [post(proxy, name, gzip.compress(BULK), content_encoding="gzip").status]
    proxy.always(too_large(len(BULK)))
    assert [*statuses, post(proxy, name).status] == [413, 200]


def test_counts_what_is_in_flight(elasticsearch: Elasticsearch, proxy: Proxy, name: str) -> None:
    """The most of it."""
    proxy.always(late(0.5))
    threads = [threading.Thread(target=post, args=(proxy, name)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (proxy.most_in_flight, len(proxy.bulks)) == (3, 3)


def test_shows_another_certificate(elasticsearch: Elasticsearch, proxy: Proxy, tmp_path: Path) -> None:
    """To those who come, and cuts off who is there."""
    known, foreign = Authority(tmp_path / "known"), Authority(tmp_path / "foreign")
    proxy.show(known.sign())
    through = Elasticsearch(proxy.url, elasticsearch.version, str(known.ca))
    assert through.request("GET", "/")["version"]["number"] == elasticsearch.version
    proxy.show(foreign.sign())
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        through.request("GET", "/")


def test_is_an_http_proxy(elasticsearch: Elasticsearch, proxy: Proxy) -> None:
    """For requests in absolute form, and as a tunnel."""
    where = urlsplit(elasticsearch.url).netloc
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=20)
    connection.request("GET", f"{elasticsearch.url}/_cluster/health")
    first = orjson.loads(connection.getresponse().read())["status"]
    connection.close()
    tunnel = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=20)
    tunnel.set_tunnel(where)
    tunnel.request("GET", "/_cluster/health")
    second = orjson.loads(tunnel.getresponse().read())["status"]
    tunnel.close()
    wait_for(lambda: len(proxy.asked) == 2)
    assert (first == second, proxy.tunnels) == (True, [where])
