"""The tests that a secret rule carries. No file may hold what looks like a secret, so its texts are templates.

`{alnum:48}` becomes 48 random characters, the same ones in every run; `KINDS` are the alphabets. `{}` becomes nothing:
it parts a prefix that scanners of repositories know (`AK{}IA{upper:16}`). Any other brace stands for itself.
"""

import random
import re
import string
from collections.abc import Callable, Sequence
from typing import Protocol

from shipper.detect.gitleaks import SecretRule

_LETTERS = string.ascii_letters
KINDS: dict[str, str] = {
    "alnum": _LETTERS + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "letters": _LETTERS,
    "digits": string.digits,
    "hex": "0123456789abcdef",
    "b64": _LETTERS + string.digits + "+/",
    "url": _LETTERS + string.digits + "-_",
    "word": string.ascii_lowercase,
}
_PLACEHOLDER = re.compile(r"\{\}|\{(" + "|".join(KINDS) + r"):(\d{1,5})\}")


class FoundBy(Protocol):
    """A hit, as far as the tests need it."""

    @property
    def rule(self) -> SecretRule: ...


def expand(template: str, seed: int = 0) -> str:
    """The template with its placeholders filled; the same seed gives the same text."""
    chance = random.Random(f"{seed}:{template}")
    return _PLACEHOLDER.sub(
        lambda found: "".join(chance.choices(KINDS[found[1]], k=int(found[2]))) if found[1] else "", template
    )


def check_secret_rule(rule: SecretRule, find: Callable[[str], Sequence[FoundBy]]) -> list[str]:
    """What is wrong with a rule by its own tests; `find` is `SecretRules.find` of a set that has the rule."""
    if not rule.tests.match or not rule.tests.passes:
        return [f"{rule.id}: has no tests that match, or none that pass"]
    problems = []
    for template in rule.tests.match:
        if not any(hit.rule.id == rule.id for hit in find(expand(template))):
            problems.append(f"{rule.id}: does not match, but should: {template}")
    for template in rule.tests.passes:
        if any(hit.rule.id == rule.id for hit in find(expand(template))):
            problems.append(f"{rule.id}: matches, but should not: {template}")
    return problems
