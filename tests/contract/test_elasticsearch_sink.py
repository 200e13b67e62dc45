"""What every sink keeps, kept by the one to Elasticsearch: on real servers, hence apart from the others."""

import orjson
import pytest

from shipper.clock import ManualClock
from shipper.context import Context
from shipper.sink import elasticsearch as sink
from shipper.state import State
from tests.contract import test_sink as contract
from tests.contract.test_sink import (  # noqa: F401
    test_a_batch_of_refused_rows_alone_stores_nothing,
    test_a_batch_without_rows_is_nothing,
    test_a_refused_row_is_reported_and_the_others_are_stored,
    test_alerts_are_kept_apart_from_records,
    test_all_rows_are_there_in_order,
    test_closing_twice_is_closing_once,
    test_it_has_the_name_of_its_file,
)


class Elasticsearch:
    """Refuses a row that is not a JSON object. Rows have no order there; what they are shown in is that of their bytes."""

    bad = contract.BAD
    mixes_streams = False

    def __init__(self, server, name, context):
        self.state, self.server = context.state, server
        self.patterns = {"records": f"{name}-*", "alerts": f"alerts-{name}-*"}
        self.sink = sink.build(sink.Config(url=server.url, manage_templates=False), context)

    def rows(self, stream):
        return sorted(orjson.dumps(each) for each in self.server.documents(self.patterns[stream]))


@pytest.fixture
def place(elasticsearch, name, tmp_path):
    state = State(tmp_path / "state.db")
    made = Elasticsearch(elasticsearch, name, Context(tmp_path, state, ManualClock(), name=name))
    yield made
    made.sink.close()
    state.close()


def test_none_of_what_every_sink_keeps_is_left_out():
    """A new test of the contract is to be named here."""
    wanted = {name for name in vars(contract) if name.startswith("test_")}

    assert wanted <= globals().keys()
