"""Where things stand in a TOML file of rules: the reader of the standard library does not tell."""

import re


class RuleLines:
    """Lines are counted from 1; what can't be found is said to be where its rule, or the file, begins."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._rules = [
            number for number, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*rules\s*\]\]", line)
        ]

    def of_rule(self, index: int) -> int:
        """Where the rule at this place of the file begins."""
        return self._rules[index] if index < len(self._rules) else 1

    def in_rule(self, index: int, key: str) -> int:
        """Where a key of a rule stands."""
        start = self.of_rule(index)
        stop = self._rules[index + 1] if index + 1 < len(self._rules) else len(self._lines) + 1
        return self._find(key, start, stop) or start

    def of_key(self, key: str) -> int:
        """Where a key or table first stands in the file."""
        return self._find(key, 1, len(self._lines) + 1) or 1

    def _find(self, key: str, start: int, stop: int) -> int:
        wanted = re.compile(rf"\s*(?:\[+\s*)?(?:rules\.)?[\"']?{re.escape(key)}\b", re.IGNORECASE)
        places = range(start, stop) if key else range(0)
        return next((number for number in places if wanted.match(self._lines[number - 1])), 0)
