"""What has to stand in a line beside the literal that was found there, before a rule is woken.

` and 5` is in many ordinary lines; ` and 5` together with one of `=`, `<`, `(`, … is in few.
"""

from collections.abc import Iterable, Sequence

from shipper.detect.hyper import ONCE, compiled
from shipper.detect.rule import Literal

Asking = tuple[int, tuple[frozenset[int], ...]]
"""A rule's index and what it asks for: one text of each set."""


class Companions:
    """The literals that ask for more, by number. For one thread."""

    def __init__(self, wanted: Sequence[Sequence[tuple[int, Literal]]]) -> None:
        """`wanted`: number → index of a rule and its literal."""
        texts = {text for asked in wanted for _, literal in asked for clause in literal.also for text in clause}
        self._numbers = {text: number for number, text in enumerate(sorted(texts))}
        self._asking = [self._of_literals(asked) for asked in wanted]
        self._database = compiled([text.encode() for text in self._numbers], ONCE, literal=True) if texts else None

    def _of_literals(self, asked: Iterable[tuple[int, Literal]]) -> list[Asking]:
        return [(rule, tuple(map(self._set, literal.also))) for rule, literal in asked if literal.also]

    def _set(self, clause: Iterable[str]) -> frozenset[int]:
        return frozenset(self._numbers[text] for text in clause)

    def asks(self, number: int) -> bool:
        """Whether some rule asks for more than this literal."""
        return bool(self._asking[number])

    def woken(self, line: bytes, numbers: Iterable[int]) -> set[int]:
        """The rules that the literals of these numbers wake, by what else stands in the line."""
        assert self._database is not None, "nothing asks for more"
        there: set[int] = set()
        add = there.add
        self._database.scan(line, lambda text, *_: add(text))
        rules: set[int] = set()
        if there:
            for number in numbers:
                for rule, clauses in self._asking[number]:
                    for clause in clauses:
                        if there.isdisjoint(clause):
                            break
                    else:
                        rules.add(rule)
        return rules
