"""`shipper setup --kibana URL`: the dashboards of the pipeline that it is given, with what its sink knows."""

import pytest

from tests.e2e.shipper import Shipper
from tests.kibana.stand_in import StandIn
from tests.services.elasticsearch import Elasticsearch

pytestmark = pytest.mark.parametrize("elasticsearch", ["8"], indirect=True)


@pytest.fixture
def shipper(tmp_path, elasticsearch: Elasticsearch, name: str) -> Shipper:
    """A pipeline of this test's name that writes to a real server."""
    made = Shipper(tmp_path)
    made.write_pipeline(name=name, sinks=[{"type": "elasticsearch", "url": elasticsearch.url}])
    return made


def test_setup_imports_into_kibana(shipper: Shipper, name: str):
    """Under the pipeline's name, and says where to look."""
    with StandIn().running() as kibana:
        said = shipper("setup", shipper.pipeline, "--kibana", kibana.url).out.decode()
    assert f"dashboard:shipper-{name}-operations" in kibana.stored["default"]
    assert f"Operations [{name}]: {kibana.url}/app/dashboards#/view/shipper-{name}-operations" in said


def test_a_dry_run_changes_nothing(shipper: Shipper, elasticsearch: Elasticsearch, name: str):
    """Neither in Elasticsearch nor in Kibana."""
    with StandIn().running() as kibana:
        said = shipper("setup", shipper.pipeline, "--kibana", kibana.url, "--dry-run").out.decode()
    assert (kibana.stored, "would import" in said) == ({}, True)
    assert elasticsearch.request("GET", f"/_index_template/{name}*", allow=[404]) == {"index_templates": []}


def test_a_kibana_that_is_too_old_is_one_line(shipper: Shipper):
    """On stderr, with exit code 1; Elasticsearch is ready all the same."""
    with StandIn("8.3.0").running() as kibana:
        said = shipper("setup", shipper.pipeline, "--kibana", kibana.url, code=1)
    assert said.err.startswith(
        f"shipper: Kibana 8.3.0 at {kibana.url} cannot show the dashboards, nothing was imported"
    )
