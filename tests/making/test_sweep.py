from __future__ import annotations

import pytest

from sjs import spec_json, wire
from sjs.core.job import MAX_COMMAND_BYTES, Spec, Task
from sjs.errors import UsageError
from sjs.making.grid import settings
from sjs.making.parameters import Listed, Parameter, parameter
from sjs.making.sweep import Command, Sweep, default_name
from sjs.targets.chunks import chunks


def sweep(words: list[str], *values: str, is_text: bool = False, base: Spec = Spec()) -> Sweep:  # noqa: B008
    found = settings([Parameter("a", Listed(values), values), parameter("b", ["int:1..2"])])
    return Sweep("s", Command(words, is_text).template(found.names), found, base)


def test_each_job_knows_which_of_the_sweep_it_is() -> None:
    made = sweep(["x", "{a}", "{#}"], "p", "q", base=Spec(priority=3, name="s"))
    jobs = list(made.specs())
    assert jobs == list(made.specs())
    assert jobs[2] == Spec(argv=("x", "q", "3"), priority=3, name="s", task=Task("s", 3, (("a", "q"), ("b", "1"))))
    assert (made.count, made.unused) == (4, ["b"])


def test_a_text_is_for_the_shell() -> None:
    first, *_ = sweep(["x {a} > {b}"], "p q", is_text=True).specs()
    assert (first.command, first.argv) == ("x 'p q' > 1", None)


@pytest.mark.parametrize(
    ("value", "what"),
    [("\0", "NUL"), ("\ud800", "surrogate"), ("x" * (MAX_COMMAND_BYTES + 1), "bytes"), ("é" * 70_000, "bytes")],
)
def test_what_no_process_can_be_given_is_told_with_its_number(value: str, what: str) -> None:
    for is_text, words in ((True, ["x {a}"]), (False, ["x", "{a}"])):
        jobs = sweep(words, "fine", value, is_text=is_text).specs()
        assert [next(jobs).task, next(jobs).task] == [
            Task("s", 1, (("a", "fine"), ("b", "1"))),
            Task("s", 2, (("a", "fine"), ("b", "2"))),
        ]
        with pytest.raises(UsageError, match=f"job 3 of the sweep: .*{what}"):
            next(jobs)


def test_a_job_without_a_command_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no command in it"):
        list(sweep(["{a}", "x"], "").specs())


def name(*words: str, values: tuple[str, ...] = ("1",), is_text: bool = False) -> str:
    return default_name(Command(words, is_text), settings([Parameter("a", Listed(values), values)]))


def test_the_same_sweep_has_the_same_name_and_another_another() -> None:
    names = [
        name("x", "{a}"),
        name("x", "{a}", values=("1", "2")),
        name("x", "{a}", values=("12",)),
        name("x", "{a}", "y"),
        name("x", "{a}y"),
        name("x {a}", is_text=True),
    ]
    assert name("x", "{a}") == names[0] == "x-" + names[0][2:]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["python", "-u", "src/train.py", "{a}"], "train"),
        (["python3.11 -u 'train.py' {a}"], "train"),
        (["CUDA=1 ./Fit.sh {a}"], "Fit"),
        (["env", "A=1", "/opt/my prog", "{a}"], "my-prog"),
        (["./1", "{a}"], "sweep"),
        (["python"], "sweep"),
        (["x" * 99], "x" * 40),
        (["{a}"], "sweep"),
    ],
)
def test_it_is_called_after_its_program(words: list[str], program: str) -> None:
    assert name(*words, is_text=len(words) == 1).rpartition("-")[0] == program


@pytest.mark.parametrize("value", ["x" * 1_000, "é\udcff" * 400, '"\\' * 500])
def test_what_a_request_may_carry_counts_the_settings_too(value: str) -> None:
    found = settings([Parameter("unused" * 20, Listed((value,)), (value,)), parameter("b", ["int:1..2000"])])
    made = Sweep("s", Command(["x"], False).template(found.names), found, Spec(env=(("A", value),)))
    pieces = list(chunks(made.specs()))
    assert sum(map(len, pieces)) == 2_000
    sizes = [len(wire.encode({"jobs": [spec_json.to_wire(spec) for spec in piece]})) for piece in pieces]
    assert max(sizes) <= wire.MAX_CHUNK_BYTES
