"""`import_all` against a stand-in of Kibana: what it sends, and what it says when something is wrong."""

import base64
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from shipper.elastic.connect import Connection
from shipper.errors import ShipperError, UsageError
from shipper.kibana.description import folder
from shipper.kibana.load import import_all
from tests.kibana.stand_in import StandIn
from tests.services.certificates import Authority
from tests.services.distribution import Missing

COMMITTED = [json.loads(line) for line in (folder() / "saved-objects.ndjson").read_bytes().splitlines()]
NOBODY = Connection()
PASSWORD = "hidden-" + "word"


def refused(stand_in: StandIn, url: str = "", settings: Connection = NOBODY) -> str:
    """The error of an import; nothing may have been stored, and no credential may be in it."""
    with pytest.raises(ShipperError) as caught:
        import_all(url or stand_in.url, "xionimus", settings)
    assert (stand_in.stored, PASSWORD in str(caught.value), "hidden" in repr(caught.value)) == ({}, False, False)
    return str(caught.value).replace(url or stand_in.url, "URL")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_all_that_is_committed_is_imported():
    """In one request, as a file of a form; Kibana's version was asked before."""
    with StandIn().running() as kibana:
        said = import_all(kibana.url, "xionimus", NOBODY)
    assert list(kibana.stored["default"].values()) == COMMITTED
    assert kibana.asked == [("GET", "/api/status"), ("POST", "/api/saved_objects/_import?overwrite=true")]
    assert said == [
        f"imported {len(COMMITTED)} objects (3 data views, 8 saved searches, 20 charts, 1 Vega chart, 2 dashboards) "
        f"into Kibana 8.19.8 at {kibana.url}",
        f"Operations [xionimus]: {kibana.url}/app/dashboards#/view/shipper-xionimus-operations",
        f"Business [xionimus]: {kibana.url}/app/dashboards#/view/shipper-xionimus-business",
        "To change a dashboard, duplicate it in Kibana: the next setup makes this one as shipped again.",
    ]


def test_importing_again_says_what_is_replaced():
    """By id: what people made themselves is left alone."""
    with StandIn().running() as kibana:
        kibana.stored["default"] = {"dashboard:mine": {}}
        import_all(kibana.url, "xionimus", NOBODY)
        said = import_all(kibana.url, "xionimus", NOBODY)
    assert f"; {len(COMMITTED)} were there and are as shipped again" in said[0]
    assert "dashboard:mine" in kibana.stored["default"]


def test_a_dry_run_only_asks():
    """It says what would be imported where."""
    with StandIn().running() as kibana:
        said = import_all(kibana.url, "shop", NOBODY, dry_run=True)
    assert (kibana.stored, kibana.asked) == ({}, [("GET", "/api/status")])
    assert said[0].startswith(f"would import {len(COMMITTED)} objects (3 data views,")
    assert said[1] == f"Operations [shop]: {kibana.url}/app/dashboards#/view/shipper-shop-operations"


def test_a_space_and_a_base_path():
    """Both are parts of the address, as people copy it out of their browser."""
    with StandIn(base="/monitoring", spaces=("ops",)).running() as kibana:
        said = import_all(f"{kibana.url}/s/ops/app/home#/", "xionimus", NOBODY)
    assert (len(kibana.stored["ops"]), kibana.asked[1]) == (
        len(COMMITTED),
        ("GET", "/monitoring/api/spaces/space/ops"),
    )
    assert said[1].endswith("/monitoring/s/ops/app/dashboards#/view/shipper-xionimus-operations")


def test_ids_that_kibana_gave_anew_are_told():
    """An object of the same id in another space makes it choose another one here."""
    moved = [{"type": "dashboard", "id": "shipper-xionimus-business", "destinationId": "7f3a"}]
    answers = {"/api/saved_objects/_import": (200, {"success": True, "successCount": 1, "successResults": moved})}
    with StandIn(answers=answers).running() as kibana:
        said = import_all(kibana.url, "xionimus", NOBODY)
    assert said[2] == f"Business [xionimus]: {kibana.url}/app/dashboards#/view/7f3a"


KEY = base64.b64encode(b"id:key").decode()


@pytest.mark.parametrize(
    ("settings", "user", "header"),
    [
        ({"api_key": "id:key"}, "", f"ApiKey {KEY}"),
        ({"api_key": KEY}, "", f"ApiKey {KEY}"),
        ({"username": "elastic", "password": PASSWORD}, "", basic(f"elastic:{PASSWORD}")),
        ({"api_key": KEY}, f"kibana%40home:{PASSWORD}@", basic(f"kibana@home:{PASSWORD}")),
    ],
)
def test_who_we_are(settings: dict[str, Any], user: str, header: str):
    """As at Elasticsearch; a user in the address comes first, and is never repeated."""
    with StandIn(authorization=header).running() as kibana:
        said = import_all(kibana.url.replace("//", f"//{user}"), "xionimus", Connection(**settings))
    assert (len(kibana.stored["default"]), PASSWORD in "".join(said)) == (len(COMMITTED), False)


def test_who_is_not_known_is_told_to_log_in():
    """Kibana tells everybody that it is well, and its version only to those it knows."""
    with StandIn(authorization=basic("elastic:right")).running() as kibana:
        said = refused(kibana, settings=Connection(username="elastic", password=PASSWORD))
    assert said == (
        "Kibana at URL tells its version only to those who log in; "
        "set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
    )


@pytest.mark.parametrize("version", ["7.17.28", "8.11.4", "8.3.0-SNAPSHOT"])
def test_a_kibana_that_is_too_old_is_left_as_it_is(version: str):
    """It says what it cannot do."""
    with StandIn(version).running() as kibana:
        said = refused(kibana)
    assert said == (
        f"Kibana {version} at URL cannot show the dashboards, nothing was imported: their charts need Kibana 8.12 or "
        "later; upgrade it, or make a data view and search in Discover"
    )


@pytest.mark.parametrize("version", ["8.12.0", "8.19.8", "9.0.0", "9.4.3-SNAPSHOT", "10.0.0"])
def test_versions_that_take_it(version: str):
    """From 8.12 on: later ones migrate what older ones wrote."""
    with StandIn(version).running() as kibana:
        import_all(kibana.url, "xionimus", NOBODY)
    assert len(kibana.stored["default"]) == len(COMMITTED)


LOGIN = "set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
PRIVILEGES = "Kibana's privileges Dashboard, Discover, Visualize Library and Saved Objects Management (All)"
STATUS, IMPORT = "/api/status", "/api/saved_objects/_import"

ANSWERS: dict[str, tuple[str, int, Any]] = {
    f"Kibana at URL does not accept who we are (401); {LOGIN}": (IMPORT, 401, {"message": "hidden"}),
    f"Kibana at URL does not allow it (403); the user or API key needs {PRIVILEGES} in the default space": (
        IMPORT,
        403,
        {"message": "Unable to bulk_create dashboard"},
    ),
    "there is no Kibana at URL (404); check the address: one with server.basePath has a path": (STATUS, 404, b"nginx"),
    "Kibana at URL is not ready yet (503); try again in a minute": (STATUS, 503, b"Kibana server is not ready yet"),
    "Kibana at URL sends us on to https://kibana.example.org/base; give its own address": (STATUS, 302, b""),
    "URL is Elasticsearch; Kibana has an address of its own, often port 5601": (
        STATUS,
        400,
        {"error": "no handler found for uri [/api/status] and method [GET]"},
    ),
    "what answers at URL is not Kibana; check the address": (STATUS, 200, b"<html>Hello</html>"),
    "Kibana at URL answered 500: An internal server error occurred": (
        IMPORT,
        500,
        {"message": "An internal server\nerror occurred"},
    ),
    "Kibana at URL answered 502: nothing that Kibana would say; check the address": (IMPORT, 502, b"<html>"),
    "Kibana at URL answered nothing that an import answers; check the address": (IMPORT, 200, b"<html>"),
}


@pytest.mark.parametrize("said", ANSWERS)
def test_answers_that_need_a_person(said: str):
    """One line: what, where, what to do."""
    path, status, body = ANSWERS[said]
    with StandIn(answers={path: (status, body)}).running() as kibana:
        assert refused(kibana) == said


def test_objects_that_were_not_taken():
    """A line for each, and how many were."""
    errors = [
        {"type": "lens", "id": "a", "error": {"type": "unsupported_type"}},
        {"type": "search", "id": "b", "error": {"type": "missing_references", "references": []}},
        {"type": "search", "id": "c", "error": {"type": "conflict"}},
        {"type": "dashboard", "id": "d", "error": {"type": "unknown", "message": "Too\nlarge", "statusCode": 413}},
        {"type": "dashboard", "id": "e"},
    ]
    answers = {IMPORT: (200, {"success": False, "successCount": 28, "errors": errors})}
    with StandIn(answers=answers).running() as kibana:
        said = refused(kibana)
    assert said.splitlines() == [
        "Kibana at URL did not import everything: 28 objects imported, 5 not",
        "lens a: this Kibana does not know objects of this type",
        "search b: what it refers to was not imported",
        "search c: another object has this id, in this or another space; delete it there",
        "dashboard d: Too large",
        "dashboard e: no reason given",
    ]


def test_a_space_that_is_not_there():
    """Kibana would take the objects, and nobody would find them."""
    with StandIn(spaces=("ops",)).running() as kibana:
        said = refused(kibana, f"{kibana.url}/s/oops")
    assert said == "Kibana at URL has no space oops; make it in Stack Management, or leave out /s/…"


@pytest.mark.parametrize("url", ["", "kibana:5601", "ftp://kibana", "http://", f"http://u:{PASSWORD}@kibana:port"])
def test_what_is_no_address(url: str):
    """It is not repeated, for it may hold a password."""
    with pytest.raises(UsageError) as caught:
        import_all(url, "xionimus", NOBODY)
    assert str(caught.value) == (
        "--kibana: this is no address of a Kibana; "
        "write for example http://localhost:5601 or https://kibana.example.org/s/SPACE"
    )


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_nobody_there():
    """Not running, or another port."""
    url = f"http://127.0.0.1:{closed_port()}"
    said = refused(StandIn(), url, Connection(password=PASSWORD, username="elastic"))
    assert said == "Kibana at URL cannot be reached: nobody listens there; check the address and that it runs"


def test_a_host_that_nobody_knows():
    """The name is the one that was given."""
    said = refused(StandIn(), f"http://elastic:{PASSWORD}@kibana.invalid:5601")
    assert said == (
        "Kibana at http://kibana.invalid:5601 cannot be reached: the host name is not known; check the address"
    )


def test_one_that_never_answers():
    """It is given up after the time that requests to Elasticsearch have."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = refused(StandIn(), url, Connection(timeout_s=0.1))
    assert said == "Kibana at URL cannot be reached: no answer within 0.1 s; check the address and that it runs"


def test_plain_http_where_tls_was_meant():
    """And what to write instead."""
    with StandIn().running() as kibana:
        said = refused(kibana, kibana.url.replace("http", "https"))
    assert said == "Kibana at URL cannot be reached: it does not speak TLS; try http:// in place of https://"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    try:
        return Authority(tmp_path / "authority")
    except Missing as missing:
        pytest.skip(str(missing))


def test_an_authority_of_our_own(authority: Authority):
    """Trusted by the file that the sink's settings name, else not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign())
    with StandIn().running(context) as kibana:
        said = refused(kibana)
        import_all(kibana.url, "xionimus", Connection(ca=str(authority.ca)))
    assert said.startswith("Kibana at URL cannot be reached: its certificate is not trusted (")
    assert said.endswith("); set ELASTICSEARCH_CA to the authority's file")
    assert len(kibana.stored["default"]) == len(COMMITTED)


def test_a_ca_file_that_is_not_there(tmp_path: Path):
    """The file of the sink's settings counts here too."""
    missing = tmp_path / "ca.pem"
    said = refused(StandIn(), "https://127.0.0.1:5601", Connection(ca=str(missing)))
    assert said == f"Kibana at URL cannot be reached: there is no file {missing}; correct ELASTICSEARCH_CA"
