"""What a value becomes in a text for a shell, asked of real shells."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.making.template import shell_template

PLACES = {
    "{v}": "{}",
    "-{v}-": "-{}-",
    "{v}''": "{}",
    "\"a{v}b\"'c'": "a{}bc",
    "'a{v}b'\"c\"": "a{}bc",
    '"$(printf "%s." {v})"': "{}.",
    '"$(printf "%s." "{v}")"': "{}.",
    '"$(printf "%s." \'{v}\')"': "{}.",
    '"it\'s `echo a`: {v}"': "it's a: {}",
    '"${HOME:+it is }{v}"': "it is {}",
    '$((1+(2)))"{v}"': "3{}",
    "\\'{v}\\ #{v}": "'{} #{}",
    "a#{v}": "a#{}",
    "'it'$y{v}\"$y{v}$1{v}\"'$y{v}'": "it{}{}{}$y{}",
    "$( # it's (\n printf a)'{v}'": "a{}",
    "$(case a in a) printf b;; esac){v}": "b{}",
}
"""Where a value may stand in a word, and what that word is to be."""

LETTERS = st.sampled_from(
    list("ab '\"\\$`(){}[]!#&;|<>*?~=-\n\t\r%/.,") + ["$(date)", "`id`", "é", "\udcff", "\x1b", "--"]
)
VALUES = st.lists(LETTERS, max_size=6).map("".join)


def words_of(shell: str, script: str) -> list[bytes]:
    """The words that the script gives to `w`, which ends each with a NUL."""
    full = 'w() { printf "%s\\0" "$@"; }\nHOME=/h\n' + script
    done = subprocess.run([shell], input=os.fsencode(full), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b""), (script, done)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@settings(max_examples=25, deadline=None)
@given(values=st.lists(VALUES, min_size=1, max_size=20))
def test_whatever_is_in_a_value_is_in_the_one_argument(shell: str, values: list[str]) -> None:
    script = ""
    wanted: list[str] = []
    for place, word in PLACES.items():
        render = shell_template(f"w {place}", ["v"]).text
        assert render is not None
        script += "".join(render([value], 1) + "\n" for value in values)
        wanted += [word.replace("{}", value) for value in values]
    assert words_of(shell, script) == [os.fsencode(word) for word in wanted]
