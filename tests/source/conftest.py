"""What tests of the tailer start from."""

import pytest

from tests.source.packing import FORMS


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "backend.out.log"


@pytest.fixture(params=FORMS)
def form(request):
    return request.param
