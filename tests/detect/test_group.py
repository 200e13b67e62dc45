"""Values of groups are struck once."""

from shipper.detect.group import MAX_VALUE, remembering


def test_only_texts_without_a_secret_are_remembered() -> None:
    """A secret is struck every time, and a text that is too long is not kept."""
    asked: list[str] = []

    def scrub(text: str) -> str:
        asked.append(text)
        return text.replace("key", "***")

    scrubbed = remembering(scrub)
    long = "x" * (MAX_VALUE + 1)
    assert [scrubbed(text) for text in ("bob", "my key", long) * 2] == ["bob", "my ***", long] * 2
    assert asked == ["bob", "my key", long, "my key", long]
