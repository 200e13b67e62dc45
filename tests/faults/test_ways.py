"""The ways to Elasticsearch: certificates that change, HTTP proxies, hosts of which some are dead."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.faults.sent import Sending, says
from tests.services.certificates import Authority
from tests.services.elasticsearch import Elasticsearch
from tests.services.supervisor import wait_for

Make = Callable[..., Sending]
DEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_a_certificate_that_changes(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make, tmp_path: Path) -> None:
    """Nothing goes to somebody who shows the certificate of another authority; with the right one it goes on."""
    known, foreign = Authority(tmp_path / "known", "known"), Authority(tmp_path / "foreign", "foreign")
    proxy.show(known.sign())
    sent = sending(url=proxy.url, ca=str(known.ca))
    sent.write(1_000)
    sent.once()
    asked = len(proxy.asked)
    proxy.show(foreign.sign())
    sent.write(1_000, first=1_000)
    with sent.running() as run:
        wait_for(says(run, "holding", "certificate"))
        assert len(proxy.asked) == asked
        proxy.show(known.sign("again"))
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_hosts_of_which_one_is_dead(elasticsearch: Elasticsearch, proxy: Proxy, sending: Make) -> None:
    """The other one gets all."""
    sent = sending(url=f"{DEAD},{proxy.url}")
    sent.write()
    sent.once()
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_a_server_that_comes_later(elasticsearch: Elasticsearch, sending: Make) -> None:
    """A run starts without it."""
    with Proxy(elasticsearch.url) as gone:
        address = gone.url
    sent = sending(url=address)
    sent.write()
    with ExitStack() as later, sent.running() as run:
        wait_for(says(run, "holding", address))
        later.enter_context(Proxy(elasticsearch.url, port=int(address.rpartition(":")[2])))
    assert sent.offsets(elasticsearch) == sent.expected


@pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)
def test_through_an_http_proxy(elasticsearch: Elasticsearch, sending: Make) -> None:
    """With a name and a password of its own, which nobody else is told."""
    with Proxy() as between:
        sent = sending(url=elasticsearch.url, proxy=between.url.replace("//", "//passer:by@"))
        sent.write(1_000)
        said = sent.once()
    assert sent.offsets(elasticsearch) == sent.expected
    assert {request.path.startswith(elasticsearch.url) for request in between.bulks} == {True}
    assert {request.headers.get("proxy-authorization") for request in between.bulks} == {"Basic cGFzc2VyOmJ5"}
    assert "passer:by" not in said


def test_through_an_http_proxy_to_a_secure_server(
    secure_elasticsearch: Elasticsearch, name: str, tmp_path: Path
) -> None:
    """The proxy sees where it goes to, and nothing of what goes there."""
    server = secure_elasticsearch
    who = {"url": server.url, "ca": server.ca, "username": server.username, "password": server.password}
    with Proxy() as between:
        sent = Sending(tmp_path, name, proxy=between.url, **who)
        sent.write(1_000)
        said = sent.once()
    assert (sent.offsets(server), set(between.tunnels)) == (sent.expected, {server.url.removeprefix("https://")})
    assert {request.method for request in between.asked} == {"CONNECT"}
    assert server.password not in said


def test_a_password_that_is_changed(secure_elasticsearch: Elasticsearch, name: str, tmp_path: Path) -> None:
    """An API key that is no longer good: it holds, and the next run with another key brings the rest."""
    server = secure_elasticsearch
    first, second = (
        server.request("POST", "/_security/api_key", {"name": f"{name}-{n}", "expiration": "1h"}) for n in range(2)
    )
    sent = Sending(tmp_path, name, url=server.url, ca=server.ca, api_key=first["encoded"], username="", password="")
    sent.write(1_000)
    sent.once()
    server.request("DELETE", "/_security/api_key", {"ids": [first["id"]]})
    sent.write(1_000, first=1_000)
    run = sent.shipper.start("run", sent.shipper.pipeline, "--once")
    wait_for(says(run, "holding"))
    run.kill()
    assert first["encoded"] not in run.err and first["api_key"] not in run.err
    sink = {**sent.shipper.configuration["sinks"][0], "api_key": second["encoded"]}
    sent.shipper.write_pipeline(sinks=[sink])
    sent.once()
    assert sent.offsets(server) == sent.expected
