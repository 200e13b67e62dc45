"""`shipper search` and `shipper tail`: stored records, by a query, and live."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress

import click

from shipper.cli import frozen
from shipper.cli.fetching import Fetching
from shipper.cli.stores import HOT, TIERS, Stores, elsewhere, fees_of_run, stores
from shipper.clock import Clock, SystemClock, parse_when
from shipper.errors import ShipperError, UsageError
from shipper.query.error import QueryError
from shipper.query.parse import parse
from shipper.query.tree import Node
from shipper.search.merge import count
from shipper.search.merge import search as find
from shipper.search.show import COLOURS, COLUMNS, csv_row, header, line, plain, read, row
from shipper.search.store import Follower, Question

FORMATS = click.Choice(["table", "json", "csv"])
NARROW = 80
"""Width of a table that goes to no terminal."""
POLL = 0.5
"""Seconds between two looks for new records."""
FIRST = 10
"""Records that `tail` begins with."""
REMEMBERED = 10_000
"""Records that `tail` knows again when a second store shows them."""

SYNTAX = """
\b
QUERY is Lucene's syntax; without one, everything is found:
  timeout                    the word, in message and error.*; any case
  "connection refused"       words one after the other
  level:ERROR                a field, exactly; level:(ERROR OR WARNING)
  logger:app.*  user_id:u?   * any characters, ? one
  duration_ms:>500           also >= < <=; seq:[1 TO 5]  seq:{1 TO 5}
  @timestamp:2026-11-23      a day; [2026-11-01 TO *]  >=2026-11-23T10:00:00Z
  source.ip:"10.0.0.0/8"     a network
  user_id:*                  the field is there
  a b   a AND b   a OR b   NOT a   -a   (a OR b) c
A space means AND. \\ takes a special character's meaning away.
"""


def _say(message: str) -> None:
    command = click.get_current_context().command_path
    click.echo(f"{command}: {message}", err=True)


def _tree(query: str) -> Node:
    """The tree of a query; a wrong one is told with its picture, and ends the command with 2."""
    try:
        return parse(query)
    except QueryError as error:
        _say(str(error))
        click.echo(error.picture, err=True)
        raise click.exceptions.Exit(2) from None


def _when(text: str | None, name: str, clock: Clock) -> float | None:
    try:
        return None if text is None else parse_when(text, clock.now())
    except UsageError as error:
        raise UsageError(f"--{name}: {error}") from None


def _tiers(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in text.split(","))
    wrong = [name for name in chosen if name not in TIERS]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is no tier; write some of: {','.join(TIERS)}")
    return chosen


@click.command(name="search", help=f"Find stored records, newest first.\n{SYNTAX}")
@click.argument("query", default="")
@click.option("--since", metavar="TIME", help="Not older than this: 15m, 7d, 2026-11-23, 2026-11-23T10:00:00Z.")
@click.option("--until", metavar="TIME", help="Older than this, in the same forms.")
@click.option("--tier", "tiers", default=",".join(TIERS), callback=_tiers, help="Where to look.  [default: all]")
@click.option(
    "--restore",
    "wanted_back",
    is_flag=True,
    help="Ask for archived days that can't be read at once (GLACIER, DEEP_ARCHIVE), for 7 days; it costs.",
)
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0: all.")
@click.option("--count", "only_count", is_flag=True, help="Print how many there are, and nothing else.")
@click.option(
    "--format",
    "form",
    type=FORMATS,
    default="table",
    show_default=True,
    help=f"json: each record as it is stored. csv: {', '.join(COLUMNS)}; "
    "a text that a spreadsheet would take for a formula begins with a '.",
)
def search(
    query: str,
    *,
    since: str | None,
    until: str | None,
    tiers: tuple[str, ...],
    wanted_back: bool,
    limit: int,
    only_count: bool,
    form: str,
) -> int:
    clock = SystemClock()
    question = Question(_tree(query), _when(since, "since", clock), _when(until, "until", clock))
    data = click.get_current_context().obj.data
    fetching = Fetching()
    chosen = stores(data, tiers, fetching.reading)
    left_out = LeftOut(fetching)
    for text in filter(None, (chosen.missing, elsewhere(chosen, question.since, clock.now()))):
        left_out(text)
    with _closing(chosen):
        if not chosen.stores and not chosen.missing:
            _say(f"no day is archived yet ({', '.join(tiers)}); what is stored is found with --tier {HOT}")
            show([b"0"] if only_count else [], "json", heading=False)
        elif only_count:
            number = count(chosen.stores, question, left_out.unreadable)
            fetching.clear()
            click.echo(number)
        else:
            show(fetching.before(find(chosen.stores, question, limit, left_out.unreadable)), form, heading=True)
        parts = fetching.reading.frozen
        left_out.tell_others({each.one.day.replace(".", "-") for each in parts})
        for text in frozen.told(parts, fees_of_run(data), offer=not wanted_back) if parts else ():
            _say(text)
        if wanted_back and parts and chosen.place is not None:
            for text in frozen.ask(data, parts, chosen.place, clock):
                _say(text)
    return 1 if left_out.reasons else 0


class LeftOut:
    """What can't be read now: said once for each reason, and at the end what else was left out for it."""

    def __init__(self, fetching: Fetching) -> None:
        self.reasons: dict[str, list[str]] = {}
        """Why → what can't be read for it."""
        self._fetching = fetching

    def __call__(self, text: str) -> None:
        """A whole store."""
        self.reasons[text] = [text]
        _say(text)

    def unreadable(self, what: str, reason: str) -> None:
        alike = self.reasons.setdefault(reason.replace(what, ""), [])
        alike.append(what.replace(".", "-") if what[:4].isdigit() else what)
        if len(alike) == 1:
            self._fetching.clear()
            _say(f"{alike[0]} can't be read now and is left out: {plain(reason)}")

    def tell_others(self, besides: Set[str]) -> None:
        """All but those `besides`, which are told in another way."""
        for first, *more in self.reasons.values():
            others = [each for each in more if each not in besides]
            if others:
                _say(f"left out as {first}: {frozen.named(others)}")


@click.command(
    name="tail", help=f"Show records as they are committed, after the last {FIRST}. Ctrl-C ends it.\n{SYNTAX}"
)
@click.argument("query", default="")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True, help="As in shipper search.")
def tail(query: str, form: str) -> int:
    tree = _tree(query)
    chosen = stores(click.get_current_context().obj.data, [HOT])
    with _closing(chosen), suppress(KeyboardInterrupt):
        if chosen.missing:
            _say(chosen.missing)
        followers = [store.follow(tree) for store in chosen.stores]
        last = list(find(chosen.stores, Question(tree), FIRST, lambda day, reason: None))
        show(reversed(last), form, heading=True)
        for docs in follow(followers, last, SystemClock()):
            show(docs, form, heading=False)
    return 0


def follow(followers: Sequence[Follower], shown: Iterable[bytes], clock: Clock) -> Iterator[list[bytes]]:
    """New records in the order they are stored, in lists that may be empty; never ends by itself.

    A store that can't be read is named once, and asked again until it can. What was `shown`, and what another store
    showed before, is left out.
    """
    first = frozenset(shown)
    recent: dict[bytes, None] = {}
    away: set[int] = set()
    while True:
        seen = 0
        for place, follower in enumerate(followers):
            try:
                news = follower.new()
            except ShipperError as error:
                if place not in away:
                    _say(f"waiting, no new records for now: {plain(str(error))}")
                away.add(place)
                continue
            if place in away:
                _say("goes on")
                away.discard(place)
            seen += news.seen
            # What was stored before the last that was shown is older than the first look.
            behind = max((place for place, doc in enumerate(news.docs) if doc in first), default=-1) + 1
            docs = [doc for doc in news.docs[behind:] if doc not in recent]
            if len(followers) > 1:
                recent |= dict.fromkeys(docs)
                recent = dict.fromkeys(list(recent)[-REMEMBERED:])
            yield docs
        if not seen:
            clock.sleep(POLL)


@contextmanager
def _closing(chosen: Stores) -> Iterator[None]:
    """Closes the stores, and takes it as the end when nobody reads what is printed any more (`| head`)."""
    try:
        yield
    except BrokenPipeError:
        # Python would complain about the pipe once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for store in chosen.stores:
            store.close()


def show(docs: Iterable[bytes], form: str, *, heading: bool) -> None:
    """Prints records, each at once when the output is a terminal."""
    out = sys.stdout.buffer
    live = sys.stdout.isatty()
    width = shutil.get_terminal_size((NARROW, 24)).columns if live else NARROW
    if heading and (form == "csv" or (form == "table" and live)):
        out.write((csv_row(list(COLUMNS)) + "\r\n" if form == "csv" else header(width) + "\n").encode())
    for doc in docs:
        out.write(_printed(doc, form, width, live))
        if live:
            out.flush()
    out.flush()


def _printed(doc: bytes, form: str, width: int, coloured: bool) -> bytes:
    if form == "json":
        return doc + b"\n"
    if form == "csv":
        return row(read(doc)).encode(errors="replace") + b"\r\n"
    text, level = line(read(doc), width)
    if coloured and level.lower() in COLOURS:
        text = click.style(text, fg=COLOURS[level.lower()])
    return text.encode(errors="replace") + b"\n"
