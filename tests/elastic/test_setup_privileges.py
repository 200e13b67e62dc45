"""The roles that `shipper setup` prints are enough, and with one privilege less something fails."""

import os
import subprocess
import tempfile
from pathlib import Path

import orjson
import pytest

from shipper import log
from shipper.context import Context
from shipper.elastic.connect import Connection, Elastic, ElasticError
from shipper.elastic.moment import Moment
from shipper.elastic.names import RESTORED, index_of, pattern_of
from shipper.elastic.privileges import LOOK_AT_TEMPLATES, commands, roles
from shipper.elastic.setup import apply, ensure, missing_privilege, plan
from shipper.elastic.template import templates
from shipper.errors import Retry, ShipperError
from shipper.query.parse import parse
from shipper.search.elastic import ElasticStore
from shipper.search.store import Question
from shipper.sink import elasticsearch as sink
from shipper.state import State
from shipper.tier.elastic import ElasticHot
from shipper.tier.erase_elastic import erase_alert_documents, erase_documents
from tests.batches import finished
from tests.e2e.shipper import Shipper, failed_login, line

TODAY = "2026-11-23T10:00:00Z"
LINES = ["8", "9"] if os.environ.get("SHIPPER_CAMPAIGN") == "full" else ["8"]
"""The whole was tried on both; every run starts one secure server only."""

pytestmark = pytest.mark.parametrize("secure_elasticsearch", LINES, indirect=True)

WHO = ("run", "search", "setup", "tier", "erase")
LESS = [
    (who, section, privilege)
    for who in WHO
    for section, privilege in [
        *(("cluster", privilege) for privilege in roles("any")[who]["cluster"] if privilege != LOOK_AT_TEMPLATES),
        *(
            (f"indices{place}", privilege)
            for place, entry in enumerate(roles("any")[who]["indices"])
            for privilege in entry["privileges"]
        ),
    ]
]

ONLY_ON_8 = ("search", "indices0", "view_index_metadata")
"""In 9.4 `read` is enough to see which indices there are."""


@pytest.fixture
def connect(secure_elasticsearch):
    """Somebody with these privileges: what makes a client of a role descriptor."""
    made = []

    def with_role(role):
        body = {"name": "test", "role_descriptors": {"test": role}}
        key = secure_elasticsearch.request("POST", "/_security/api_key", body)
        made.append(Elastic(connection(secure_elasticsearch, key["encoded"])))
        return made[-1]

    yield with_role
    for client in made:
        client.close()


def connection(server, key):
    return Connection(url=server.url, ca=server.ca, api_key=key)


def without(role, section, privilege):
    """A role with one privilege less."""
    if section == "cluster":
        return {**role, "cluster": [each for each in role["cluster"] if each != privilege]}
    place, entries = int(section.removeprefix("indices")), [*role["indices"]]
    left = [each for each in entries[place]["privileges"] if each != privilege]
    entries[place : place + 1] = [{**entries[place], "privileges": left}] if left else []
    return {**role, "indices": entries}


def install(server, name):
    for own_name, body in templates(name).items():
        server.request("PUT", f"/_index_template/{own_name}", body)


def do_run(server, name, elastic):
    """All that a run asks: are the templates there, days and alerts with fields that nobody knows, their mapping."""
    install(server, name)
    ensure(elastic, name)
    for stream in ("records", "alerts"):
        index = index_of(name, stream, TODAY)
        for number in range(2):
            row = {"create": {"_index": index, "_id": str(number)}}, {"@timestamp": TODAY, f"new{number}": "x"}
            body = b"".join(orjson.dumps(line) + b"\n" for line in row)
            answer = elastic.request("POST", "/_bulk", body, headers={"content-type": sink.NDJSON})
            for item in answer["items"]:
                if item["create"]["status"] != 201:
                    raise ElasticError(item["create"]["error"]["reason"], item["create"]["status"])
        elastic.request("GET", f"/{index}/_mapping")


def do_search(server, name, elastic):
    """All that `shipper search` and `tail` ask, and the alias by hand."""
    install(server, name)
    row = {"@timestamp": TODAY, "event.id": "f-0", "message": "first"}
    server.request("PUT", f"/{index_of(name, 'records', TODAY)}/_doc/1?refresh=true", row)
    points = {"2026.11.23": {"index": "another", "seq_no": {"0": 0}}}
    store, question = ElasticStore(elastic, name, lambda: points), Question(parse("message:first AND event.id:f*"))
    days = store.days(question)
    found = [len(list(store.docs(question, day, 10))) for day in days]
    assert (days, found, store.count(question, days[0])) == (["2026.11.23"], [1], 1)
    assert store.follow(question.tree).new().seen == 0
    assert elastic.request("POST", f"/{name}/_search", {})["hits"]["total"]["value"] == 1


def do_setup(server, name, elastic):
    """All changes that there are: templates, an alias, an older day, an index for alerts."""
    body = templates(name)[name]
    body["template"]["mappings"]["_meta"]["version"] = 0
    body["template"]["mappings"]["properties"] = {}
    server.request("PUT", f"/_index_template/{name}", {**body, "version": 0})
    index = index_of(name, "records", TODAY)
    server.request("PUT", f"/{index}")
    server.request("DELETE", f"/{index}/_alias/{name}")
    found = plan(elastic, name, TODAY)
    assert ([apply(elastic, change) for change in found.changes], found.warnings) == ([""] * 6, [])
    assert plan(elastic, name, TODAY).changes == []


def do_tier(server, name, elastic):
    """What a run asks, what the mover asks of a day until it is deleted, and a day that is restored and expires."""
    do_run(server, name, elastic)
    hot, day, folder = ElasticHot(elastic, name), "2026.11.23", Path(tempfile.mkdtemp())
    assert [(found.day, found.bytes > 0) for found in hot.days()] == [(day, True)]
    taken = hot.take(day, None, folder)
    hot.block(day)
    hot.release(day)
    hot.block(day)
    assert (taken.rows, hot.late(day, taken.point)) == (2, 0)
    hot.delete(day, taken.point)
    restored = index_of(name, RESTORED, TODAY)
    row = b'{"create":{"_index":"%b","_id":"1"}}\n{"@timestamp":"%b"}\n' % (restored.encode(), TODAY.encode())
    answer = elastic.request("POST", "/_bulk", row, headers={"content-type": sink.NDJSON})["items"][0]["create"]
    if answer["status"] != 201:
        raise ElasticError(answer["error"]["reason"], answer["status"])
    elastic.request("GET", f"/{restored}/_mapping")
    elastic.request("DELETE", f"/{restored}")


def do_erase(server, name, elastic):
    """What erasing asks of records, restored days and alerts, also of a day that is blocked."""
    for stream in ("records", RESTORED, "alerts"):
        index = index_of(name, stream, TODAY)
        server.request("PUT", f"/{index}/_doc/a?refresh=true", {"@timestamp": TODAY, "event.id": "a"})
    index = index_of(name, "records", TODAY)
    server.request("PUT", f"/{index}/_block/write")
    for stream in ("records", RESTORED):
        with Moment(elastic, index_of(name, stream, TODAY)) as moment:
            assert len(list(moment.documents({"sort": ["_shard_doc"]}))) == 1
        erase_documents(elastic, index_of(name, stream, TODAY), ["a"])
    assert erase_alert_documents(elastic, name, lambda doc: None) == 1


DO = {"run": do_run, "search": do_search, "setup": do_setup, "tier": do_tier, "erase": do_erase}


@pytest.mark.parametrize("who", WHO)
def test_a_role_is_enough(secure_elasticsearch, name, connect, who, capsys):
    """For all that its owner does, without a word in the log."""
    log.quieter("info")
    DO[who](secure_elasticsearch, name, connect(roles(name)[who]))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("less", LESS, ids="-".join)
def test_one_privilege_less_is_not_enough(secure_elasticsearch, name, connect, less):
    """The server says which is missing."""
    who, section, privilege = less
    if secure_elasticsearch.version.startswith("9") and less == ONLY_ON_8:
        return
    with pytest.raises((ElasticError, ShipperError)) as caught:
        DO[who](secure_elasticsearch, name, connect(without(roles(name)[who], section, privilege)))
    assert missing_privilege(caught.value) != ""


def test_a_run_that_may_not_look_goes_on(secure_elasticsearch, name, connect, capsys):
    """And says so."""
    log.quieter("info")
    do_run(secure_elasticsearch, name, connect(without(roles(name)["run"], "cluster", LOOK_AT_TEMPLATES)))
    (said,) = map(orjson.loads, capsys.readouterr().err.splitlines())
    assert (said["message"], said["missing"]) == (
        "index templates were not checked, and these credentials may not do it; let somebody who may run: shipper setup",
        "cluster privilege manage_index_templates",
    )


def test_a_run_cannot_read_change_or_delete(secure_elasticsearch, name, connect):
    """A key that lies on a machine with a backend is of little use to a thief."""
    elastic = connect(roles(name)["run"])
    do_run(secure_elasticsearch, name, elastic)
    index = index_of(name, "records", TODAY)
    row = {"@timestamp": TODAY}
    forbidden = [
        ("POST", f"/{index}/_search", {}),
        ("GET", f"/{index}/_doc/1", None),
        ("PUT", f"/{index}/_doc/1", row),
        ("DELETE", f"/{index}/_doc/1", None),
        ("DELETE", f"/{index}", None),
        ("PUT", f"/_index_template/{name}", templates(name)[name]),
        ("POST", "/other-2026.11.23/_bulk", b'{"create":{}}\n{}\n'),
    ]
    statuses = []
    for method, path, body in forbidden:
        try:
            answer = elastic.request(method, path, body)
            statuses.append(answer["items"][0]["create"]["status"])
        except ElasticError as error:
            statuses.append(error.status)
    assert statuses == [403] * len(forbidden)


def test_a_run_that_finds_no_template_holds(secure_elasticsearch, name, connect):
    """What is written without one can't be searched well, and a person can mend it."""
    with pytest.raises(ElasticError, match=f"index template {name} is missing.*shipper setup") as caught:
        ensure(connect(roles(name)["run"]), name)
    assert caught.value.grave


def test_a_run_that_finds_an_older_template_goes_on(secure_elasticsearch, name, connect, capsys):
    """And says once what to do."""
    log.quieter("info")
    install(secure_elasticsearch, name)
    secure_elasticsearch.request("PUT", f"/_index_template/{name}", {**templates(name)[name], "version": 0})
    ensure(connect(roles(name)["run"]), name)
    (said,) = map(orjson.loads, capsys.readouterr().err.splitlines())
    assert (said["message"].partition(",")[0], said["missing"]) == (
        f"index template {name} is older than this shipper",
        "cluster privilege manage_index_templates",
    )


def test_the_sink_writes_with_the_role_of_a_run(secure_elasticsearch, name, connect, tmp_path):
    """And is held, not refused, without it."""
    install(secure_elasticsearch, name)
    context = Context(tmp_path, State(tmp_path / "state.db"), name=name)
    written = []
    for role in (roles(name)["search"], roles(name)["run"]):
        key = secure_elasticsearch.request(
            "POST", "/_security/api_key", {"name": "test", "role_descriptors": {"test": role}}
        )
        config = sink.Config(**connection(secure_elasticsearch, key["encoded"]).model_dump())
        store = sink.build(config, context)
        try:
            written.append(store.write(finished(b'{"@timestamp":"2026-11-20T10:00:00Z"}')))
        except Retry as held:
            written.append(held.grave)
        finally:
            store.close()
    assert written == [True, []]


def test_each_with_a_key_of_its_own(secure_elasticsearch, name, connect, tmp_path):
    """The commands as people use them: setup by one, a run by another, a search by a third."""
    server = secure_elasticsearch
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(line(message="hello") * 3 + failed_login(1))
    sink = {"type": "elasticsearch", "url": server.url, "ca": server.ca, "api_key": "${KEY}"}
    shipper.write_pipeline(name=name, sinks=[sink])

    def with_key_of(who, *words):
        body = {"name": who, "role_descriptors": {who: roles(name)[who]}}
        shipper.env["KEY"] = server.request("POST", "/_security/api_key", body)["encoded"]
        return shipper(*words).out

    with_key_of("setup", "setup", shipper.pipeline)
    with_key_of("run", "run", shipper.pipeline, "--once")
    server.request("POST", f"/{name}/_refresh")
    assert with_key_of("search", "search", "--count") == b"4\n"


def test_the_printed_commands_make_roles_and_keys(secure_elasticsearch, name):
    """As they stand there, but for the administrator's name; a key works."""
    server = secure_elasticsearch
    text = "\n".join(commands(name, server.url, server.ca)).replace("ADMIN=elastic", f"ADMIN={server.username}")
    done = subprocess.run(
        ["bash", "-eu"], input=f"{text}\n".replace("read -rs PASSWORD", f"PASSWORD={server.password}"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    answers = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, len(answers)) == (0, "", 10)
    assert answers[::2] == [{"role": {"created": True}}] * 5
    run, search, setup, tier, erase = clients = tuple(
        Elastic(connection(server, answer["encoded"])) for answer in answers[1::2]
    )
    try:
        do_setup(server, name, setup)
        do_run(server, name, run)
        search.request("POST", f"/{pattern_of(name, 'records')}/_search", {})
        server.forget(name)
        do_erase(server, name, erase)
        server.forget(name)
        do_tier(server, name, tier)
    finally:
        for who, client in zip(WHO, clients, strict=True):
            client.close()
            server.request("DELETE", f"/_security/role/{name}-{who}")
