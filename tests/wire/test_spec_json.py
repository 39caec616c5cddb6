from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import AFTER, ON_LOST, RETRY_ON, Retry, Snapshot, Spec, Task
from sjs.core.needs import Needs
from sjs.errors import BadRequest
from sjs.values import replace

names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=["L", "N", "P"]), min_size=1, max_size=9
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
seconds = st.floats(1, 10**6)
counts = st.integers(0, 1_000)
spans = st.tuples(counts, counts).map(lambda pair: (min(pair), max(pair)))
needs = st.builds(
    Needs,
    slots=st.integers(1, 9),
    cpus=counts,
    mem=counts,
    gpus=st.sampled_from([0, 250, 1_000, 3_000]),
    gpu_mem=counts,
    named=st.dictionaries(names, counts, max_size=3).map(lambda found: tuple(sorted(found.items()))),
)
retries = st.builds(
    Retry,
    count=counts,
    delay=seconds,
    factor=st.floats(1, 10),
    on=st.lists(st.sampled_from([*RETRY_ON, "exit:137", "signal:9"])).map(tuple),
)
back = st.tuples(st.integers(-1_000, -1), st.integers(-1_000, -1)).map(lambda pair: (min(pair), max(pair)))
parents = st.lists(spans | back, max_size=3).map(tuple)
specs = st.builds(
    Spec,
    command=texts,
    cwd=st.none() | texts,
    name=st.just("") | names,
    tags=st.dictionaries(names, texts, max_size=3).map(lambda found: tuple(found.items())),
    env=st.dictionaries(st.sampled_from(["A", "_b", "C1"]), texts).map(lambda found: tuple(found.items())),
    env_base=st.sampled_from(["", "0123456789abcdef" * 4]),
    needs=needs,
    priority=st.integers(-9, 9),
    timeout=st.none() | seconds,
    grace=st.none() | seconds,
    retry=retries,
    after=st.lists(st.tuples(st.sampled_from(AFTER), parents), max_size=3).map(tuple),
    at=st.none() | seconds,
    hold=st.booleans(),
    on_lost=st.sampled_from(ON_LOST),
    stdin=st.none() | texts,
    merge=st.booleans(),
    nice=st.integers(0, 19),
    artifacts=st.booleans(),
    snapshot=st.none()
    | st.builds(
        Snapshot,
        st.just("0f" * 32),
        commit=st.sampled_from(["", "ab" * 20, "ab" * 32]),
        diff=st.sampled_from(["", "cd" * 32]),
    ),
    task=st.none()
    | st.builds(
        Task,
        st.from_regex(r"\As[A-Za-z0-9._@-]{0,9}\Z", alphabet=st.characters(max_codepoint=127)),
        st.integers(1, 2**62),
        st.dictionaries(names, texts, max_size=3).map(lambda found: tuple(found.items())),
    ),
    native=st.dictionaries(
        st.sampled_from(["slurm", "kubernetes", "my-own"]), st.dictionaries(names, texts | counts)
    ).map(lambda found: tuple((kind, to_json(said)) for kind, said in sorted(found.items()))),
)


@given(specs)
def test_all_of_a_spec_arrives_and_is_stored_as_it_was(spec: Spec) -> None:
    assert spec_json.from_wire(json.loads(json.dumps(spec_json.to_wire(spec)))) == spec
    assert spec_json.from_text(spec_json.to_text(spec)) == spec


def test_what_is_as_usual_is_not_said() -> None:
    assert spec_json.to_wire(Spec("true")) == {"command": "true"}
    assert spec_json.to_wire(Spec(argv=("true",), needs=Needs(cpus=2))) == {"argv": ["true"], "cpus": 2}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"name": ""}, "'name' must be 1 to 256"),
        ({"name": "x" * 257}, "'name' must be 1 to 256"),
        ({"name": "a\nb"}, "'name' must be 1 to 256"),
        ({"name": 5}, "'name' must be text"),
        ({"tags": ["a"]}, "'tags' must be an object"),
        ({"tags": {"": "x"}}, "'tags' must be 1 to"),
        ({"tags": {"a": 5}}, "'tags' must be text"),
        ({"tags": {str(n): "" for n in range(1001)}}, "'tags' must be an object of at most 1000"),
        ({"env": {"A=B": "x"}}, "'A=B' can not be set"),
        ({"env": {"SJS_JOB_ID": "x"}}, "'SJS_JOB_ID' can not be set"),
        ({"env": {"A": "x\0"}}, "NUL"),
        ({"env_base": "zz"}, "'env_base' must be a digest"),
        ({"priority": 1.5}, "'priority' must be a whole number"),
        ({"priority": True}, "'priority' must be a whole number"),
        ({"priority": 10**7}, "'priority' must be a whole number"),
        ({"timeout": 0}, "'timeout' must be a number of seconds"),
        ({"timeout": True}, "'timeout' must be a number of seconds"),
        ({"timeout": float("nan")}, "'timeout' must be a number of seconds"),
        ({"grace": -1}, "'grace' must be a number of seconds"),
        ({"hold": 1}, "'hold' must be true or false"),
        ({"on_lost": "again"}, "'on_lost' must be one of fail, requeue"),
        ({"artifacts": 1}, "'artifacts' must be true or false"),
        ({"nice": 20}, "'nice' must be a whole number from 0 to 19"),
        ({"snapshot": "0f" * 32}, "'snapshot' must be an object"),
        ({"snapshot": {}}, "'snapshot.id' must be a digest"),
        ({"snapshot": {"id": "0f" * 32, "commit": "HEAD"}}, "'snapshot.commit' must be a commit"),
        ({"snapshot": {"id": "0f" * 32, "diff": "x"}}, "'snapshot.diff' must be a digest"),
        ({"slots": 0}, "'slots' must be a whole number from 1"),
        ({"gpus": 1_500}, "'gpus' is a part of one GPU, or whole ones"),
        ({"resources": {"tape": -1}}, "'resources.tape' must be a whole number"),
        ({"resources": [1]}, "'resources' must be an object"),
        ({"retry": 3}, "'retry' must be an object"),
        ({"retry": {"on": "fail"}}, "'retry.on' must be a list"),
        ({"retry": {"on": ["often"]}}, "'retry.on' knows fail, timeout, oom"),
        ({"retry": {"factor": 0}}, "'retry.factor' must be a number"),
        ({"retry": {"count": -1}}, "'retry.count' must be a whole number"),
        ({"after": "3"}, "'after' must be a list of pairs"),
        ({"after": [["ok"]]}, "'after' must be a list of pairs"),
        ({"after": [["maybe", [[1, 2]]]]}, "'after' must be one of ok, any, notok"),
        ({"after": [["ok", 3]]}, "'after' must hold at most"),
        ({"after": [["ok", [[2, 1]]]]}, "is no range"),
        ({"after": [["ok", [[1, True]]]]}, "is no range"),
        ({"after": [["ok", [[-1, 0]]]]}, "is no range"),
        ({"after": [["ok", [[-1, -2]]]]}, "is no range"),
        ({"after": [["ok", [[-1001, -1]]]]}, "is no range"),
        ({"after": [["ok", [[-1, True]]]]}, "is no range"),
        ({"task": "lr"}, "'task' must be an object"),
        ({"task": {"number": 1}}, "'task.sweep' must be the name of a sweep"),
        ({"task": {"sweep": "3", "number": 1}}, "'task.sweep' must be the name of a sweep, not '3'"),
        ({"task": {"sweep": "all", "number": 1}}, "'task.sweep' must be the name of a sweep"),
        ({"task": {"sweep": "a b", "number": 1}}, "'task.sweep' must be the name of a sweep"),
        ({"task": {"sweep": "lr", "number": 0}}, "'task.number' must be a whole number"),
        ({"task": {"sweep": "lr", "number": 1, "values": {"lr": 0.1}}}, "'task.values' must be text"),
        ({"native": "slurm"}, "'native' must be an object"),
        ({"native": {"Slurm!": {}}}, "'native' holds 'Slurm!', which is no kind of target"),
        ({"native": {"slurm": []}}, "'native.slurm' must be an object of at most 65536 bytes"),
        ({"native": {"slurm": {"a": "x" * 65_536}}}, "'native.slurm' must be an object of at most 65536 bytes"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(more: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        spec_json.from_wire({"command": "true", **more})
    assert why in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", spec_json.NO_SWEEPS)
def test_a_word_for_jobs_of_which_none_is_named_is_no_sweep(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        spec_json.sweep_name("name", name)
    assert caught.value.hint == "a letter, then letters, digits and . _ @ -; neither all nor last"


@pytest.mark.parametrize("stored", ["", "{", "[" * 10**5, "null", "{}"])
def test_what_a_disk_has_made_of_a_spec_is_refused(stored: str) -> None:
    with pytest.raises(BadRequest):
        spec_json.from_text(stored)


@given(specs, texts)
def test_another_spec_is_the_same_but_for_what_it_is_told(spec: Spec, text: str) -> None:
    other = spec.but(command=text, cwd=None)
    assert other == replace(spec, command=text, cwd=None)
    assert hash(other) == hash(replace(spec, command=text, cwd=None))
