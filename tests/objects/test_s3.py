"""What a bucket can beyond what every place can: versions, locks, holds, classes, restores; and what servers refuse."""

import sys
import time

import pytest
from pydantic import SecretStr

from shipper.clock import iso
from shipper.errors import UsageError
from shipper.objects import s3, s3_parts, s3_send
from shipper.objects.s3 import S3Store
from shipper.objects.store import Damaged, Locked, NeedsRestore, ObjectError, Unreachable

KEY = "warm/audit/2026.11.23.parquet"
LATER = 2_000_000_000.0
moto = pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
versitygw = pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)


def full(key):
    return f"archive/{key}"


def left_of(bucket):
    """All versions and delete markers of all objects."""
    found = bucket.client.list_object_versions(Bucket=bucket.name)
    return [row["Key"] for kind in ("Versions", "DeleteMarkers") for row in found.get(kind, ())]


# ── versions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_versions_are_known(locked_bucket):
    """Newest first."""
    store = locked_bucket.store()
    first, second = store.put(KEY, b"1"), store.put(KEY, b"22")

    assert [(each.version, each.bytes) for each in store.versions(KEY)] == [(second.version, 2), (first.version, 1)]
    assert (store.head(KEY).version, first.version != "") == (second.version, True)


def test_all_versions_are_deleted(locked_bucket):
    """And the marker that somebody's delete has left; nothing of other objects."""
    store = locked_bucket.store()
    for body in (b"1", b"22"):
        store.put(KEY, body)
    locked_bucket.client.delete_object(Bucket=locked_bucket.name, Key=full(KEY))
    store.put(f"{KEY}.json", b"beside")
    assert store.head(KEY) is None
    store.delete(KEY)

    assert (store.versions(KEY), left_of(locked_bucket)) == ([], [full(f"{KEY}.json")])


# ── locks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_deletes_what_is_locked(locked_bucket):
    """It says until when."""
    store = locked_bucket.store()
    assert store.put(KEY, b"1", lock_until=LATER).locked_until == LATER
    with pytest.raises(Locked, match=f"is locked until {iso(LATER)}"):
        store.delete(KEY)

    assert (store.head(KEY).locked_until, store.get(KEY)) == (LATER, b"1")


def test_nothing_is_deleted_when_an_old_version_is_locked(locked_bucket):
    """Or else the old one would come to light."""
    store = locked_bucket.store()
    store.put(KEY, b"old", lock_until=LATER)
    store.put(KEY, b"new")
    with pytest.raises(Locked):
        store.delete(KEY)

    assert (store.get(KEY), len(store.versions(KEY))) == (b"new", 2)


@versitygw
def test_a_copy_is_locked_too(locked_bucket):
    """When it is asked for."""
    store = locked_bucket.store()
    store.put(KEY, b"1")
    store.copy(KEY, "cold/x", lock_until=LATER)

    assert (store.head("cold/x").locked_until, store.head(KEY).locked_until) == (LATER, None)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file that travels in parts."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1)
    path = tmp_path / "large"
    path.write_bytes(b"0123456789")
    return path


@versitygw
def test_a_large_file_is_locked_too(locked_bucket, large):
    """In whatever way it travels."""
    store = locked_bucket.store()
    store.put(KEY, large, lock_until=LATER)

    assert store.head(KEY).locked_until == LATER


@moto
def test_a_server_that_forgets_a_lock(locked_bucket, large):
    """Is not believed."""
    with pytest.raises(ObjectError, match="the server does not say that it is locked"):
        locked_bucket.store().put(KEY, large, lock_until=LATER)


def test_nobody_deletes_what_is_on_hold(locked_bucket):
    """Until it is released."""
    store = locked_bucket.store()
    store.put(KEY, b"1")
    assert (store.hold(KEY, on=True), store.head(KEY).legal_hold) == (True, True)
    with pytest.raises(Locked, match="under a legal hold"):
        store.delete(KEY)
    assert store.hold(KEY, on=False) is True
    store.delete(KEY)

    assert left_of(locked_bucket) == []


@moto
def test_a_version_that_is_on_hold_below_another_says_so(locked_bucket):
    """No listing tells it. (versitygw does not tell it of a version either, and refuses to delete it.)"""
    store = locked_bucket.store()
    first = store.put(KEY, b"1")
    store.hold(KEY, on=True)
    store.put(KEY, b"2")
    held = [each.legal_hold for each in store.versions(KEY)]
    store.hold(KEY, on=False, version=first.version)
    assert (held, [each.legal_hold for each in store.versions(KEY)]) == ([False, True], [False, False])


@versitygw
def test_a_check_of_a_bucket_that_locks_everything(locked_bucket):
    """Is no failure; what it tried with stays."""
    rule = {"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}, "ObjectLockEnabled": "Enabled"}
    locked_bucket.client.put_object_lock_configuration(Bucket=locked_bucket.name, ObjectLockConfiguration=rule)
    locked_bucket.store().check()


# ── classes, restores, tags, encryption ───────────────────────────────────────────────────────────────────────────────


@moto
def test_a_class_is_kept_and_changed_by_a_copy(bucket):
    """Also onto itself."""
    store = bucket.store()
    store.put(KEY, b"1", storage_class="STANDARD_IA")
    copied = store.copy(KEY, "cold/x", storage_class="GLACIER_IR")
    store.copy("cold/x", "cold/x", storage_class="STANDARD")

    assert (store.head(KEY).storage_class, copied.storage_class) == ("STANDARD_IA", "GLACIER_IR")
    assert store.head("cold/x") == copied._replace(storage_class="STANDARD")


@moto
def test_what_can_not_be_read_at_once(bucket, tmp_path):
    """Says so, until it was restored."""
    store = bucket.store()
    put = store.put(KEY, b"1", storage_class="DEEP_ARCHIVE")
    for act in (lambda: store.get(KEY), lambda: store.fetch(KEY, tmp_path / "x")):
        with pytest.raises(NeedsRestore, match="shipper tier restore"):
            act()
    assert (put.readable, store.head(KEY).readable) == (False, False)
    store.restore(KEY, days=3, speed="Bulk")

    assert (store.get(KEY), store.head(KEY).readable_until > time.time()) == (b"1", True)
    store.restore(KEY, days=3)


@moto
def test_a_restore_that_was_asked_for_before(bucket, monkeypatch):
    """Is under way, which is what was wanted."""
    store = bucket.store()
    store.put(KEY, b"1", storage_class="GLACIER")
    asked = []

    def call(operation, **arguments):
        if operation != "restore_object":
            return store._bucket.__class__.call(store._bucket, operation, **arguments)
        asked.append(arguments["RestoreRequest"])
        raise s3.Restoring("is being restored already")

    monkeypatch.setattr(store._bucket, "call", call)
    store.restore(KEY, days=3)
    assert asked == [{"Days": 3, "GlacierJobParameters": {"Tier": "Standard"}}]


@moto
def test_a_class_that_the_server_does_not_know(bucket):
    """The error says where to correct it."""
    with pytest.raises(ObjectError, match=r"correct `storage_class` in the section `tiers` \(InvalidStorageClass"):
        bucket.store().put(KEY, b"1", storage_class="GLACIER_IRR")


@moto
def test_tags_and_encryption_go_with_every_object(bucket, large):
    """Put, in parts, or copied."""
    store = bucket.store(encryption="aws:kms", kms_key="the-key")
    tags = {"dataset": "back end+more", "tier": "warm"}
    store.put("a", b"1", tags={"dataset": "back end+more", "tier": "warm"})
    store.put("b", large, tags=tags)
    store.copy("a", "c", tags={"tier": "cold"})
    store.copy("a", "d")

    def tags_of(key):
        found = bucket.client.get_object_tagging(Bucket=bucket.name, Key=full(key))["TagSet"]
        return {each["Key"]: each["Value"] for each in found}

    assert [tags_of(key) for key in "abcd"] == [tags, tags, {"tier": "cold"}, tags]
    heads = [bucket.client.head_object(Bucket=bucket.name, Key=full(key)) for key in "abcd"]
    assert {head["ServerSideEncryption"] for head in heads} == {"aws:kms"}
    assert all("the-key" in head["SSEKMSKeyId"] for head in heads)


# ── bytes that are not what they were ─────────────────────────────────────────────────────────────────────────────────


def test_other_bytes_than_were_stored_are_damaged(bucket, tmp_path):
    """And do not become a file."""
    store, target = bucket.store(), tmp_path / "fetched"
    bucket.client.put_object(Bucket=bucket.name, Key=full(KEY), Body=b"other", Metadata={"sha256": "0" * 64})
    with pytest.raises(Damaged, match="stored as 000000000000…"):
        store.fetch(KEY, target)

    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_other_bytes_than_were_stored_is_damaged(bucket):
    """The server counts them anew."""
    bucket.client.put_object(Bucket=bucket.name, Key=full(KEY), Body=b"other", Metadata={"sha256": "0" * 64})
    with pytest.raises(Damaged, match="what was copied of it has another SHA-256"):
        bucket.store().copy(KEY, "cold/x")


@pytest.mark.parametrize("operation", ["put_object", "complete_multipart_upload"])
def test_a_server_that_has_counted_otherwise(bucket, tmp_path, monkeypatch, operation):
    """What it says is compared with what was sent."""
    store, source = bucket.store(), tmp_path / "source"
    source.write_bytes(b"0123456789")
    real = store._bucket.call

    def call(name, **arguments):
        answer = real(name, **arguments)
        return {**answer, "ChecksumSHA256": s3_parts.base64_sha256(b"other")} if name == operation else answer

    monkeypatch.setattr(store._bucket, "call", call)
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 100 if operation == "put_object" else 1)
    with pytest.raises(Damaged, match="the server has counted another checksum"):
        store.put(KEY, source)


# ── uploads in parts ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_left_of_an_upload_that_fails(bucket, large):
    """No part is paid for."""

    def fail(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bucket.store().put(KEY, large, told=fail)

    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    assert list(bucket.store().list()) == []


def test_what_a_kill_left_of_an_upload_goes(bucket, large):
    """With the next one to the same key; those to other keys are somebody else's."""
    for key in (KEY, f"{KEY}.json"):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=full(key))
    bucket.store().put(KEY, large)

    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [each["Key"] for each in uploads] == [full(f"{KEY}.json")]


def test_a_file_that_shrinks_on_the_way(bucket, large, monkeypatch):
    """Is not taken for whole."""
    monkeypatch.setattr(s3_parts, "parts", lambda size, each: [s3_parts.Part(1, 0, size + 1)])
    with pytest.raises(ObjectError, match="became shorter while it was sent"):
        bucket.store().put(KEY, large)


# ── who we are, and where ─────────────────────────────────────────────────────────────────────────────────────────────


def error_of(act):
    with pytest.raises(ObjectError) as raised:
        act()
    assert "\n" not in str(raised.value)
    return raised.value


def test_no_such_bucket(bucket):
    """Whatever is asked of it."""
    store = S3Store("no-such-bucket", "archive", bucket.settings)
    for act in (store.check, lambda: store.put(KEY, b"1"), lambda: store.get(KEY), lambda: store.head(KEY)):
        assert "no-such-bucket" in str(error := error_of(act)) and "there is no such bucket; create it" in str(error)
    assert "there is no such bucket" in str(error_of(lambda: store.delete(KEY)))


@versitygw
@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"access_key": SecretStr("somebody-else")}, "the access key is not known there; check AWS_ACCESS_KEY_ID"),
        ({"secret_key": SecretStr("something-else")}, "the secret key does not fit the access key"),
    ],
)
def test_wrong_credentials(bucket, settings, what):
    """Also where the server says no more than no; an object that can't be seen is not taken for absent."""
    bucket.store().put(KEY, b"1")
    store = bucket.store(**settings)
    errors = [error_of(act) for act in (store.check, lambda: store.head(KEY), lambda: store.delete(KEY))]

    assert [what in str(error) for error in errors] == [True, True, True]
    assert not any("something-else" in str(error) or "somebody-else" in str(error) for error in errors)


def test_no_credentials(bucket, monkeypatch, tmp_path):
    """Neither in the settings nor anywhere else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    store = bucket.store(access_key=SecretStr(""), secret_key=SecretStr(""))

    assert "no credentials; set AWS_ACCESS_KEY_ID" in str(error_of(store.check))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_nobody_answers(bucket, endpoint, hurried):
    """The error names the address."""
    error = error_of(bucket.store(endpoint=endpoint).check)
    assert (type(error), f"no S3 server is reached at {endpoint}; check" in str(error)) == (Unreachable, True)


def test_without_boto3(bucket, monkeypatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UsageError, match=r"install shipper\[s3\]"):
        bucket.store().check()
