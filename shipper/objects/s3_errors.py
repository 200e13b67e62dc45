"""What an S3 server or the way to it said, as one line: where, what, what to do. No line holds a credential."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shipper.objects.store import Damaged, Exists, Locked, Missing, NeedsRestore, ObjectError, Unreachable

LONGEST_REASON = 300
SHORTEST_SECRET = 6
"""Anything shorter is one of a test, and stands in other words too."""
POLICY = "the README, section “The bucket”, has the whole policy"

ACTIONS = {
    "put_object": ("s3:PutObject",),
    "create_multipart_upload": ("s3:PutObject",),
    "upload_part": ("s3:PutObject",),
    "upload_part_copy": ("s3:GetObject", "s3:PutObject"),
    "complete_multipart_upload": ("s3:PutObject",),
    "abort_multipart_upload": ("s3:AbortMultipartUpload",),
    "list_multipart_uploads": ("s3:ListBucketMultipartUploads",),
    "copy_object": ("s3:GetObject", "s3:PutObject"),
    "get_object": ("s3:GetObject",),
    "head_object": ("s3:GetObject",),
    "list_objects_v2": ("s3:ListBucket",),
    "list_object_versions": ("s3:ListBucketVersions",),
    "delete_object": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "restore_object": ("s3:RestoreObject",),
    "put_object_legal_hold": ("s3:GetObjectLegalHold", "s3:PutObjectLegalHold"),
}
"""What each call takes, as IAM names it."""
BESIDES = {
    "VersionId": ("s3:GetObjectVersion",),
    "Tagging": ("s3:GetObjectTagging", "s3:PutObjectTagging"),
    "ObjectLockMode": ("s3:GetObjectRetention", "s3:PutObjectRetention"),
    "SSEKMSKeyId": ("kms:Decrypt", "kms:GenerateDataKey"),
}
"""What a setting takes in addition."""

KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or `access_key` and `secret_key` of `tiers.s3`)"


class Unsupported(ObjectError):
    """A server that is not AWS lacks this request, or a part of it."""


class NoLocks(ObjectError):
    """The bucket was made without Object Lock."""


class PastTheEnd(ObjectError):
    """A range was asked for that begins behind the end."""


class Restoring(ObjectError):
    """A restore was asked for before, and is under way."""


class Silent(ObjectError):
    """The server says nothing but no, as it does to HeadObject."""


class NotAllowed(ObjectError):
    """Rights are missing, or a lock holds the object: S3 says the same of both."""


class Remedy(NamedTuple):
    kind: type[ObjectError]
    what: str
    """`{region}` is where the bucket lies, `{actions}` what IAM has to allow."""


_CLOCK = Remedy(ObjectError, "this machine's clock is wrong, the server refuses its signatures; set the clock (NTP)")
_EXPIRED = Remedy(ObjectError, "the credentials have expired; get new ones")
_REGION = Remedy(ObjectError, "the bucket is in another region{region}; set AWS_REGION (or `region` of `tiers.s3`)")
_STRANGER = Remedy(ObjectError, f"the access key is not known there; check {KEYS}")
_RIGHTS = Remedy(NotAllowed, "not allowed; allow {actions}; " + POLICY)
_LOCKS = Remedy(NoLocks, "this bucket has no Object Lock; `lock: true` takes a bucket that was made with it")
_RESTORE = Remedy(NeedsRestore, "is of a class that can't be read at once; ask for it: shipper tier restore")
_CHECKSUM = Remedy(Damaged, "arrived with another checksum than it went with; nothing was stored, try again")
_GONE = Remedy(Missing, "there is no such object")
_THERE = Remedy(Exists, "something is there already")
_BUSY = Remedy(Unreachable, "the server is busy or in trouble; trying again later helps")
_KMS = Remedy(ObjectError, "the key in `kms_key` can't be used; check that it exists, is enabled, and allows {actions}")
_LATER = Remedy(Unreachable, "another request changes the same object right now; trying again helps")
_NO_SUCH_THING = Remedy(Unsupported, "the server does not know this request")

REMEDIES = {
    "NoSuchBucket": Remedy(ObjectError, "there is no such bucket; create it, or correct its name (SHIPPER_S3)"),
    "InvalidBucketName": Remedy(ObjectError, "that is no name for a bucket; correct it (SHIPPER_S3)"),
    "AllAccessDisabled": Remedy(ObjectError, "the bucket is closed to everybody; ask whoever owns the account"),
    "AccessDenied": _RIGHTS,
    "AccessDeniedException": _RIGHTS,
    "403": _RIGHTS,
    "400": Remedy(Silent, "refused, without a reason"),
    "InvalidAccessKeyId": _STRANGER,
    "XAdminUserNotFound": _STRANGER,
    "SignatureDoesNotMatch": Remedy(ObjectError, f"the secret key does not fit the access key; check {KEYS}"),
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": Remedy(ObjectError, "the session token is not valid; check AWS_SESSION_TOKEN"),
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "307": _REGION,
    "InvalidStorageClass": Remedy(
        ObjectError, "the server does not know this storage class; correct `storage_class` in the section `tiers`"
    ),
    "InvalidObjectState": _RESTORE,
    "ObjectNotInActiveTierError": _RESTORE,
    "NoSuchKey": _GONE,
    "NoSuchVersion": _GONE,
    "NoSuchUpload": Remedy(Unreachable, "the upload was aborted by somebody else; trying again helps"),
    "404": _GONE,
    "PreconditionFailed": _THERE,
    "412": _THERE,
    "ConditionalRequestConflict": _LATER,
    "OperationAborted": _LATER,
    "409": _LATER,
    "BadDigest": _CHECKSUM,
    "InvalidDigest": _CHECKSUM,
    "XAmzContentSHA256Mismatch": _CHECKSUM,
    "XAmzContentChecksumMismatch": _CHECKSUM,
    "IncompleteBody": Remedy(Unreachable, "only a part arrived; trying again helps"),
    "RestoreAlreadyInProgress": Remedy(Restoring, "is being restored already"),
    "InvalidRange": Remedy(PastTheEnd, "ends before"),
    "416": Remedy(PastTheEnd, "ends before"),
    "ObjectLocked": Remedy(Locked, "is protected by Object Lock"),
    "ObjectLockConfigurationNotFoundError": _LOCKS,
    "InvalidBucketObjectLockConfiguration": _LOCKS,
    "KMS.DisabledException": _KMS,
    "KMS.NotFoundException": _KMS,
    "KMS.KMSInvalidStateException": _KMS,
    "KMS.InvalidKeyUsageException": _KMS,
    "InvalidEncryptionAlgorithmError": _KMS,
    "GlacierExpeditedRetrievalNotAvailable": Remedy(
        Unreachable, "no expedited restores are to be had now; try later, or ask with --speed Standard"
    ),
    "NotImplemented": _NO_SUCH_THING,
    "MethodNotAllowed": _NO_SUCH_THING,
    "405": _NO_SUCH_THING,
    **dict.fromkeys(
        (
            *("SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"),
            *("ServiceUnavailable", "InternalError", "RequestTimeout", "BandwidthLimitExceeded"),
            *("XMinioServerNotInitialized", "429", "500", "502", "503", "504"),
        ),
        _BUSY,
    ),
}
"""By the code of the answer."""


class S3Error(NamedTuple):
    """An answer that is an error."""

    code: str
    message: str
    status: int
    region: str = ""


def parsed(answer: dict[str, Any]) -> S3Error:
    """Of `ClientError.response`."""
    error, told = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    headers = {key.lower(): value for key, value in told.get("HTTPHeaders", {}).items()}
    region = str(error.get("Region") or headers.get("x-amz-bucket-region") or "")
    return S3Error(
        str(error.get("Code", "")), str(error.get("Message", "")), int(told.get("HTTPStatusCode", 0)), region
    )


def of_answer(
    where: str, operation: str, error: S3Error, secrets: Iterable[str], settings: Iterable[str]
) -> ObjectError:
    """`settings`: the names of the arguments of the call, some of which take rights of their own."""
    remedy = _remedy(error)
    words = censored(error.message, secrets)
    if remedy is None:
        return ObjectError(f"{where}: {operation}: {words or 'refused'} ({error.code or error.status})")
    needed = [*ACTIONS[operation], *(action for name in settings for action in BESIDES.get(name, ()))]
    what = remedy.what.format(
        region=f" ({error.region})" if error.region else "", actions=" and ".join(dict.fromkeys(needed))
    )
    told = f": {words}" if words and not error.code.isdigit() and remedy in (_RIGHTS, _KMS, _NO_SUCH_THING) else ""
    return remedy.kind(f"{where}: {what} ({error.code}{told})")


def _remedy(error: S3Error) -> Remedy | None:
    if "objectlock" in error.message.replace(" ", "").lower() and error.code in ("InvalidRequest", "InvalidArgument"):
        return _LOCKS
    if "time" in error.message and "too large" in error.message:
        return _CLOCK
    # A status alone is a word of the server's only where it has no other: in answers to HeadObject.
    return REMEDIES.get(error.code) or (_BUSY if error.status >= 500 else None)


class Silence(NamedTuple):
    """No answer came."""

    error: BaseException
    endpoint: str
    """Empty: AWS."""
    timeout_s: float


def is_known(error: BaseException) -> bool:
    """Whether it is one of the libraries that talk to a bucket."""
    return type(error).__module__.partition(".")[0] in ("botocore", "boto3", "urllib3", "s3transfer")


def of_silence(where: str, silence: Silence, secrets: Iterable[str]) -> ObjectError:
    """By the name that the library gives to it."""
    at = f" at {silence.endpoint}" if silence.endpoint else ""
    name = type(silence.error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"):
        return ObjectError(f"{where}: no credentials; set {KEYS}")
    if name in ("TokenRetrievalError", "SSOError", "SSOTokenLoadError", "UnauthorizedSSOTokenError"):
        return ObjectError(f"{where}: the single sign-on has ended; run: aws sso login")
    if name == "ProfileNotFound":
        return ObjectError(f"{where}: there is no such profile; check AWS_PROFILE")
    if name == "SSLError":
        return Unreachable(f"{where}: no TLS{at}; name its authority in AWS_CA_BUNDLE, or check the endpoint's scheme")
    if name == "EndpointConnectionError":
        return Unreachable(f"{where}: no S3 server is reached{at}; check AWS_ENDPOINT_URL, and whether it runs")
    if name == "ProxyConnectionError":
        return Unreachable(f"{where}: the proxy is not reached; check HTTPS_PROXY")
    if name == "ConnectTimeoutError":
        return Unreachable(f"{where}: no connection{at}; check AWS_ENDPOINT_URL, and firewalls on the way")
    if name == "ReadTimeoutError":
        return Unreachable(f"{where}: no answer{at} within {silence.timeout_s:g} s")
    if name in ("ConnectionClosedError", "ResponseStreamingError", "IncompleteReadError", "ResponseParserError"):
        return Unreachable(f"{where}: the connection{at} was cut")
    if name in ("HTTPClientError", "ConnectionError"):
        return Unreachable(f"{where}: the connection{at} failed")
    return ObjectError(f"{where}: {censored(str(silence.error), secrets)} ({name})")


def censored(text: str, secrets: Iterable[str]) -> str:
    """One line, not too long, without these."""
    for secret in secrets:
        if len(secret) < SHORTEST_SECRET:
            continue
        text = text.replace(secret, "***")
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
