"""Documents are cut out of an answer byte for byte, whatever they hold."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.elastic.connect import ElasticError
from shipper.elastic.documents import answer_of, documents, parsed

INDEX = "xionimus-2026.01.01"


def hit(number, doc, *, sort=True, ignored=False):
    """A hit as a server writes it."""
    extra = b',"_ignored":["a.keyword"]' if ignored else b""
    order = b',"sort":[%d]' % number if sort else b""
    return b'{"_index":"%b","_id":"id-%d","_score":null%b,"_source":%b%b}' % (
        INDEX.encode(), number, extra, doc, order,
    )  # fmt: skip


def answer(*hits):
    """The whole of it."""
    return b'{"pit_id":"x","took":1,"hits":{"max_score":null,"hits":[' + b",".join(hits) + b"]}}"


def cut(raw):
    return list(documents(raw, answer_of(raw, "there")["hits"]["hits"]))


ODD = [
    b'{"a": 1.50,  "b":"\\u00e9\\/ \xc3\xa9","b":2}',
    b'{"message":"\\ud800"}',
    b'{"_source":{"sort":[1]},"x":",\\"_source\\":{}"}',
    b'{"x":[{"sort":[0]},{"_index":"xionimus-2026.01.01","_id":"other","_score":null,"_source":{}}]}',
    b"{}",
    b'{"n":"' + "ü€".encode() * 100_000 + b'"}',
]


@pytest.mark.parametrize("sort", [True, False], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("ignored", [True, False], ids=["ignored", "plain"])
def test_documents_come_as_they_stand_there(sort, ignored):
    """Also where the hits say nothing that the end could be told by."""
    assert cut(answer(*(hit(place, doc, sort=sort, ignored=ignored) for place, doc in enumerate(ODD)))) == ODD


@given(docs=st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=30) | st.integers(-9, 9), max_size=4)))
def test_any_documents_come_as_they_stand_there(docs):
    """Any number of them."""
    lines = [orjson.dumps(doc) for doc in docs]
    assert cut(answer(*(hit(place, line) for place, line in enumerate(lines)))) == lines


def test_what_breaks_off_is_an_error():
    """And not a part of an answer."""
    with pytest.raises(ElasticError, match="breaks off in the middle"):
        answer_of(answer(hit(0, b"{}"))[:-3], "there")


def test_what_cannot_be_parsed_has_no_field():
    """As in every store."""
    assert (parsed(b'{"a":1}'), parsed(b'{"a":"\\ud800"}'), parsed(b"[1]")) == ({"a": 1}, {}, {})
