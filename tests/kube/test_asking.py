"""What a cluster is asked besides the jobs that are ours, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sjs.cli.main import run
from tests.kube.auth import Rule
from tests.kube.cluster import Cluster
from tests.kube.harbor import Artifact, Harbor, Repository
from tests.kube.kinds import CONFIGMAPS, JOBS

Types = Callable[..., tuple[int, str, str]]

FLAVORS = """\
    flavors:
      - name: small
        description: for tests
        resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}
      - {name: large, resources: {requests: {cpu: 8, nvidia.com/gpu: 2}}}
    default_flavor: small
"""


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Types:
    """What a command leaves: its status, what it printed, and its complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run("submit", words)
        return (status, *capsys.readouterr())

    return typed


def write(cluster: Cluster, folder: Path, more: str = "", user: str = "admin") -> None:
    """The entry `k`."""
    text = (
        f"managers:\n  k:\n    type: kubernetes\n    kubeconfig: {cluster.kubeconfig(user)}\n    image: alpine\n{more}"
    )
    (folder / "config.yaml").write_text(text)
    (folder / "config.yaml").chmod(0o600)


def put(cluster: Cluster, name: str, namespace: str, requests: dict[str, Any], flavor: str = "") -> None:
    """A Job of somebody."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]}
    for kind in (one for one in requests if "/" in one):
        pod["containers"][0]["resources"]["limits"] = {kind: requests[kind]}  # type: ignore[index]
    meta = {"name": name, "annotations": {"sjs.dev/flavor": flavor} if flavor else {}}
    cluster.create(JOBS, {"metadata": meta, "spec": {"template": {"spec": pod}}}, namespace)


def test_the_queue_of_all_users(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path)
    idle.add_namespace("bob")
    for name, namespace in (("a", "default"), ("b", "bob"), ("c", "bob")):
        put(idle, name, namespace, {"cpu": "500m", "memory": "1Gi"}, "small")
    put(idle, "d", "bob", {"cpu": "1", "amd.com/gpu": "1"})
    idle.settle()
    status, out, err = types("k", "queue")
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["FLAVOR", "JOBS", "MINE", "RUNNING", "CPU", "MEMORY", "amd.com/gpu"],
        ["small", "3", "1", "0", "0.5", "1G", "-"],
        ["-", "1", "0", "0", "1", "-", "1"],
    ]
    rows = [json.loads(line) for line in types("k", "queue", "--json")[1].splitlines()]
    assert [(row["total"], row["mine"], row["gpus"]) for row in rows] == [
        (3, 1, {"amd.com/gpu": 0}),
        (1, 0, {"amd.com/gpu": 1}),
    ]


def test_a_long_queue_is_counted_to_its_last_page(
    idle: Cluster, tmp_path: Path, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sjs.targets.kubernetes.api.PAGE", 2)
    write(idle, tmp_path)
    for number in range(5):
        put(idle, f"j{number}", "default", {"cpu": "1"})
    idle.settle()
    before = idle.api.counts()["list", "jobs"]
    assert json.loads(types("k", "queue", "--json")[1])["total"] == 5
    assert idle.api.counts()["list", "jobs"] - before == 3


@pytest.mark.parametrize("verb", ["queue", "job"])
def test_a_token_that_is_taken_no_more_is_told_in_a_line(
    idle: Cluster, tmp_path: Path, types: Types, verb: str
) -> None:
    write(idle, tmp_path)
    idle.accounts.expire("token-admin")
    status, out, err = types("k", verb, *(("--dry-run", "--", "true") if verb == "job" else ()))
    assert (status, out) == (255, "")
    assert err == "[k] error: the cluster does not take our credentials (log in again, as for kubectl)\n"


def test_who_may_not_look_at_others_sees_the_own_ones(idle: Cluster, tmp_path: Path, types: Types) -> None:
    idle.add_namespace("bob")
    idle.add_user("eve", (Rule(namespaces=("default",)),))
    write(idle, tmp_path, user="eve")
    put(idle, "a", "default", {"cpu": "1"})
    put(idle, "b", "bob", {"cpu": "1"})
    idle.settle()
    status, out, err = types("k", "queue")
    assert (status, out.splitlines()[1].split()[:3]) == (0, ["-", "1", "1"])
    assert err == "only namespace default: you may not look at the jobs of others\n"


def test_what_jobman_wrote_down_is_read(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path, "    queue_configmap: {namespace: default, name: q}\n")
    put(idle, "a", "default", {"cpu": "1"})
    idle.settle()
    status, out, err = types("k", "queue")
    assert (status, out.splitlines()[1].split()[:3]) == (0, ["-", "1", "1"])
    assert "ConfigMap default/q tells nothing, so the Jobs themselves are counted" in err
    one = {"namespace": "bob", "name": "j", "updated": "", "resources": {"label": "small", "requests": {"cpu": "2"}}}
    said = json.dumps({"updated": "2026-11-22T02:00:00Z", "jobs": [one, one]})
    idle.create(CONFIGMAPS, {"metadata": {"name": "q"}, "data": {"queue": said}})
    status, out, err = types("k", "queue")
    assert (status, err) == (0, "as of 2026-11-22T02:00:00Z\n")
    assert out.splitlines()[1].split() == ["small", "2", "0", "-", "2", "-"]


def test_flavors(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path, FLAVORS)
    status, out, _ = types("k", "resources-flavors")
    assert status == 0
    assert out.splitlines() == [
        "NAME     CPU      MEMORY   nvidia.com/gpu  DESCRIPTION",
        "small *  0.5 / 1  1G / 1G  -               for tests",
        "large    8 / -    -        2 / -",
    ]
    rows = [json.loads(line) for line in types("k", "flavors", "--json")[1].splitlines()]
    assert [(row["name"], row["usual"]) for row in rows] == [("small", True), ("large", False)]
    write(idle, tmp_path)
    assert types("k", "flavors") == (0, "", "its entry in config.yaml has no 'flavors'\n")


def test_images(idle: Cluster, tmp_path: Path, types: Types) -> None:
    about = "# Base\n\x1b[2J is *no* order"
    with Harbor(tmp_path) as harbor:
        harbor.add("lab", Repository("base", (Artifact(("1", "2")),), about), Repository("bare", (Artifact(()),)))
        harbor.add_robot("reader", "secret")
        more = f"url: {harbor.url}, project: lab, user: robot$reader, ca_file: {harbor.ca_file}"
        write(idle, tmp_path, f"    harbor: {{{more}}}\n    harbor_password: secret\n")
        assert types("k", "images")[:2] == (0, "NAME  TAGS\nbare  -\nbase  1 2\n")
        assert json.loads(types("k", "images", "--json")[1].splitlines()[1])["tags"] == ["1", "2"]
        said = "image:      base\ntags:       1 2\n\n# Base\n\\x1b[2J is *no* order\n"
        assert types("k", "image-details", "base") == types("k", "image-details", "-i", "base") == (0, said, "")
        assert types("k", "image-details", "bare")[2] == "there is no description of it\n"
        assert json.loads(types("k", "image-details", "base", "--json")[1])["description"] == about
        status, out, err = types("k", "image-details", "bass")
        assert (status, out) == (1, "") and "no image 'bass' in project 'lab'" in err
    assert types("k", "image-details")[0] == 2
    write(idle, tmp_path)
    status, _, err = types("k", "images")
    assert status == 1 and "names no registry" in err


def test_a_description_is_shown_as_it_is_meant(
    idle: Cluster, tmp_path: Path, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal, where rich is there."""
    with Harbor(tmp_path) as harbor:
        harbor.add("lab", Repository("base", (), "# Base\n\n- for *all*"), public=True)
        write(idle, tmp_path, f"    harbor: {{url: {harbor.url}, project: lab, insecure: true}}\n")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        status, out, _ = types("k", "image-details", "base")
    assert (status, "# Base" in out, "*all*" in out, "\u2022" in out, "Base" in out) == (0, False, False, True, True)


def test_a_machine_is_no_cluster(tmp_path: Path, types: Types) -> None:
    (tmp_path / "config.yaml").write_text("managers: {m: {transport: local, root: .}}\n")
    status, out, err = types("m", "flavors")
    assert (status, out) == (1, "")
    assert err == "submit: m: no cluster, and `flavors` is of clusters (what it has: submit m hosts)\n"


def test_in_a_set_machines_are_passed_over(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path, FLAVORS)
    with (tmp_path / "config.yaml").open("a") as file:
        file.write("  m: {transport: local, root: .}\n")
    status, out, err = types("all", "flavors")
    assert (status, out.count("[k]"), err) == (0, 3, "[m] passed over: no cluster (what it has: submit m hosts)\n")


def test_the_group_of_a_user_is_that_of_the_jobs(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path, "    user_configmap: me\n    security_context: {runAsUser: 5, supplementalGroups: [7]}\n")
    idle.create(CONFIGMAPS, {"metadata": {"name": "me"}, "data": {"ceph.gid": "2000"}})
    pod = json.loads(types("k", "job", "--dry-run", "--", "true")[1])["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsUser": 5, "supplementalGroups": [7, 2000]}


def test_a_rehearsal_shows_what_would_be_there(idle: Cluster, tmp_path: Path, types: Types) -> None:
    write(idle, tmp_path, FLAVORS)
    words = ("job", "-i", "busybox", "-r", "large", "--env", "A=b", "--dry-run")
    status, out, err = types("k", *words, "--", "echo", "a b")
    assert (status, err) == (0, "")
    job = json.loads(out)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["args"]) == ("busybox", ["echo", "a b"])
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert job["metadata"]["uid"]  # the server has seen it
    lines = types("k", *words, "--command", "a", "--command", "b", "--json")[1].splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["ConfigMap", "ConfigMap", "Job"]
    status, _, err = types("k", "job", "--dry-run", "-r", "huge", "--", "true")
    assert (status, "no predefined flavor is called 'huge'" in err) == (1, True)
    idle.settle()
    assert not idle.store.all(JOBS, "default") and not idle.store.all(CONFIGMAPS, "default")


def test_jobs_from_the_first_word_to_the_last(cluster: Cluster, tmp_path: Path, types: Types) -> None:
    write(cluster, tmp_path)
    echo = "echo {n} $A $SJS_JOB_ID $SJS_TASK_INDEX $SJS_ATTEMPT"
    assert types("k", "sweep", "-p", "n", "x", "y", "z", "--wait", "--env", "A=it's", "--", "sh", "-c", echo)[0] == 0
    assert [types("k", "logs", str(job))[1] for job in range(3)] == [
        "x it's 0 1 1\n",
        "y it's 1 2 1\n",
        "z it's 2 3 1\n",
    ]
    text = "echo single $SJS_JOB_NAME; exit 3"
    assert types("k", "job", "--wait", "--job-name", "my-job", "--", "sh", "-c", text)[0] == 3
    assert types("k", "logs", "-j", "my-job")[1] == "single my-job\n"
    assert 'kubernetes={"job_name":"my-job"}' in types("k", "details", "-j", "my-job")[1]
    assert types("k", "rerun", "3", "-p")[1] == "4\n", "its Job has another name"
    assert types("k", "delete", "-j", "my-job")[1] == "2 deleted (3-4)\n"
    assert types("k", "delete", "--all")[1] == "3 deleted (0-2)\n"
    cluster.settle()
    assert not cluster.store.all(JOBS, "default")
