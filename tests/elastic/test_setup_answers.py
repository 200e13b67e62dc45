"""What `ensure` makes of servers that answer like nothing that it knows."""

import pytest

from shipper.elastic.connect import Connection, Elastic
from shipper.elastic.setup import ensure
from shipper.elastic.template import templates
from tests.elastic.answers import Answer, serving


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"index_templates": []}'])
def test_a_server_that_shows_no_template_is_given_them(body):
    """As a stand-in does that answers `{}` to all it does not know: no reason to end a run."""
    with serving() as server:
        server.otherwise = lambda request: Answer(body=body)
        ensure(Elastic(Connection.model_validate({"url": server.url})), "xionimus")

    asked = [(request.method, request.path) for request in server.requests]
    assert [path for method, path in asked if method == "PUT"] == [
        f"/_index_template/{name}" for name in templates("xionimus")
    ]
