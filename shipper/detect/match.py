"""The detect stage: which rules match which rows.

The prefilter only decides what is looked at. The answer is always the rule's own, on the whole record.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from shipper.detect.prefilter import Hits, Prefilter
from shipper.detect.rule import Rule, Ruleset
from shipper.metrics import Metrics
from shipper.model import Batch, Doc, Finding


class SecretRules(Protocol):
    """What finds secrets."""

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """Hyperscan expressions, in any case: every plain line that holds a secret is hit by one."""

    def findings(self, record: Doc, line: bytes, row: int) -> list[Finding]:
        """The secrets in one record and its raw line."""


class Detect:
    """The stage: fills `findings` (in row order) and `suspects`. With `prefilter=False` every rule sees every row;
    the findings are the same."""

    def __init__(
        self, ruleset: Ruleset, secrets: SecretRules | None, metrics: Metrics, *, prefilter: bool = True
    ) -> None:
        self._rules = ruleset.rules
        self._secrets = secrets
        self._metrics = metrics
        self._everywhere = [index for index, rule in enumerate(self._rules) if rule.needs is None]
        patterns = secrets.patterns if secrets else ()
        self._prefilter = Prefilter([rule.needs for rule in self._rules], patterns) if prefilter else None

    def __call__(self, batch: Batch) -> Batch:
        hits = self._hits(batch)
        batch.suspects = hits.secrets | hits.exact
        rows: Collection[int] = range(len(batch))
        if not self._everywhere:
            rows = sorted(batch.suspects | hits.rules.keys())
        findings = batch.findings
        for row in rows:
            findings += self._in_row(batch, row, hits)
        self._metrics.findings += len(findings)
        return batch

    def _hits(self, batch: Batch) -> Hits:
        if self._prefilter is None:
            return Hits(exact=set(range(len(batch))))
        hits = self._prefilter.scan(batch.lines)
        hits.exact.update(batch.odd)
        return hits

    def _in_row(self, batch: Batch, row: int, hits: Hits) -> list[Finding]:
        record = batch.record(row)
        findings = [finding_of(rule, record, row) for rule in self._candidates(row, hits) if rule.matches(record)]
        if self._secrets and row in batch.suspects:
            findings += self._secrets.findings(record, batch.lines[row], row)
        return findings

    def _candidates(self, row: int, hits: Hits) -> Sequence[Rule]:
        if row in hits.exact:
            return self._rules
        indexes = sorted([*hits.rules.get(row, ()), *self._everywhere])
        return [self._rules[index] for index in indexes]


def finding_of(rule: Rule, record: Doc, row: int) -> Finding:
    """The finding of a rule in a record that it matches."""
    place = rule.place(record)
    return Finding(
        rule_id=rule.id,
        rule=rule.title,
        level=rule.level,
        row=row,
        field=place.field,
        span=place.span,
        tags=rule.tags,
    )
