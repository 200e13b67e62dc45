"""What may stand in a pipeline file as a place."""

import pytest

from shipper.errors import UsageError
from shipper.objects.folder import FolderStore
from shipper.objects.place import open_place
from shipper.objects.s3 import S3Store
from shipper.objects.s3_client import endpoint_of
from shipper.objects.settings import S3

VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable of AWS's tools is set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("place", "kind", "where"),
    [
        ("archive", FolderStore, "{data}/archive"),
        ("archive/cold", FolderStore, "{data}/archive/cold"),
        ("/mnt/archive", FolderStore, "/mnt/archive"),
        ("s3://my-bucket", S3Store, "s3://my-bucket"),
        ("s3://my-bucket/", S3Store, "s3://my-bucket"),
        ("s3://my-bucket/a/b/", S3Store, "s3://my-bucket/a/b"),
        ("s3://my_bucket.example/a b", S3Store, "s3://my_bucket.example/a b"),
    ],
)
def test_a_place(tmp_path, place, kind, where):
    """A folder below the data folder, any other folder, or a bucket with or without a prefix."""
    store = open_place(place, tmp_path, S3())
    assert (type(store), store.where) == (kind, where.format(data=tmp_path))


@pytest.mark.parametrize(
    "place",
    ["", " ", "s3://", "s3:///x", "s3://B", "s3://Upper/x", "s3://my-bucket/a//b", "gs://x/y", "../x", "a/../../b"],
)
def test_no_place(tmp_path, place):
    """The error says what to write."""
    with pytest.raises(UsageError, match=r"write|leads out"):
        open_place(place, tmp_path, S3())


def test_a_relative_folder_is_made_with_all_that_is_above_it(tmp_path):
    """Up to the data folder."""
    open_place("deep/archive", tmp_path, S3()).put("a", b"x")
    assert (tmp_path / "deep/archive/a").read_bytes() == b"x"


def test_aws_itself():
    """No endpoint; the library knows where."""
    endpoint = endpoint_of(S3(region="eu-central-1"))
    assert (endpoint.url, endpoint.region, endpoint.path_style, endpoint.google) == ("", "eu-central-1", False, False)


def test_another_server(monkeypatch):
    """From the environment as AWS's tools read it; the bucket is in the path, unless said otherwise."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:word@s3:7070")
    endpoint = endpoint_of(S3())
    assert (endpoint.shown, endpoint.region, endpoint.path_style) == ("http://s3:7070", "us-east-1", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://other")
    assert endpoint_of(S3(path_style=False)).path_style is False
    assert endpoint_of(S3()).url == "http://other"


def test_google():
    """Is known by its name, and spared what it refuses."""
    endpoint = endpoint_of(S3(endpoint="https://storage.googleapis.com"))
    assert (endpoint.google, endpoint.region) == (True, "auto")
    assert endpoint_of(S3(endpoint="https://googleapis.com.example")).google is False


@pytest.mark.parametrize("url", ["s3:7070", "ftp://s3", "http://", "http://s3:port", "http://s3:99999"])
def test_no_address(url):
    """The error has no part of it: there may be a password in it."""
    with pytest.raises(UsageError, match=r"AWS_ENDPOINT_URL .* is no address; write for example") as raised:
        endpoint_of(S3(endpoint=url))
    assert url not in str(raised.value).replace("https://s3:9000", "")


def test_half_a_credential():
    """One key without the other."""
    with pytest.raises(ValueError, match="`access_key` and `secret_key` go together"):
        S3(access_key="only")
