"""Opens all that a plan names, in the order in which a batch passes it.

Redaction is the last stage before the sinks. Its place is not the user's to choose.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shipper import log
from shipper.build import Plan
from shipper.context import Context
from shipper.decode import stage as decode_stage
from shipper.detect.alerting import Alerting
from shipper.detect.match import Detect
from shipper.enrich import stage as enrich_stage
from shipper.enrich.splice import Splicer
from shipper.model import Batch, Sink, Source, Stage
from shipper.notify.outbox import Outbox
from shipper.redact import Redactor, load_key, render_exactly
from shipper.rules import LiveRules, Loaded
from shipper.source.merged import Merged
from shipper.state import State


@dataclass(slots=True)
class Assembly:
    """Everything opened."""

    source: Source
    stages: list[Stage]
    sinks: list[Sink]
    outbox: Outbox
    rules: LiveRules
    remember_anew: Callable[[], None]
    """Windows and open alerts are taken from `state.db` again: somebody else has changed them there."""


class RuleStages:
    """The stages that rules make, as one; another set of rules takes its place between two batches."""

    def __init__(self, plan: Plan, context: Context, key: bytes, loaded: Loaded) -> None:
        self._prefilter = plan.pipeline.detect.prefilter
        self._metrics = context.metrics
        self._key = key
        render = Splicer(plan.enrich, render_exactly)
        self._redact = Redactor(loaded.secrets, key, context.metrics, render)
        self._alerting = Alerting(
            loaded.ruleset, context.state, scrub=self.text, realert=plan.realert_s, metrics=context.metrics
        )
        self._detect = self._detector(loaded)

    def use(self, loaded: Loaded) -> None:
        """From the next batch on these rules count; windows of correlations that stay are kept."""
        self._detect = self._detector(loaded)
        self._redact.replace(loaded.secrets)
        self._alerting.replace(loaded.ruleset)

    def remember_anew(self, state: State) -> None:
        """Windows and open alerts as the state has them now."""
        self._alerting.restore(state)

    def text(self, text: str) -> str:
        """A text without the secrets that the rules of the moment know."""
        return self._redact.text(text)

    def __call__(self, batch: Batch) -> Batch:
        return self._redact(self._alerting(self._detect(batch)))

    def _detector(self, loaded: Loaded) -> Detect:
        secrets = loaded.secrets.keyed(self._key)
        return Detect(loaded.ruleset, secrets, self._metrics, prefilter=self._prefilter)


def assemble(plan: Plan, loaded: Loaded, context: Context) -> Assembly:
    """Opens everything, with the rules of `load_rules_of`. Raises `StateMismatch` for a wrong state."""
    stages = RuleStages(plan, context, load_key(context.data, os.environ), loaded)
    log.scrub_with(stages.text)
    context.scrub = stages.text
    sinks = plan.spooled_sinks(context)
    sources = plan.sources(context)
    return Assembly(
        source=sources[0] if len(sources) == 1 else Merged(sources),
        stages=[
            decode_stage.build(plan.pipeline.decode, context),
            enrich_stage.build(plan.enrich, context),
            stages,
        ],
        sinks=sinks,
        outbox=Outbox(context.state.path, plan.notifiers(context), context.clock, context.metrics),
        rules=LiveRules(plan.rule_paths, plan.secret_paths, loaded, stages.use, context.metrics),
        remember_anew=partial(stages.remember_anew, context.state),
    )
