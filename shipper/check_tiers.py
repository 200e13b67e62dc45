"""What can be wrong in the section `tiers` though each value in it is of its kind. Nothing is asked of a store."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from shipper.config import Document, Loc, nearest
from shipper.errors import UsageError
from shipper.objects.place import bucket_of, is_bucket
from shipper.objects.s3_client import endpoint_of
from shipper.objects.settings import S3
from shipper.objects.thaw import SPEEDS
from shipper.store.layout import FOLDERS
from shipper.tier.cost import FOLDER, HOT
from shipper.tier.policy import DAY_S, GOOGLE_CLASSES, STORAGE_CLASSES, Stage, Tier, Tiers, spoken, stages

LONGEST_S = 100 * 365 * DAY_S
OWN_FOLDERS = {folder.partition("/")[0] for folder in FOLDERS.values()} | {"cache", "demo", "tmp"}
"""Below the data folder, and not for an archive."""
DURATIONS = (("grace",), ("hot",), ("warm",), ("warm", "until"), ("cold",), ("cold", "until"))

Wrong = tuple[Loc, str]
"""Place below `tiers`, and what to write there."""


def check_tiers(document: Document, raw: Any) -> None:
    """Notes every mistake. `raw`: the section as it stands in the file, whatever is wrong in the others."""
    for loc, what in [*_without_unit(raw)] or _of(_read(raw)):
        document.wrong(("tiers", *loc), f"`{'.'.join(map(str, ('tiers', *loc)))}`: {what}")


def _read(raw: Any) -> Tiers | None:
    """None: there is none, or one with mistakes that were noted when the file was read."""
    try:
        return None if raw is None else Tiers.model_validate(raw)
    except ValidationError:
        return None


def _of(tiers: Tiers | None) -> Iterator[Wrong]:
    if tiers is None:
        return
    yield from _order(tiers)
    yield from _overrides(tiers)
    for name, tier in _given(tiers):
        yield from _storage_class(name, tier, tiers.s3)
        yield from _place(name, tier.to)
    yield from _one_place(tiers)
    yield from _server(tiers.s3)
    yield from _prices(tiers)


def _given(tiers: Tiers) -> list[tuple[str, Tier]]:
    return [(name, tier) for name, tier in (("warm", tiers.warm), ("cold", tiers.cold)) if tier is not None]


def _without_unit(raw: Any) -> Iterator[Wrong]:
    """`hot: 7` would be seven seconds."""
    section = raw if isinstance(raw, dict) else {}
    datasets = section.get("datasets")
    own = [("datasets", str(name)) for name in datasets] if isinstance(datasets, dict) else []
    for loc in (*DURATIONS, *own, *((*one, "until") for one in own)):
        value: Any = section
        for part in loc:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield loc, f"{value} has no unit; write {value}d, if days are meant"


def _order(tiers: Tiers) -> Iterator[Wrong]:
    given = _given(tiers)
    if not given:
        yield (
            ("hot",),
            "there is no tier behind it, so nothing could be proven before it is deleted; write "
            "`warm: {until: 30d, to: archive}`, or leave `tiers` out: then everything stays",
        )
    before, begins = "hot", tiers.hot
    for name, tier in given:
        if tier.until <= begins:
            what = (
                f"{spoken(tier.until)} is not behind `{before}`, which ends at {spoken(begins)}; write more than that"
            )
            yield (name, "until"), what
        before, begins = name, max(begins, tier.until)
    for loc, until in [(("hot",), tiers.hot), *(((name, "until"), tier.until) for name, tier in given)]:
        if until > LONGEST_S:
            yield loc, _too_long(until)


def _too_long(until: float) -> str:
    return f"{spoken(until)} is more than {spoken(LONGEST_S)}; write less, or leave `tiers` out: then everything stays"


def _overrides(tiers: Tiers) -> Iterator[Wrong]:
    for dataset, own in tiers.datasets.items():
        loc = ("datasets", dataset)
        if own.until < tiers.hot:
            yield (
                (*loc, "until"),
                f"{spoken(own.until)} is shorter than `hot`, and a hot day holds all datasets together; write at least "
                f"{spoken(tiers.hot)}, or a shorter `hot`",
            )
        elif own.until > LONGEST_S:
            yield (*loc, "until"), _too_long(own.until)
        folder = next((stage.place for stage in stages(tiers, dataset) if not is_bucket(stage.place)), None)
        if own.lock and folder is None and _is_google(tiers.s3):
            yield (*loc, "lock"), "Google's S3 interface takes no Object Lock; write no `lock`"
        if own.lock and folder is not None:
            what = f"the folder {folder} can't lock anything"
            yield (*loc, "lock"), f"{what}; write `to: s3://…`, a bucket made with Object Lock, or no `lock`"


def _storage_class(name: str, tier: Tier, settings: S3) -> Iterator[Wrong]:
    server, known = ("Google", GOOGLE_CLASSES) if _is_google(settings) else ("S3", STORAGE_CLASSES)
    if tier.storage_class and tier.storage_class not in known:
        hint = nearest(tier.storage_class.upper().replace("-", "_"), list(known))
        yield (name, "storage_class"), f"{server} knows no class `{tier.storage_class}`{hint}"


def _is_google(settings: S3) -> bool:
    try:
        return endpoint_of(settings).google
    except UsageError:
        return False


def _place(name: str, place: str) -> Iterator[Wrong]:
    what = _what_is_wrong_with(place)
    if place and what:
        yield (name, "to"), f"`{place}` {what}; write s3://bucket/prefix, or a folder as in `archive`"


def _what_is_wrong_with(place: str) -> str:
    if is_bucket(place):
        try:
            bucket_of(place)
        except UsageError:
            return "is no place in a bucket"
        return ""
    if "://" in place or place.lower().startswith("s3:"):
        return "is neither a bucket nor a folder" + (
            " (another server's address goes into `tiers.s3.endpoint`)" if place.startswith("http") else ""
        )
    path = PurePath(place)
    if path.is_absolute():
        return ""
    if not path.parts or ".." in path.parts:
        return "is not below the data folder"
    return "is a folder that shipper needs itself" if path.parts[0] in OWN_FOLDERS else ""


def _one_place(tiers: Tiers) -> Iterator[Wrong]:
    """A copy within one store needs no bytes to come here, and there is one chain of receipts."""
    places: list[Stage] = stages(tiers, "")
    if tiers.warm is not None and tiers.cold is not None and places[0].place != places[1].place:
        what = (
            f"{places[1].place} is another place than that of `warm`, {places[0].place}; leave it out: both are in one"
        )
        yield ("cold", "to"), what


def _server(settings: S3) -> Iterator[Wrong]:
    """How a bucket is reached, as far as the file says it."""
    if settings.endpoint:
        try:
            endpoint_of(settings)
        except UsageError as error:
            yield ("s3", "endpoint"), str(error)
    if settings.kms_key and settings.encryption != "aws:kms":
        yield ("s3", "kms_key"), "means nothing without `encryption: aws:kms`; write that too, or leave it out"


def _prices(tiers: Tiers) -> Iterator[Wrong]:
    known = [*STORAGE_CLASSES, *GOOGLE_CLASSES, HOT, FOLDER]
    if tiers.prices is None:
        return
    for name in tiers.prices.storage:
        if name not in known:
            yield ("prices", "storage", name), f"there is no such class{nearest(name, known)}"
    for name, fees in tiers.prices.restore.items():
        speeds = [speed.name for speed in SPEEDS.get(name, ())]
        if not speeds:
            yield ("prices", "restore", name), f"there is no such class to ask for; write one of {', '.join(SPEEDS)}"
        for wrong in fees.keys() - speeds if speeds else ():
            yield ("prices", "restore", name, wrong), f"there is no such speed; write one of {', '.join(speeds)}"
