from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.api.options import JobOptions
from sjs.errors import ConfigError
from sjs.gateway.specs import yaml_options
from sjs.gateway.specs.spec import ArtifactRules, Place
from tests.gateway.specs.texts import one, yaml

FULL = """\
description: Render a scene
command: [render, "--frames={frames}", "{scene}.blend", "{{{quality}}}"]
parameters:
  scene: {pattern: "[a-z0-9_]+", max_length: 64, description: its name}
  frames: {type: int, min: 1, max: 1000, default: 10}
  quality: {type: float, min: 0.1, required: no}
  mode: {choices: [fast, yes, 010], default: yes}
  draft: {type: bool, default: off}
job:
  cpus: 4
  mem: 8G
  gpus: 0.5
  gpu_mem: 2G
  resources: {license: 2}
  timeout: 10m
  grace: 5
  retries: 3
  backoff: [10s, 2]
  retry_on: ["exit:75"]
  priority: -5
  env: {MODE: yes, LEVEL: 010}
  cwd: /srv/work
  tags: {kind: render}
  merge_output: true
target: any:@farm
artifacts: {include: ["*.png", out], exclude: "*.tmp", most_files: 100, most_bytes: 1G}
"""


def test_all_that_may_stand_there() -> None:
    found = yaml(FULL)
    assert (found.description, found.target) == ("Render a scene", "any:@farm")
    assert found.command == (
        ("render",),
        ("--frames=", Place("frames")),
        (Place("scene"), ".blend"),
        ("{", Place("quality"), "}"),
    )
    scene, frames, quality, mode, draft = found.parameters
    assert (scene.type, scene.max_length, scene.required, scene.description) == ("string", 64, True, "its name")
    assert scene.pattern is not None
    assert scene.pattern.text == "[a-z0-9_]+"
    assert (frames.type, frames.low, frames.high, frames.default, frames.required) == ("int", 1, 1000, 10, False)
    assert (quality.type, quality.low, quality.high, quality.default, quality.required) == (
        "float",
        0.1,
        None,
        None,
        False,
    )
    assert (mode.choices, mode.default) == (("fast", "yes", "010"), "yes"), "of a text, as it is written"
    assert (draft.type, draft.default) == ("bool", False)
    assert found.options == {
        "cpus": 4,
        "mem": "8G",
        "gpus": 0.5,
        "gpu_mem": "2G",
        "resources": {"license": 2},
        "timeout": "10m",
        "grace": "5",
        "retries": 3,
        "backoff": ("10s", 2.0),
        "retry_on": ("exit:75",),
        "priority": -5,
        "env": {"MODE": "yes", "LEVEL": "010"},
        "cwd": "/srv/work",
        "tags": {"kind": "render"},
        "merge_output": True,
    }
    assert found.artifacts == ArtifactRules(("*.png", "out"), ("*.tmp",), 100, 1 << 30)


def test_a_command_is_all_that_is_needed() -> None:
    found = yaml("command: [true]")
    assert (found.command, found.parameters, found.options, found.target) == ((("true",),), (), {}, None)
    assert found.artifacts is None


def test_each_option_of_python_code_has_its_place() -> None:
    """A new option must be told whether it is for all jobs of a spec."""
    assert {*yaml_options._READERS, *yaml_options.LEFT_OUT} == set(JobOptions.__annotations__)
    assert set(yaml_options._READERS).isdisjoint(yaml_options.LEFT_OUT)


def test_options_for_one_kind_of_target_and_a_snapshot() -> None:
    found = yaml(
        "command: [a]\njob:\n  partition: gpu\n  slurm: [--exclusive]\n  labels: {a: b}\n  image: debian\n"
        "  security_context: {runAsUser: 1000, runAsNonRoot: true, x: [1.5, ~, text]}\n  snapshot: code\n"
    )
    assert found.options["slurm"] == ("--exclusive",)
    assert found.options["labels"] == {"a": "b"}
    assert found.options["security_context"] == {"runAsUser": 1000, "runAsNonRoot": True, "x": [1.5, None, "text"]}
    assert found.options["snapshot"] == "/specs/code", "from where the file lies"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", ": is empty"),
        ("[a]", ":1: the file: must be a mapping"),
        ("comand: [a]", ":1: comand: unknown key; did you mean command?"),
        ("target: any", ":1: command: there is none (write it as [program, argument])"),
        ("command: run it", ":1: command: must be a list of words, [program, argument] (no shell reads it)"),
        ("command: []", ":1: command: must have from 1 to 1000 words"),
        ("command: [a, [b]]", ":1: command: must be a text or a number"),
        ("command: [a, ~]", ":1: command: must be a text or a number"),
        ('command: ["a\\0"]', ":1: command: holds a NUL character"),
        ("command: ['']", ":1: command: the program has no name"),
        ("command: [a=b]", ":1: command: the program's name has a ="),
        ("command:\n- a\n- '{b}'", ":3: command: {b} is no parameter; {{ and }} are braces that are meant"),
        ("command: [a, '{']", ":1: command: a '{' stands alone; {{ is one that is meant"),
        ("command: [a, 'x}']", ":1: command: a '}' stands alone; }} is one that is meant"),
        ("command: [a]\ncommand: [b]", ":2: command: stands here twice"),
        ("command: [a]\nparameters: {a b: {}}", ":2: parameters: 'a b' can be no name"),
        ("command: [a]\nparameters: {a: {}, A: {}}", ":2: parameters.A: SJS_PARAM_A is the variable of a too"),
        (
            "command: [a]\nparameters:\n  a-b: {}\n  a_b: {}",
            ":4: parameters.a_b: SJS_PARAM_A_B is the variable of a-b too",
        ),
        ("command: [a]\ntarget: a b", ":2: target: 'a b' is no word for targets"),
        ("command: [a]\ntarget: -x", ":2: target: '-x' is no word for targets"),
        ("command: [a]\nartifacts: {include: [../x]}", ":2: artifacts.include: no pattern for what is below a folder"),
        ("command: [a]\nartifacts: {exclude: [/x]}", ":2: artifacts.exclude: no pattern for what is below a folder"),
        ("command: [a]\nartifacts: {most_files: -1}", ":2: artifacts.most_files: must be from 0 to 1000000, not -1"),
        ("command: [a]\nartifacts: {most_bytes: 1X}", ":2: artifacts.most_bytes: '1X' is no size"),
        ("command: [a]\njob: {cpu: 1}", ":2: job.cpu: unknown key; did you mean cpus?"),
        ("command: [a]\njob: {after: 1}", ":2: job.after: is not for all jobs of a spec"),
        ("command: [a]\njob: {capture_env: true}", ":2: job.capture_env: is not for all jobs of a spec"),
        ("command: [a]\njob:\n  cpus: 1\n  mem: lots", ":4: job.mem: an option of the job is wrong: 'lots' is no size"),
        ("command: [a]\njob:\n  cpus: -1", ":3: job.cpus: 'cpus' must be a whole number from 0"),
        ("command: [a]\njob:\n  env: {SJS_X: 1}", ":3: job.env: 'SJS_X' can not be set"),
        ("command: [a]\njob:\n  timeout: 1:30:1:1", ":3: job.timeout: an option of the job is wrong"),
        ("command: [a]\njob:\n  backoff: [1, 2, 3]", ":3: job.backoff: is a pause, or a pause and a factor"),
        (
            "command: [a]\njob:\n  backoff: 1s",
            ":3: job: an option of the job is wrong: backoff and retry_on are for retries",
        ),
        ("command: [a]\njob:\n  security_context: &a [*a]", ":3: job.security_context: has more than 2000 parts"),
        ("command: [a\n", ":2: "),
        ("command: [a]\nx: '\udcff'", ":2: is not UTF-8 text"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        yaml(text)
    assert str(caught.value).startswith(f"/specs/x.yaml{what}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "what"),
    [
        ("{type: number}", ".type: must be one of string, int, float, bool"),
        ("{min: 1}", ".min: is for int and float, and this is string"),
        ("{type: int, pattern: a}", ".pattern: is for string, and this is int"),
        ("{type: bool, max_length: 1}", ".max_length: is for string, and this is bool"),
        ("{type: int, leading_dash: true}", ".leading_dash: is for string, and this is int"),
        ("{type: int, min: 1.5}", ".min: '1.5' is no int"),
        ("{type: float, max: .inf}", ".max: '.inf' is no float"),
        ("{type: int, min: 2, max: 1}", ": min is 2, max 1: there is nothing between them"),
        ("{type: int, min: 2, default: 1}", ".default: '1' must be at least 2"),
        ("{type: int, max: 2, default: 3}", ".default: '3' must be at most 2"),
        ("{type: int, min: 1, max: 2, choices: [1, 3]}", ".choices: '3' must be from 1 to 2"),
        ("{choices: [a, b], default: c}", ".default: 'c' must be one of a, b"),
        ("{choices: a}", ".choices: must be a list of 1 to 1000 values"),
        ("{choices: []}", ".choices: must be a list of 1 to 1000 values"),
        ("{pattern: '(a'}", ".pattern: '(' is not closed"),
        ("{pattern: 'a+', default: b}", ".default: 'b' must fit a+"),
        ("{pattern: 'a+', max_length: 5000}", ".max_length: must be from 1 to 4096, not 5000"),
        ("{max_length: 25001}", ".max_length: must be from 1 to 25000, not 25001"),
        ("{max_length: 2, default: abc}", ".default: 'abc' has more than 2 letters"),
        ("{required: true, default: a}", ": is required, so that its default is never used"),
        ("{defualt: a}", ".defualt: unknown key; did you mean default?"),
        ("{default: ~}", ".default: must be a text or a number"),
        ("{type: bool, default: 2}", ".default: '2' is no bool"),
    ],
)
def test_parameters_that_make_no_sense(parameter: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        one(parameter)
    assert str(caught.value).startswith(f"/specs/x.yaml:3: parameters.a{what}")


@pytest.mark.parametrize(
    "command",
    ["'{a}'", "'{a}/run'", "'x{a}'"],
)
def test_the_program_itself_can_be_no_value(command: str) -> None:
    with pytest.raises(ConfigError, match="the program itself can be no value"):
        one("{}", command)


@pytest.mark.parametrize(
    "command",
    ["sh, -c, 'echo {a}'", "/bin/bash, -lc, '{a}'", "bash, -o, pipefail, -c, 'echo {a}'", "env, X=1, sh, -c, 'x {a}'"]
    + ["python3.11, -c, 'print({a})'", "perl, -e, '{a}'", "node, '--eval={a}'", "su, root, --command, '{a}'"]
    + ["ssh, host, 'ls {a}'", "watch, ls, '{a}'", "busybox, sh, -c, 'ls {a}'", "sudo, -u, x, bash, -ec, 'ls {a}'"],
)
def test_no_value_becomes_part_of_a_programs_text(command: str) -> None:
    if command.startswith("su,"):
        command = "su, --command, '{a}', root"
    with pytest.raises(ConfigError, match="where a program reads its text"):
        one("{}", command)


@pytest.mark.parametrize(
    "command",
    ["sh, -c, 'echo \"$1\"', sh, '{a}'", "bash, run.sh, -c, '{a}'", "python3, train.py, -e, '{a}'", "tar, -c, '{a}'"]
    + ["python3, -m, tool, -c, '{a}'", "run, sh, '{a}'", "sh, -c, 'echo $SJS_PARAM_A'"],
)
def test_a_value_may_be_a_word_of_its_own(command: str) -> None:
    assert one("{}", command).command


@given(st.text(st.sampled_from(list("aj:{}[]&*'\"\n# -,1\\\té~|>!%")), max_size=40))
def test_any_text_is_a_spec_or_refused_in_one_line(text: str) -> None:
    try:
        yaml(f"command: [a]\n{text}")
    except ConfigError as error:
        assert str(error).startswith("/specs/x.yaml") and "\n" not in str(error)
