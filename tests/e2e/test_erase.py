"""`shipper erase` over a year of data: afterwards not one byte of the subject is left in the data folder or the bucket,
in any version, and everything else is as it was."""

import hashlib
import hmac
import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from shipper.state import State
from tests.campaign.forms import rounds
from tests.e2e.leaks import Needles, everything
from tests.e2e.shipper import Shipper, line
from tests.services.supervisor import wait_for

NAME = "zebediah-quarterstaff"
SUBJECT = f"user_id:{NAME} OR user.name:{NAME}"
AGES = {"hot": 1, "warm": 20, "cold": 100}
"""Days."""
GRACE = timedelta(days=2)
MINE = pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)


def ago(days, seconds=0):
    when = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return when - timedelta(days=days) + timedelta(seconds=seconds)


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(tier):
    return ago(AGES[tier]).strftime("%Y.%m.%d")


def lines(days):
    """Records of a day: of the subject, failed logins that make an alert, and of others."""
    failed = f"Failed login attempt for user {NAME} from 203.0.113.7"
    return b"".join(
        [
            *(line(timestamp=stamp(ago(days, n)), level="WARNING", message=failed, n=n) for n in range(7)),
            line(timestamp=stamp(ago(days, 10)), user_id=NAME, message="exported a report", n=10),
            *(line(timestamp=stamp(ago(days, n)), user_id=f"user_{n}", message="opened a chat", n=n) for n in (20, 21)),
        ]
    )


class Year(Shipper):
    """A shipper with something in each tier."""

    def __init__(self, folder, **tiers):
        super().__init__(folder)
        warm = {"until": "30d", "to": tiers.pop("to", "archive")}
        self.write_pipeline(tiers={"hot": "7d", "warm": warm, "cold": {"until": "365d"}, "grace": "24h", **tiers})
        self.log.write_bytes(b"".join(lines(days) for days in sorted(AGES.values(), reverse=True)))
        self.once()
        self("tier", "run", self.pipeline)

    def after_grace(self):
        """The hot copies of what is archived are gone."""
        self("tier", "run", self.pipeline, "--now", stamp(datetime.now(UTC) + GRACE))

    def erase(self, *options, where=SUBJECT, code=0):
        return self("erase", "--where", where, "--format", "json", *options, code=code)

    def quarantined(self, *docs):
        with closing(State(self.data / "state.db")) as state, state.transaction() as db:
            for number, doc in enumerate(docs):
                row = (f"q-{number}", "embedded", "records", f"said {NAME}", 0.0, doc)
                db.execute("INSERT INTO quarantine(event_id, sink, stream, reason, at, doc) VALUES (?,?,?,?,?,?)", row)

    def rows(self, table):
        with closing(sqlite3.connect(self.data / "state.db")) as db:
            return db.execute(f"SELECT * FROM {table}").fetchall()

    def found(self, query=""):
        return int(self("search", query, "--count").out)

    def left(self):
        """Where the subject is found, byte by byte."""
        needles = Needles([("subject", NAME)])
        return [hit for name, content in everything(self.data) for hit in needles.found(name, content)]


def lines_of(said, kind):
    return {(one["where"], one["day"]): one["records"] for one in said.objects if one["kind"] == kind}


def fingerprint(folder):
    """Of all files but those that a reader of the database makes, and what was fetched."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm")) and "cache" not in path.parts
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One year for all tests of a process, and what it is brought back to after each."""
    year = Year(tmp_path_factory.mktemp("year"))
    shutil.copytree(year.data, year.folder / "kept")
    return year


@pytest.fixture
def year(made):
    size = made.log.stat().st_size
    yield made
    shutil.rmtree(made.data)
    shutil.copytree(made.folder / "kept", made.data)
    os.truncate(made.log, size)


def test_nothing_of_the_subject_is_left(year):
    """In hot, warm, cold, copies in grace, alerts, windows, quarantine; all others are there."""
    doc = orjson.dumps({"@timestamp": stamp(ago(1)), "user_id": NAME})
    year.quarantined(doc, b'{"message": "' + NAME.encode() + b" broke off", b'{"user_id": "somebody"}')
    assert {len(year.rows(table)) > 0 for table in ("alerts", "windows")} == {True}
    said = year.erase("--yes", "--reason", f"{NAME} asked for it")
    assert year.left() == []
    assert (year.found(SUBJECT), year.found("user_id:user_*")) == (0, 6)
    assert [row[6] for row in year.rows("quarantine")] == [b'{"user_id": "somebody"}']
    assert (year.rows("alerts"), year.rows("windows")) == ([], [])
    erased = lines_of(said, "erased")
    assert {erased[tier, day_of(tier)] for tier in AGES} == {8}
    assert year("tier", "verify", year.pipeline).code == 0


def test_the_certificate_names_what_was_done_and_not_whom(year):
    """In the data folder and beside the archive; the subject as a hash under the folder's key."""
    said = year.erase("--yes", "--reason", f"{NAME} asked for it")
    told = said.objects[-1]
    raw = (year.data / "certificates" / f"{told['certificate']}.json").read_bytes()
    certificate = orjson.loads(raw)
    key = (year.data / "redaction.key").read_bytes().strip()
    expected = hmac.new(key, SUBJECT.encode(), hashlib.sha256).hexdigest()
    assert certificate["subject"]["hmac_sha256"] == expected
    assert certificate["reason"] == "[erased] asked for it"
    assert certificate["proof_of_absence"]["absent"]
    assert certificate["out_of_reach"]["log_files"] == [str(year.log)]
    assert (year.data / "archive" / "certificates" / f"{told['certificate']}.json").read_bytes() == raw


def test_the_act_is_audited_without_the_subject(year):
    """By the next run, as a record of its own dataset."""
    told = year.erase("--yes").objects[-1]
    year.once()
    (act,) = year.records("event.dataset:audit AND event.action:erased")
    assert (act["erase.certificate"], act["erase.records"]) == (told["certificate"], 8 * 5)


def test_looking_changes_nothing(year):
    """It tells the same numbers that the erasure tells then."""
    before = fingerprint(year.data)
    looked = year.erase()
    assert fingerprint(year.data) == before
    wanted = lines_of(looked, "would_go")
    erased = lines_of(year.erase("--yes"), "erased")
    assert erased == wanted


def test_what_is_on_hold_stays_and_is_named(year):
    """Its day of the dataset stays whole; everything else goes. Released, it goes too."""
    year.after_grace()
    when = ago(AGES["warm"]).strftime("%Y-%m-%d")
    until = ago(AGES["warm"] - 1).strftime("%Y-%m-%d")
    added = ("--where", "user_id:user_20", "--reason", "case 7", "--since", when, "--until", until)
    year("hold", "add", *added)
    said = year.erase("--yes", code=1)
    stays = [(one["where"], one["day"], one["records"], one["why"]) for one in said.objects if one["kind"] == "stays"]
    assert stays == [("alerts", None, 1, "on hold"), ("warm", day_of("warm"), 8, "on hold 1 (case 7)")]
    assert {alert["last"][:10] for alert in year.alerts()} == {when}
    proof = said.objects[-1]
    assert (year.found(SUBJECT), proof["found"], proof["of_these_refused"], proof["absent"]) == (8, 8, 8, False)
    year("hold", "release", "1", "--reason", "closed")
    year.erase("--yes")
    assert year.left() == []


def test_a_run_at_work_rests_meanwhile_and_goes_on(year):
    """What it remembers of windows and alerts does not come back; open segments are sealed by it."""
    with year.following() as run:
        with year.log.open("ab") as log:
            log.write(lines(2))
        wait_for(lambda: year.found(SUBJECT) == 4 * 8)
        year.erase("--yes")
        with year.log.open("ab") as log:
            log.write(line(timestamp=stamp(ago(2, 60)), level="WARNING", user_id="user_99", message="opened a chat"))
        wait_for(lambda: year.found("user_id:user_99") == 1)
    assert "goes on" in run.err
    assert year.left() == []
    assert year.found("user_id:user_*") == 9


@pytest.mark.parametrize("seed", range(rounds(1, 12)))
def test_killed_while_it_erases_it_goes_on_when_run_again(year, seed):
    """At some moments: nothing is left, nothing else is lost, the archive is whole, one certificate counts all."""
    chance = random.Random(seed)
    for soonest in (0.6, 1.0, 1.4, 1.8):
        wait = soonest + chance.random() * 0.4
        running = year.start("erase", "--where", SUBJECT, "--yes")
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(wait)
        running.kill()
    year.erase("--yes")
    assert year.left() == []
    assert year.found("user_id:user_*") == 6
    assert year("tier", "verify", year.pipeline).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", ""], "--where: this is every record; write a query, for example user_id:alice"),
        (["--where", "user_id:("], "--where: "),
        ([], "Missing option '--where'"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, arguments, said):
    """Exit code 2."""
    shipper = Shipper(tmp_path)
    done = shipper("erase", *arguments, code=2)
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_nothing_stored_is_no_place_to_erase_from(tmp_path):
    """And no data folder is made."""
    shipper = Shipper(tmp_path)
    assert "nothing has been stored here yet" in shipper("erase", "--where", "user_id:x", code=1).err
    assert not shipper.data.exists()


@MINE
def test_no_version_of_an_object_is_left_in_a_bucket(tmp_path, locked_bucket):
    """The bucket keeps versions; a legal hold of the bucket keeps what is on hold, until that is released, however
    far the release came."""
    settings = locked_bucket.settings
    s3 = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "access_key": settings.access_key.get_secret_value(),
    }
    s3["secret_key"] = settings.secret_key.get_secret_value()
    year = Year(tmp_path, to=locked_bucket.place, s3=s3)
    year.after_grace()
    year("search", NAME, code=0)  # what it fetched is in the cache
    year("hold", "add", "--where", "user_id:user_21", "--reason", "case 7")
    year.erase("--yes", code=1)
    assert year.found(SUBJECT) == 3 * 8
    release_cut_short(year, "1")
    year.erase("--yes")
    assert year.left() == []
    assert in_versions(locked_bucket, tmp_path) == []
    assert year.found("user_id:user_*") == 6
    assert year("tier", "verify", year.pipeline).code == 0


def release_cut_short(year, number):
    """Killed before the legal holds of the bucket are taken off."""
    with closing(State(year.data / "state.db")) as state, state.transaction() as db:
        db.execute("UPDATE holds SET released = 1, why = 'closed' WHERE id = ?", (number,))


def in_versions(bucket, scratch):
    """Objects of a bucket, in any version, that hold the subject in any column."""
    folder = scratch / "versions"
    folder.mkdir()
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        for number, version in enumerate(page.get("Versions", ())):
            got = bucket.client.get_object(Bucket=bucket.name, Key=version["Key"], VersionId=version["VersionId"])
            (folder / f"{number}-{version['Key'].replace('/', '-')}").write_bytes(got["Body"].read())
    needles = Needles([("subject", NAME)])
    assert list(folder.iterdir())
    return [hit for name, content in everything(folder) for hit in needles.found(name, content)]
