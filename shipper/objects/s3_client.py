"""The way to a bucket: boto3's client, made from settings, and what a server that is not AWS is spared."""

import os
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shipper.errors import UsageError
from shipper.objects.ahead import AT_ONCE
from shipper.objects.settings import S3

CONNECT_TIMEOUT_S = 5.0
ATTEMPTS = 4
"""Of each request, by boto3, with jitter."""
DEFAULT_REGION = "us-east-1"
"""Of a server that is not AWS; it is a part of the signature."""


class Endpoint(NamedTuple):
    url: str
    """Empty: AWS."""
    region: str | None
    path_style: bool
    google: bool
    """No checksum headers there: SHA-256 goes with each request all the same, in its signature."""

    @property
    def shown(self) -> str:
        """Without a user that somebody may have written into it."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}" if self.url else ""


def endpoint_of(settings: S3) -> Endpoint:
    """Raises `UsageError`."""
    url = settings.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    region = settings.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    if not _is_address(url):
        raise UsageError(
            "AWS_ENDPOINT_URL (or `endpoint` of `tiers.s3`) is no address; write for example https://s3:9000"
        )
    host = urlsplit(url).hostname or ""
    google = host == "googleapis.com" or host.endswith(".googleapis.com")
    path_style = bool(url) if settings.path_style is None else settings.path_style
    return Endpoint(url, region or ("auto" if google else DEFAULT_REGION if url else None), path_style, google)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0)
    except ValueError:
        return False


def connect(endpoint: Endpoint, settings: S3, attempts: int = ATTEMPTS) -> Any:
    """A client that threads may share. Asks nothing yet. Raises `UsageError` when boto3 is missing."""
    # Optional, and takes a fifth of a second to load.
    try:
        import boto3  # noqa: PLC0415
        from botocore import config  # noqa: PLC0415
    except ImportError:
        raise UsageError("s3:// needs boto3; install shipper[s3]") from None

    ways = config.Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=max(settings.parallel, AT_ONCE) + 2,
        # We send SHA-256 ourselves; what the library adds unasked is refused by some servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if endpoint.path_style else "auto",
            **({"payload_signing_enabled": True} if endpoint.google else {}),
        },
    )
    access, secret = settings.access_key.get_secret_value(), settings.secret_key.get_secret_value()
    # A session of its own: the default one is not made for threads.
    session = boto3.session.Session(
        aws_access_key_id=access or None, aws_secret_access_key=secret or None, region_name=endpoint.region
    )
    return session.client("s3", endpoint_url=endpoint.url or None, config=ways)
