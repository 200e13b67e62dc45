"""The section `tiers`: every mistake with its line and what to write, and the short forms."""

import pytest

from shipper import build
from shipper.config import shipped
from shipper.tier.policy import DAY_S, stages

HEAD = "sources:\n  - {type: tail, paths: [x]}\nsinks:\n  - type: null\ntiers:\n"
GOOD = "  hot: 7d\n  warm: {until: 30d, to: archive}\n  cold: 365d\n"
BUCKET = GOOD.replace("archive", "s3://bucket/logs")
GOOGLE = '  s3: {endpoint: "https://storage.googleapis.com"}\n'


@pytest.fixture
def check(tmp_path):
    """Of the lines of the section: the mistakes, each with the line in it."""

    def check(section, head=HEAD):
        path = tmp_path / "pipeline.yml"
        path.write_text(head + section)
        first = len(head.splitlines())
        return [f"{mistake.line - first}: {mistake.what}" for mistake in build.check(path, {})[1]]

    return check


@pytest.fixture
def tiers(tmp_path):
    def tiers(section):
        path = tmp_path / "pipeline.yml"
        path.write_text(HEAD + section)
        return build.plan(path, {}).tiers

    return tiers


@pytest.mark.parametrize("env", [{}, {"SHIPPER_S3": "s3://our-archive/xionimus"}])
def test_the_shipped_policy_is_a_week_a_month_a_year(env):
    """In a folder, or in the bucket that the environment names."""
    found = build.plan(shipped() / "xionimus.yml", env).tiers
    place = env.get("SHIPPER_S3", "archive")
    assert (found.hot, found.grace, found.at) == (7 * DAY_S, DAY_S, "03:00")
    assert stages(found, "backend") == [
        ("warm", place, "STANDARD_IA", 30 * DAY_S, False),
        ("cold", place, "GLACIER_IR", 365 * DAY_S, False),
    ]
    assert [stage.until for stage in stages(found, "audit")] == [30 * DAY_S, 7 * 365 * DAY_S]


def test_without_the_section_there_are_no_tiers(tiers):
    """Everything stays in the hot store."""
    assert tiers("") is None


def test_a_duration_alone_is_an_until(tiers):
    """Of a tier, and of a dataset."""
    long = "  hot: 7d\n  warm: {until: 30d, to: archive}\n  cold: {until: 365d}\n  datasets: {audit: {until: 7y}}\n"
    assert tiers(long) == tiers(GOOD + "  datasets: {audit: 7y}\n")


@pytest.mark.parametrize(("written", "at"), [('"03:00"', "03:00"), ("03:00", "03:00"), ("13:05", "13:05")])
def test_a_time_of_day_needs_no_quotes(tiers, written, at):
    """Though YAML takes 13:05 for a number."""
    assert tiers(f"{GOOD}  at: {written}\n").at == at


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            GOOD.replace("30d", "7d"),
            "2: `tiers.warm.until`: 7d is not behind `hot`, which ends at 7d; write more than that",
        ),
        (
            GOOD.replace("365d", "20d"),
            "3: `tiers.cold.until`: 20d is not behind `warm`, which ends at 30d; write more than that",
        ),
        (
            "  hot: 7d\n",
            "1: `tiers.hot`: there is no tier behind it, so nothing could be proven before it is deleted; write "
            "`warm: {until: 30d, to: archive}`, or leave `tiers` out: then everything stays",
        ),
        (
            GOOD.replace("365d", "200y"),
            "3: `tiers.cold.until`: 200y is more than 100y; write less, or leave `tiers` out: then everything stays",
        ),
        (
            GOOD.replace("365d", "{until: 365d, storage_class: GLACIER-IR}"),
            "3: `tiers.cold.storage_class`: S3 knows no class `GLACIER-IR`; did you mean `GLACIER_IR`?",
        ),
        (
            GOOD.replace("365d", "{until: 365d, storage_class: deep-archive}"),
            "3: `tiers.cold.storage_class`: S3 knows no class `deep-archive`; did you mean `DEEP_ARCHIVE`?",
        ),
        (
            GOOD.replace("365d", "{until: 365d, to: elsewhere}"),
            "3: `tiers.cold.to`: elsewhere is another place than that of `warm`, archive; leave it out: both are in one",
        ),
        (
            GOOD + "  datasets:\n    debug: 3d\n",
            "5: `tiers.datasets.debug.until`: 3d is shorter than `hot`, and a hot day holds all datasets together; write "
            "at least 7d, or a shorter `hot`",
        ),
        (
            GOOD + "  datasets:\n    audit: {until: 7y, lock: true}\n",
            "5: `tiers.datasets.audit.lock`: the folder archive can't lock anything; write `to: s3://…`, a bucket made "
            "with Object Lock, or no `lock`",
        ),
        (GOOD.replace("7d", "7"), "1: `tiers.hot`: 7 has no unit; write 7d, if days are meant"),
        (GOOD.replace("365d", "365"), "3: `tiers.cold`: 365 has no unit; write 365d, if days are meant"),
        (
            GOOD + "  datasets:\n    audit: {until: 2555}\n",
            "5: `tiers.datasets.audit.until`: 2555 has no unit; write 2555d, if days are meant",
        ),
        (
            GOOD.replace("365d", "soon"),
            "3: `tiers.cold.until`: 'soon' is not a duration; write for example 90s, 15m, 2h, 7d or 1h30m, or 7y",
        ),
        (GOOD + "  lukewarm: 3d\n", "4: unknown key `tiers.lukewarm`; did you mean `warm`?"),
        (
            GOOD.replace("365d", "{until: 365d, storage_clas: GLACIER}"),
            "3: unknown key `tiers.cold.storage_clas`; did you mean `storage_class`?",
        ),
        (
            GOOD + "  datasets:\n    audit: {until: 7y, locked: true}\n",
            "5: unknown key `tiers.datasets.audit.locked`; did you mean `lock`?",
        ),
        (
            BUCKET.replace("365d", "{until: 365d, storage_class: GLACIER_IR}") + GOOGLE,
            "3: `tiers.cold.storage_class`: Google knows no class `GLACIER_IR`; known are: ARCHIVE, COLDLINE, NEARLINE, STANDARD",
        ),
        (
            BUCKET + GOOGLE + "  datasets:\n    audit: {until: 7y, lock: true}\n",
            "6: `tiers.datasets.audit.lock`: Google's S3 interface takes no Object Lock; write no `lock`",
        ),
        (
            BUCKET + "  s3:\n    endpoint: minio:9000\n",
            "5: `tiers.s3.endpoint`: AWS_ENDPOINT_URL (or `endpoint` of `tiers.s3`) is no address; write for example "
            "https://s3:9000",
        ),
        (
            BUCKET + "  s3:\n    access_key: us\n",
            "5: `tiers.s3`: `access_key` and `secret_key` go together; write both, or none of them",
        ),
        (
            BUCKET + "  s3:\n    kms_key: ours\n",
            "5: `tiers.s3.kms_key`: means nothing without `encryption: aws:kms`; write that too, or leave it out",
        ),
        (
            GOOD + "  prices:\n    as_of: 2026-11-01\n    storage:\n      GLACIR: 1\n",
            "7: `tiers.prices.storage.GLACIR`: there is no such class; did you mean `GLACIER`?",
        ),
        (
            GOOD + "  prices:\n    as_of: 2026-11-01\n    restore:\n      GLACIER_IR: {Bulk: 1}\n",
            "7: `tiers.prices.restore.GLACIER_IR`: there is no such class to ask for; write one of GLACIER, DEEP_ARCHIVE",
        ),
        (
            GOOD + "  prices:\n    as_of: 2026-11-01\n    restore:\n      DEEP_ARCHIVE:\n        Expedited: 1\n",
            "8: `tiers.prices.restore.DEEP_ARCHIVE.Expedited`: there is no such speed; write one of Standard, Bulk",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(check, section, told):
    """And with what to write instead."""
    assert check(section) == [told]


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("gs://bucket/logs", "is neither a bucket nor a folder"),
        ("s3:/bucket", "is neither a bucket nor a folder"),
        (
            "http://minio:9000/bucket",
            "is neither a bucket nor a folder (another server's address goes into `tiers.s3.endpoint`)",
        ),
        ("s3:///logs", "is no place in a bucket"),
        ("s3://My Bucket/logs", "is no place in a bucket"),
        ("s3://bucket/a//b", "is no place in a bucket"),
        ("../archive", "is not below the data folder"),
        (".", "is not below the data folder"),
        ("hot", "is a folder that shipper needs itself"),
        ("spool/old", "is a folder that shipper needs itself"),
    ],
)
def test_a_place_is_a_bucket_or_a_folder_of_its_own(check, place, what):
    """Whatever else is written is named."""
    section = GOOD.replace("archive", f'"{place}"')
    told = f"2: `tiers.warm.to`: `{place}` {what}; write s3://bucket/prefix, or a folder as in `archive`"
    assert check(section) == [told]


@pytest.mark.parametrize(
    "section",
    [
        BUCKET + "  datasets:\n    audit: {until: 7y, lock: true}\n",
        "  hot: 0d\n  cold: {until: 30d, to: /var/lib/archive, storage_class: DEEP_ARCHIVE}\n",
        GOOD.replace("365d", "{until: 365d, to: archive}"),
        GOOD + "  prices: {as_of: 2026-11-01, storage: {hot: 0.1, folder: 0.02, GLACIER: 0.0036}}\n",
        GOOD + "  datasets: {debug: 7d, noisy: 14d}\n",
    ],
)
def test_a_policy_without_mistakes(check, section):
    """A class means nothing to a folder, and does no harm there."""
    assert check(section) == []


def test_mistakes_of_tiers_are_told_beside_others(check):
    """Nobody has to check twice."""
    found = check(GOOD.replace("30d", "1d"), HEAD.replace("sinks", "sinkz"))
    assert [told.partition(":")[2] for told in found if "tiers" in told] == [
        " `tiers.warm.until`: 1d is not behind `hot`, which ends at 7d; write more than that"
    ]
