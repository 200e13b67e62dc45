"""Commands that are killed behind each of their writes until they come through."""

from collections.abc import Callable
from functools import partial

from tests.campaign.forms import FULL
from tests.campaign.processes import KILLED, Ended
from tests.campaign.tiered import Life

MANY = 200
"""More than one command has writes."""


class Killing:
    """A command is started until it comes through, and is killed behind each of its writes; whatever is left, all that
    has to be there is there, and the archive is whole."""

    def __init__(self, life: Life, one_in: int) -> None:
        """`one_in`: of so many writes."""
        self.life, self.one_in = life, one_in

    def move(self) -> None:
        self._through("move", self.life.move)

    def hold(self, number: int, dataset: str) -> None:
        """A hold that is in force though its command was killed is added once more; one of them is left."""
        self._through("hold", partial(self.life.hold, number, dataset))
        for more in self.life.holds()[1:]:
            self.life.release_one(more)

    def release(self) -> None:
        self._through("release", self.life.release)

    def erase(self, user: str) -> None:
        """The mover comes between it and its next attempt now and then."""
        ended = self._through(f"erase {user}", partial(self.life.erase, user), moves=3)
        assert not self.life.erasing, ended.out

    def _through(self, what: str, command: Callable[..., Ended], *, moves: int = 0) -> Ended:
        kills = 0
        # A write that is another one at each attempt would be died behind for ever.
        while (ended := command(**self.life.killed(what, self.one_in))).code == KILLED:
            kills += 1
            assert kills < MANY, what
            self.check(moved=False)
            if moves and kills % moves == 0:
                assert self.life.move().code == 0
                self.check(moved=True)
        assert ended.code == 0 or what.startswith("erase"), ended
        self.check(moved=what == "move")
        return ended

    def check(self, *, moved: bool) -> None:
        self.life.check(moved=moved)
        if FULL or moved:
            assert self.life.verify("--quick")["problems"] == []
