"""The rule that people ask for first: more than five failed logins in ten minutes, by user and by address."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shipper import Shipper, failed_login, line

USER, SOURCE = "failed_logins_by_user", "failed_logins_by_source"
TITLES = {"Failed logins of one user": USER, "Failed logins from one address": SOURCE}
Alert = tuple[str, dict[str, str], int]
"""Rule, group and count."""


def stored_alerts(shipper: Shipper) -> list[dict[str, Any]]:
    """Those of `run --once`."""
    shipper.once()
    return shipper.alerts()


def scanned_alerts(shipper: Shipper) -> list[dict[str, Any]]:
    """Those of `scan`."""
    return [found for found in shipper("scan", shipper.log).objects if found["kind"] == "alert"]


def logins(seconds: Iterable[int], users: Sequence[str], addresses: Sequence[str]) -> bytes:
    """Failed logins at these seconds, by users and addresses in turn."""
    return b"".join(
        failed_login(second, users[place % len(users)], addresses[place % len(addresses)])
        for place, second in enumerate(seconds)
    )


def every(seconds: int, times: int) -> range:
    return range(0, seconds * times, seconds)


ALICE, SIX_USERS = ["alice"], [f"user_{number}" for number in range(6)]
ONE, SIX_ADDRESSES = ["203.0.113.7"], [f"198.51.100.{number}" for number in range(1, 7)]
BY_ALICE: Alert = (USER, {"user.name": "alice"}, 6)
BY_ONE: Alert = (SOURCE, {"source.ip": ONE[0]}, 6)

CASES: dict[str, tuple[bytes, list[Alert]]] = {
    "six by one user from one address": (logins(every(60, 6), ALICE, ONE), [BY_ONE, BY_ALICE]),
    "six by one user from six addresses": (logins(every(60, 6), ALICE, SIX_ADDRESSES), [BY_ALICE]),
    "six by six users from one address": (logins(every(60, 6), SIX_USERS, ONE), [BY_ONE]),
    "six by six users from six addresses": (logins(every(1, 6), SIX_USERS, SIX_ADDRESSES), []),
    "five": (logins(every(1, 5), ALICE, ONE), []),
    "six over an hour": (logins(every(600, 6), ALICE, ONE), []),
    "the sixth a second before ten minutes are over": (logins([0, 1, 2, 3, 4, 599], ALICE, ONE), [BY_ONE, BY_ALICE]),
    "the sixth a second after ten minutes": (logins([0, 1, 2, 3, 4, 601], ALICE, ONE), []),
    "six that were logged in no order": (logins([300, 0, 240, 60, 180, 120], ALICE, ONE), [BY_ONE, BY_ALICE]),
    "six that hold a user id alone": (
        b"".join(line(message="Invalid credentials", user_id="user_0042") for _ in range(6)),
        [(USER, {"user_id": "user_0042"}, 6)],
    ),
    "six over an hour and six that succeeded": (
        logins(every(600, 6), ALICE, ONE) + 6 * line(message="User alice logged in from 203.0.113.7"),
        [],
    ),
}


@pytest.mark.parametrize("found_by", [stored_alerts, scanned_alerts])
@pytest.mark.parametrize("case", CASES)
def test_more_than_five_within_ten_minutes_fire(
    tmp_path: Path, case: str, found_by: Callable[[Shipper], list[dict[str, Any]]]
) -> None:
    """One alert for each user and for each address, with the count; nothing else."""
    written, expected = CASES[case]
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(written)
    alerts = [(TITLES[alert["rule"]], alert["group"], alert["count"]) for alert in found_by(shipper)]
    assert expected == sorted(alerts, key=lambda alert: alert[0])


def test_the_alert_names_the_records_behind_it(tmp_path: Path) -> None:
    """First and last time, and the stored records by their ids; the search finds the alert as a record."""
    shipper = Shipper(tmp_path)
    shipper.log.write_bytes(b"".join(failed_login(second, n=second) for second in every(60, 6)))
    [alert] = [alert for alert in stored_alerts(shipper) if TITLES[alert["rule"]] == USER]
    stored = {record["event.id"]: record["n"] for record in shipper.records("n:*")}
    assert sorted(stored[event_id] for event_id in alert["evidence"]) == [0, 60, 120, 180, 240, 300]
    assert (alert["first"], alert["last"]) == ("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    assert (alert["level"], "attack.t1110" in alert["tags"]) == ("high", True)


def test_a_run_goes_on_counting_where_the_last_one_ended(tmp_path: Path) -> None:
    """Five in one run, the sixth in the next; and with a seventh the alert is the same one."""
    shipper = Shipper(tmp_path)
    counts = []
    for seconds in (range(5), range(5, 6), range(6, 7)):
        with shipper.log.open("ab") as log:
            log.write(logins(seconds, ALICE, ONE))
        counts.append([alert["count"] for alert in stored_alerts(shipper)])
    assert counts == [[], [6, 6], [7, 7]]
