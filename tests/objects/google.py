"""Google's S3-compatible interface as its documentation has it: a double, in memory, behind the network of boto3.

with google.answering(store):             # an S3Store whose settings name https://storage.googleapis.com
    store.put("a", b"x")

What is asked reaches it as it would go over the line: signed, with all headers. What the interface does not take is
refused, and kept in `refused`.
"""

import hashlib
import io
import re
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

HOST = "storage.googleapis.com"
TAKEN = {
    "authorization",
    "content-length",
    "content-type",
    "expect",
    "host",
    "range",
    "if-match",
    "user-agent",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-meta-sha256",
    "x-amz-metadata-directive",
    "x-amz-storage-class",
}
ASKED = {"list-type", "prefix", "max-keys", "encoding-type", "continuation-token", "uploads", "uploadId", "partNumber"}
CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}


class Kept(NamedTuple):
    """An object."""

    body: bytes
    sha256: str
    storage_class: str


class Google:
    """One bucket. `tells`: the beginning of the headers in which metadata and class come back."""

    def __init__(self, tells="x-amz-"):
        self.tells = tells
        self.objects, self.uploads = {}, {}
        self.asked, self.refused = [], []

    @contextmanager
    def answering(self, store):
        """The requests of a store."""
        events = store._bucket._client.meta.events
        events.register("before-send.s3", self._send)
        try:
            yield self
        finally:
            events.unregister("before-send.s3", self._send)

    def _send(self, request, **_):
        status, headers, body = self._answer(request)
        if isinstance(body, str):
            body, headers = body.encode(), {**headers, "content-type": "application/xml"}
        headers = {"content-length": f"{len(body)}", **headers}
        raw = _Raw(b"" if request.method == "HEAD" else body)
        return AWSResponse(request.url, status, headers, raw)

    def _answer(self, request):
        url, headers = urlsplit(request.url), {name.lower(): _text(value) for name, value in request.headers.items()}
        asked, body = parse_qs(url.query, keep_blank_values=True), _bytes(request.body)
        self.asked.append((request.method, url.query, headers))
        strange = [*(headers.keys() - TAKEN), *(asked.keys() - ASKED)]
        if (url.scheme, url.hostname) != ("https", HOST):
            strange.append(request.url)
        if headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            strange.append("a body that is not signed")
        if headers.get("x-amz-storage-class", "STANDARD") not in CLASSES:
            strange.append(headers["x-amz-storage-class"])
        if strange:
            self.refused += strange
            return 400, {}, _error("InvalidArgument", ", ".join(strange))
        key = unquote(url.path).removeprefix("/our-archive").removeprefix("/")
        asked = {name: value for name, (value,) in asked.items()}
        return getattr(self, f"_{request.method.lower()}")(key, asked, headers, body)

    def _put(self, key, asked, headers, body):
        source = headers.get("x-amz-copy-source")
        if source is not None:
            kept = self.objects[unquote(source).removeprefix("our-archive/")]
            self.objects[key] = kept._replace(storage_class=headers.get("x-amz-storage-class", "STANDARD"))
            return 200, {}, f"<CopyObjectResult><ETag>{_etag(kept.body)}</ETag></CopyObjectResult>"
        if "uploadId" in asked:
            self.uploads[asked["uploadId"]][1][int(asked["partNumber"])] = body
        else:
            self.objects[key] = _kept(body, headers)
        return 200, {"etag": _etag(body)}, b""

    def _post(self, key, asked, headers, body):
        if "uploads" in asked:
            number = f"upload-{len(self.uploads)}"
            self.uploads[number] = headers, {}
            return 200, {}, _result("InitiateMultipartUploadResult", UploadId=number)
        settings, parts = self.uploads.pop(asked["uploadId"])
        wanted = [int(each) for each in re.findall(rb"<PartNumber>(\d+)<", body)]
        self.objects[key] = _kept(b"".join(parts[number] for number in wanted), settings)
        return 200, {}, _result("CompleteMultipartUploadResult", ETag='"of-parts-3"')

    def _head(self, key, asked, headers, body):
        return self._get(key, asked, headers, body)

    def _get(self, key, asked, headers, body):
        if not key:
            return 200, {}, self._uploads() if "uploads" in asked else self._listing(asked)
        if key not in self.objects:
            return 404, {}, _error("NoSuchKey", "The specified key does not exist.")
        kept = self.objects[key]
        told = {
            "etag": _etag(kept.body),
            "accept-ranges": "bytes",
            "last-modified": "Mon, 23 Nov 2026 10:00:00 GMT",
            "x-goog-hash": "crc32c=AAAAAA==",
            f"{self.tells}meta-sha256": kept.sha256,
            f"{self.tells}storage-class": kept.storage_class,
        }
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if span is None:
            return 200, told, kept.body
        start, stop = int(span[1]), int(span[2] or len(kept.body) - 1) + 1
        piece = kept.body[start:stop]
        return 206, {**told, "content-range": f"bytes {start}-{start + len(piece) - 1}/{len(kept.body)}"}, piece

    def _delete(self, key, asked, headers, body):
        if "uploadId" in asked:
            self.uploads.pop(asked["uploadId"], None)
        elif self.objects.pop(key, None) is None:
            return 404, {}, _error("NoSuchKey", "The specified key does not exist.")
        return 204, {}, b""

    def _listing(self, asked):
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Generation>1</Generation><Size>{len(kept.body)}</Size>"
            f"<ETag>{_etag(kept.body)}</ETag><LastModified>2026-11-23T10:00:00.000Z</LastModified>"
            f"<StorageClass>{kept.storage_class}</StorageClass></Contents>"
            for key, kept in sorted(self.objects.items())
            if key.startswith(asked.get("prefix", ""))
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"

    def _uploads(self):
        return _result("ListMultipartUploadsResult", IsTruncated="false")


def _kept(body, headers):
    return Kept(body, headers.get("x-amz-meta-sha256", ""), headers.get("x-amz-storage-class", "STANDARD"))


class _Raw(io.BytesIO):
    def stream(self, amount=1 << 16, **_):
        """As urllib3 hands out a body."""
        return iter(lambda: self.read(amount), b"")


def _bytes(body):
    if body is None:
        return b""
    return (
        body.encode() if isinstance(body, str) else bytes(body) if isinstance(body, bytes | bytearray) else body.read()
    )


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _etag(body):
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _result(name, **values):
    made = ElementTree.Element(name)
    for each, value in values.items():
        ElementTree.SubElement(made, each).text = value
    return ElementTree.tostring(made, "unicode")


def _error(code, message):
    return _result("Error", Code=code, Message=message)
