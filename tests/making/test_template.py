from __future__ import annotations

import pytest

from sjs.errors import UsageError
from sjs.making.template import SLOT_TEXT, argv_template, shell_template

NAMES = ["lr", "path", "a b"]
ROW = ["0.1", "/x/y z/f.tar.gz", "it's"]


def text(template: str, row: list[str] = ROW, number: int = 7) -> str:
    render = shell_template(template, NAMES).text
    assert render is not None
    return render(row, number)


def argv(*words: str) -> tuple[str, ...]:
    render = argv_template(words, NAMES).argv
    assert render is not None
    return render(ROW, 7)


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("x {lr} {#}", "x 0.1 7"),
        ("x {2}{1}", "x '/x/y z/f.tar.gz'0.1"),
        ("{path.} {path/} {path//} {path/.}", "'/x/y z/f.tar' f.tar.gz '/x/y z' f.tar"),
        ("{2.} {2/} {2//} {2/.}", "'/x/y z/f.tar' f.tar.gz '/x/y z' f.tar"),
        ("{a b} {a b/.}", "'it'\"'\"'s' 'it'\"'\"'s'"),
        ("x {}", "x 0.1 '/x/y z/f.tar.gz' 'it'\"'\"'s'"),
        ("x {/.}", "x 0 f.tar 'it'\"'\"'s'"),
        ('"{a b}"', '"it\'s"'),
        ('"$$({a b}$$" "$$$(echo {a b})"', "\"$$(it's$$\" \"$$$(echo 'it'\"'\"'s')\""),
        ("'{a b}'", "'it'\\''s'"),
        ("[ {lr} ]; [[ y ]] && ls [[:alpha:]]{lr}", "[ 0.1 ]; [[ y ]] && ls [[:alpha:]]0.1"),
        ('x \\\n  --lr {lr} \\\n  "a \\\n{lr}"', 'x \\\n  --lr 0.1 \\\n  "a \\\n0.1"'),
        ("x {lr}>o", "x '0.1'>o"),
        ("x {lr}2>o", "x '0.1'2>o"),
        ("x {%} \"{%}\" '{%}'", f"x {SLOT_TEXT} \"{SLOT_TEXT}\" ''{SLOT_TEXT}''"),
        ("{a,b} ${lr} $${lr} { ls; } {} # it's".replace("{} ", ""), "{a,b} ${lr} $${lr} { ls; } # it's"),
        ('{"k": 1, "l": {"m": "lr"}} {1..5} {y:.2f} {lr: 1}', '{"k": 1, "l": {"m": "lr"}} {1..5} {y:.2f} {lr: 1}'),
        ("{{lr}} {{}} {{1}} {{x}} {{a,b}} {{lr:.2f}} {{{lr}}}", "{lr} {} {1} {x} {{a,b}} {lr:.2f} {{lr}}"),
    ],
)
def test_a_text_is_filled_in(template: str, wanted: str) -> None:
    assert text(template) == wanted


def test_words_are_filled_in_and_quoted_by_nobody() -> None:
    assert argv("x", "--a={a b}", "{path}", "$(ls)", "{{lr}}") == ("x", "--a=it's", ROW[1], "$(ls)", "{lr}")


def test_a_place_for_several_values_makes_several_words() -> None:
    assert argv("x", "{}", "-{}-") == ("x", *ROW, "-0.1", ROW[1], "it's-")


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("x {lrr}", "unknown {lrr}; did you mean lr?"),
        ("x {pathe/}", "unknown {pathe/}; did you mean path?"),
        ("x {lr:.2f}", "{lr:.2f}: a value stands as it is"),
        ("x {a b!r}", "{a b!r}: a value stands as it is"),
        ("x {4}", "there is no {4}"),
        ("x {0}", "there is no {0}"),
        ("x # {lr}", "a comment"),
        ("cat <<E\n{lr}\nE", "what follows <<"),
        ("x `ls {lr}`", "backquotes"),
        ("x ${y:-{lr}}", "within ${…}"),
        ("x $((1+{lr}))", "within ((…))"),
        ("((1+{lr}))", "within ((…))"),
        ("if [[ {lr} -eq 1 ]]; then", "within [[…]]"),
        ("x $\\\n'{lr}'", "goes on in the next line"),
        ("x \\\n# {lr}", "a comment"),
        ("x[{lr}]=1", "within name[…]"),
        ("x['0'] {lr}", "within name[…]"),
        ("[[ (a) ]] {lr}", "within [[…]]"),
        ("x[{lr}{lr}]=1", "within name[…]"),
        ("x $'{lr}'", "within $'…'"),
        ("x \\{lr}", "backslash"),
        ('x "${y:-it\'s} {lr}"', "a quote within"),
        ('x "$(case y in y) {lr};; esac)"', "`case`"),
    ],
)
def test_what_nobody_can_have_meant_is_an_error(template: str, what: str) -> None:
    with pytest.raises(UsageError) as error:
        text(template)
    assert what in error.value.message


def test_a_slot_needs_a_shell() -> None:
    with pytest.raises(UsageError, match="needs a shell"):
        argv("x", "{%}")


def test_it_says_which_values_it_uses() -> None:
    assert shell_template("x {1} {#}", NAMES).columns == {0}
    assert argv_template(["x", "{a b/}"], NAMES).columns == {2}
    assert [shell_template(one, NAMES).has_places for one in ("x", "x {#}")] == [False, True]
