"""Nothing leaves with a secret in it, and nothing else is changed."""

import random
import stat
from collections.abc import Iterable
from urllib.parse import unquote

import orjson
import pytest

from shipper import log
from shipper.detect.examples import expand
from shipper.errors import UsageError
from shipper.metrics import Metrics
from shipper.model import Alert, Batch, Doc, Origin, Span
from shipper.redact import Redactor, dumps, load_key
from tests.secret_samples import PLACES, SHAPES, leak, ordinary, shipped

SECRETS = shipped()
CHANCE = random.Random(3)
KEY = SHAPES["anthropic"](CHANCE)
OTHER = SHAPES["github"](CHANCE)


def redactor(metrics: Metrics | None = None) -> Redactor:
    return Redactor(SECRETS, b"k" * 32, metrics)


def struck(rule_id: str, secret: str) -> str:
    return f"[REDACTED:{rule_id}:{SECRETS.fingerprint(secret)}]"


ANTHROPIC = struck("anthropic-api-key", KEY)
GITHUB = struck("github-token", OTHER)


def batch_of(*docs: Doc, suspects: Iterable[int] = (), added: Doc | None = None) -> Batch:
    lines = [dumps(doc) for doc in docs]
    offsets = [1000 * row for row in range(len(docs))]
    origin = Origin("f" * 32, "/var/log/backend.out.log", "backend", "UTC")
    return Batch(
        lines=lines,
        offsets=offsets,
        spans=[Span(0, len(docs), origin)],
        clock=0.0,
        docs=list(docs),
        times=["2026-11-20T10:00:00Z"] * len(docs),
        added=[added or {} for _ in docs],
        suspects=set(suspects),
    )


def leaves_as(*docs: Doc, **given) -> list[Doc]:
    return [orjson.loads(out) for out in redactor()(batch_of(*docs, **given)).out]


def readable(out: bytes) -> list[str]:
    """The bytes that leave in every way a reader may take them."""
    text = out.decode()
    once = unquote(text)
    return [text, once, unquote(once), text.replace("\\", ""), text.replace("\\\\n", "\n").replace("\\n", "\n")]


def lines_of(secret: str) -> list[str]:
    """A secret of several lines is out when one of them is."""
    return [line for line in secret.split("\n") if not line.startswith("---")]


@pytest.mark.parametrize("known", [True, False], ids=["suspects", "only the last search"])
def test_no_secret_leaves_from_any_place(known):
    """A thousand secrets of every kind in every place; two thousand ordinary records beside them stay as they are."""
    chance = random.Random(11)
    leaks = [(place, *leak(chance)) for _ in range(100) for place in PLACES]
    secrets = [secret for _, secret, _ in leaks]
    docs = [PLACES[place](text) for place, _, text in leaks]
    healthy = [{"message": ordinary(chance), "user_id": f"user_{row}", "duration_ms": row / 10} for row in range(2000)]
    escaped = {row for row, doc in enumerate(docs) if b"%" in dumps(doc)}
    batch = batch_of(*docs, *healthy, suspects=range(len(docs) + len(healthy)) if known else escaped)
    out = redactor()(batch).out
    left = [
        (places[0], secret)
        for places, secret, row in zip(leaks, secrets, out[: len(docs)], strict=True)
        if any(line in text for line in lines_of(secret) for text in readable(row))
    ]
    assert left == []
    assert [orjson.loads(row) for row in out[len(docs) :]] == healthy


def test_what_was_struck_stays_as_it_is():
    """A second pass changes nothing, whatever the first one struck."""
    chance = random.Random(12)
    docs = [PLACES[place](leak(chance)[1]) for _ in range(30) for place in PLACES]
    once = [redactor().value(doc) for doc in docs]
    assert [redactor().value(doc) for doc in once] == once


def test_the_placeholder_names_rule_and_fingerprint():
    """And what stood around the secret stays."""
    assert redactor().text(f"é {KEY}, {OTHER}; {KEY}") == f"é {ANTHROPIC}, {GITHUB}; {ANTHROPIC}"


def test_every_secret_struck_is_counted():
    """Three in two fields."""
    metrics = Metrics()
    redactor(metrics).value({"a": f"{KEY} {OTHER}", "b": [KEY]})
    assert metrics.redactions == 3


def test_a_record_without_a_secret_is_handed_on_itself():
    """Not even a copy is made."""
    record = {"message": "all is well", "n": [1, {"a": None}]}
    assert redactor().value(record) is record


def test_only_what_is_secret_changes():
    """Numbers, null, lists, nesting and order stay."""
    record = {"b": 1, "a": [None, True, 1.5, {"x": KEY}], "level": "INFO"}
    assert leaves_as(record, suspects=[0]) == [{"b": 1, "a": [None, True, 1.5, {"x": ANTHROPIC}], "level": "INFO"}]


def test_a_number_under_a_key_that_says_password_is_struck():
    """A count of tokens is not."""
    record = {"password": 12345678, "token_count": 12345678, "max_tokens": 4096}
    expected = {**record, "password": struck("generic-password", "12345678")}
    assert leaves_as(record, suspects=[0]) == [expected]


def test_keys_that_read_the_same_once_struck_keep_both_values():
    """The same secret plain and percent-encoded."""
    encoded = "".join(f"%{ord(char):02x}" for char in KEY)
    record = {KEY: 1, encoded: 2, "x": 3}
    assert leaves_as(record, suspects=[0]) == [{ANTHROPIC: 1, f"{ANTHROPIC}+": 2, "x": 3}]


def test_what_enrichment_added_is_searched():
    """A row that no prefilter suspected, whose added field holds a secret."""
    assert leaves_as({"message": "x"}, {"message": "y"}, added={"url.query": f"k={KEY}"}) == [
        {"message": "x", "url.query": f"k={ANTHROPIC}"},
        {"message": "y", "url.query": f"k={ANTHROPIC}"},
    ]


def test_rows_are_rendered_by_the_function_handed_in():
    """All but those that are looked at; what it gives is searched."""
    asked: list[list[int]] = []

    def render(batch: Batch, rows) -> list[bytes]:
        asked.append(list(rows))
        return [b'{"message":"rendered %d"}' % row for row in rows]

    batch = batch_of({"message": "a"}, {"message": KEY}, {"message": "c"}, suspects=[1])
    out = Redactor(SECRETS, b"k" * 32, render=render)(batch).out
    assert asked == [[0, 2]]
    assert out == [b'{"message":"rendered 0"}', dumps({"message": ANTHROPIC}), b'{"message":"rendered 2"}']


def test_bytes_that_are_no_json_become_a_record_that_says_so():
    """With what identifies the row, and without the secret."""
    added = {"@timestamp": "2026-11-20T10:00:00Z", "event.id": "f-0", "log.offset": 0, "url.path": "/x"}
    batch = batch_of({"message": "a"}, added=added)
    out = Redactor(SECRETS, b"k" * 32, render=lambda *_: [b"{broken " + KEY.encode()])(batch).out
    assert [orjson.loads(row) for row in out] == [
        {
            "message": f"{{broken {ANTHROPIC}",
            "@timestamp": "2026-11-20T10:00:00Z",
            "event.id": "f-0",
            "log.offset": 0,
            "event.kind": "pipeline_error",
            "event.reason": "can't be struck as JSON",
        }
    ]


def test_a_record_nested_too_deeply_leaves_as_text():
    """Two thousand levels, and a secret at the bottom."""
    doc: Doc = {"a": KEY}
    for _ in range(2000):
        doc = {"a": doc}
    batch = batch_of({"message": "a"}, {}, suspects=[1])
    batch.docs[1] = doc
    batch.lines[1] = b'{"a":' * 2000 + b'{"a":"' + KEY.encode() + b'"}' + b"}" * 2000
    out = orjson.loads(redactor()(batch).out[1])
    assert out["event.reason"] == "nested too deeply to be stored as it is"
    assert KEY not in out["message"]


@pytest.mark.parametrize("value", ["\ud800", 2**80, float("nan"), {1: 2}, [float("inf")]])
def test_what_json_has_no_word_for_does_not_stop_a_row(value):
    """Lone surrogates, large numbers, NaN, keys that are numbers."""
    for suspects in ([], [0]):
        out = redactor()(batch_of({"message": f"\udfff {KEY}", "x": value}, suspects=suspects)).out[0]
        assert KEY not in out.decode()
        assert out.startswith(b'{"message":"\xef\xbf\xbd [REDACTED')


@pytest.mark.parametrize("wrap", [orjson.dumps, lambda doc: orjson.dumps(orjson.dumps(doc).decode())])
def test_json_in_a_string_stays_json(wrap):
    """The placeholder stands where the value stood."""
    text = redactor().text(wrap({"sent": KEY, "n": 1}).decode())
    value = orjson.loads(text)
    assert (orjson.loads(value) if isinstance(value, str) else value) == {"sent": ANTHROPIC, "n": 1}


def cut(line: str, why: str, offset: int = 0) -> str:
    batch = batch_of({"message": line})
    batch.lines, batch.offsets, batch.odd = [line.encode()], [offset], {0: why}
    return orjson.loads(redactor()(batch).out[0])["message"]


def test_a_forced_cut_takes_the_run_at_the_edge():
    """Half a key at the end of one row, the other half at the beginning of the next."""
    half = KEY[:11]
    assert cut(f"key is {half}", "cut: too long") == f"key is {struck('cut', half)}"
    assert cut(f"{half} it was", "continued: goes on") == f"{struck('cut', half)} it was"
    assert cut("ends in a word", "cut: too long") == "ends in a word"


def test_a_piece_from_the_middle_of_a_line_is_struck_at_both_ends():
    """It is only said to be cut; that the row before it was cut right there gives it away."""
    batch = batch_of({"message": "start of a-long-token"}, {"message": "and-its-rest and another-one-here"})
    batch.lines = [str(doc["message"]).encode() for doc in batch.docs]
    batch.offsets = [0, len(batch.lines[0])]
    batch.odd = {0: "cut: too long", 1: "cut: too long"}
    messages = [orjson.loads(out)["message"] for out in redactor()(batch).out]
    assert messages == [
        f"start of {struck('cut', 'a-long-token')}",
        struck("cut", "and-its-rest and another-one-here"),
    ]


@pytest.mark.parametrize(
    "words", ["_key: ", "ssword': '", "', '", "thorization: Basic ", "ostgres://app:", 't\\": \\"']
)
def test_a_secret_that_a_cut_parted_from_its_words_is_struck(words):
    """`api_key: …`, `'password': '…'`: what is left of them says nothing any more."""
    assert (
        cut(f"{words}Bvxf2gu5GPbkUD, it was", "continued: goes on")
        == f"{struck('cut', words + 'Bvxf2gu5GPbkUD')}, it was"
    )


def test_a_private_key_cut_in_its_first_words_leaves_nothing():
    """Those words stand in its last line too, which has to stay recognisable."""
    kind = "ENCRYPTED PRI" + "VATE KEY-----"
    lines = [expand(f"{{b64:64}}{'{}' * row}") for row in range(6)]
    text = "\\n".join([kind[4:], *lines, f"-----END {kind}"])
    out = cut(f"{text} it was", "continued: goes on")
    assert [line for line in lines if line in out] == []


def test_a_piece_that_is_said_to_be_cut_and_continued_is_struck_at_both_ends():
    """Also right after a restart, when the row before it is not known any more."""
    struck_out = cut("half-a-token it was a-half-token", "cut, continued: too long")
    assert struck_out == f"{struck('cut', 'half-a-token')} it was {struck('cut', 'a-half-token')}"


def test_a_private_key_cut_in_the_middle_leaves_nothing():
    """Begin in one row, end in the next."""
    kind = "PRI" + "VATE KEY-----"
    lines = [expand(f"{{b64:64}}{'{}' * row}") for row in range(6)]
    head, tail = "\n".join(lines[:3])[:-20], "\n".join([lines[2][-20:], *lines[3:]])
    out = cut(f"-----BEGIN {kind}\n{head}", "cut: too long"), cut(f"{tail}\n-----END {kind}", "continued: goes on")
    assert [line for line in lines if any(line[:16] in text or line[-16:] in text for text in out)] == []


def test_alerts_are_scrubbed():
    """Their group and their description."""
    batch = batch_of({"message": "x"})
    group = {"url.query": f"k={KEY}", "user": "a"}
    batch.alerts = [Alert("1", "r", "R", "high", group, 1, "", "", description=f"seen {KEY}")]
    (alert,) = redactor()(batch).alerts
    assert (alert.group, alert.description) == ({"url.query": f"k={ANTHROPIC}", "user": "a"}, f"seen {ANTHROPIC}")


def test_an_empty_batch_passes():
    """Nothing in, nothing out."""
    assert redactor()(Batch([], [], [], 0.0)).out == []


def test_other_rules_count_from_the_next_row_on():
    """After a reload."""
    redact = Redactor(SECRETS, b"k" * 32)
    redact.replace(type(SECRETS)(()))
    assert redact.text(KEY) == KEY


def test_our_own_log_is_scrubbed(capsys):
    """Message, fields and errors."""
    log.scrub_with(redactor().text)
    try:
        log.say("error", f"refused {KEY}", path=f"/x?{KEY}", error=ValueError(KEY))
    finally:
        log.scrub_with(str)
    printed = capsys.readouterr().err
    assert (KEY in printed, printed.count(ANTHROPIC)) == (False, 3)


def test_a_value_of_ten_megabytes_is_struck():
    """Plain text with a key in the middle, and one key after another."""
    plain = "all is well " * 400_000
    assert redactor().text(f"{plain}{KEY} {plain}") == f"{plain}{ANTHROPIC} {plain}"
    assert redactor().text(f"{KEY} " * 5_000) == f"{ANTHROPIC} " * 5_000


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path):
    """Mode 0600; the second start reads it."""
    first = load_key(tmp_path / "data", {})
    path = tmp_path / "data" / "redaction.key"
    assert load_key(tmp_path / "data", {}) == first
    assert (stat.S_IMODE(path.stat().st_mode), len(first)) == (0o600, 64)
    assert [entry.name for entry in path.parent.iterdir()] == ["redaction.key"]


def test_a_key_that_others_may_read_is_closed_again(tmp_path):
    """A copy from another host comes with any mode."""
    load_key(tmp_path, {})
    path = tmp_path / "redaction.key"
    path.chmod(0o644)
    load_key(tmp_path, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_environment_sets_the_key_for_several_hosts(tmp_path):
    """What one host made serves as the other's; nothing is written then."""
    theirs = load_key(tmp_path / "theirs", {}).decode()
    assert load_key(tmp_path / "ours", {"SHIPPER_REDACTION_KEY": f" {theirs}\n"}) == theirs.encode()
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("key", ["short", "ä" * 40, "a\x00" * 40])
def test_a_bad_key_is_refused_in_one_line_that_does_not_tell_it(tmp_path, key):
    """From the environment and from the file."""
    (tmp_path / "redaction.key").write_bytes(key.encode())
    for env, place in (({"SHIPPER_REDACTION_KEY": key}, "SHIPPER_REDACTION_KEY"), ({}, str(tmp_path))):
        with pytest.raises(UsageError) as error:
            load_key(tmp_path, env)
        message = str(error.value)
        assert (message.startswith(place), "\n" in message, key in message) == (True, False, False)


def test_a_key_that_cannot_be_read_is_a_usage_error(tmp_path):
    """A folder in its place."""
    (tmp_path / "redaction.key").mkdir()
    with pytest.raises(UsageError, match="can't be used as redaction key"):
        load_key(tmp_path, {})


def test_a_key_that_was_lost_is_not_replaced_in_silence(tmp_path, capsys):
    """Beside stored data the new one is worth a warning; at the first start it is not."""
    load_key(tmp_path, {})
    assert capsys.readouterr().err == ""
    (tmp_path / "hot").mkdir()
    (tmp_path / "redaction.key").unlink()
    load_key(tmp_path, {})
    assert "made a new redaction key" in capsys.readouterr().err
