"""More than five failed logins in ten minutes: the sixth fires, by user and by address."""

import pytest

from tests.rules.lines import alerts, backend

BY_USER = "9a0c587d-5102-4e96-a830-f83c850fddb3"
BY_SOURCE = "1084615b-653c-40cf-b8e1-a64ff2bf0ed5"
FORMS = [
    "failed login for bob from 203.0.113.7",
    "Failed login attempt for user bob from 203.0.113.7",
    "Failed password for bob from 203.0.113.7 port 52144 ssh2",
    "Login failed for user 'bob' from 203.0.113.7",
]


def fired(lines: list[str]) -> list[tuple[str, dict[str, str], int]]:
    """Rule id, group and count of each alert."""
    return sorted((alert.rule_id, alert.group, alert.count) for alert in alerts(lines))


@pytest.mark.parametrize("message", FORMS)
def test_the_sixth_within_ten_minutes_fires(message: str) -> None:
    """Once for the user and once for the address, with all six as evidence."""
    lines = [backend(message, at_s=100 * number) for number in range(6)]
    assert fired(lines) == [(BY_SOURCE, {"source.ip": "203.0.113.7"}, 6), (BY_USER, {"user.name": "bob"}, 6)]


@pytest.mark.parametrize("message", FORMS)
def test_five_do_not_fire(message: str) -> None:
    """However fast they come."""
    assert fired([backend(message, at_s=number) for number in range(5)]) == []


@pytest.mark.parametrize("message", FORMS)
def test_six_over_an_hour_do_not_fire(message: str) -> None:
    """Ten and more minutes apart."""
    assert fired([backend(message, at_s=660 * number) for number in range(6)]) == []


def test_forms_count_together() -> None:
    """What matters is that they failed, not how a component words it."""
    messages = [*FORMS, *FORMS[:2]]
    lines = [backend(message, at_s=60 * number) for number, message in enumerate(messages)]
    assert [count for _, _, count in fired(lines)] == [6, 6]


def test_without_a_name_the_user_id_counts() -> None:
    """`user.name` else `user_id`, and the alert says which."""
    lines = [backend("Invalid credentials", at_s=number, user_id="user_0042") for number in range(6)]
    assert fired(lines) == [(BY_USER, {"user_id": "user_0042"}, 6)]


def test_a_name_goes_before_the_user_id() -> None:
    """A session's own user id says nothing of who was tried."""
    lines = [backend(FORMS[0], at_s=number, user_id=f"user_{number}") for number in range(6)]
    assert (BY_USER, {"user.name": "bob"}, 6) in fired(lines)


def test_many_users_from_one_address_fire_for_the_address_alone() -> None:
    """Credential stuffing."""
    lines = [backend(f"failed login for u{number} from 203.0.113.7", at_s=number) for number in range(6)]
    assert fired(lines) == [(BY_SOURCE, {"source.ip": "203.0.113.7"}, 6)]


@pytest.mark.parametrize("prefilter", [True, False])
def test_an_address_in_both_notations_is_one(prefilter: bool) -> None:
    """A server that listens on both IP versions writes `::ffff:` before it."""
    messages = [f"failed login for u{n} from {'::ffff:' * (n % 2)}203.0.113.7" for n in range(6)]
    found = alerts([backend(message, at_s=n) for n, message in enumerate(messages)], prefilter=prefilter)
    assert [(alert.group, alert.count) for alert in found] == [({"source.ip": "203.0.113.7"}, 6)]


def test_one_user_from_many_addresses_fires_for_the_user_alone() -> None:
    """A distributed guess."""
    lines = [backend(f"failed login for bob from 203.0.113.{number}", at_s=number) for number in range(6)]
    assert fired(lines) == [(BY_USER, {"user.name": "bob"}, 6)]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["/api/login", "/auth", "/oauth/token"])
def test_refused_requests_count_by_address(path: str, status: int) -> None:
    """401 and 403 on paths that log in."""
    lines = [backend(f"POST {path} {status} from 203.0.113.7", at_s=number) for number in range(6)]
    assert fired(lines) == [(BY_SOURCE, {"source.ip": "203.0.113.7"}, 6)]


def test_refused_requests_elsewhere_do_not_count() -> None:
    """A 401 on another path is somebody who is not signed in."""
    assert fired([backend("GET /api/sessions 401 from 203.0.113.7", at_s=number) for number in range(9)]) == []


def test_with_and_without_the_prefilter_the_alerts_are_the_same() -> None:
    """The fast way only decides what is looked at."""
    lines = [backend(message, at_s=number) for message in FORMS for number in range(6)]
    assert alerts(lines) == alerts(lines, prefilter=False) != []
