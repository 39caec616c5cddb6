"""A sweep becomes its jobs, as the command line would make them; or is refused before it takes memory."""

from __future__ import annotations

import json
import subprocess
import tracemalloc
from typing import Any

import pytest

from sjs.errors import BadRequest
from sjs.gateway import unfolding
from sjs.gateway.ordering import BadParameters
from sjs.gateway.specs.spec import JobSpec
from sjs.gateway.specs.yaml_file import read_yaml
from sjs.gateway.unfolding import MOST, Wish, unfolded
from sjs.spec_json import from_text

SPEC = b"""\
target: a
command: [train, "{word}", "{times}"]
parameters:
  word: {type: string, max_length: 3}
  times: {type: int, default: 1, min: 1, max: 9}
  rate: {type: float, required: false}
"""


@pytest.fixture
def spec() -> JobSpec:
    return read_yaml(SPEC, "train.yaml", "train")


def jobs(**wish: Any) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in unfolded(Wish(**wish), {}).new]


def test_each_row_goes_with_each_product() -> None:
    found = jobs(
        command=["x", "{a}", "{b}", "{c}"], rows=[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], parameters={"c": [0.5, True]}
    )
    assert [one["argv"][1:] for one in found] == [
        ["1", "x", "0.5"],
        ["1", "x", "true"],
        ["2", "y", "0.5"],
        ["2", "y", "true"],
    ]
    assert [one["task"]["number"] for one in found] == [1, 2, 3, 4]
    assert found[1]["task"]["values"] == {"a": "1", "b": "x", "c": "true"}


def test_a_text_may_be_a_range_and_what_is_in_a_list_is_what_it_is() -> None:
    assert [one["argv"][1] for one in jobs(command=["x", "{n}"], parameters={"n": "int:1..3"})] == ["1", "2", "3"]
    listed = jobs(command=["x", "{n}"], parameters={"n": ["int:1..3", "choice:a,b"]})
    assert [one["argv"][1] for one in listed] == ["int:1..3", "choice:a,b"]
    assert [one["argv"][1] for one in jobs(command=["x", "{n}"], parameters={"n": 7})] == ["7"]


def test_by_chance_the_same_ones_come_again() -> None:
    wish = {"command": "x {a} {b}", "parameters": {"a": "log:1e-5..1e-1", "b": [1, 2]}, "samples": 4}
    assert jobs(**wish, seed=3) == jobs(**wish, seed=3) != jobs(**wish, seed=4)
    few = unfolded(Wish(command="x {a}", parameters={"a": [1, 2]}, samples=4), {})
    assert len(few.new) == 2 and few.notes == ["there are only 2 settings; each is drawn once"]


def test_values_reach_a_shell_quoted_as_their_place_needs() -> None:
    """What the template quotes is what the shell gives back, letter by letter."""
    nasty = ["$(touch /tmp/x)", "a'b\"c", "; rm -rf /", "`id`", "two words\nand lines", "*", "-n", "\\"]
    for one, job in zip(nasty, jobs(command="printf %s {v}", parameters={"v": nasty}), strict=True):
        said = subprocess.run(["/bin/sh", "-c", job["command"]], capture_output=True, timeout=60, check=True)
        assert said.stdout.decode() == one


def test_it_has_the_name_that_it_is_given_or_one_of_its_own() -> None:
    named = unfolded(Wish(command="x {a}", parameters={"a": [1]}, name="tune", options={"tags": {"k": "v"}}), {})
    (job,) = named.new
    assert (named.name, job.name, job.tags) == ("tune", "tune", (("k", "v"),))
    task = from_text(job.body).task
    assert task is not None and task.sweep == "tune"
    first, again, other = (unfolded(Wish(command="x {a}", parameters={"a": [n]}), {}).name for n in (1, 1, 2))
    assert first == again != other and first.startswith("x-")
    called = unfolded(Wish(command="x {a}", parameters={"a": [1]}, name="tune", options={"name": "job"}), {})
    assert called.new[0].name == "job"


def test_what_is_odd_is_said() -> None:
    assert unfolded(Wish(command="x", parameters={"a": [1]}), {}).notes == ["the command does not use {a}"]


def test_a_spec_checks_each_setting_by_its_types(spec: JobSpec) -> None:
    found = unfolded(Wish(spec=spec, parameters={"word": ["so", "7"], "times": [1, 2.0]}), {})
    assert (found.word, len(found.new), found.new[0].spec) == ("a", 4, "train")
    assert [json.loads(one.parameters or "") for one in found.new][3] == {"word": "7", "times": 2}
    assert json.loads(found.new[3].body)["task"]["values"] == {"word": "7", "times": "2.0"}
    assert unfolded(Wish(spec=spec, parameters={"word": "so", "times": "int:2..4"}, word="b"), {}).word == "b"
    wrong: list[tuple[dict[str, Any], str, int]] = [
        ({"word": ["so", "long"]}, "too_long", 2),
        ({"word": ["so", 7]}, "not_a", 2),
        ({"word": ["so"], "times": [1, 2, 10]}, "out_of_range", 3),
        ({"times": [1]}, "missing", 1),
        ({"word": ["so"], "nix": [1]}, "unknown", 1),
        ({"word": ["-x", "--help"]}, "dash", 1),
    ]
    for parameters, code, number in wrong:
        with pytest.raises(BadParameters, match=f"^setting {number}: ") as caught:
            unfolded(Wish(spec=spec, parameters=parameters), {})
        assert [one.code for one in caught.value.problems] == [code]
    with pytest.raises(BadRequest, match="no such option"):
        unfolded(Wish(spec=spec, parameters={"word": ["so"]}, options={"cpus": 1}), {})


SENSELESS: list[tuple[str, dict[str, Any]]] = [
    ("unknown {nix}", {"command": "x {nix}", "parameters": {"a": [1]}}),
    ("no command", {"command": ["{a}"], "parameters": {"a": [" "]}}),
    ("two parameters of the name a", {"command": "x {a}", "parameters": {"a": [1]}, "rows": [{"a": 1}]}),
    ("row 2 has other names", {"command": "x {a}", "rows": [{"a": 1}, {"b": 1}]}),
    ("the rows are empty", {"command": "x {a}", "rows": [{}]}),
    ("no name of a parameter", {"command": "x", "parameters": {"a b": [1]}}),
    ("no name of a parameter", {"command": "x", "rows": [{"a b": 1}]}),
    ("no end of values", {"command": "x {a}", "parameters": {"a": "uniform:0..1"}}),
    ("is no number", {"command": "x {a}", "parameters": {"a": "uniform:0..x:2"}}),
    ("not from tables", {"command": "x {a}", "rows": [{"a": 1}], "samples": 1}),
    ("which parameters", {"command": "x"}),
    ("name of a sweep", {"command": "x {a}", "parameters": {"a": [1]}, "name": "all"}),
    ("no such option", {"command": "x {a}", "parameters": {"a": [1]}, "options": {"snapshot": True}}),
    ("NUL", {"command": "x {a}", "parameters": {"a": ["\0"]}}),
    ("131074 bytes", {"command": "x {a}", "parameters": {"a": ["é" * 65_535]}}),
    ("no value is safe", {"command": "x `{a}`", "parameters": {"a": [1]}}),
]


@pytest.mark.parametrize(("why", "wish"), SENSELESS, ids=[why for why, _ in SENSELESS])
def test_what_makes_no_sense_is_refused(why: str, wish: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=why):
        unfolded(Wish(**wish), {})


TOO_MUCH: list[tuple[str, dict[str, Any]]] = [
    ("1000000000 settings", {"command": "x {a}", "parameters": {"a": "int:1..1000000000"}}),
    ("1000000000000 settings", {"command": "x", "parameters": {name: list(range(1_000)) for name in "abcd"}}),
    (f"{MOST + 1} settings", {"command": "x {a}", "parameters": {"a": "uniform:0..1"}, "samples": MOST + 1}),
    ("more than a process", {"command": "x {a}" * 20_000, "parameters": {"a": ["y" * 100_000]}}),
    ("more than a process", {"command": ["x", "{}" * 20_000], "parameters": {"a": ["y" * 100_000]}}),
    ("more than a process", {"command": ["x", *["{.}"] * 9_999], "parameters": {"a": ["y" * 100_000]}}),
    ("bytes together", {"command": "x " + "y" * 99_000, "parameters": {"a": "int:1..9999"}}),
    ("bytes together", {"command": "x", "parameters": {"a": "int:1..9999", "b": ["y" * 99_000]}}),
]


@pytest.mark.parametrize(("why", "wish"), TOO_MUCH)
def test_what_would_be_too_much_is_refused_before_it_is_made(
    why: str, wish: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfolding, "MOST_BYTES", 4 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match=why):
            unfolded(Wish(**wish), {})
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_a_sweep_may_have_as_many_settings_as_it_may() -> None:
    assert len(unfolded(Wish(command=["x", "{a}"], parameters={"a": f"int:1..{MOST}"}), {}).new) == MOST
