"""From jobs to the objects of a cluster, and back."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.compact import to_json
from sjs.core.job import Retry, Snapshot, Spec, Task
from sjs.core.needs import Needs
from sjs.environment import digest as env_digest
from sjs.errors import BadRequest, SjsError
from sjs.targets.kubernetes import contents, manifest, names, native, scripts
from sjs.targets.kubernetes.flavors import Flavor, Resources
from sjs.targets.kubernetes.manifest import Chunk, Part
from sjs.targets.kubernetes.settings import Settings

SETTINGS = Settings(image="alpine")
CHUNK = Chunk("key/0", 7, "k", "any")


def made(*specs: Spec, entry: Settings = SETTINGS, chunk: Chunk = CHUNK, envs: Any = ()) -> list[Part]:
    return manifest.parts(chunk, specs, entry, dict(envs))


def only(*specs: Spec, **more: Any) -> Part:
    (part,) = made(*specs, **more)
    return part


def told(**said: Any) -> tuple[tuple[str, str], ...]:
    """What a spec says to Kubernetes alone."""
    return (("kubernetes", to_json(native.to_json(native.from_json(said)))),)


def container(part: Part) -> dict[str, Any]:
    (found,) = part.job["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env_of(part: Part) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container(part)["env"]}


def test_one_job_is_what_anybody_would_write() -> None:
    part = only(Spec(argv=("echo", "a b")))
    spec = part.job["spec"]
    assert part.job["metadata"]["name"] == names.object_name("key/0")
    assert (container(part)["image"], container(part)["args"]) == ("alpine", ["echo", "a b"])
    assert "command" not in container(part) and "completionMode" not in spec
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert not part.maps
    assert env_of(part) == {"SJS_MANAGER": "k", "SJS_JOB_ID": "7", "SJS_ATTEMPT": "1"}


def test_text_is_for_a_shell_and_an_entry_point_is_the_words() -> None:
    assert container(only(Spec(command="a | b")))["command"] == ["/bin/sh", "-c", "a | b"]
    part = only(Spec(argv=("a", "b"), native=told(entrypoint=True)))
    assert container(part)["command"] == ["a", "b"] and "args" not in container(part)


def test_what_is_written_on_a_job() -> None:
    spec = Spec(command="x", tags=(("kind", "b"), ("bad name", "c"), ("long", "x y")), name="lr")
    metadata = only(spec).job["metadata"]
    said = metadata["annotations"]
    assert metadata["labels"] == {
        names.MANAGED_BY: "sjs",
        names.QUEUE: "sjs",
        names.KEY: names.key_hash("key/0"),
        names.FIRST: "7",
        "tag.sjs.dev/kind": "b",
    }
    assert said["tag.sjs.dev/long"] == "x y" and "tag.sjs.dev/bad name" not in said
    assert (said[names.KEY], said[names.COUNT], said[names.CHUNK_FIRST], said[names.VIA]) == ("key/0", "1", "7", "any")
    assert said[names.DIGEST] == manifest.digest([spec])
    assert manifest.specs_of(only(spec).job, ()) == [spec]


def test_the_same_key_with_other_content_is_known_whatever_the_ids_are() -> None:
    def digest_of(command: str, first: int) -> str:
        part = only(Spec(command=command), chunk=Chunk("k/0", first))
        return str(part.job["metadata"]["annotations"][names.DIGEST])

    assert digest_of("a", 1) == digest_of("a", 5) != digest_of("b", 1)


def test_runs_of_one_shape_become_indexed_jobs() -> None:
    specs = [Spec(command=f"echo {n}") for n in range(5)]
    specs += [Spec(command="big", needs=Needs(cpus=4)), *(Spec(argv=("x",)) for _ in range(2))]
    found = made(*specs)
    assert [(part.start, part.count) for part in found] == [(0, 5), (5, 1), (6, 2)]
    assert [part.job["metadata"]["labels"][names.FIRST] for part in found] == ["7", "12", "13"]
    spec = found[0].job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 5, 5)
    assert spec["backoffLimitPerIndex"] == 0 and "backoffLimit" not in spec
    assert container(found[0])["command"] == ["/bin/sh", "/sjs/start", "7"]
    assert len({part.job["metadata"]["name"] for part in found}) == 3
    assert len({part.job["metadata"]["annotations"][names.DIGEST] for part in found}) == 1


def test_so_many_at_a_time() -> None:
    specs = [Spec(command=str(n)) for n in range(5)]
    assert only(*specs, entry=Settings(image="a", parallelism=2)).job["spec"]["parallelism"] == 2


def spec_maps(part: Part, kind: str = names.SPECS) -> list[dict[str, Any]]:
    return [one for one in part.maps if one["metadata"]["labels"][names.PART] == kind]


words = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
variables = st.dictionaries(st.sampled_from(["A", "B_1", "PATH"]), words, max_size=2).map(lambda d: tuple(d.items()))
one_of_many = st.builds(
    Spec,
    argv=st.lists(words, min_size=1, max_size=3).map(lambda said: ("printf", *said)),
    env=variables,
    name=st.sampled_from(["", "a", "b"]),
    tags=st.sampled_from([(), (("k", "v"),), (("k", "w"),)]),
    task=st.none() | st.builds(Task, st.just("s"), st.integers(1, 9), st.just((("lr", "0.1"),))),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(one_of_many, min_size=1, max_size=8))
def test_what_was_handed_in_can_be_read_again(specs: list[Spec]) -> None:
    found = made(*specs)
    assert [spec for part in found for spec in manifest.specs_of(part.job, spec_maps(part))] == specs


def test_many_that_nothing_compresses_are_cut_into_more_than_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PIECE", 4_000)
    monkeypatch.setattr(scripts, "MAX_BYTES", 6_000)
    specs = [Spec(command=os.urandom(500).hex()) for _ in range(70)]
    part = only(*specs)
    assert manifest.specs_of(part.job, list(reversed(spec_maps(part)))) == specs
    assert len(spec_maps(part)) > 1 and len(spec_maps(part, names.RUN)) > 1
    for one in part.maps:
        assert sum(len(text) for text in {**one.get("data", {}), **one.get("binaryData", {})}.values()) <= 6_000


def ran(part: Part, index: int, folder: Path, failures: str = "") -> bytes:
    """What the pod of this index prints, its shell being the one of this machine."""
    for one in spec_maps(part, names.RUN):
        for name, text in one["data"].items():
            (folder / name).write_text(text.replace("/sjs/", f"{folder}/"))
    env = {name: value.replace("$$", "$") for name, value in env_of(part).items() if value is not None}
    env |= {"PATH": os.environ["PATH"], "JOB_COMPLETION_INDEX": str(index), scripts.FAILURES: failures}
    shell, start, first = container(part)["command"]
    return subprocess.run([shell, start.replace("/sjs", str(folder)), first], env=env, capture_output=True).stdout


def test_each_pod_becomes_its_command(tmp_path: Path) -> None:
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    odd = "it's $HOME `x` $(y)\n\\ \"\u00e9"
    specs = [Spec(argv=(sys.executable, "-c", show, odd, str(n)), name=f"n{n}", env=(("OWN", odd),)) for n in range(70)]
    part = only(*specs, Spec(command='echo "$SJS_JOB_ID $SJS_ATTEMPT ${SJS_FAILURES-none}"'))
    said, env = json.loads(ran(part, 69, tmp_path))
    assert said == [odd, "69"]
    assert (env["OWN"], env["SJS_JOB_ID"], env["SJS_JOB_NAME"], env["SJS_MANAGER"]) == (odd, "76", "n69", "k")
    assert ran(part, 70, tmp_path, failures="2") == b"77 3 none\n"


def test_a_command_that_is_too_long_for_an_annotation_lies_beside_the_job(tmp_path: Path) -> None:
    spec = Spec(command="echo here; : " + "x" * 100_000)
    part = only(spec)
    assert part.job["spec"]["completions"] == 1
    assert ran(part, 0, tmp_path) == b"here\n"
    assert manifest.specs_of(part.job, spec_maps(part)) == [spec]


def test_dollars_stay_dollars() -> None:
    """As Kubernetes reads them: `$$` is one, and `$(NAME)` a variable."""
    spec = Spec(argv=("a$b", "$(HOME)", "$$(X)", "$"), env=(("A", "$(B)"),))
    part = only(spec)
    assert container(part)["args"] == ["a$b", "$$(HOME)", "$$$$(X)", "$"]
    assert env_of(part)["A"] == "$$(B)"


def test_the_environment_with_which_jobs_begin() -> None:
    variables = {"A": "$(B)", "C": "d"}
    base = env_digest(variables)
    part = only(Spec(command="x", env_base=base, env=(("A", "own"),)), envs={base: variables})
    (found,) = part.maps
    assert found["data"] == variables and found["metadata"]["labels"][names.ENV_DIGEST] == base[:40]
    assert container(part)["envFrom"] == [{"configMapRef": {"name": found["metadata"]["name"]}}]
    assert env_of(part)["A"] == "own"
    with pytest.raises(BadRequest, match="did not come with them"):
        only(Spec(command="x", env_base=base))


FLAVORS = (
    Flavor("small", Resources((("cpu", "500m"), ("memory", "1G")), (("cpu", "1"), ("memory", "1G")))),
    Flavor("gpu", Resources((("cpu", "2"), ("amd.com/gpu", "1")))),
)
KNOWN = Settings(image="i", flavors=FLAVORS, default_flavor=FLAVORS[0])


@pytest.mark.parametrize(
    ("needs", "said", "requests", "limits"),
    [
        (Needs(), {}, {"cpu": "500m", "memory": "1G"}, {"cpu": "1", "memory": "1G"}),
        (Needs(cpus=4), {}, {"cpu": "4", "memory": "1G"}, {"cpu": "4", "memory": "1G"}),
        (Needs(mem=1 << 20), {}, {"cpu": "500m", "memory": "1048576"}, {"cpu": "1", "memory": "1048576"}),
        (Needs(), {"flavor": "gpu"}, {"cpu": "2", "amd.com/gpu": "1"}, {"amd.com/gpu": "1"}),
        (Needs(gpus=2000), {"flavor": "gpu"}, {"cpu": "2", "amd.com/gpu": "2"}, {"amd.com/gpu": "2"}),
        (Needs(gpus=1000), {"resources": {"requests": {}}}, {"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"}),
        (Needs(named=(("a.org/fpga", 3),)), {"resources": {}}, {"a.org/fpga": "3"}, {"a.org/fpga": "3"}),
    ],
)  # fmt: skip
def test_resources(needs: Needs, said: dict[str, Any], requests: Any, limits: Any) -> None:
    part = only(Spec(command="x", needs=needs, native=told(**said)), entry=KNOWN)
    assert container(part)["resources"] == {"requests": requests, "limits": limits}


def test_a_flavor_is_written_on_the_job() -> None:
    annotations = only(Spec(command="x"), entry=KNOWN).job["metadata"]["annotations"]
    assert annotations[names.FLAVOR] == "small"


def test_what_is_said_counts_more_than_the_entry() -> None:
    entry = Settings(
        image="i",
        image_prefix="reg/",
        annotations=(("a", "1"), ("b", "1")),
        labels=(("team", "x"),),
        priority_class="low",
        security_context='{"runAsUser": 1, "fsGroup": 2}',
        volumes=("pvc:data:/data",),
        ttl=60,
    )
    said = told(
        image="mine:1",
        annotations={"b": "2"},
        labels={"team": "y"},
        priority_class="high",
        security_context={"runAsUser": 5},
        volumes=["nfs:srv:/exp:/mnt:ro"],
        ttl=0,
        job_name="my-job",
    )
    part = only(Spec(command="x", native=said), entry=entry, chunk=Chunk("k/0", 1, groups=(2000,)))
    metadata, pod = part.job["metadata"], part.job["spec"]["template"]["spec"]
    assert metadata["name"] == "my-job"
    assert (metadata["annotations"]["a"], metadata["annotations"]["b"]) == ("1", "2")
    assert metadata["labels"]["team"] == part.job["spec"]["template"]["metadata"]["labels"]["team"] == "y"
    assert container(part)["image"] == "reg/mine:1"
    assert pod["priorityClassName"] == "high"
    assert pod["securityContext"] == {"runAsUser": 5, "fsGroup": 2, "supplementalGroups": [2000]}
    assert [one.get("readOnly") for one in container(part)["volumeMounts"]] == [None, True]
    assert pod["volumes"][1]["nfs"] == {"server": "srv", "path": "/exp", "readOnly": True}
    assert part.job["spec"]["ttlSecondsAfterFinished"] == 0


def test_what_only_a_container_can_have_of_a_security_context_it_has() -> None:
    said = told(security_context={"runAsUser": 1, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}})
    part = only(Spec(command="x", native=said))
    assert part.job["spec"]["template"]["spec"]["securityContext"] == {"runAsUser": 1}
    assert container(part)["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_limits_of_time_tries_and_holding() -> None:
    spec = Spec(command="x", timeout=1.2, grace=3, retry=Retry(2), hold=True, cwd="/w", on_lost="requeue")
    job = only(spec).job["spec"]
    pod = job["template"]["spec"]
    assert (pod["activeDeadlineSeconds"], pod["terminationGracePeriodSeconds"]) == (2, 3)
    assert (job["backoffLimit"], job["suspend"]) == (2, True)
    assert job["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    assert pod["containers"][0]["workingDir"] == "/w"
    assert "SJS_ATTEMPT" not in env_of(only(spec))


def test_tried_again_only_after_these_codes() -> None:
    spec = Spec(command="x", retry=Retry(1, on=("exit:75", "exit:9")))
    for specs, action in (((spec,), "FailJob"), ((spec, spec), "FailIndex")):
        (rule,) = only(*specs).job["spec"]["podFailurePolicy"]["rules"]
        assert rule == {"action": action, "onExitCodes": {"operator": "NotIn", "values": [9, 75]}}


def test_names_that_were_given_tell_parts_and_chunks_apart() -> None:
    said = told(job_name="j")
    specs = [Spec(command="a", native=said), Spec(command="b", cwd="/w", native=said)]
    found = [
        part.job["metadata"]["name"] for key in ("k/0", "k/3", "k/12-20") for part in made(*specs, chunk=Chunk(key, 1))
    ]
    assert found == ["j", "j-1", "j-3", "j-3-1", "j-12", "j-12-1"]


def test_the_hosts_of_many_pods_have_names_too() -> None:
    """Of an Indexed Job they are its name and the index, and such a name is no longer than others."""
    many = [Spec(command=str(number), native=told(job_name="j" * 60)) for number in range(100)]
    assert len(only(*many[:99]).job["metadata"]["name"]) == 60 and only(*many)
    with pytest.raises(BadRequest, match="59 letters are the most"):
        only(*many, many[0])


def test_a_whole_chunk_is_three_objects() -> None:
    part = only(*(Spec(command=f"python train.py --lr 0.{number} --out out/{number}") for number in range(1_000)))
    assert (part.count, len(part.maps), part.job["spec"]["completions"]) == (1_000, 2, 1_000)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (Spec(command="x", after=(("ok", ((1, 1),)),)), "knows no --after"),
        (Spec(command="x", at=1.0), "--at"),
        (Spec(command="x", snapshot=Snapshot("0" * 64)), "--snapshot"),
        (Spec(command="x", stdin="f"), "--stdin"),
        (Spec(command="x", nice=1), "--nice"),
        (Spec(command="x", priority=1), "--priority-class"),
        (Spec(command="x", needs=Needs(slots=2)), "--slots"),
        (Spec(command="x", needs=Needs(gpus=500)), "whole GPUs"),
        (Spec(command="x", needs=Needs(gpu_mem=5)), "--gpu-mem"),
        (Spec(command="x", needs=Needs(named=(("licence", 1),))), "has a domain"),
        (Spec(command="x", cwd="rel"), "absolute path"),
        (Spec(command="x", retry=Retry(1, delay=2.0)), "--backoff"),
        (Spec(command="x", retry=Retry(1, on=("lost",))), "try again only after lost"),
        (Spec(command="x", native=told(flavor="nope")), "no predefined flavor is called 'nope'"),
        (Spec(command="\udcff"), "not UTF-8"),
        (Spec(command="x", native=told(job_name="j" * 63)), "too long"),
        (Spec(argv=tuple("x" * 100_000 for _ in range(10))), "no ConfigMap can hold"),
    ],
)
def test_what_the_cluster_can_not_do_is_said_before_anything_is_sent(spec: Spec, complaint: str) -> None:
    with pytest.raises(SjsError, match=complaint):
        made(spec, chunk=Chunk("k/1", 1))


def test_without_an_image_nothing_runs() -> None:
    with pytest.raises(SjsError, match="no image is named"):
        only(Spec(command="x"), entry=Settings())


@pytest.mark.parametrize("piece", ["!", "aGk=", base64.b64encode(zlib.compress(b"{}")).decode()])
def test_specs_that_somebody_has_damaged_are_named(piece: str) -> None:
    with pytest.raises(BadRequest, match="specs of jobs"):
        contents.specs_of({}, [piece])
