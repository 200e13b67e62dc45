"""What an index is like: every field has its type, words are cut as everywhere, and a user's own settings are taken."""

import pytest

from shipper.alerts import alert_record
from shipper.elastic.names import index_of
from shipper.elastic.template import mapping, templates
from shipper.fields import TABLE
from shipper.model import Alert
from shipper.query.words import words_of

TYPES = {"date": "date_nanos"}
TIME = "2026-11-23T10:00:00Z"
ALERT = Alert(
    "a1", "r1", "Rule", "high", {"user.name": "eve"}, 5, TIME, TIME, ["e-0"], ("attack.t1110",), "Why", "open", TIME
)

TEXTS = [
    "Failed login for user-7 from 203.0.113.7",
    "snake_case camelCase kebab-case a.b.c /path/to/file.py:42",
    "ÄÖÜ straße naïve İstanbul Ελλάδα мир 日本語 한국어",
    "tab\tnewline\nnull  'quotes' \"double\" 100% €5 🎉x",
    "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\nValueError: x != 'y'",
]


def installed(server, name):
    for own_name, body in templates(name).items():
        server.request("PUT", f"/_index_template/{own_name}", body)


def type_of(server, index, field):
    return server.request("GET", f"/{index}/_mapping")[index]["mappings"]["properties"][field]["type"]


def test_every_field_has_its_type():
    """Those of the table, by their kind."""
    properties = mapping()["properties"]
    found = {field.name: properties[field.name]["type"] for field in TABLE}
    assert found == {field.name: TYPES.get(field.kind, field.kind) for field in TABLE}


def test_a_text_has_a_keyword():
    """To sort and to count by it."""
    assert mapping()["properties"]["message"]["fields"]["keyword"]["type"] == "keyword"


def test_every_field_of_an_alert_has_a_type():
    """None is left to what its first value looks like."""
    assert alert_record(ALERT).keys() - mapping("alerts")["properties"].keys() == set()


def test_the_server_hands_back_what_was_put(elasticsearch, name):
    """But for its own dates: so a difference is one that somebody made."""
    installed(elasticsearch, name)
    dates = {"created_date_millis", "modified_date_millis"}
    for own_name, body in templates(name).items():
        (found,) = elasticsearch.request("GET", f"/_index_template/{own_name}")["index_templates"]
        assert {key: value for key, value in found["index_template"].items() if key not in dates} == body


def test_a_day_is_compressed_and_has_the_alias(elasticsearch, name):
    """From its first record on."""
    installed(elasticsearch, name)
    index = index_of(name, "records", TIME)
    elasticsearch.request("PUT", f"/{index}/_doc/1", {"@timestamp": TIME, "message": "x"})
    found = elasticsearch.request("GET", f"/{index}")[index]
    codec, shards = (found["settings"]["index"][key] for key in ("codec", "number_of_shards"))
    assert (codec, shards, list(found["aliases"])) == ("best_compression", "1", [name])


@pytest.mark.parametrize(
    ("value", "kind"),
    [("text", "keyword"), (7, "double"), (7.5, "double"), (True, "keyword"), ("2026-01-01", "keyword")],
)
def test_an_unknown_field_is_taken_as_it_comes(elasticsearch, name, value, kind):
    """A whole number is no promise that the next one is whole, nor a text that it is a date."""
    installed(elasticsearch, name)
    index = index_of(name, "records", TIME)
    elasticsearch.request("PUT", f"/{index}/_doc/1", {"@timestamp": TIME, "extra": {"value": value}})
    assert type_of(elasticsearch, index, "extra.value") == kind


def test_an_alert_is_searched_by_its_group(elasticsearch, name):
    """Whatever fields a rule groups by."""
    installed(elasticsearch, name)
    index = index_of(name, "alerts", TIME)
    elasticsearch.request("PUT", f"/{index}/_doc/1?refresh=true", alert_record(ALERT))
    found = elasticsearch.request("POST", f"/{index}/_search", {"query": {"term": {"alert.group.user.name": "eve"}}})
    assert found["hits"]["total"]["value"] == 1


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_cut_as_everywhere(elasticsearch, name, text):
    """As `query.words` cuts them."""
    installed(elasticsearch, name)
    index = index_of(name, "records", TIME)
    elasticsearch.request("PUT", f"/{index}")
    tokens = elasticsearch.request("POST", f"/{index}/_analyze", {"field": "message", "text": text})["tokens"]
    assert [token["token"] for token in tokens] == [part for (part,) in words_of((text,))]


def test_own_settings_are_taken(elasticsearch, name):
    """Those of the component template that is nobody's but the user's."""
    own = {"template": {"settings": {"index.number_of_shards": 2}}}
    elasticsearch.request("PUT", f"/_component_template/{name}@custom", own)
    installed(elasticsearch, name)
    index = index_of(name, "records", TIME)
    elasticsearch.request("PUT", f"/{index}")
    assert elasticsearch.request("GET", f"/{index}")[index]["settings"]["index"]["number_of_shards"] == "2"
