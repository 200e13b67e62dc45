"""What an S3 server says becomes one line: where, what, what to do; and of a kind that says whether to try again."""

import pytest

from shipper.objects.s3_errors import REMEDIES, S3Error, Silence, is_known, of_answer, of_silence, parsed
from shipper.objects.store import Damaged, Exists, Missing, NeedsRestore, ObjectError, Unreachable

WHERE = "s3://bucket/archive/warm/x"


def said(code, message="", status=400, *, operation="put_object", settings=(), region=""):
    return of_answer(
        WHERE, operation, S3Error(code, message, status, region), ["the-access-key", "the-secret-key"], settings
    )


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_every_code_is_one_line(code):
    """That begins with the place, and has the code for whoever looks it up."""
    error = str(said(code, "Some\nwords of the server."))
    assert error.startswith(f"{WHERE}: ") and code in error
    assert "\n" not in error and "{" not in error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchKey", Missing),
        ("404", Missing),
        ("PreconditionFailed", Exists),
        ("InvalidObjectState", NeedsRestore),
        ("BadDigest", Damaged),
        ("XAmzContentSHA256Mismatch", Damaged),
        ("SlowDown", Unreachable),
        ("InternalError", Unreachable),
        ("ConditionalRequestConflict", Unreachable),
    ],
)
def test_the_kind_says_what_to_do_now(code, kind):
    """For those who catch it."""
    assert type(said(code)) is kind


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("NoSuchBucket", "there is no such bucket; create it"),
        ("AccessDenied", "not allowed; allow s3:PutObject; the README"),
        ("InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "the secret key does not fit"),
        ("RequestTimeTooSkewed", "set the clock"),
        ("ExpiredToken", "get new ones"),
        ("InvalidStorageClass", "correct `storage_class`"),
        ("ObjectLockConfigurationNotFoundError", "takes a bucket that was made with it"),
        ("KMS.DisabledException", "`kms_key`"),
    ],
)
def test_a_person_is_told_what_to_do(code, what):
    """Not only what is wrong."""
    assert what in str(said(code))


def test_missing_rights_name_what_to_allow():
    """All that the call takes with its settings."""
    error = str(said("AccessDenied", settings=("Body", "Tagging", "ObjectLockMode")))
    for action in ("s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectRetention"):
        assert action in error
    assert "s3:ListBucketVersions" in str(said("AccessDenied", operation="list_object_versions"))


def test_another_region_is_named():
    """Where the server says which."""
    assert "in another region (eu-central-1); set AWS_REGION" in str(said("PermanentRedirect", region="eu-central-1"))
    assert "in another region; set AWS_REGION" in str(said("301"))


def test_an_unknown_answer_is_told_as_it_is():
    """Only the status of servers in trouble is taken for something; 404 may be anything."""
    assert str(said("Odd", "Words.")) == f"{WHERE}: put_object: Words (Odd)"
    assert type(said("XOddNotFound", "No such user", 404)) is ObjectError
    assert type(said("Odd", "", 503)) is Unreachable


def test_no_line_has_a_credential():
    """Even when the server repeats it."""
    error = str(said("Odd", "the-access-key may not, nor the-secret-key"))
    assert ("the-access-key" in error, "the-secret-key" in error, "*** may not, nor ***" in error) == (
        False,
        False,
        True,
    )


def test_a_long_answer_is_cut():
    """It stays a line."""
    assert len(str(said("Odd", "word " * 500))) < 500


def test_an_answer_is_understood():
    """As boto3 gives it."""
    response = {
        "Error": {"Code": "PermanentRedirect", "Message": "elsewhere"},
        "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}},
    }
    assert parsed(response) == S3Error("PermanentRedirect", "elsewhere", 301, "eu-west-1")
    assert parsed({}) == S3Error("", "", 0, "")


def silence(name, words=""):
    error = type(name, (Exception,), {})(words)
    return of_silence(WHERE, Silence(error, "http://s3:7070", 60.0), ["the-secret-key"])


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("NoCredentialsError", ObjectError, "no credentials; set AWS_ACCESS_KEY_ID"),
        ("ProfileNotFound", ObjectError, "check AWS_PROFILE"),
        ("UnauthorizedSSOTokenError", ObjectError, "aws sso login"),
        ("EndpointConnectionError", Unreachable, "at http://s3:7070; check AWS_ENDPOINT_URL"),
        ("ConnectTimeoutError", Unreachable, "no connection at http://s3:7070"),
        ("ReadTimeoutError", Unreachable, "no answer at http://s3:7070 within 60 s"),
        ("ConnectionClosedError", Unreachable, "was cut"),
        ("SSLError", Unreachable, "AWS_CA_BUNDLE"),
        ("ProxyConnectionError", Unreachable, "HTTPS_PROXY"),
        ("HTTPClientError", Unreachable, "failed"),
        ("OddError", ObjectError, "*** (OddError)"),
    ],
)
def test_no_answer(name, kind, what):
    """Why, and whether trying again may help."""
    error = silence(name, "the-secret-key")
    assert (type(error), what in str(error), "the-secret-key" in str(error)) == (kind, True, False)


def test_mistakes_of_ours_are_not_hidden():
    """Only errors of the libraries become a line."""
    assert (is_known(ValueError()), is_known(ObjectError())) == (False, False)
