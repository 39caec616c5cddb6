"""Objects through the API: what is kept, what is refused and how, lists, selectors, pages, changes, deletions."""

from __future__ import annotations

from typing import Any

from tests.kube.caller import Caller
from tests.kube.cluster import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
MERGE = "application/merge-patch+json"


def config_map(name: str, data: dict[str, str] | None = None, **meta: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, **meta}, "data": data or {}}


def job(name: str, *words: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "alpine", "args": list(words)}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template, **spec}}


def test_a_change_of_what_somebody_else_has_changed_is_a_conflict(admin: Caller) -> None:
    first = admin("POST", MAPS, config_map("ids", {"next": "1"})).body
    second = admin("PUT", f"{MAPS}/ids", {**first, "data": {"next": "2"}})
    assert (second.code, second.body["data"]) == (200, {"next": "2"})
    late = admin("PUT", f"{MAPS}/ids", {**first, "data": {"next": "3"}})
    assert (late.code, late.body["reason"], late.body["message"]) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "ids": the object has been modified; please apply your changes '
        "to the latest version and try again",
    )
    assert admin("GET", f"{MAPS}/ids").body["data"] == {"next": "2"}
    same = admin("PUT", f"{MAPS}/ids", second.body).body
    assert same["metadata"]["resourceVersion"] == second.body["metadata"]["resourceVersion"], "nothing was new"


def test_names_are_made_for_those_who_want_it(admin: Caller) -> None:
    made = [admin("POST", MAPS, {"metadata": {"generateName": "ids-"}}).body["metadata"] for _ in range(2)]
    assert {len(one["name"]) for one in made} == {len("ids-") + 5} and made[0]["name"] != made[1]["name"]
    again = admin("POST", MAPS, config_map("x", resourceVersion="1"))
    assert (again.code, again.body["reason"]) == (500, "InternalError")


def test_what_is_too_large_is_refused(admin: Caller) -> None:
    def code(size: int) -> int:
        return admin("POST", MAPS, config_map("big", {"a": "x" * size})).code

    assert [code(size) for size in (2**20, 2**20 + 1, 2**20 * 2, 2**22)] == [201, 422, 500, 413]


def test_patches_merge_or_operate(admin: Caller) -> None:
    admin("POST", MAPS, config_map("m", {"a": "1", "b": "2"}))
    merged = admin("PATCH", f"{MAPS}/m", {"data": {"a": None, "c": "3"}}, MERGE)
    assert merged.body["data"] == {"b": "2", "c": "3"}
    steps = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "replace", "path": "/data/b", "value": "9"}]
    assert admin("PATCH", f"{MAPS}/m", steps, "application/json-patch+json").body["data"] == {"b": "9", "c": "3"}
    again = admin("PATCH", f"{MAPS}/m", steps, "application/json-patch+json")
    assert (again.code, again.body["reason"]) == (422, "Invalid")
    assert admin("PATCH", f"{MAPS}/m", {}, "application/json").code == 415


def test_a_strategic_patch_merges_lists_by_what_their_items_are(cluster: Cluster, admin: Caller) -> None:
    strategic = "application/strategic-merge-patch+json"
    admin("POST", MAPS, config_map("m", finalizers=["a/one"]))
    added = admin("PATCH", f"{MAPS}/m", {"metadata": {"finalizers": ["a/two"]}}, strategic).body
    assert added["metadata"]["finalizers"] == ["a/one", "a/two"]
    fewer = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/one"], "labels": {"x": "y"}}}
    left = admin("PATCH", f"{MAPS}/m", fewer, strategic).body["metadata"]
    assert (left["finalizers"], left["labels"]) == (["a/two"], {"x": "y"})
    condition = {"type": "Seen", "status": "True"}
    admin("POST", JOBS, job("j", "true", suspend=True))
    cluster.settle()
    told = admin("PATCH", f"{JOBS}/j/status", {"status": {"conditions": [condition]}}, strategic).body["status"]
    assert [one["type"] for one in told["conditions"]] == ["Suspended", "Seen"]


def test_what_is_immutable_stays_as_it_is(admin: Caller) -> None:
    admin("POST", MAPS, {**config_map("m", {"a": "1"}), "immutable": True})
    refused = admin("PATCH", f"{MAPS}/m", {"data": {"a": "2"}}, MERGE)
    assert (refused.code, refused.body["message"]) == (
        422,
        'ConfigMap "m" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    )
    assert admin("PATCH", f"{MAPS}/m", {"metadata": {"labels": {"b": "c"}}}, MERGE).code == 200


def test_lists_are_chosen_by_labels_and_fields(admin: Caller) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "")):
        admin("POST", MAPS, config_map(name, labels={"color": color} if color else {}))

    def names(query: str) -> list[str]:
        return [one["metadata"]["name"] for one in admin("GET", f"{MAPS}?{query}").body["items"]]

    assert names("labelSelector=color%3Dred") == ["a"]
    assert names("labelSelector=color!%3Dred") == ["b", "c"]
    assert names("labelSelector=color+in+(red,blue),color!%3Dblue") == ["a"]
    assert names("labelSelector=color+notin+(red)") == ["b", "c"]
    assert names("labelSelector=!color") == ["c"]
    assert names("labelSelector=color") == ["a", "b"]
    assert names("fieldSelector=metadata.name%3Db") == ["b"]
    refused = admin("GET", f"{MAPS}?fieldSelector=data%3Db")
    assert (refused.code, refused.body["message"]) == (
        400,
        'Unable to find "/v1, Resource=configmaps" that match label selector "", field selector "data=b": '
        '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
    )


def test_pages_show_one_moment_until_it_is_forgotten(cluster: Cluster, admin: Caller) -> None:
    for place in range(5):
        admin("POST", MAPS, config_map(f"m{place}"))
    first = admin("GET", f"{MAPS}?limit=2").body
    admin("DELETE", f"{MAPS}/m2")
    second = admin("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}").body
    assert [one["metadata"]["name"] for one in second["items"]] == ["m2", "m3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    cluster.store.compact()
    late = admin("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}")
    assert (late.code, late.body["reason"]) == (410, "Expired")
    rest = admin("GET", f"{MAPS}?continue={late.body['metadata']['continue']}").body
    assert [one["metadata"]["name"] for one in rest["items"]] == ["m3", "m4"], "as it is now, from the same place"


def test_a_job_is_refused_in_the_words_of_the_real_server(admin: Caller) -> None:
    def refusal(body: dict[str, Any], query: str = "") -> tuple[int, str]:
        reply = admin("POST", JOBS + query, body)
        return reply.code, reply.body["message"]

    always = job("x", "true")
    always["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    told = 'Job.batch "x" is invalid: spec.template.spec.restartPolicy: Required value: valid values: '
    assert refusal(always) == (422, told + '"OnFailure", "Never"')
    told = 'Job.batch "x" is invalid: spec.completions: Required value: when completion mode is Indexed'
    assert refusal(job("x", "true", completionMode="Indexed", parallelism=1)) == (422, told)
    strict = refusal(job("x", "true", bakcoff=1), "?fieldValidation=Strict")
    where = 'Job in version "v1" cannot be handled as a Job'
    assert strict == (400, f'{where}: strict decoding error: unknown field "spec.bakcoff"')
    number = job("x", "true")
    number["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "N", "value": 1}]
    field = "EnvVar.spec.template.spec.containers.env.value"
    assert refusal(number) == (
        400,
        f"{where}: json: cannot unmarshal number into Go struct field {field} of type string",
    )
    long = refusal(job("n" * 62, "true", completionMode="Indexed", completions=100))
    assert long[0] == 422 and "will not able to create pod with invalid DNS label" in long[1]
    lax = admin("POST", JOBS, job("lax", "true", bakcoff=1))
    assert (lax.code, lax.headers["Warning"]) == (201, '299 - "unknown field \\"spec.bakcoff\\""')
    assert "bakcoff" not in lax.body["spec"]


def test_what_a_job_runs_can_not_be_changed(admin: Caller) -> None:
    admin("POST", JOBS, job("fixed", "true", parallelism=1, completions=2))
    other = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}}
    refused = admin("PATCH", f"{JOBS}/fixed", other, MERGE)
    assert refused.code == 422 and refused.body["message"].endswith("field is immutable")
    done = admin("PATCH", f"{JOBS}/fixed", {"spec": {"suspend": True}}, MERGE)
    assert (done.code, done.body["metadata"]["generation"]) == (200, 2)


def test_deleted_jobs_take_their_pods_along_or_leave_them(idle: Cluster) -> None:
    """Nothing runs, so that a pod which is to go goes at once."""

    def pods() -> int:
        idle.settle()
        return len(admin("GET", "/api/v1/namespaces/default/pods").body["items"])

    with idle.caller() as admin:
        for name in ("background", "foreground", "orphan"):
            admin("POST", JOBS, job(name, "true"))
        assert pods() == 3
        assert admin("DELETE", f"{JOBS}/background?propagationPolicy=Background").body["status"] == "Success"
        assert pods() == 2
        going = admin("DELETE", f"{JOBS}/foreground", {"propagationPolicy": "Foreground"}).body
        assert going["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert pods() == 1
        assert admin("GET", f"{JOBS}/foreground").code == 404
        left = admin("DELETE", f"{JOBS}/orphan")
        assert "child pods are preserved by default" in left.headers["Warning"]
        assert pods() == 1
        assert admin("GET", f"{JOBS}/orphan").code == 404
        assert "ownerReferences" not in admin("GET", "/api/v1/namespaces/default/pods").body["items"][0]["metadata"]


def test_what_belongs_to_a_job_goes_with_it(cluster: Cluster, admin: Caller) -> None:
    owner = admin("POST", JOBS, job("owner", "true")).body
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "owner", "uid": owner["metadata"]["uid"]}
    admin("POST", MAPS, config_map("script", {"run": "true"}, ownerReferences=[reference]))
    cluster.settle()
    assert admin("GET", f"{MAPS}/script").code == 200
    admin("DELETE", f"{JOBS}/owner?propagationPolicy=Background")
    cluster.settle()
    assert admin("GET", f"{MAPS}/script").code == 404


def test_many_are_deleted_at_once_by_label(cluster: Cluster, admin: Caller) -> None:
    for place in range(3):
        admin("POST", MAPS, config_map(f"m{place}", labels={"of": "me" if place else "others"}))
    gone = admin("DELETE", f"{MAPS}?labelSelector=of%3Dme").body
    assert (gone["kind"], len(gone["items"])) == ("ConfigMapList", 2)
    assert [one["metadata"]["name"] for one in admin("GET", MAPS).body["items"]] == ["m0"]
