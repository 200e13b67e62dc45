"""Many small requests to a store, several under way at a time: one after the other, a bucket's tens of milliseconds for
each would come to half an hour for ten years of receipts."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")

AT_ONCE = 16


def ahead(call: Callable[[Key], Answer], keys: Iterable[Key]) -> Iterator[Answer]:
    """The answers, in the order of the keys; raises what the call raises.

    The threads are of the kind that a process does not wait for at its end: a store may keep a request for minutes.
    """
    asked = SimpleQueue[tuple[Key, Future[Answer]] | None]()
    waiting = deque[Future[Answer]]()
    for _ in range(AT_ONCE):
        Thread(target=_answer, args=(call, asked), name="ahead", daemon=True).start()
    try:
        for key in keys:
            waiting.append(Future())
            asked.put((key, waiting[-1]))
            if len(waiting) > 2 * AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for _ in range(AT_ONCE):
            asked.put(None)


def _answer(call: Callable[[Key], Answer], asked: "SimpleQueue[tuple[Key, Future[Answer]] | None]") -> None:
    while (one := asked.get()) is not None:
        key, future = one
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(call(key))
        except BaseException as error:  # who waits for the answer gets it
            future.set_exception(error)
