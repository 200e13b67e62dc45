"""The tests that a correlation carries: runs of records that must fire it, and runs that must not.

A run is a list. Each entry is a raw line or a mapping, as in any rule's tests, or several of one:
`{repeat: 6, every: 60s, record: …}`. A run of one such entry needs no list.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from shipper.clock import parse_duration
from shipper.detect.correlate import Correlator, Event, micros
from shipper.detect.group import group_of_correlation, values_key
from shipper.detect.rule import Correlation, Rule
from shipper.errors import UsageError
from shipper.model import Doc

ToRecord = Callable[[Any], Doc]
"""A raw line or a mapping → the record that it becomes."""

_STEP = 1_000_000
"""Microseconds between records that have no time of their own and no `every`."""


def check_correlation(correlation: Correlation, rules: Sequence[Rule], to_record: ToRecord) -> list[str]:
    """What is wrong with a correlation by its own tests; `rules` holds at least the ones that it counts."""
    tests = correlation.tests
    if not tests.match or not tests.passes:
        return [f"{correlation.title}: has no tests that match, or none that pass"]
    problems = []
    for expected, runs in ((True, tests.match), (False, tests.passes)):
        for number, run in enumerate(runs, 1):
            where = f"{correlation.title}: tests.{'match' if expected else 'pass'}[{number}]"
            try:
                fired = fires(correlation, rules, to_record, run)
            except (UsageError, TypeError, ValueError) as error:
                problems.append(f"{where}: {error}")
                continue
            if fired != expected:
                problems.append(f"{where}: {'does not fire, but should' if expected else 'fires, but should not'}")
    return problems


def fires(correlation: Correlation, rules: Sequence[Rule], to_record: ToRecord, run: Any) -> bool:
    """Whether a run of records makes the condition hold at any point. Raises `UsageError` when it isn't a run."""
    counted = [rule for rule in rules if rule.id in correlation.rules]
    correlator = Correlator(correlation)
    fired = False
    for number, (at, record) in enumerate(_records(run, to_record)):
        for rule in counted:
            if not rule.matches(record):
                continue
            group = group_of_correlation(correlation, rule.id, record, lambda text: text)
            if group is not None:
                fired |= correlator.feed(values_key(group), Event(at, str(number), "")) is not None
    return fired


def _records(run: Any, to_record: ToRecord) -> Iterator[tuple[int, Doc]]:
    """Time in microseconds and record of each entry, repeats written out."""
    at = 0
    for entry in run if isinstance(run, list | tuple) else [run]:
        repeated = isinstance(entry, dict) and "repeat" in entry
        source, times, every = _repeat(entry) if repeated else (entry, 1, _STEP)
        record = to_record(source)
        start = _own_time(record)
        start = at if start is None else start
        for number in range(times):
            yield start + number * every, record
        at = start + times * every


def _repeat(entry: dict[str, Any]) -> tuple[Any, int, int]:
    unknown = set(entry) - {"repeat", "every", "record"}
    if unknown or "record" not in entry or not isinstance(entry["repeat"], int):
        raise UsageError("write {repeat: NUMBER, every: 60s, record: …}")
    every = entry.get("every", 1)
    seconds = parse_duration(every) if isinstance(every, str) else float(every)
    return entry["record"], entry["repeat"], timedelta(seconds=seconds) // timedelta(microseconds=1)


def _own_time(record: Doc) -> int | None:
    if "event.timestamp_source" in record or "@timestamp" not in record:
        return None
    return micros(record["@timestamp"])
