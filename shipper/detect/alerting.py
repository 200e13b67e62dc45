"""From findings to alerts: correlations are counted, repeats are put together, and all of it goes into the batch's
commit. An alert's change, the windows behind it and the positions of its evidence become final in one transaction."""

from collections.abc import Iterator
from typing import NamedTuple

from shipper.alerts import DIGEST, NOTIFY, RECORD, load_alert
from shipper.clock import iso
from shipper.detect.correlate import MAX_GROUPS, Correlator, Event, event, micros
from shipper.detect.group import (
    Scrub,
    group_of_correlation,
    group_of_rule,
    group_of_secret,
    items_key,
    remembering,
    values_key,
)
from shipper.detect.rule import Correlation, Rule, Ruleset
from shipper.detect.suppress import OpenAlerts, Subject
from shipper.detect.watermark import Watermark
from shipper.log import scrub as scrub_log
from shipper.metrics import Metrics
from shipper.model import Alert, Batch, Finding, StateChange
from shipper.state import State, post, save_alert

REALERT = 3600.0
"""Seconds, where neither the rule nor the pipeline says otherwise."""
OLD = 3600.0
"""Seconds that an alert's last evidence may lie back at the most for people to be told at once."""
SWEEP = 10_000_000
"""Microseconds that the watermark moves before old windows are looked for again."""
WATERMARK = "watermark"
"""Where the watermark lies in the table `meta`."""


class Evidence(NamedTuple):
    """A finding, made ready: what it is part of, without its record."""

    event: Event
    subject: Subject
    group: dict[str, str]
    key: str
    correlation: str | None
    """Id of the correlation that it feeds; None when it is an alert in itself."""


class Evidences:
    """Makes evidence of findings, by the rules as they are now."""

    def __init__(self, ruleset: Ruleset, scrub: Scrub, realert: float) -> None:
        self._rules = {rule.id: rule for rule in ruleset.rules}
        self._scrub, self._realert = remembering(scrub), realert
        self._feeds: dict[str, list[tuple[Correlation, Subject]]] = {}
        for correlation in ruleset.correlations:
            subject = self._of_correlation(correlation)
            for rule_id in correlation.rules:
                self._feeds.setdefault(rule_id, []).append((correlation, subject))

    def of(self, batch: Batch) -> Iterator[Evidence]:
        """What the findings of a batch are evidence of, in their order."""
        for finding in batch.findings:
            what = event(batch.event_id(finding.row), batch.times[finding.row])
            own = self._own(batch, finding, what)
            if own is not None:
                yield own
            feeds = self._feeds.get(finding.rule_id)
            if feeds:
                record = batch.record(finding.row)
                for rule, subject in feeds:
                    group = group_of_correlation(rule, finding.rule_id, record, self._scrub)
                    if group is not None:
                        yield Evidence(what, subject, group, values_key(group), rule.id)

    def longest_realert(self) -> float:
        """Seconds."""
        rules = (self._realert if rule.realert is None else rule.realert for rule in self._rules.values())
        feeds = (subject.realert for fed in self._feeds.values() for _, subject in fed)
        return max([self._realert, *rules, *feeds])

    def _own(self, batch: Batch, finding: Finding, what: Event) -> Evidence | None:
        rule = self._rules.get(finding.rule_id)
        if finding.fingerprint is not None:
            group = group_of_secret(finding, self._scrub)
        elif rule is None or not rule.alerts:
            return None
        else:
            group = group_of_rule(rule, batch.record(finding.row), self._scrub) if rule.group_by else {}
        return Evidence(what, self._of_finding(finding, rule), group, items_key(group), None)

    def _of_finding(self, finding: Finding, rule: Rule | None) -> Subject:
        description, realert = (rule.description, rule.realert) if rule else ("", None)
        realert = self._realert if realert is None else realert
        return Subject(finding.rule_id, finding.rule, finding.level, finding.tags, description, realert)

    def _of_correlation(self, rule: Correlation) -> Subject:
        realert = self._realert if rule.realert is None else rule.realert
        # An alert has to outlive the window that fired it, or each further event would make a new one.
        realert = max(realert, 2 * rule.timespan)
        return Subject(rule.id, rule.title, rule.level, rule.tags, rule.description, realert)


class Alerting:
    """The stage: fills `alerts` and `changes`. Starts where the state that it is given left off."""

    def __init__(
        self,
        ruleset: Ruleset,
        state: State | None = None,
        *,
        scrub: Scrub = scrub_log,
        realert: float = REALERT,
        metrics: Metrics | None = None,
        max_groups: int = MAX_GROUPS,
    ) -> None:
        self._scrub, self._realert, self._max_groups = scrub, realert, max_groups
        self._metrics = metrics or Metrics()
        self._watermark = Watermark()
        self._swept = self._watermark.low
        self._open = OpenAlerts()
        self._stale: list[StateChange] = []
        self._correlators: dict[str, Correlator] = {}
        self.replace(ruleset)
        if state is not None:
            self.restore(state)

    def replace(self, ruleset: Ruleset) -> None:
        """Goes on with other rules; the windows of correlations that stay are kept."""
        self._evidences = Evidences(ruleset, self._scrub, self._realert)
        old, self._correlators = self._correlators, {}
        for rule in ruleset.correlations:
            known = old.pop(rule.id, None)
            self._correlators[rule.id] = known.renewed(rule) if known else Correlator(rule, self._max_groups)
        self._stale.extend(_forget_windows(rule_id) for rule_id in old)

    def __call__(self, batch: Batch) -> Batch:
        """Turns the batch's findings into alerts, and adds what its commit has to write."""
        for evidence in self._evidences.of(batch):
            if evidence.correlation is not None:
                self._metrics.late_events += evidence.event.at < self._watermark.low
            self._metrics.alerts += _take(evidence, self._correlators, self._open)
        self._move(batch)
        batch.changes.extend(self._stale)
        self._stale = []
        for correlator in self._correlators.values():
            batch.changes.extend(correlator.changes())
        if self._correlators and len(batch):
            batch.changes.append(
                StateChange("INSERT OR REPLACE INTO meta VALUES (?, ?)", (WATERMARK, self._watermark.dump()))
            )
        self._tell(batch)
        return batch

    def _move(self, batch: Batch) -> None:
        for span in batch.spans:
            if span.stop > span.start:
                # Files are all but in order: the last time is the newest, or holds the watermark back a little.
                self._watermark.observe(span.origin.file_id, micros(batch.times[span.stop - 1]), batch.clock)
        self._watermark.advance(batch.clock, batch.final)
        low = self._watermark.low
        if abs(low - self._swept) >= SWEEP:
            self._swept = low
            self._open.forget(low)
            for correlator in self._correlators.values():
                correlator.evict(low)

    def _tell(self, batch: Batch) -> None:
        recent = micros(iso(batch.clock - OLD))
        for alert, news in self._open.changes():
            alert.updated, alert.notify = iso(batch.clock), news
            batch.alerts.append(alert)
            batch.changes += [save_alert(alert), post(RECORD, alert)]
            if news:
                batch.changes.append(post(NOTIFY if micros(alert.last) >= recent else DIGEST, alert))

    def restore(self, state: State) -> None:
        """Goes on with the windows and open alerts that the state has, and with no others. All that was fed before is
        committed."""
        self._open = OpenAlerts()
        for rule_id, correlator in self._correlators.items():
            self._correlators[rule_id] = Correlator(correlator.rule, self._max_groups)
        stored: dict[str, dict[str, bytes]] = {}
        for row in state.rows("SELECT rule_id, group_key, state FROM windows"):
            stored.setdefault(row["rule_id"], {})[row["group_key"]] = row["state"]
        watermark = state.meta(WATERMARK)
        if watermark:
            self._watermark.load(watermark)
        for rule_id, windows in stored.items():
            if rule_id in self._correlators:
                self._correlators[rule_id].load(windows)
            else:
                self._stale.append(_forget_windows(rule_id))
        self._restore_alerts(state)

    def _restore_alerts(self, state: State) -> None:
        longest = self._evidences.longest_realert()
        since = "" if self._watermark.low < 0 else iso(self._watermark.low / 1_000_000 - longest)[:19]
        for row in state.rows("SELECT alert FROM alerts WHERE last >= ? ORDER BY last", (since,)):
            alert = load_alert(row["alert"])
            key = values_key(alert.group) if alert.rule_id in self._correlators else items_key(alert.group)
            self._open.restore(alert, key, longest)


def _take(evidence: Evidence, correlators: dict[str, Correlator], opened: OpenAlerts) -> bool:
    """Adds evidence to an alert, if it makes one; True when that is a new one."""
    events = new = [evidence.event]
    if evidence.correlation is not None:
        hit = correlators[evidence.correlation].feed(evidence.key, evidence.event)
        if hit is None:
            return False
        events, new = hit
    return opened.add(evidence.subject, evidence.group, evidence.key, events, new)


def _forget_windows(rule_id: str) -> StateChange:
    return StateChange("DELETE FROM windows WHERE rule_id = ?", (rule_id,))


class Scan:
    """Alerts over files that are read one after the other and stored nowhere: first all findings, then the alerts."""

    def __init__(self, ruleset: Ruleset, *, scrub: Scrub = scrub_log, realert: float = REALERT) -> None:
        self._evidences = Evidences(ruleset, scrub, realert)
        self._correlators = {rule.id: Correlator(rule) for rule in ruleset.correlations}
        self._found: list[Evidence] = []

    def collect(self, batch: Batch) -> None:
        """Remembers the findings of a batch. File ids have to differ between files."""
        self._found.extend(self._evidences.of(batch))

    def alerts(self) -> list[Alert]:
        """Every alert once, with its final count, in order of its last evidence; files are merged by time."""
        opened = OpenAlerts(limit=len(self._found) + 1)
        for found in sorted(self._found, key=lambda evidence: evidence.event.at):
            _take(found, self._correlators, opened)
        return sorted(
            (alert for alert, _ in opened.changes()), key=lambda alert: (micros(alert.last), alert.rule_id, alert.id)
        )
