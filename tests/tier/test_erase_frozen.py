"""What a person is told to do before days that can't be read at once can be erased."""

from shipper.tier.erase_archive import frozen
from tests.tier.days import archived


def test_a_frozen_day_names_the_command_that_gets_it_back():
    """For that day and no other, over the end of a month too."""
    said = frozen(archived(30, "cold", storage_class="GLACIER"))
    assert "it lies in GLACIER" in said
    assert "shipper tier restore --since 2026-01-31 --until 2026-02-01, then" in said


def test_a_day_that_is_being_restored_is_waited_for():
    said = frozen(archived(30, "cold", storage_class="DEEP_ARCHIVE"), restoring=True)
    assert said == "it is being restored from DEEP_ARCHIVE; run the same erase again when it can be read"
