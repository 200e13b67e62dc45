"""An archive, and a `state.db` that knows nothing of it: a new machine, or one that was lost."""

import shutil

import pytest

from tests.e2e.shipper import Shipper, line


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A machine that has archived two days."""
    shipper = Shipper(tmp_path_factory.mktemp("old"))
    shipper.write_pipeline(tiers={"hot": "1d", "warm": {"until": "3650d", "to": "archive"}, "grace": "0s"})
    days = ("2026-01-01", "2026-01-02")
    shipper.log.write_bytes(b"".join(line(timestamp=f"{day}T10:00:00Z", user_id="alice") for day in days))
    shipper.once()
    shipper("tier", "run", shipper.pipeline)
    return shipper


@pytest.fixture
def new(old, tmp_path):
    """Another one, with the same archive and pipeline, and no log."""
    shipper = Shipper(tmp_path)
    shipper.write_pipeline(tiers=old.configuration["tiers"])
    shipper.data.mkdir(mode=0o700)
    shutil.copytree(old.data / "archive", shipper.data / "archive")
    return shipper


def test_a_search_takes_it_over(new):
    """A run looks at the archive with its first move, which may be a day away."""
    new.once()
    assert new("search", "user_id:alice", "--count").out == b"2\n"


def test_a_search_looks_once_where_there_is_none(tmp_path):
    """It would cost a look into the pipeline file and a request each time."""
    shipper = Shipper(tmp_path)
    shipper.write_pipeline(tiers={"hot": "1d", "warm": {"until": "9d", "to": "archive"}})
    shipper.once()
    assert shipper("search", "--count").out == b"0\n"
    (shipper.data / "archive").write_bytes(b"")
    assert shipper("search", "--count").out == b"0\n"


def test_a_search_says_why_it_cannot(new):
    """And answers what it can."""
    new.once()
    (new.data / "archive" / "receipts" / "00000001.json").write_bytes(b"?")
    said = new("search", "--count", code=1)

    assert (said.out, said.err.count("\n")) == (b"0\n", 1)
    assert "what is archived is not known here yet, so it is not searched: " in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tier", "verify"), b"whole, 2 receipts"),
        (("tier", "status"), b"receipt 2"),
        (("tier", "restore", "--since", "2026-01-02"), b"readable at any time"),
        (("erase", "--where", "user_id:alice"), b"warm   backend  2026.01.01        1"),
        (("hold", "add", "--where", "user_id:alice", "--reason", "case"), b"it keeps 2 archived days"),
    ],
)
def test_other_commands_take_it_over_before_anything_was_stored(new, words, said):
    """An erasure that found nothing there, or a hold that kept nothing, would be a wrong answer."""
    assert said in new(*words, new.pipeline).out


@pytest.mark.parametrize(
    "words", [("erase", "--where", "user_id:alice"), ("hold", "add", "--where", "a:b", "--reason", "c")]
)
def test_an_archive_that_cannot_be_taken_over_is_told(new, words):
    """The hold is in force all the same."""
    (new.data / "archive" / "receipts" / "00000001.json").write_bytes(b"?")
    assert "00000001.json: not a receipt" in new(*words, new.pipeline, code=1).err


def test_a_folder_with_nothing_in_it_and_no_archive_is_named(tmp_path):
    """Most likely it is the wrong one."""
    shipper = Shipper(tmp_path)
    shipper.write_pipeline(tiers={"hot": "1d", "warm": {"until": "9d", "to": "archive"}})

    assert "nothing has been stored here yet" in shipper("tier", "verify", shipper.pipeline, code=1).err
    assert not shipper.data.exists()
