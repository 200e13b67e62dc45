"""What is found in a text and in a record."""

import random
import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.detect.examples import check_secret_rule, expand
from shipper.detect.secrets import SecretRules
from shipper.detect.unescape import readings
from tests.secret_samples import CONTEXTS, PLACES, SHAPES, leak, ordinary, shipped

SECRETS = shipped()
CHANCE = random.Random(20261123)
KEY = SHAPES["anthropic"](CHANCE)
OTHER = SHAPES["github"](CHANCE)


def found(text: str, name: str = "") -> list[str]:
    return [text[hit.start : hit.end] for hit in SECRETS.find(text, name)]


@pytest.mark.parametrize("rule", SECRETS.rules, ids=lambda rule: rule.id)
def test_each_rule_that_ships_passes_its_own_tests(rule):
    """It matches what it should, and passes what it should not."""
    assert check_secret_rule(rule, SECRETS.find) == []


@pytest.mark.parametrize("rule", SECRETS.rules, ids=lambda rule: rule.id)
def test_each_rule_that_ships_says_what_it_is(rule):
    """Description, tags, a prefilter of its own."""
    assert rule.description != rule.id
    assert "attack.credential-access" in rule.tags
    assert rule.prefilter


def test_all_that_ships_is_loaded():
    """No problem, no note."""
    assert (SECRETS.problems, SECRETS.notes) == ((), ())


@pytest.mark.parametrize("kind", SHAPES)
def test_a_key_is_found_alone_and_whole(kind):
    """A hundred keys of each kind, each found from its first character to its last."""
    keys = [SHAPES[kind](CHANCE) for _ in range(100)]
    assert [found(key) for key in keys] == [[key] for key in keys]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    "around", ["({})", '"{}"', "'{}',", "key={};", "é{}é ", "a:{}\n", "<{}>", "x/{}/y", "\t{}\t", "🔑 {}"]
)
def test_a_key_is_found_between_other_characters(kind, around):
    """Brackets, quotes, letters beyond ASCII: what stands around a key does not hide it."""
    key = SHAPES[kind](CHANCE)
    assert any(key in part for part in found(around.format(key)))


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_secret_is_known_by_what_stands_around_it(kind):
    """Exactly the secret is found, not its surroundings."""
    template, make = CONTEXTS[kind]
    secrets = [make(CHANCE) for _ in range(100)]
    assert [found(template.format(secret)) for secret in secrets] == [[secret] for secret in secrets]


def test_two_keys_side_by_side_are_both_found():
    """One separator serves both."""
    assert found(f"{KEY} {OTHER}") == [KEY, OTHER]
    assert found(f"{KEY}\n{KEY}") == [KEY, KEY]
    ids = [SHAPES["aws id"](CHANCE) for _ in range(3)]
    assert found(" ".join(ids)) == ids


def test_the_specific_rule_wins_over_the_generic_one():
    """A bearer token that is an Anthropic key is an Anthropic key."""
    hits = SECRETS.find(f"Authorization: Bearer {KEY}")
    assert [(hit.rule.id, hit.secret) for hit in hits] == [("anthropic-api-key", KEY)]


def test_the_same_secret_has_the_same_fingerprint_in_any_wrapping():
    """Plain, quoted, percent-encoded."""
    wrapped = [KEY, f'"{KEY}"', "".join(f"%{ord(char):02x}" for char in KEY)]
    assert len({SECRETS.fingerprint(hit.secret) for text in wrapped for hit in SECRETS.find(text)}) == 1


def test_a_fingerprint_depends_on_the_key():
    """Twelve hex digits, others for another key."""
    ours, theirs = SECRETS.keyed(b"a" * 32).fingerprint(KEY), SECRETS.keyed(b"b" * 32).fingerprint(KEY)
    assert ours != theirs
    assert re.fullmatch("[0-9a-f]{12}", ours)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: "".join(f"%{ord(char):02X}" for char in text),
        lambda text: "".join(f"%25{ord(char):02X}" for char in text),
        lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
        lambda text: "".join(f"&#{ord(char)};" for char in text),
        lambda text: "".join(f"&#x{ord(char):x};" for char in text),
        lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    ],
    ids=["percent", "percent twice", "\\u", "&#", "&#x", "\\x"],
)
def test_an_escaped_key_is_found_where_it_stands(encode):
    """The span covers the escapes."""
    assert found(f"ä {encode(KEY)} ö") == [encode(KEY)]


def test_a_value_is_known_by_its_key():
    """The whole value, whatever stands in it."""
    assert found('correct horse "battery" 1', "db_password") == ['correct horse "battery" 1']
    assert found("12345678", "password") == ["12345678"]


@pytest.mark.parametrize("value", ["None", "", "********", "${DB_PASSWORD}", "[hidden]", "true"])
def test_a_password_that_is_none_is_none(value):
    """Also beside its key."""
    assert found(value, "password") == []


@pytest.mark.parametrize("cut", [1, 30, 64, 65, 100, 200])
def test_a_private_key_without_its_end_is_found_to_its_last_character(cut):
    """Wherever it breaks off."""
    head = "-----BEGIN RSA PRI" + "VATE KEY-----\n"
    body = expand("{b64:64}\n{b64:64}\n{b64:64}\n{b64:64}")[: 64 + cut]
    text = f"loaded {head}{body}"
    assert found(text) == [head + body.rstrip("\n")]


@pytest.mark.parametrize("joint", ["\n", "\r\n", "\\n", "\\\\n", " "])
def test_a_private_key_is_found_whole_whatever_its_line_breaks_are(joint):
    """Real ones, written ones, blanks."""
    kind = "PRI" + "VATE KEY-----"
    block = joint.join(
        [f"-----BEGIN {kind}", expand("{b64:64}"), expand("{b64:64}"), expand("{b64:11}="), f"-----END {kind}"]
    )
    assert found(f"key: {block}, ok") == [block]


def test_a_placeholder_is_never_found():
    """Neither alone, nor as the value of a key that says secret, nor in an assignment."""
    placeholder = SECRETS.placeholder("anthropic-api-key", KEY)
    texts = [placeholder, f"password={placeholder}", f"Bearer {placeholder}", f'api_key: "{placeholder}"']
    assert [found(text) for text in texts] == [[]] * 4
    assert found(placeholder, "client_secret") == []


def test_ordinary_lines_hold_no_secret():
    """Two thousand lines of a healthy backend."""
    chance = random.Random(7)
    lines = [ordinary(chance) for _ in range(2000)]
    assert [(line, found(line)) for line in lines if found(line)] == []


def test_a_finding_says_where_and_never_what():
    """Dotted path, span in the value's characters, fingerprint."""
    record = {"message": "é refused", "context": {"headers": [{"x": f"ü {KEY}"}]}}
    (finding,) = SECRETS.findings(record, orjson.dumps(record), 3)
    assert (finding.rule_id, finding.level, finding.row) == ("anthropic-api-key", "high", 3)
    assert (finding.field, finding.span) == ("context.headers.0.x", (2, 2 + len(KEY)))
    assert finding.fingerprint == SECRETS.fingerprint(KEY)
    assert KEY not in repr(finding)


def test_a_finding_in_a_key_does_not_name_the_key():
    """The path is struck as well; there is no span."""
    record = {"seen": {KEY: 1}}
    (finding,) = SECRETS.findings(record, orjson.dumps(record), 0)
    assert (finding.field, finding.span) == (f"seen.{SECRETS.placeholder('anthropic-api-key', KEY)}", None)


def test_a_secret_is_found_once_in_what_enrichment_repeats():
    """At its first place; twice in one text is two findings."""
    record = {"message": f"{KEY} {KEY}", "error.message": KEY}
    assert [finding.field for finding in SECRETS.findings(record, orjson.dumps(record), 0)] == ["message", "message"]


def test_what_decoding_lost_is_found_in_the_raw_line():
    """A line that is not JSON is searched as text."""
    (finding,) = SECRETS.findings({"message": "?"}, f"{{broken {KEY}".encode(), 0)
    assert (finding.rule_id, finding.field, finding.span) == ("anthropic-api-key", None, None)


@pytest.mark.parametrize("place", PLACES)
def test_every_plain_line_with_a_secret_is_hit_by_a_pattern(place):
    """Otherwise nobody would look at it; lines with percent signs are looked at anyway."""
    chance = random.Random(place)
    records = [PLACES[place](leak(chance)[1]) for _ in range(150)]
    lines = [orjson.dumps(record) for record in records]
    told = [line for line, record in zip(lines, records, strict=True) if SECRETS.findings(record, line, 0)]
    assert len(told) == len(lines)
    assert [line for line in told if b"%" not in line and not SECRETS.hits(line)] == []


@pytest.mark.parametrize(
    "name", ["password", "db_password", "clientSecret", "x-api-key", "Authorization", "access_token"]
)
def test_a_pattern_hits_a_secret_that_its_key_gives_away(name):
    """Also as a number, and nested as JSON in a string."""
    secret = expand("{alnum:24}")
    for record in (
        {name: secret},
        {"a": {name: [secret]}},
        {name: ["a", "", secret]},
        {"message": orjson.dumps({name: secret}).decode()},
    ):
        line = orjson.dumps(record)
        assert SECRETS.findings(record, line, 0)
        assert SECRETS.hits(line)


def test_ordinary_lines_are_rarely_hit_by_a_pattern():
    """What the prefilter lets through costs time."""
    lines = [
        b'{"level":"INFO","message":"User user_1 logged in from 10.0.0.1, token expires in 512 seconds","user_id":"user_1"}',
        b'{"message":"Provider answered request 0a1b2c3d, 12 prompt tokens","max_tokens":512,"token_count":9}',
        b'INFO:     127.0.0.1:60084 - "GET /docs?key=1 HTTP/1.1" 200 OK http://localhost:8001/api',
    ]
    assert SECRETS.hits(b"\n".join(lines)) == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_hides_a_key_or_breaks_the_search(before, after):
    """Any characters before and behind it, surrogates and escapes included."""
    text = f"{before} {KEY} {after}"
    assert any(KEY in text[hit.start : hit.end] for hit in SECRETS.find(text))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='%41\\u0ndx&#;a"é\ud800', max_size=40))
def test_every_reading_leads_back_into_the_text(text):
    """A span of a reading is a span of the text, and a whole reading is the whole text."""
    for reading in readings(text):
        assert reading.back(0, len(reading.text)) == (0, len(text))
        spans = [reading.back(at, at + 1) for at in range(len(reading.text))]
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert spans == sorted(spans)


@pytest.mark.parametrize(
    "hidden",
    [
        KEY,
        KEY.replace("-", "%2d"),
        KEY.replace("-", "&#45;"),
        KEY.replace("-", "\\u002d"),
        KEY.replace("-", "\\x2D"),
        "ſ" + KEY,
    ],
)
def test_a_record_that_may_hold_a_secret_is_worth_a_look(hidden):
    """As a value, as a key, deep inside, beside numbers that no JSON writer takes; in any escape."""
    for record in ({"a": f"x {hidden}"}, {f"x {hidden}": 1}, {"a": [{"b": hidden}]}, {"a": hidden, "n": 10**30}):
        assert SECRETS.worth_a_look(record)
        assert SECRETS.findings(record, b"{}", 0)


@pytest.mark.parametrize("text", ["GET /api/chat?limit=7", 'said "no"', "two\nlines", "C:\\logs", "session 1, token 2"])
def test_an_ordinary_record_is_not_worth_a_look(text):
    """Whatever JSON has to escape in it."""
    assert not SECRETS.worth_a_look({"message": text, "n": 1, "deep": {"list": [1.5, None, True]}})


def test_a_key_is_judged_the_same_every_time():
    """Clean keys are remembered, others are searched again."""
    rules = SecretRules(SECRETS.rules)
    assert [[hit.secret for hit in rules.find_in_key(key)] for key in ("user", KEY, "user", KEY)] == [[], [KEY]] * 2


def test_no_rules_find_nothing():
    """An empty set is a set."""
    empty = SecretRules(())
    assert (empty.find(KEY), empty.hits(KEY.encode()), empty.worth_a_look({"a": KEY})) == ([], [], False)
    assert empty.findings({"message": KEY}, KEY.encode(), 0) == []
