"""Rules on disk: gitleaks' format, and what is wrong with a file."""

from pathlib import Path

import pytest

from shipper.detect.examples import check_secret_rule, expand
from shipper.detect.secrets import SecretRules, load_secret_rules


def load(tmp_path: Path, text: str) -> SecretRules:
    (tmp_path / "rules.toml").write_text(text)
    return load_secret_rules([tmp_path])


def reasons(rules: SecretRules) -> list[str]:
    return [f"{problem.path.name}:{problem.line}: {problem.reason}" for problem in rules.problems]


def found(rules: SecretRules, text: str) -> list[str]:
    return [hit.secret for hit in rules.find(text)]


def test_an_empty_folder_means_no_rules(tmp_path):
    """And no problem."""
    rules = load_secret_rules([tmp_path])
    assert (rules.rules, rules.patterns, rules.problems) == ((), (), ())


def test_a_file_that_is_missing_is_a_problem(tmp_path):
    """Named, with the reason."""
    rules = load_secret_rules([tmp_path / "none.toml"])
    assert reasons(rules) == ["none.toml:1: can't be read: No such file or directory"]


def test_a_file_that_is_not_utf_8_is_a_problem(tmp_path):
    """Not a crash."""
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    assert reasons(load_secret_rules([tmp_path])) == ["a.toml:1: is not UTF-8"]


def test_broken_toml_is_a_problem_with_its_line(tmp_path):
    """The other files load."""
    (tmp_path / "good.toml").write_text("[[rules]]\nid = 'a'\nregex = 'abc'\n")
    rules = load(tmp_path, "[[rules]]\nid = 'b'\nregex =\n")
    assert reasons(rules)[0].startswith("rules.toml:3: is not TOML")
    assert [rule.id for rule in rules.rules] == ["a"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("regex = 'a'", "1: rule 1: has no id: give it one"),
        ("id = 'a'", "1: rule a: has no regex: give it one"),
        ("id = 'a'\nregex = '(?=a)'", "3: rule a: RE2 refuses the pattern: invalid perl operator: (?="),
        ("id = 'a'\nregex = 'a'\ncolour = 1", "4: rule a: unknown key colour"),
        ("id = 'a'\nregex = 'a'\nlevel = 'loud'", "4: rule a: level loud is none of informational, low, medium, high, critical"),
        ("id = 'a'\nregex = 'a'\nsecretGroup = 2", "4: rule a: secretGroup 2 is no group of its regex, which has 0"),
        ("id = 'a'\nregex = 'a'\nentropy = 'x'", "4: rule a: entropy is not a number"),
        ("id = 'a'\nregex = 'a'\nkeywords = 'x'", "4: rule a: keywords is not a list of texts"),
        ("id = 'a'\nregex = 1", "3: rule a: regex is not a text"),
        ("id = 'a'\nregex = 'a'\ntests = {fail = []}", "4: rule a: tests takes match and pass, each a list of texts"),
        ("id = 'a'\nregex = 'a'\nprefilter = ['(?=a)']", "1: rule a: Hyperscan refuses the prefilter (?=a): Zero-width assertions are not supported."),
        ("id = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexes = ['(']", "5: rule a: RE2 refuses the pattern: missing ): ("),
        ("id = 'a'\nregex = 'a'\n[[rules.allowlists]]\ncondition = 'XOR'", "5: rule a: condition XOR is neither OR nor AND"),
        ("id = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexTarget = 'file'", "5: rule a: regexTarget file is none of secret, match, line"),
        ("id = 'a'\nregex = 'a'\n[[rules.allowlists]]\nhue = 1", "5: rule a: unknown key hue in an allowlist"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_loaded_is_a_problem_and_the_others_load(tmp_path, rule, expected):
    """File, line, rule, reason."""
    rules = load(tmp_path, f"[[rules]]\n{rule}\n[[rules]]\nid = 'good'\nregex = 'g'\n")
    assert reasons(rules) == [f"rules.toml:{expected}"]
    assert [loaded.id for loaded in rules.rules] == ["good"]


def test_an_id_twice_is_a_problem(tmp_path):
    """The first one counts."""
    rules = load(tmp_path, "[[rules]]\nid = 'a'\nregex = 'a'\n\n[[rules]]\nid = 'a'\nregex = 'b'\n")
    assert reasons(rules) == [f"rules.toml:5: rule a is already in {tmp_path / 'rules.toml'}:1"]
    assert found(rules, "ab") == ["a"]


def test_an_unknown_key_of_the_file_is_a_problem(tmp_path):
    """With its line."""
    assert reasons(load(tmp_path, "title = 'x'\ncolour = 1\n")) == ["rules.toml:2: unknown key colour"]


def test_what_has_no_meaning_here_is_noted(tmp_path):
    """`[extend]`, and rules for files of a certain name."""
    rules = load(tmp_path, "[extend]\nuseDefault = true\n[[rules]]\nid = 'a'\npath = '\\.p12$'\n")
    assert rules.problems == ()
    assert [note.line for note in rules.notes] == [1, 3]


def test_the_secret_is_the_named_group_or_the_first_or_all(tmp_path):
    """As in gitleaks."""
    rules = load(
        tmp_path,
        "[[rules]]\nid='a'\nregex='aa(b)(c)'\nsecretGroup=2\n[[rules]]\nid='d'\nregex='dd(x)?(e)'\n[[rules]]\nid='f'\nregex='ff'\n",
    )
    assert found(rules, "aabc dde ff") == ["c", "e", "ff"]


def test_a_keyword_is_needed_in_any_case(tmp_path):
    """Without it the pattern is not tried."""
    rules = load(tmp_path, "[[rules]]\nid='a'\nregex='[0-9]{4}'\nkeywords=['Pin']\n")
    assert (found(rules, "PIN 1234"), found(rules, "1234")) == (["1234"], [])


def test_a_secret_has_more_entropy_than_asked_for(tmp_path):
    """Four equal letters have none; four different ones have two bits."""
    rules = load(tmp_path, "[[rules]]\nid='a'\nregex='[a-z]{4}'\nentropy=1.9\n")
    assert (found(rules, "aaaa"), found(rules, "abcd")) == ([], ["abcd"])


@pytest.mark.parametrize(
    ("allowlist", "left"),
    [
        ("regexes = ['^k=1$']", ["1", "2"]),
        ("regexes = ['^1$']", ["2"]),
        ("regexTarget = 'match'\nregexes = ['^k=1$']", ["2"]),
        ("regexTarget = 'line'\nregexes = ['test']", []),
        ("stopwords = ['2']", ["1"]),
        ("condition = 'AND'\nregexes = ['^1$']\nstopwords = ['2']", ["1", "2"]),
        ("condition = 'AND'\nregexes = ['^1$']\nstopwords = ['1']", ["2"]),
        ("condition = 'AND'\npaths = ['x']\nstopwords = ['1']", ["1", "2"]),
        ("paths = ['x']\ncommits = ['y']", ["1", "2"]),
    ],
)
def test_an_allowlist_takes_away_what_it_says(tmp_path, allowlist, left):
    """Of the rule, and of the file in either form."""
    rule = "[[rules]]\nid='a'\nregex='k=([0-9])'\n"
    for text in (
        f"{rule}[[rules.allowlists]]\n{allowlist}\n",
        f"{rule}[[allowlists]]\n{allowlist}\n",
        f"[allowlist]\n{allowlist}\n{rule}",
    ):
        assert found(load(tmp_path, text), "test k=1 k=2") == left


def test_a_files_allowlist_can_be_for_some_rules(tmp_path):
    """`targetRules`."""
    rules = load(
        tmp_path,
        "[[allowlists]]\ntargetRules=['b']\nstopwords=['x']\n[[rules]]\nid='a'\nregex='ax'\n[[rules]]\nid='b'\nregex='bx'\n",
    )
    assert found(rules, "ax bx") == ["ax"]


@pytest.mark.parametrize(("keywords", "hit"), [("keywords=['pi\"n']", b'x pi\\"n 1234'), ("", b"x 1234")])
def test_a_rule_without_a_prefilter_gets_one(tmp_path, keywords, hit):
    """Its keywords as JSON leaves them, else every row; the end of the match lies in the row."""
    rules = load(tmp_path, f"[[rules]]\nid='a'\nregex='[0-9]{{4}}'\n{keywords}\n")
    block = b"first\n" + hit
    assert max(rules.hits(block)) > len(b"first\n") + 1


def test_a_template_gives_the_same_text_every_time():
    """And no braces of ours; others stay."""
    text = expand('{"a": "s{}k-{alnum:8}{hex:4}"}')
    assert text == expand('{"a": "s{}k-{alnum:8}{hex:4}"}')
    assert (text[:10], len(text), text[-2:]) == ('{"a": "sk-', 24, '"}')


def test_a_rule_is_checked_by_its_own_tests(tmp_path):
    """Both ways; a rule without tests is told so."""
    rules = load(
        tmp_path,
        "[[rules]]\nid='a'\nregex='a'\ntests={match=['b'],pass=['a']}\n[[rules]]\nid='b'\nregex='b'\n",
    )
    checked = [check_secret_rule(rule, rules.find) for rule in rules.rules]
    assert checked == [
        ["a: does not match, but should: b", "a: matches, but should not: a"],
        ["b: has no tests that match, or none that pass"],
    ]
