"""The policy in the README allows what S3Store does, and nothing beside."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from botocore import xform_name

from shipper.objects import s3_parts, s3_send
from shipper.objects.s3_errors import ACTIONS, BESIDES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SOURCES = [path.read_text("utf-8") for path in (ROOT / "shipper" / "objects").glob("s3*.py")]


def allowed():
    """By the policy."""
    (policy,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.DOTALL) if "s3:" in block]
    assert policy["Version"] == "2012-10-17"
    return [action for statement in policy["Statement"] for action in statement["Action"]]


def test_the_policy_is_the_least():
    """Each action once, and each is taken by a call."""
    taken = {action for actions in (*ACTIONS.values(), *BESIDES.values()) for action in actions}
    assert sorted(allowed()) == sorted(taken)


def test_every_call_in_the_code_is_known():
    """What it takes stands in the table that errors are made from."""
    called = {name for text in SOURCES for name in re.findall(r'\b(?:call|pages|_said)\(\s*"(\w+)"', text)}
    assert called == set(ACTIONS)


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_life_of_objects_makes_these_calls(locked_bucket, tmp_path, monkeypatch):
    """All of the table, and none that is not in it."""
    monkeypatch.setattr(s3_send, "ONE_PUT_BYTES", 1)
    source, store, made = tmp_path / "source", locked_bucket.store(), set()
    source.write_bytes(b"0123456789")
    store._bucket._client.meta.events.register("before-call.s3", lambda model, **_: made.add(xform_name(model.name)))

    def fail(_):
        raise KeyboardInterrupt

    store.check()
    store.put("a", b"x", if_absent=True, tags={"a": "b"})
    with contextlib.suppress(KeyboardInterrupt):
        store.put("b", source, told=fail)
    store.put("b", source, storage_class="GLACIER")
    store.restore("b", days=1)
    store.fetch("b", tmp_path / "fetched")
    store.copy("a", "c")
    monkeypatch.setattr(s3_send, "LARGEST_COPY_BYTES", 0)
    monkeypatch.setattr(s3_parts, "COPY_PART_BYTES", 5 << 20)
    store.copy("a", "d")
    store.hold("a", on=True)
    store.hold("a", on=False)
    for key in "abcd":
        store.delete(key)

    assert (made, store.versions("a")) == (set(ACTIONS), [])
