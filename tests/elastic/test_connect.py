"""The way to Elasticsearch: settings, hosts, and every failure as one line that says what to do and no credential."""

import base64
import logging
import socket
import ssl
import traceback
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from shipper.elastic.connect import Connection, Elastic, ElasticError
from shipper.elastic.failure import Censor
from shipper.errors import UsageError
from tests.elastic.answers import PRODUCT, Answer, error, serving
from tests.services.certificates import Authority

PASSWORD = "p@ss w/rd:" + "ä%!"
KEY_ID, KEY = "VuaCfGcBCdbkQm-e5aOx", "ui2lp2axTNmsyakw9tvNnw"
DEAD = "http://127.0.0.1:1"


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def reaching(url="", **settings):
    elastic = Elastic(Connection.model_validate({"url": url, **settings}))
    try:
        yield elastic
    finally:
        elastic.close()


def failure(url, method="GET", path="/", **settings):
    with reaching(url, **settings) as elastic, pytest.raises(ElasticError) as caught:
        elastic.request(method, path)
    return caught.value


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ADDRESSES = [
    ("http://localhost:9200", "http://localhost:9200"),
    (" http://a:1 , http://b:2,", "http://a:1,http://b:2"),
    ("http://a:1,http://a:1", "http://a:1"),
    ("https://es.example.com", "https://es.example.com:443"),
    ("https://es.example.com/behind/", "https://es.example.com:443/behind"),
    ("http://[::1]:9200", "http://[::1]:9200"),
    ("http://user:secret@localhost:9200", "http://localhost:9200"),
]


@pytest.mark.parametrize(("url", "expected"), ADDRESSES)
def test_an_address_is_whole_and_without_its_user(url, expected):
    """Whatever is left out in it."""
    assert Connection(url=url).url == expected


def test_the_user_of_an_address_is_who_we_are():
    """Decoded; the same for all hosts."""
    url = f"https://bob:{quote(PASSWORD, safe='')}@a:1,https://b:2"
    found = Connection(url=url)

    assert (found.username, found.password.get_secret_value()) == ("bob", PASSWORD)


@pytest.mark.parametrize("named", [{"username": "eve", "password": "x"}, {"api_key": f"{KEY_ID}:{KEY}"}])
def test_what_is_said_beside_the_address_goes_before(named):
    """And nothing of the address is left."""
    found = Connection.model_validate({"url": "http://bob:secret@a:1", **named})

    assert (found.username, "secret" in repr(found)) == (named.get("username", ""), False)


@pytest.mark.parametrize(
    "url",
    ["localhost:9200", "es1", "ftp://a:1", "http://", "http://u:sec#ret@a:1", "http://u:sec/ret@a:1", "http://a:x",
     "http://a:99999", "http://u:secret@a:1,http://v:secret@b:1", "http://a:1?secret",
     "http://u:p@sec/ret@a:1", "http://u:1/secret@a:1"],
)  # fmt: skip
def test_what_is_no_address_is_said_without_repeating_it(url):
    """It may hold a password."""
    with pytest.raises(ValidationError) as caught:
        Connection(url=url)

    assert "`url`" in str(caught.value) and "sec" not in f"{caught.value}{caught.value.errors(include_input=False)}"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "no `url`"),
        ({"cloud_id": "nonsense"}, "`cloud_id`"),
        ({"cloud_id": "name:" + base64.b64encode(b"only-a-domain").decode()}, "`cloud_id`"),
        ({"url": DEAD, "proxy": "proxy:3128"}, "`proxy`"),
        ({"url": DEAD, "ca": "/nowhere/ca.pem"}, "`ca`: /nowhere/ca.pem cannot be read (No such file or directory)"),
        ({"url": DEAD, "client_cert": "/nowhere/my.pem"}, "`client_cert`: /nowhere/my.pem cannot be read"),
        ({"url": DEAD, "ca": __file__}, "is no PEM file"),
        ({"url": DEAD, "client_cert": __file__}, "is no PEM file, or its key does not fit"),
    ],
)
def test_settings_that_cannot_be_right_are_refused_at_once(settings, expected):
    """Before anything is sent."""
    with pytest.raises(UsageError) as caught:
        Elastic(Connection.model_validate(settings))

    assert expected in str(caught.value)


def test_a_cloud_id_is_an_address():
    """As Elastic Cloud writes it."""
    cloud_id = "name:" + base64.b64encode(b"eu.example.com:9243$abc$def").decode()
    with reaching(cloud_id=cloud_id) as elastic:
        assert elastic.where == "https://abc.eu.example.com:9243"


def test_a_missing_client_is_named_with_what_installs_it(monkeypatch):
    """It is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "elasticsearch", None)
    with pytest.raises(UsageError) as caught:
        Elastic(Connection(url=DEAD))

    assert "pip install 'shipper[elasticsearch]'" in str(caught.value)


# ── who we are ────────────────────────────────────────────────────────────────────────────────────────────────────────

ENCODED = base64.b64encode(f"{KEY_ID}:{KEY}".encode()).decode()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"api_key": f"{KEY_ID}:{KEY}"}, f"ApiKey {ENCODED}"),
        ({"api_key": ENCODED}, f"ApiKey {ENCODED}"),
        ({"username": "bob", "password": "pw"}, "Basic " + base64.b64encode(b"bob:pw").decode()),
        ({"username": "bob", "password": "pw", "api_key": ENCODED}, f"ApiKey {ENCODED}"),
    ],
)
def test_we_say_who_we_are(settings, expected):
    """The API key in either form, before a user."""
    with serving() as server, reaching(server.url, **settings) as elastic:
        elastic.request("GET", "/")

        assert server.requests[0].headers.get("authorization") == expected


# ── hosts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_next_host_takes_over_for_a_dead_one():
    """Within the same request."""
    with serving() as server, reaching(f"{DEAD},{server.url}") as elastic:
        assert [elastic.request("GET", "/") for _ in range(6)] == [{}] * 6


def test_hosts_take_turns():
    """So that none has all the work."""
    with serving() as one, serving() as other, reaching(f"{one.url},{other.url}") as elastic:
        for _ in range(6):
            elastic.request("GET", "/")

        assert (len(one.requests), len(other.requests)) == (3, 3)


def test_an_answer_is_json_or_whether_it_is_there():
    """Of HEAD there is no body."""
    with (
        serving(Answer(body=b'{"a":1}'), Answer(body=b""), Answer(404, b"")) as server,
        reaching(server.url) as elastic,
    ):
        found = [elastic.request("GET", "/"), elastic.request("HEAD", "/"), elastic.request("HEAD", "/")]

    assert found == [{"a": 1}, True, False]


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────────────────

ANSWERS = [
    (error(401), True, "asks who we are (401); check `api_key`"),
    (error(403, "security_exception", "action [x] is unauthorized"), True, "not allowed (403): action [x] is unauth"),
    (
        error(401, "x", "no", additional_unsuccessful_credentials="API key: api key is expired"),
        True,
        "the API key has expired (401); make a new one",
    ),
    (error(404, "index_not_found_exception", "no such index [x]"), True, "no such index [x] (404)"),
    (error(400, "illegal_argument_exception", "odd"), True, "odd (400)"),
    (error(400, "media_type_header_exception", "x"), True, "does not speak as Elasticsearch 8 or 9 does (400)"),
    (error(429, "es_rejected_execution_exception", "too busy"), False, "too busy (429)"),
    (error(503, "cluster_block_exception", "state not recovered"), False, "state not recovered (503)"),
    (
        error(403, "cluster_block_exception", "blocked by: [read-only];"),
        True,
        "blocked by: [read-only] (403); make room",
    ),
    (
        error(429, "cluster_block_exception", "disk usage exceeded"),
        False,
        "disk usage exceeded (429); make room on its",
    ),
    (error(400, "x", "odd", caused_by={"reason": "a", "caused_by": {"reason": "b"}}), True, "odd: b (400)"),
    (
        error(400, "x", "all shards failed", root_cause=[{"reason": "no date"}]),
        True,
        "all shards failed: no date (400)",
    ),
    (error(400, "x", "odd", root_cause=[{"reason": "odd"}], caused_by=None), True, "odd (400)"),
    (Answer(404, b"<html>not here</html>", {"content-type": "text/html"}), True, "answers 404; something else answers"),
    (Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}), False, "answers 502, as if it were busy"),
    (Answer(302, b"", {"location": "http://elsewhere"}), True, "sends us elsewhere (302)"),
    (Answer(407, b"", {}), True, "the proxy asks who we are (407)"),
    (Answer(200, b"{}", {}), True, "this is not Elasticsearch; check `url`"),
    (Answer(200, b"<html>", PRODUCT), False, "the answer is no JSON"),
    (Answer(200, b"<x>", {**PRODUCT, "content-type": "odd/kind"}), False, "the answer is no JSON"),
    (Answer(200, b'{"a":1', PRODUCT), False, "the answer is no JSON, or breaks off in the middle"),
    (Answer(200, b'{"a":1}' * 100, PRODUCT, cut=10), False, "the answer breaks off in the middle"),
    (Answer(cut=0), False, "closed the connection without an answer; if it speaks TLS, write https://"),
]


@pytest.mark.parametrize(("answer", "grave", "expected"), ANSWERS, ids=[case[2][:30] for case in ANSWERS])
def test_an_answer_that_is_no_good_says_what_to_do(answer, grave, expected):
    """Where, what, and whether a person is needed."""
    with serving(answer) as server:
        found = failure(server.url)

    assert (found.grave, f"{server.url}: {expected}" in str(found)) == (grave, True), str(found)


def test_the_server_says_how_long_to_wait():
    """In seconds, or as a date that is over by now."""
    answers = [error(429)._replace(headers={**PRODUCT, "retry-after": text}) for text in ("7", "Fri, 01 Jan 2021 00:00:00 GMT", "soon")]  # fmt: skip
    with serving(*answers) as server:
        assert [failure(server.url).after for _ in answers] == [7.0, 0.0, 0.0]


@pytest.mark.parametrize("text", ["86400", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_makes_us_wait_for_hours(text):
    """It may be there sooner than it thought; and no clock can wait for eight thousand years."""
    with serving(error(503)._replace(headers={**PRODUCT, "retry-after": text})) as server:
        assert failure(server.url).after == 300.0


def test_nobody_there_is_refused():
    """No person is needed for a server that starts."""
    port = free_port()
    found = failure(f"http://127.0.0.1:{port}")

    assert (str(found), found.grave, found.status) == (
        f"http://127.0.0.1:{port}: refuses the connection; is Elasticsearch running there?", False, 0,
    )  # fmt: skip


def test_a_name_that_nobody_knows_is_one_for_a_person():
    """Unless the name server is away."""
    assert "the host name is not known; check `url`" in str(failure("http://no-such-host.invalid:9200"))


def test_no_answer_in_time_is_said_with_the_time():
    """The port is open, and nobody speaks."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        url = f"http://127.0.0.1:{held.getsockname()[1]}"

        assert str(failure(url, timeout_s=0.2)) == f"{url}: no answer within 0.2 s"


@contextmanager
def nowhere():
    """An address that drops what is sent to it: the system answers nobody while too many wait to be accepted."""
    with ExitStack() as held:
        full = held.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


def test_where_nobody_answers_it_gives_up_sooner():
    """Packets that a firewall drops cost a fraction of the time that an answer may take."""
    with nowhere() as url:
        assert str(failure(url, connect_timeout_s=0.2)) == (
            f"{url}: no connection within 0.2 s; check `url`, and firewalls on the way"
        )


def test_behind_a_host_where_nobody_answers_the_next_one_is_tried():
    """At once: nothing was sent to the first."""
    with nowhere() as url, serving() as server, reaching(f"{url},{server.url}", connect_timeout_s=0.2) as elastic:
        for _ in range(2):
            elastic.request("GET", "/_x")
        assert len([request for request in server.requests if request.path == "/_x"]) == 2


def test_a_host_that_says_nothing_while_tls_begins_is_given_up_as_soon():
    """Nothing was sent to it either."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        url = f"https://127.0.0.1:{held.getsockname()[1]}"

        assert str(failure(url, connect_timeout_s=0.2)).startswith(f"{url}: no connection within 0.2 s; ")


def test_a_body_may_take_longer_than_to_connect():
    """On a slow line, or to a server that is slow to read."""
    with ExitStack() as held:
        busy = held.enter_context(socket.socket())
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        url = f"http://127.0.0.1:{busy.getsockname()[1]}"
        elastic = held.enter_context(reaching(url, connect_timeout_s=0.1, timeout_s=0.6))
        with pytest.raises(ElasticError) as caught:
            elastic.request("POST", "/_bulk", b"x" * (32 << 20))

        assert str(caught.value) == f"{url}: no answer within 0.6 s"


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "somebody else")


def speaking(authority, *, asks=False):
    signed = authority.sign()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    if asks:
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_authority_of_our_own_is_trusted(authority):
    """By its file."""
    with serving(tls=speaking(authority)) as server, reaching(server.url, ca=str(authority.ca)) as elastic:
        assert elastic.request("GET", "/") == {}


@pytest.mark.parametrize("given", [False, True])
def test_a_certificate_of_anyone_else_is_not(authority, stranger, given):
    """And that is one for a person."""
    with serving(tls=speaking(authority)) as server:
        found = failure(server.url, ca=str(stranger.ca) if given else "")

    assert found.grave and "the certificate is not trusted (" in str(found) and "ELASTICSEARCH_CA" in str(found)


def test_a_certificate_for_another_host_is_not_trusted(authority):
    """Though its authority is."""
    with serving(tls=speaking(authority), host="127.0.0.2") as server:
        found = failure(server.url, ca=str(authority.ca))

    assert found.grave and "certificate is" in str(found), str(found)


def test_our_own_certificate_is_shown_to_who_asks(authority):
    """With its key in another file."""
    mine = authority.sign("shipper", "clientAuth")
    settings = {"ca": str(authority.ca), "client_cert": str(mine.certificate), "client_key": str(mine.key)}
    with serving(tls=speaking(authority, asks=True)) as server, reaching(server.url, **settings) as elastic:
        assert elastic.request("GET", "/") == {}


def test_without_one_the_server_refuses_us(authority):
    """The error names the setting."""
    with serving(tls=speaking(authority, asks=True)) as server:
        found = failure(server.url, ca=str(authority.ca))

    assert "`client_cert`" in str(found) or "cut" in str(found) or "closed" in str(found), str(found)


def test_tls_with_who_does_not_speak_it_is_said():
    """And which letter is too many."""
    with serving() as server:
        found = failure(server.url.replace("http:", "https:"))

    assert found.grave and "does not speak TLS; write http://" in str(found), str(found)


# ── proxies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proxy_is_asked_for_the_whole_address():
    """With a user of its own, who is not ours."""
    with serving() as proxy:
        through = proxy.url.replace("http://", "http://peter:pw@")
        with reaching("http://es.invalid:9200", proxy=through, username="bob", password="x") as elastic:
            elastic.request("GET", "/_cat")
    request = proxy.requests[0]

    assert (request.path, request.headers["proxy-authorization"]) == (
        "http://es.invalid:9200/_cat", "Basic " + base64.b64encode(b"peter:pw").decode(),
    )  # fmt: skip


def test_the_environment_names_no_proxy_for_us(monkeypatch):
    """It is for browsers; a wrong one would be a riddle."""
    monkeypatch.setenv("http_proxy", DEAD)
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    with serving() as server, reaching(server.url) as elastic:
        assert elastic.request("GET", "/") == {}


def test_a_dead_proxy_is_not_taken_for_a_dead_server():
    """It is named, without its user."""
    found = failure("http://es.invalid:9200", proxy=DEAD.replace("//", "//peter:secret@"))

    assert f"the proxy {DEAD} cannot be reached; check `proxy`" in str(found) and "secret" not in str(found)


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────────────

FORMS = [PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), KEY, ENCODED,
         base64.b64encode(f"bob:{PASSWORD}".encode()).decode(), base64.b64encode(PASSWORD.encode()).decode()]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_credential_is_struck_in_every_form(form):
    """Plain, percent-encoded, in base64."""
    censor = Censor([PASSWORD, f"bob:{PASSWORD}", f"{KEY_ID}:{KEY}", KEY, ENCODED])

    assert form not in censor(f"before {form} behind")


def everything_of(caught):
    """All that could be printed of an error, its causes and their parts."""
    chain, seen = [caught], []
    while chain:
        each = chain.pop()
        seen += [str(each), repr(each), repr(getattr(each, "__dict__", ""))]
        chain += [other for other in (each.__cause__, each.__context__) if other is not None]
    return "\n".join([*seen, *traceback.format_exception(caught)])


HOSTILE = [
    lambda text: error(401, "security_exception", text),
    lambda text: error(403, "security_exception", text),
    lambda text: error(400, text, text),
    lambda text: error(503, "x", text),
    lambda text: Answer(500, text.encode()),
    lambda text: Answer(200, text.encode()),
    lambda text: Answer(200, text.encode(), {}),
    lambda text: Answer(302, b"", {"location": f"http://{quote(text, safe='')}@elsewhere"}),
    lambda text: Answer(cut=0),
    lambda text: Answer(200, text.encode() * 10, cut=20),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_failure_shows_a_credential(hostile, caplog, capfd):
    """Though the server gives back what we sent."""
    caplog.set_level(logging.DEBUG)
    said = " ".join(FORMS)
    for settings in ({"username": "bob", "password": PASSWORD}, {"api_key": ENCODED}):
        with serving(hostile(said)) as server:
            shown = everything_of(failure(server.url, **settings))
        mine = FORMS[3:5] if "api_key" in settings else [FORMS[0], *FORMS[5:]]

        assert [form for form in mine if form in shown + caplog.text + "".join(capfd.readouterr())] == []


def test_nothing_is_printed_by_the_library(capfd):
    """What failed is ours to say."""
    failure(f"{DEAD},http://127.0.0.1:2")

    assert capfd.readouterr() == ("", "")


# ── a real one ────────────────────────────────────────────────────────────────────────────────────────────────────────


def real(server, **settings):
    return {"url": server.url, "ca": server.ca, "username": server.username, "password": server.password, **settings}


def test_a_real_server_lets_us_in(secure_elasticsearch):
    """By user, and by an API key in either form."""
    made = secure_elasticsearch.request("POST", "/_security/api_key", {"name": "test"})
    for settings in ({}, {"api_key": made["encoded"]}, {"api_key": f"{made['id']}:{made['api_key']}"}):
        with reaching(**real(secure_elasticsearch, **settings)) as elastic:
            assert "cluster_name" in elastic.request("GET", "/")


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong-" + KEY}, {"api_key": ENCODED}, {"username": "", "password": ""}]
)
def test_a_real_server_does_not_let_anyone_in(secure_elasticsearch, wrong):
    """A person is needed, and is not shown what was tried."""
    found = failure(**real(secure_elasticsearch, **wrong))

    assert (found.status, found.grave) == (401, True)
    assert "wrong-" not in everything_of(found) and ENCODED not in everything_of(found)


def test_a_real_server_says_which_right_is_missing(secure_elasticsearch):
    """And the id of the API key is not shown either."""
    role = {"role": {"cluster": ["monitor"]}}
    made = secure_elasticsearch.request("POST", "/_security/api_key", {"name": "test", "role_descriptors": role})
    found = failure(**real(secure_elasticsearch, api_key=made["encoded"]), method="PUT", path="/not-mine")

    assert (found.status, found.grave) == (403, True) and "unauthorized" in str(found)
    assert [part for part in (made["id"], made["api_key"], made["encoded"]) if part in everything_of(found)] == []


def test_a_real_server_with_an_unknown_certificate_is_not_spoken_to(secure_elasticsearch):
    """Its user is not told either."""
    found = failure(**real(secure_elasticsearch, ca=""))

    assert found.grave and "not trusted" in str(found) and secure_elasticsearch.password not in everything_of(found)
