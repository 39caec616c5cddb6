"""jobmgr's own format: all its keys, in capitals or not, and the line of what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import ConfigError
from sjs.gateway.specs.durations import go_duration
from sjs.gateway.specs.spec import Parameter
from sjs.gateway.specs.toml_file import line_of
from tests.gateway.specs.texts import toml

FULL = """\
# a job of jobmgr
Command = "convert"
Arguments = [
    "-v",
    "{width}",
]
WorkingDirectory = "/srv/work"
PreserveEnvVars = ["PATH", "LANG"]
Timeout = "1m30s"

[[Parameter]]
Name = "width"
Type = "int"

[[Parameter]]
Name = "other-option"
Type = "string"
"""


def test_all_that_may_stand_there() -> None:
    found = toml(FULL)
    assert (found.name, found.path) == ("x", "/specs/x.toml")
    assert found.command == (("convert",), ("-v",), ("{width}",)), "nothing in it is replaced"
    assert found.options == {"cwd": "/srv/work", "timeout": 90.0}
    assert found.preserved == ("PATH", "LANG")
    assert found.parameters == (Parameter("width", "int"), Parameter("other-option", "string"))
    assert found.notes == ()


def test_keys_in_other_capitals_mean_the_same() -> None:
    other = FULL
    for key in ("Command", "Arguments", "WorkingDirectory", "PreserveEnvVars", "Timeout", "Parameter", "Name", "Type"):
        other = other.replace(f"{key} =", f"{key.swapcase()} =").replace(f"[[{key}]]", f"[[{key.lower()}]]")
    assert other != FULL
    assert toml(other) == toml(FULL)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 10.0),
        ('Timeout = "0s"', 10.0),
        ('Timeout = "0"', 10.0),
        ('Timeout = "500ms"', 0.5),
        ('Timeout="2h"', 7200.0),
    ]
    + [('Timeout = "1ns"', 0.001), ('Timeout = "2000000h"', 10 * 366 * 86_400.0)],
)
def test_the_usual_timeout_is_ten_seconds(said: str, seconds: float) -> None:
    assert toml(f'Command = "a"\n{said}\n').options == {"timeout": seconds}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90),
        ("500ms", 0.5),
        ("2h", 7200),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("1us", 1e-6),
        ("1µs", 1e-6),
    ]
    + [("1μs", 1e-6), ("3ns", 3e-9), ("1h1h", 7200), ("+1s", 1), ("-1s", -1), ("0", 0), ("-0", 0), ("0.1ns", 0)],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert go_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "s", ".s", "1d", "1 s", " 1s", "1s ", "1S", "1,5s", "٣s", "+-1s", "1e3s", "1m30"]
)
def test_what_go_would_not_read_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        go_duration(text)


def test_durations_have_gos_limit() -> None:
    assert go_duration("9223372036854775807ns") == pytest.approx(9223372036.854776)
    with pytest.raises(ValueError, match="292 years"):
        go_duration("9223372036854775808ns")
    with pytest.raises(ValueError, match="is no duration"):
        go_duration("1s" * 100)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "/specs/x.toml: Command: there is none (write it as Command"),
        ("Timeout = '1s'", "/specs/x.toml: Command: there is none"),
        ("\ncommand = ''", "/specs/x.toml:2: Command: there is none"),
        ("Command = 'a'\nArguments = ['b'\n\nTimeout = 1", "/specs/x.toml:4: Unclosed array"),
        ("Command = 'a", "/specs/x.toml:1: "),
        ("Command = 'a'\nCommand = 'b'", "/specs/x.toml:2: Cannot overwrite a value"),
        ("Command = 'a'\n\ncommand = 'b'", "/specs/x.toml:3: command: stands here twice, before as Command"),
        ("Command = 1", "/specs/x.toml:1: Command: must be text (put it in quotes)"),
        ("Command = '/opt/a=b/c'", "/specs/x.toml:1: Command: has a ="),
        ("Command = 'a'\nArguments = [\n 'b',\n 1]", "/specs/x.toml:2: Arguments: must be a list of texts"),
        ("Command = 'a'\nArguments = 'b'", "/specs/x.toml:2: Arguments: must be a list of texts"),
        ('Command = "a\\u0000"', "/specs/x.toml:1: Command: holds a NUL character"),
        ('Command = "a"\nArguments = ["\\u0000"]', "/specs/x.toml:2: Arguments: must be a list of texts"),
        ("Command = 'a'\nTimeout = '10'", "/specs/x.toml:2: Timeout: '10' is no duration; write it as 500ms, 1m30s"),
        ("Command = 'a'\nTimeout = 10", "/specs/x.toml:2: Timeout: must be text (put it in quotes)"),
        ("Command = 'a'\nTimeout = '-1s'", "/specs/x.toml:2: Timeout: -1s is over before it begins"),
        ("Command = 'a'\nPreserveEnvVars = ['A=B']", "/specs/x.toml:2: PreserveEnvVars: must be names of variables"),
        ("Command = 'a'\nPreserveEnvVars = ['-u']", "/specs/x.toml:2: PreserveEnvVars: must be names of variables"),
        ("Command = 'a'\nParameter = 1", "/specs/x.toml:2: Parameter: each is a table of its own"),
        ("Command = 'a'\n[Parameter]\nName = 'a'", "/specs/x.toml:2: Parameter: each is a table of its own"),
        ("Command = 'a'\n[[Parameter]]\nType = 'int'", "/specs/x.toml:2: Name: must be a name without ="),
        ("Command = 'a'\n[[Parameter]]\n\nName = ''", "/specs/x.toml:4: Name: must be a name without ="),
        ("Command = 'a'\n[[Parameter]]\nName = 'a=b'", "/specs/x.toml:3: Name: must be a name without ="),
        (
            "Command = 'a'\n[[Parameter]]\nName='a b'\nType='int'\n[[Parameter]]\nName='A_B'\nType='int'",
            "/specs/x.toml:6: Name: 'A_B' and 'a b' are one variable",
        ),
        ("Command = 'a'\nx = '\udcff'", "/specs/x.toml:2: is not UTF-8 text"),
        (f"Command = {'[' * 5_000}", "/specs/x.toml"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        toml(text)
    assert str(caught.value).startswith(what)
    assert "\n" not in str(caught.value)


def test_what_jobmgr_passes_over_is_noted() -> None:
    found = toml("Command = 'a'\nTimout = '1s'\nOther = 1\n[[Parameter]]\nName = 'n'\nType = 'float'\nMin = 1\n")
    assert found.notes == (
        "/specs/x.toml:2: Timout: unknown key, which is passed over; did you mean Timeout?",
        "/specs/x.toml:3: Other: unknown key, which is passed over",
        "/specs/x.toml:7: Min: unknown key, which is passed over",
        "/specs/x.toml:6: Type: 'float' is none; there are string and int, and no job can be made",
    )
    assert found.parameters == (Parameter("n", "float", is_usable=False),)
    assert found.options == {"timeout": 10.0}


def test_lines_are_found_wherever_a_value_can_stand() -> None:
    text = "\r\n".join(
        ["# x", "a = 1", 'b = """', "c = 2", '"""', "d.e = [", "  {f = 1},", "]", "[g.h]", "i = 1", "[[j]]", "k = 1"]
        + ["[[j]]", "k = 2", "[j.l]", "m = 3", "[[j.n]]", "o = 4"]
    ).replace("\r\n", "\n")
    ways = {
        2: ("a",),
        3: ("b",),
        6: ("d", "e"),
        9: ("g", "h"),
        10: ("g", "h", "i"),
        11: ("j", 0),
        12: ("j", 0, "k"),
        13: ("j", 1),
        14: ("j", 1, "k"),
        16: ("j", 1, "l", "m"),
        18: ("j", 1, "n", 0, "o"),
    }
    assert {line_of(text, way): way for way in ways.values()} == ways
    assert line_of(text, ("d", "e", 0, "f")) == 6, "the nearest around it"
    assert line_of(text, ("z",)) == 0
    assert line_of("a = [\n" + "1,\n" * 50_000 + "]\nb = 1\n", ("b",)) == 50_003
    assert line_of("x = 1\n" + "a = [\n" + "[],\n" * 20_000 + "]\nb = 1\n", ("b",)) == 0, (
        "and no minutes are spent on it"
    )


@given(st.text(st.sampled_from(list("aC='\"[]{}\n#.,1 \\\x00\té")), max_size=30))
def test_any_text_is_a_spec_or_refused_in_one_line(text: str) -> None:
    try:
        toml(f"Command = 'a'\n{text}")
    except ConfigError as error:
        assert str(error).startswith("/specs/x.toml") and "\n" not in str(error)
