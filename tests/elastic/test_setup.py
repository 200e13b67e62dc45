"""What `shipper setup` changes, what it only tells, and what a run makes sure of by itself."""

from copy import deepcopy

import orjson
import pytest

from shipper import log
from shipper.elastic.connect import Connection, Elastic, ElasticError
from shipper.elastic.names import RESTORED, index_of
from shipper.elastic.setup import FOREIGN, apply, ensure, ensure_restored, plan
from shipper.elastic.template import VERSION, mapping, templates

TODAY = "2026-11-23T10:00:00Z"


@pytest.fixture
def elastic(elasticsearch):
    """As shipper speaks to it."""
    client = Elastic(Connection(url=elasticsearch.url))
    yield client
    client.close()


@pytest.fixture
def said(capsys):
    """What the log has said since the last call: level and message."""
    log.quieter("info")

    def lines():
        events = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
        return [(event["log.level"], event["message"]) for event in events]

    return lines


def changes(elastic, name):
    return [change.what for change in plan(elastic, name, TODAY).changes]


def set_up(elastic, name):
    """Makes all changes, and hands back what could not be made."""
    return [problem for change in plan(elastic, name, TODAY).changes if (problem := apply(elastic, change))]


def template_of(name, **changed):
    """Ours with other values, `_meta` and all."""
    return {**deepcopy(templates(name)[name]), **changed}


def older(name, **properties):
    """A template as an older shipper made it: its mapping says so, and knows only some fields."""
    body = template_of(name, version=VERSION - 1)
    body["template"]["mappings"]["_meta"]["version"] = VERSION - 1
    body["template"]["mappings"]["properties"] = {"@timestamp": mapping()["properties"]["@timestamp"], **properties}
    return body


def make_older_day(elasticsearch, name, time=TODAY, **properties):
    """An index from an older template, which is there no more."""
    index = index_of(name, "records", time)
    elasticsearch.request("PUT", f"/_index_template/{name}", older(name, **properties))
    elasticsearch.request("PUT", f"/{index}")
    elasticsearch.request("DELETE", f"/_index_template/{name}")
    return index


def test_all_is_made_once(elastic, name):
    """The second time there is nothing to do."""
    first = changes(elastic, name)
    assert (first, set_up(elastic, name), changes(elastic, name)) == (
        [
            *(f"index template {prefix}{name}" for prefix in ("", "alerts-", "restored-")),
            f"index alerts-{name}-2026.11",
        ],
        [],
        [],
    )


def test_a_look_changes_nothing(elastic, elasticsearch, name):
    """However often."""
    plan(elastic, name, TODAY)
    assert elasticsearch.request("GET", f"/_index_template/{name}", allow=[404])["status"] == 404
    assert elasticsearch.request("GET", f"/*{name}*/_alias") == {}


def test_an_older_template_is_replaced(elastic, elasticsearch, name):
    """By setup and by a run alike."""
    elasticsearch.request("PUT", f"/_index_template/{name}", older(name))
    ensure(elastic, name)
    (found,) = elasticsearch.request("GET", f"/_index_template/{name}")["index_templates"]
    assert found["index_template"]["template"]["mappings"] == mapping()


def test_a_newer_template_is_left_alone(elastic, elasticsearch, name, said):
    """A newer shipper somewhere has made it; this one says so."""
    elasticsearch.request("PUT", f"/_index_template/{name}", template_of(name, version=VERSION + 1))
    set_up(elastic, name)
    ensure(elastic, name)
    line = f"index template {name} is of a newer shipper (version {VERSION + 1}), left as it is"
    assert (plan(elastic, name, TODAY).warnings, said()) == ([line], [("warning", line)])


def test_what_was_changed_by_hand_is_restored_by_setup_alone(elastic, elasticsearch, name):
    """A person who runs it has seen the difference; a run does not fight with one."""
    set_up(elastic, name)
    elasticsearch.request("PUT", f"/_index_template/{name}", template_of(name, priority=501))
    ensure(elastic, name)
    assert changes(elastic, name) == [f"index template {name}"]
    set_up(elastic, name)
    assert changes(elastic, name) == []


@pytest.mark.parametrize("meta", [{}, {"managed_by": "logstash"}, {"managed_by": "shipper", "pipeline": "other"}])
def test_a_foreign_template_is_never_touched(elastic, elasticsearch, name, meta):
    """Nothing is done at all, neither by setup nor by a run, and a person is told."""
    theirs = template_of(name, _meta=meta)
    elasticsearch.request("PUT", f"/_index_template/{name}", theirs)
    for look in (lambda: ensure(elastic, name), lambda: plan(elastic, name, TODAY)):
        with pytest.raises(ElasticError, match="was not made by shipper") as caught:
            look()
        assert (caught.value.grave, caught.value.kind) == (True, FOREIGN)
    (found,) = elasticsearch.request("GET", f"/_index_template/{name}")["index_templates"]
    assert found["index_template"]["_meta"] == meta


def test_a_run_says_what_it_has_installed(elastic, name, said):
    """Once; the next one finds it."""
    ensure(elastic, name)
    ensure(elastic, name)
    assert said() == [
        ("info", f"index template {name} installed"),
        ("info", f"index template alerts-{name} installed"),
    ]


def test_what_is_restored_has_the_fields_of_records_and_no_alias(elastic, elasticsearch, name):
    """Who looks at the alias sees no day twice; a run makes nothing of it."""
    ensure(elastic, name)
    assert elasticsearch.request("GET", f"/_index_template/restored-{name}", allow=[404])["status"] == 404
    ensure_restored(elastic, name)
    index = index_of(name, RESTORED, TODAY)
    elasticsearch.request("PUT", f"/{index}")
    found = elasticsearch.request("GET", f"/{index}")[index]
    assert (found["mappings"], found["aliases"]) == (mapping(), {})


def test_a_template_that_comes_before_ours_is_told(elastic, elasticsearch, name, said):
    """Its settings would be those of our days."""
    other = {"index_patterns": [f"{name}-*"], "priority": 900}
    elasticsearch.request("PUT", f"/_index_template/{name}-other", other)
    (warning,) = plan(elastic, name, TODAY).warnings
    ensure(elastic, name, [f"{name}-2026.11.23"])
    assert warning == (
        f"index template {name}-other (priority 900) takes {name}-2026.11.23 away from {name} (priority 500); "
        f"narrow its patterns: {name}-*"
    )
    assert ("warning", warning) in said()


def test_a_template_with_our_priority_is_told(elastic, elasticsearch, name):
    """Elasticsearch takes only one of them, and names the other."""
    elasticsearch.request("PUT", f"/_index_template/{name}-other", {"index_patterns": [f"{name}-*"], "priority": 500})
    with pytest.raises(ElasticError, match=f"{name}-other"):
        ensure(elastic, name)


def test_an_older_day_gets_new_fields(elastic, elasticsearch, name):
    """Beside those that it has; and its version says so."""
    index = make_older_day(elasticsearch, name, message=mapping()["properties"]["message"])
    assert f"index {index}" in changes(elastic, name)
    set_up(elastic, name)
    assert elasticsearch.request("GET", f"/{index}/_mapping")[index]["mappings"] == mapping()


def test_a_field_that_cannot_be_changed_is_told(elastic, elasticsearch, name):
    """It keeps its type in the days that are there; all others come."""
    index = make_older_day(elasticsearch, name, **{"log.level": {"type": "long"}})
    warnings = plan(elastic, name, TODAY).warnings
    set_up(elastic, name)
    properties = elasticsearch.request("GET", f"/{index}/_mapping")[index]["mappings"]["properties"]
    assert warnings == [f"{index}: log.level stays of its older type; only new indices have the new one"]
    assert (properties["log.level"], properties["user.id"]) == ({"type": "long"}, mapping()["properties"]["user.id"])


def test_a_day_that_takes_no_new_field_is_told(elastic, elasticsearch, name):
    """The rest is done."""
    index = make_older_day(elasticsearch, name)
    elasticsearch.request("PUT", f"/{index}/_settings", {"index.mapping.total_fields.limit": 3})
    (problem,) = set_up(elastic, name)
    assert problem.startswith(f"index {index}: stays as it is: ")
    assert "total fields" in problem


def test_a_blocked_day_is_told(elastic, elasticsearch, name):
    """It is being archived, say."""
    index = make_older_day(elasticsearch, name)
    elasticsearch.request("PUT", f"/{index}/_block/read_only")
    (problem,) = set_up(elastic, name)
    elasticsearch.request("PUT", f"/{index}/_settings", {"index.blocks.read_only": None})
    assert problem.startswith(f"index {index}: stays as it is: ")


def test_the_alias_is_given_to_days_without_it(elastic, elasticsearch, name):
    """All at once."""
    set_up(elastic, name)
    days = [index_of(name, "records", f"2026-11-2{day}") for day in (1, 2, 3, 4)]
    for day in days:
        elasticsearch.request("PUT", f"/{day}")
        elasticsearch.request("DELETE", f"/{day}/_alias/{name}")
    assert changes(elastic, name) == [f"alias {name} of {', '.join(days[:3])} and 1 more"]
    set_up(elastic, name)
    assert (sorted(elasticsearch.request("GET", f"/_alias/{name}")), changes(elastic, name)) == (days, [])


def test_a_day_that_is_not_ours_is_left_alone(elastic, elasticsearch, name):
    """Logstash names its days alike."""
    index = index_of(name, "records", TODAY)
    elasticsearch.request("PUT", f"/{index}/_doc/1", {"message": "theirs"})
    before = elasticsearch.request("GET", f"/{index}")
    found = plan(elastic, name, TODAY)
    set_up(elastic, name)
    assert elasticsearch.request("GET", f"/{index}") == before
    assert found.warnings == [f"{index}: not made with shipper's template, left as it is; search may miss in it"]


def test_another_pipeline_with_a_longer_name_is_another(elastic, elasticsearch, name):
    """`app-2` has days of its own."""
    set_up(elastic, name)
    elasticsearch.request("PUT", f"/{name}-2-2026.11.23")
    assert plan(elastic, name, TODAY).warnings == []


def test_an_index_with_the_name_of_the_alias_is_told(elastic, elasticsearch, name):
    """No day could be made beside it."""
    elasticsearch.request("PUT", f"/{name}")
    with pytest.raises(ElasticError, match=f"there is an index {name}, which is to be the alias"):
        plan(elastic, name, TODAY)


def test_an_alerts_index_is_made_only_when_there_is_none(elastic, elasticsearch, name):
    """That of another month will do."""
    ensure(elastic, name)
    ensure_restored(elastic, name)
    elasticsearch.request("PUT", f"/alerts-{name}-2026.01")
    assert changes(elastic, name) == []
