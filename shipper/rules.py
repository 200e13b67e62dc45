"""The rules of a run: loaded whole, watched, and replaced all or nothing while it runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipper import log
from shipper.detect.files import files_below
from shipper.detect.rule import Problem, Ruleset
from shipper.detect.secrets import SecretRules, load_secret_rules
from shipper.detect.sigma import load_rules
from shipper.metrics import Metrics

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What stands in the rule files now."""

    ruleset: Ruleset
    secrets: SecretRules
    stamps: Fingerprint = ()
    """Of the files before they were read: a change while they are read is a change."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (*self.ruleset.problems, *self.secrets.problems)


def load(rule_paths: Sequence[Path], secret_paths: Sequence[Path]) -> Loaded:
    """Loads every rule that can be loaded; the rest are `problems`, paths that are not there among them."""
    stamps = fingerprint((*rule_paths, *secret_paths))
    ruleset = load_rules([path for path in rule_paths if path.exists()])
    missing = tuple(_missing(path) for path in (*rule_paths, *secret_paths) if not path.exists())
    ruleset = Ruleset(ruleset.rules, ruleset.correlations, (*missing, *ruleset.problems))
    return Loaded(ruleset, load_secret_rules([path for path in secret_paths if path.exists()]), stamps)


def _missing(path: Path) -> Problem:
    return Problem(path, 1, "there is no such file or folder; correct the path in the pipeline file")


class LiveRules:
    """Takes up changed rule files. `use` is called with each set that holds no problem, from the first on."""

    def __init__(
        self,
        rule_paths: Sequence[Path],
        secret_paths: Sequence[Path],
        loaded: Loaded,
        use: Callable[[Loaded], None],
        metrics: Metrics,
    ) -> None:
        self._rule_paths, self._secret_paths = rule_paths, secret_paths
        self._use = use
        self._metrics = metrics
        self._loaded = loaded
        self._seen = loaded.stamps

    def take_up(self, forced: bool = False) -> bool:
        """Loads the rules again when their files changed, or when it is asked for; True when a new set is in use.

        A broken edit keeps the old set and says so.
        """
        seen = fingerprint((*self._rule_paths, *self._secret_paths))
        if seen == self._seen and not forced:
            return False
        self._seen = seen
        loaded = load(self._rule_paths, self._secret_paths)
        if loaded.problems:
            for problem in loaded.problems:
                log.say("error", "the rules stay as they were, this one is broken", rule=str(problem))
            return False
        self._loaded = loaded
        self._use(loaded)
        self._metrics.reloads += 1
        log.say("info", "rules were read again", **self.counts())
        return True

    def counts(self) -> dict[str, int]:
        """How many of each kind are in use."""
        ruleset = self._loaded.ruleset
        return {
            "rules": len(ruleset.rules),
            "correlations": len(ruleset.correlations),
            "secrets": len(self._loaded.secrets.rules),
        }


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """Changes when a file of the paths does."""
    return tuple(sorted(_stamps(paths)))


def _stamps(paths: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        for file in files_below(path) if path.is_dir() else [path]:
            try:
                stat = file.stat()
            except OSError:
                continue
            yield str(file), stat.st_mtime_ns, stat.st_size
