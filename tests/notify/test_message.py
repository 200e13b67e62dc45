"""What people read."""

import shlex

from shipper.notify.message import TITLE_CHARS, of_alert, of_digest, search_command
from tests.test_alerts import an_alert


def test_a_message_says_what_since_when_how_often_to_whom_and_where_to_look() -> None:
    message = of_alert(an_alert())
    assert message.title == "[high] Guessing (source.ip=10.0.0.5)"
    assert message.body.splitlines() == [
        "Guessing: 6 times (source.ip=10.0.0.5)",
        "",
        "level      high",
        "first      2026-11-23T10:00:00Z",
        "last       2026-11-23T10:00:05Z",
        "count      6",
        "group      source.ip=10.0.0.5",
        "ATT&CK     T1110.001",
        "evidence   f-0 f-1",
        "",
        "Block them.",
        "",
        "look further: shipper search 'source.ip:\"10.0.0.5\"' --since 2026-11-23T10:00:00Z",
        "alert id: 0123456789abcdef",
    ]
    assert (message.level, message.dedup_key) == ("high", "0123456789abcdef")


def test_the_search_command_holds_hostile_values_as_one_argument() -> None:
    command = search_command(an_alert(group={"user.name": "a'; rm -rf / \" \\ \n$(x)"}))
    assert shlex.split(command)[2] == 'user.name:"a\'; rm -rf / \\" \\\\  $(x)"'


def test_without_fields_to_search_for_the_first_record_is_shown() -> None:
    expected = "shipper search 'event.id:\"f-0\"' --since 2026-11-23T10:00:00Z"
    assert search_command(an_alert(group={})) == expected
    assert search_command(an_alert(group={"fingerprint": "ab12", "field": "message"})) == expected


def test_titles_stay_short() -> None:
    assert len(of_alert(an_alert(rule="x" * 1000)).title) == TITLE_CHARS


def test_a_digest_names_the_gravest_first_and_each_alert_once() -> None:
    alerts = [
        an_alert(id="a", level="low"),
        an_alert(id="b", level="critical"),
        an_alert(id="a", level="low", count=9),
    ]
    message = of_digest(alerts)
    assert message.title == "2 alerts on older records"
    assert [line.partition(",")[0] for line in message.body.splitlines()[2:4]] == [
        "[critical] Guessing: 6 times (source.ip=10.0.0.5)",
        "[low] Guessing: 9 times (source.ip=10.0.0.5)",
    ]
    assert (message.level, message.dedup_key) == ("critical", "digest-b")


def test_a_long_digest_ends_with_how_many_more() -> None:
    assert "… and 60 more" in of_digest([an_alert(id=str(n)) for n in range(100)]).body


def test_an_alert_about_no_record_leads_to_the_status_and_says_when_it_is_over() -> None:
    message = of_alert(an_alert(evidence=[], group={"sink": "elasticsearch"}, state="resolved"))
    assert message.title == "[high] resolved: Guessing (sink=elasticsearch)"
    assert "look further: shipper status" in message.body.splitlines()
    assert "evidence" not in message.body
