"""What an entry says, what jobman's settings say, and flavors."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from sjs.errors import BadRequest, ConfigError, SjsError, UsageError
from sjs.nodes import Checks, compose
from sjs.targets.kinds import Entry
from sjs.targets.kubernetes import flavors, jobman, native, quantities, settings, volumes
from sjs.targets.kubernetes.flavors import Flavor, Resources
from sjs.targets.kubernetes.settings import Harbor, QueueMap, Settings

SMALL = {"name": "small", "description": "for tests", "resources": {"requests": {"cpu": "500m", "memory": "1G"}}}


def entry(text: str, environ: dict[str, str]) -> Settings:
    """The settings of an entry that is written so."""
    checks = Checks("/c/config.yaml")
    node = compose(text.encode(), checks.path)
    assert node is not None
    said = {
        key: settings.KEYS[key](checks, value, key)
        for key, value in checks.pairs(node, "", tuple(settings.KEYS)).items()
    }
    return settings.read(Entry("k", said, environ, print))


def test_an_entry() -> None:
    found = entry(
        """\
        kubeconfig: kube/config
        namespace: team
        image_prefix: reg.org/
        flavors: [{name: s, resources: {requests: {cpu: 1, memory: 1Gi}}}]
        default_flavor: s
        annotations: {a.org/b: c}
        security_context: {runAsUser: 1000}
        volumes: pvc:data:/data
        ttl: 1h
        parallelism: 5
        harbor: {url: harbor.org, project: p, user: robot$x}
        harbor_password: secret
        queue_configmap: {namespace: default, name: q}
        """,
        {},
    )
    assert (found.kubeconfig, found.namespace, found.queue) == ("/c/kube/config", "team", "sjs")
    assert found.default_flavor == Flavor("s", Resources((("cpu", "1"), ("memory", "1Gi"))))
    assert (found.annotations, found.volumes) == ((("a.org/b", "c"),), ("pvc:data:/data",))
    assert json.loads(found.security_context) == {"runAsUser": 1000}
    assert (found.ttl, found.parallelism) == (3600, 5)
    assert found.harbor == Harbor("https://harbor.org", "p", "robot$x", "secret")
    assert found.queue_configmap == QueueMap("default", "q")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("flavors: {}", "managers.k: 'flavors' must be a list"),
        ("flavors: [{resources: {requests: {}}}]", "without a name"),
        ("flavors: [{name: a}]", "has no 'resources' with 'requests'"),
        ("flavors: [{name: a, resources: {requests: {cpu: 1x}}}]", "is no quantity: '1x'"),
        ("flavors: [{name: a, resources: {requests: {}}}, {name: a, resources: {requests: {}}}]", "two flavors"),
        ("default_flavor: x", "called 'x'"),
        ("labels: {a: 'b c'}", "'labels.a' can not be 'b c'"),
        ("annotations: {a: 1}", "must be text (put it in quotes)"),
        ("annotations: {sjs.dev/x: y}", "is ours"),
        ("volumes: [data]", "'data' is no volume"),
        ("harbor: {url: x}", "'harbor' has no 'project'"),
        ("harbor: [x]", "'harbor' must be an object"),
        ("harbor: {url: x, project: p, insecure: 1}", "must be true or false"),
        ("queue: 'a b'", "'queue' can not be 'a b'"),
        ("flavor_label: a b", "'flavor_label' holds 'a b', which is no name"),
        ("ttl: soon", "config.yaml:1: ttl: "),
        ("parallelism: 0", "config.yaml:1: parallelism: must be from 1"),
        ("settings: /nowhere/s.json", "/nowhere/s.json: No such file"),
    ],
)
def test_what_is_wrong_with_an_entry(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        entry(text, {})
    assert complaint in str(caught.value)


JOBMAN: dict[str, Any] = {
    "jobsQueue": {"gpuResources": ["nvidia.com/gpu"]},
    "job": {
        "annotations": [
            {"key": "a.org/user", "value": "WHO", "valueType": "env"},
            {"key": "a.org/team", "value": "x", "valueType": "string"},
        ],
        "defaultImage": "ubuntu:3",
        "imagePrefix": "reg/",
        "userConfigmap": "me",
        "priorityClassName": "batch",
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [], "fsGroup": None},
        "resources": {"default": SMALL, "label": "a.org/flavor", "predefined": [SMALL]},
    },
    "kubeConfig": {"type": "file", "file": "/k"},
    "harbor": {"url": "h.org", "project": "p"},
}


def home(folder: Path, said: Any) -> dict[str, str]:
    """Variables of a home where jobman's settings are these."""
    (folder / ".jobman").mkdir()
    (folder / ".jobman/settings.json").write_text(json.dumps(said))
    return {"HOME": str(folder), "WHO": "alice"}


def test_jobmans_settings(tmp_path: Path) -> None:
    found = entry("{settings: true, priority_class: mine}", home(tmp_path, JOBMAN))
    small = flavors.flavor_of("", SMALL)
    assert found == Settings(
        kubeconfig="/k",
        image="ubuntu:3",
        image_prefix="reg/",
        flavors=(small,),
        default_flavor=small,
        flavor_label="a.org/flavor",
        priority_class="mine",
        annotations=(("a.org/user", "alice"), ("a.org/team", "x")),
        security_context='{"runAsUser": 1000}',
        gpu_resources=("nvidia.com/gpu",),
        user_configmap="me",
        harbor=Harbor("https://h.org", "p"),
        queue_configmap=QueueMap("default", "jobman-queue-position"),
    )


def test_a_file_that_is_named_counts_alone(tmp_path: Path) -> None:
    environ = home(tmp_path, JOBMAN)
    (tmp_path / "other.json").write_text('{"job": {"defaultImage": "x"}}')
    assert entry(f"settings: {tmp_path}/other.json", environ) == Settings(image="x")
    assert entry("settings: true", {"HOME": "/nowhere"}).queue_configmap == QueueMap("default", "jobman-queue-position")


def test_settings_over_settings() -> None:
    base = {"a": {"x": 1, "l": [1]}, "b": [1], "c": {"d": 1}}
    assert jobman.merged(base, {"a": {"y": 2, "l": [2]}, "b": [2], "c": 3}) == {
        "a": {"x": 1, "y": 2, "l": [1, 2]},
        "b": [1, 2],
        "c": 3,
    }


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ([], "must be an object"),
        ({"job": {"defaultImage": 1}}, "job.defaultImage: must be text"),
        ({"job": {"securityContext": []}}, "job.securityContext: must be an object"),
        ({"job": {"annotations": [{"key": "a"}]}}, "job.annotations: must be a list"),
        ({"job": {"annotations": [{"key": "a", "value": "NO", "valueType": "env"}]}}, "which is not set"),
        ({"kubeConfig": {"type": "x"}}, "must be default, cluster or file"),
    ],
)
def test_what_is_wrong_with_jobmans_settings(tmp_path: Path, said: Any, complaint: str) -> None:
    environ = home(tmp_path, said)
    with pytest.raises(ConfigError) as caught:
        entry("settings: true", environ)
    assert complaint in str(caught.value) and "settings.json" in str(caught.value)


def test_settings_that_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        jobman.load(str(tmp_path / "s.json"), {})


def test_a_flavor_is_json_or_a_file_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = flavors.flavor_of("", SMALL)
    Path("f.json").write_text(json.dumps(SMALL))
    assert flavors.said(json.dumps(SMALL)) == flavors.said("f.json") == small
    assert flavors.said("small") == "small"
    assert flavors.find("small", [small]) == small
    for text, complaint in (("{", "is no JSON"), ('{"name": "x"}', "has no 'resources'")):
        with pytest.raises(UsageError, match=complaint):
            flavors.said(text)
    with pytest.raises(BadRequest, match="did you mean small"):
        flavors.find("smal", [small])
    Path("bad").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="can not be read"):
        flavors.said("bad")


def test_gpus_are_what_the_entry_calls_so_and_what_is_called_so() -> None:
    asked = [{"cpu": 1, "z.org/gpu": 1}, {"amd.com/gpu": 1, "nvidia.com/gpu": 2}]
    found = flavors.gpu_kinds(asked, ("nvidia.com/gpu", "intel.com/gpu"))
    assert found == ["nvidia.com/gpu", "amd.com/gpu", "z.org/gpu"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", Fraction(1, 2)),
        ("1G", 10**9),
        ("1Gi", 1 << 30),
        ("1e3", 1000),
        ("2E", 2 * 10**18),
        (".5", Fraction(1, 2)),
        ("100n", Fraction(1, 10**7)),
        ("5u", Fraction(1, 200_000)),
        (1, 1),
    ],
)
def test_quantities(text: Any, number: Any) -> None:
    assert quantities.number("q", text) == number


@pytest.mark.parametrize("text", ["", "1x", "-1", "1 G", "1kb", None, True, [], "1e999", "."])
def test_what_is_no_quantity(text: Any) -> None:
    with pytest.raises(BadRequest, match="'q' is no quantity"):
        quantities.number("q", text)


@bounds(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["", "m", "k", "Ki", "M", "Mi", "G", "Gi"]))
def test_more_is_more(count: int, suffix: str) -> None:
    assert quantities.number("q", f"{count + 1}{suffix}") > quantities.number("q", f"{count}{suffix}")


def test_volumes() -> None:
    texts = ["pvc:d:/d:ro", "hostPath:/h:/x", "nfs:s:/e:/n", "configmap:c:/c", "secret:s:/s", "secret:s:/s"]
    found, mounts = volumes.mounted(texts)
    assert found == [
        {"name": "volume-0", "persistentVolumeClaim": {"claimName": "d", "readOnly": True}},
        {"name": "volume-1", "hostPath": {"path": "/h"}},
        {"name": "volume-2", "nfs": {"server": "s", "path": "/e"}},
        {"name": "volume-3", "configMap": {"name": "c"}},
        {"name": "volume-4", "secret": {"secretName": "s"}},
    ]
    assert mounts[0] == {"name": "volume-0", "mountPath": "/d", "readOnly": True}
    assert mounts[2] == {"name": "volume-2", "mountPath": "/n"}


@pytest.mark.parametrize("text", ["", "pvc:x", "pvc::/d", "disk:x:/d", "nfs:s:/d", "pvc:x:d", "pvc:a:b:/d"])
def test_what_is_no_volume(text: str) -> None:
    with pytest.raises(BadRequest, match="volume"):
        volumes.parse(text)


SAID: dict[str, Any] = {
    "image": "alpine:3",
    "entrypoint": True,
    "job_name": "my-job",
    "flavor": "small",
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    "annotations": {"a.org/b": "c"},
    "labels": {"team": "x"},
    "volumes": ["pvc:data:/data"],
    "security_context": {"runAsUser": 1},
    "priority_class": "high",
    "ttl": 60,
}


def test_what_a_job_says_goes_over_the_wire() -> None:
    assert native.to_json(native.from_json(SAID)) == SAID
    assert native.to_json(native.from_json({})) == {}


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"immage": "x"},
        {"image": ""},
        {"image": "a\nb"},
        {"entrypoint": 1},
        {"job_name": "A"},
        {"resources": {"cpu": 1}},
        {"resources": {"requests": []}},
        {"resources": {"requests": {"a b": 1}}},
        {"annotations": []},
        {"annotations": {"a b": "x"}},
        {"labels": {"a": "x y"}},
        {"volumes": "pvc:a:/b"},
        {"volumes": [1]},
        {"security_context": []},
        {"ttl": -1},
        {"ttl": True},
    ],
)
def test_what_a_job_can_not_say(said: Any) -> None:
    with pytest.raises(SjsError):
        native.from_json(said)
