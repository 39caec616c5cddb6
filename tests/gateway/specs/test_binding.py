from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.gateway.specs.binding import Bound, Problem, Unbound, bind, handed
from sjs.gateway.specs.schema import schema
from tests.gateway.specs.texts import one, toml, yaml

SPEC = """\
command: [render, "--frames={frames}", "--quality={quality}", "{scene}.blend", "{{x}}", "{draft}"]
parameters:
  scene: {pattern: "[a-z0-9_]+", max_length: 8}
  frames: {type: int, min: 1, max: 1000, default: 10}
  quality: {type: float, required: no}
  draft: {type: bool, default: off}
"""
JOBMGR = """\
Command = "convert"
Arguments = ["-v", "{width}"]
PreserveEnvVars = ["PATH", "NONE"]
[[Parameter]]
Name = "width"
Type = "int"
[[Parameter]]
Name = "other-option"
Type = "string"
"""


def bound(found: Bound | Unbound) -> Bound:
    assert isinstance(found, Bound), found
    return found


def problems(found: Bound | Unbound) -> list[Problem]:
    assert isinstance(found, Unbound)
    return list(found.problems)


def test_values_take_their_places() -> None:
    found = bound(bind(yaml(SPEC), {"scene": "a_1", "frames": 7, "quality": 0.5, "draft": True}))
    assert found.argv == ("render", "--frames=7", "--quality=0.5", "a_1.blend", "{x}", "true")
    assert found.values == {"scene": "a_1", "frames": 7, "quality": 0.5, "draft": True}


def test_what_is_not_given_is_the_default_and_without_one_its_word_is_left_out() -> None:
    found = bound(bind(yaml(SPEC), {"scene": "a", "quality": None}))
    assert found.argv == ("render", "--frames=10", "a.blend", "{x}", "false")
    assert found.values == {"scene": "a", "frames": 10, "draft": False}
    assert not any("QUALITY" in name for name in found.env)


def test_each_parameter_is_a_variable_in_both_spellings() -> None:
    given = {"width": "007", "other-option": "x y"}
    found = bound(bind(toml(JOBMGR), given, {"PATH": "/bin", "SECRET": "s"}))
    assert found.argv == ("convert", "-v", "{width}")
    assert found.env == {
        "PATH": "/bin",
        "NONE": "",
        "SJS_PARAM_WIDTH": "7",
        "JOBMGR_PARAMETER_WIDTH": "7",
        "SJS_PARAM_OTHER-OPTION": "x y",
        "SJS_PARAM_OTHER_OPTION": "x y",
        "JOBMGR_PARAMETER_OTHER-OPTION": "x y",
        "JOBMGR_PARAMETER_OTHER_OPTION": "x y",
    }


def test_of_two_parameters_that_would_be_one_variable_each_has_its_own_name() -> None:
    text = "Command = 'a'\n" + "".join(f"[[Parameter]]\nName = '{one}'\nType = 'string'\n" for one in ("a_b", "a-b"))
    env = bound(bind(toml(text), {"a_b": "1", "a-b": "2"})).env
    assert (env["JOBMGR_PARAMETER_A_B"], env["JOBMGR_PARAMETER_A-B"]) == ("1", "2")


def test_what_a_spec_sets_gives_way_to_its_parameters() -> None:
    spec = yaml("command: [a]\nparameters: {b: {}}\njob: {env: {JOBMGR_PARAMETER_B: x, C: d}}\n")
    assert bound(bind(spec, {"b": "y"})).env == {"JOBMGR_PARAMETER_B": "y", "SJS_PARAM_B": "y", "C": "d"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [("7", 7), (7, 7), (7.0, 7), ("007", 7), ("+5", 5), ("-0", 0), ("-12", -12), ("9223372036854775807", 2**63 - 1)]
    + [("-9223372036854775808", -(2**63)), (-(2**63), -(2**63)), ("0" * 20_000 + "1", 1)],
)
def test_whole_numbers(given: object, meant: int) -> None:
    assert bound(bind(one("{type: int}"), {"a": given})).values == {"a": meant}
    assert bound(bind(one("{type: int}"), {"a": given})).argv == ("run", f"--a={meant}")


@pytest.mark.parametrize(
    "given",
    [
        "",
        " 7",
        "7 ",
        "7.0",
        "1e3",
        "1_000",
        "0x10",
        "٣",
        "seven",
        "+",
        "--7",
        "9223372036854775808",
        2**63,
        -(2**63) - 1,
    ]
    + [7.5, True, [7], {}, float("nan"), float("inf"), "9" * 100_000, "7\n", "7\0"],
)
def test_what_is_no_whole_number(given: object) -> None:
    [found] = problems(bind(one("{type: int}"), {"a": given}))
    assert (found.code, found.data) == ("not_a", {"type": "int"})
    assert str(found) == "parameter 'a' must be a whole number of 64 bits"


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [("float", "0.5", "0.5"), ("float", 3, "3.0"), ("float", "-.5e-3", "-0.0005"), ("float", "1.", "1.0")]
    + [("bool", True, "true"), ("bool", "off", "false"), ("bool", "YES", "true"), ("bool", "0", "false")]
    + [("string", "", ""), ("string", "a b\n'\"$(x)", "a b\n'\"$(x)")],
)
def test_other_types(kind: str, given: object, meant: str) -> None:
    assert bound(bind(one(f"{{type: {kind}}}"), {"a": given})).argv == ("run", f"--a={meant}")


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("float", "inf"),
        ("float", "nan"),
        ("float", float("inf")),
        ("float", 10**400),
        ("float", "1e999"),
        ("float", "1_0"),
    ]
    + [
        ("float", True),
        ("float", "0x1p3"),
        ("float", ""),
        ("float", "1" * 2_000),
        ("bool", 1),
        ("bool", "maybe"),
        ("bool", ""),
    ]
    + [("string", 7), ("string", True), ("string", ["a"]), ("string", {"a": 1})],
)
def test_what_is_of_another_type(kind: str, given: object) -> None:
    [found] = problems(bind(one(f"{{type: {kind}}}"), {"a": given}))
    assert (found.code, found.data) == ("not_a", {"type": kind})


@pytest.mark.parametrize(
    ("parameter", "given", "code", "data"),
    [
        ("{type: int, min: 1, max: 3}", 4, "out_of_range", {"min": 1, "max": 3}),
        ("{type: float, min: 0.5}", "0.4", "out_of_range", {"min": 0.5, "max": None}),
        ("{choices: [a, b]}", "c", "not_a_choice", {"choices": ["a", "b"]}),
        ("{type: int, choices: [1, 2]}", "3", "not_a_choice", {"choices": [1, 2]}),
        ("{pattern: '[a-z]+'}", "a\n", "no_match", {"pattern": "[a-z]+"}),
        ("{max_length: 3}", "aaaa", "too_long", {"max_length": 3}),
        ("{}", "a" * 25_001, "too_long", {"max_length": 25_000}),
        ("{}", "a\0b", "nul", {}),
        ("{}", "\ud800", "not_text", {}),
    ],
)
def test_what_breaks_a_rule(parameter: str, given: object, code: str, data: object) -> None:
    [found] = problems(bind(one(parameter), {"a": given}))
    assert (found.code, found.name, found.data) == (code, "a", data)
    assert str(given) not in str(found) or len(str(given)) < 3, "values are not told"


def test_all_that_is_wrong_is_told_in_the_specs_order_then_what_is_unknown() -> None:
    found = problems(bind(yaml(SPEC), {"frame": 1, "quality": "x", "draft": 2}))
    assert [(problem.code, problem.name) for problem in found] == [
        ("missing", "scene"),
        ("not_a", "quality"),
        ("not_a", "draft"),
        ("unknown", "frame"),
    ]
    assert str(found[0]) == "parameter 'scene' is required but not set"
    assert str(found[3]) == "parameter 'frame' is none of this spec; did you mean frames?"


def test_many_that_are_unknown_are_told_in_short() -> None:
    found = problems(bind(one("{default: x}"), {"b" * 10_000 + str(number): 1 for number in range(1_000)}))
    assert len(found) == 20
    assert sum(len(str(problem)) for problem in found) < 20_000


def test_jobmgrs_callers_may_say_what_the_spec_does_not_know() -> None:
    given = {"width": "1", "other-option": "", "more": "x"}
    assert "more" not in bound(bind(toml(JOBMGR), given, strict=False)).values
    assert [problem.code for problem in problems(bind(toml(JOBMGR), given))] == ["unknown"]


def jobmgr_words(problem: Problem) -> str:
    """What jobmgr says, made of code and data alone."""
    said = {"missing": "is required but not set", "bad_type": None}.get(problem.code, "has invalid value ''")
    if said is None:
        return f"type '{problem.data['type']}' of parameter '{problem.name}' is not valid"
    return f"parameter '{problem.name}' {said}"


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [("int", {}, "parameter 'n' is required but not set"), ("int", {"n": "x"}, "parameter 'n' has invalid value ''")]
    + [("float", {"n": "1"}, "type 'float' of parameter 'n' is not valid")],
)
def test_jobmgrs_own_words_can_be_made_of_it(kind: str, given: dict[str, str], words: str) -> None:
    spec = toml(f"Command = 'a'\n[[Parameter]]\nName = 'n'\nType = '{kind}'\n[[Parameter]]\nName='o'\nType='int'\n")
    assert jobmgr_words(problems(bind(spec, given, strict=False))[0]) == words


def test_a_text_cannot_pass_for_an_option() -> None:
    assert [found.code for found in problems(bind(one("{}", 'run, "{a}"'), {"a": "--exec=x"}))] == ["dash"]
    assert [found.code for found in problems(bind(one("{}", 'run, "{a}.png"'), {"a": "-x"}))] == ["dash"]
    assert bound(bind(one("{}", 'run, --, "{a}"'), {"a": "--exec=x"})).argv == ("run", "--", "--exec=x")
    assert bound(bind(one("{}", 'run, "--a={a}"'), {"a": "-x"})).argv == ("run", "--a=-x")
    assert bound(bind(one("{leading_dash: true}", 'run, "{a}"'), {"a": "-x"})).argv == ("run", "-x")
    assert bound(bind(one("{choices: [-x, y]}", 'run, "{a}"'), {"a": "-x"})).argv == ("run", "-x")
    assert bound(bind(one("{type: int}", 'run, "{a}"'), {"a": -1})).argv == ("run", "-1")


def test_all_of_them_together_have_a_limit() -> None:
    spec = yaml("command: [a]\nparameters:\n" + "".join(f"  p{number}: {{}}\n" for number in range(11)))
    given = {f"p{number}": "é" * 12_000 for number in range(10)}
    assert isinstance(bind(spec, {**given, "p10": ""}), Bound)
    [found] = problems(bind(spec, {**given, "p10": "é" * 12_000}))
    assert (found.code, found.name, found.data) == ("too_much", "", {"most": 262_144})


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["scene", "frames", "quality", "draft", "x"]), st.from_type(object) | st.text()))
def test_whatever_is_given_is_bound_or_told(given: dict[str, object]) -> None:
    found = bind(yaml(SPEC), given)
    assert isinstance(found, Bound) or found.problems


NASTY = ["$(touch x)", "`x`", "'; x #", '" $HOME', "*", "a\nb\n", "é\\", "${IFS}", "A=B", "&& x", ""]


def test_a_program_gets_each_value_as_it_was() -> None:
    """By the real env(1) and a real program, many at once."""
    read = "import os, sys; print([sys.argv[1:], [os.environ[n] for n in sys.argv[1].split(',')]])"
    names = "SJS_PARAM_A,JOBMGR_PARAMETER_A,SJS_PARAM_B-C,JOBMGR_PARAMETER_B-C,JOBMGR_PARAMETER_B_C"
    spec = yaml(
        f'command: [{sys.executable}, -c, "{read.replace("{", "{{")}", \'{names}\', "{{a}}", "x{{b-c}}"]\n'
        "parameters: {a: {}, b-c: {}}\n"
    )
    for value in NASTY:
        argv, env = handed(bound(bind(spec, {"a": value, "b-c": value})))
        assert set(env) == {"JOBMGR_PARAMETER_A", "JOBMGR_PARAMETER_B_C"}
        done = subprocess.run(argv, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, timeout=60)
        assert done.stdout == f"{[[names, value, f'x{value}'], [value] * 5]}\n", done.stderr


def test_without_parameters_there_is_nothing_before_the_command() -> None:
    assert handed(bound(bind(yaml("command: [a]\njob: {env: {B: c}}"), {}))) == (("a",), {"B": "c"})


def test_values_are_not_shown() -> None:
    assert "secret" not in repr(bound(bind(toml(JOBMGR), {"width": "1", "other-option": "secret"})))


def test_the_schema_says_the_same() -> None:
    assert schema(yaml("description: d\n" + SPEC)) == {
        "type": "object",
        "title": "x",
        "description": "d",
        "properties": {
            "scene": {
                "type": "string",
                "maxLength": 8,
                "pattern": "^[^\\u0000]*$",
                "allOf": [{"pattern": "^(?:(?:[a-z0-9_]){1,})$(?!\\n)"}, {"pattern": "^(?!-)"}],
            },
            "frames": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
            "quality": {"type": "number"},
            "draft": {"type": "boolean", "default": False},
        },
        "required": ["scene"],
        "additionalProperties": False,
    }
    found = schema(one("{type: int, choices: [1, 2], description: how many}"))["properties"]["a"]
    assert found == {
        "type": "integer",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
        "enum": [1, 2],
        "description": "how many",
    }
    assert schema(toml("Command='a'\n[[Parameter]]\nName='n'\nType='float'"))["properties"] == {"n": {"not": {}}}
