"""Watches, and what goes wrong with them."""

from __future__ import annotations

import json
from http.client import HTTPException, HTTPResponse
from typing import Any

import pytest

from tests.kube.caller import Caller
from tests.kube.cluster import Cluster
from tests.kube.test_objects import MAPS, config_map

WATCH = f"{MAPS}?watch=1"


def event(stream: HTTPResponse) -> tuple[str, dict[str, Any]]:
    found = json.loads(stream.readline())
    return found["type"], found["object"]


def test_a_watch_tells_what_happens_after_a_version(cluster: Cluster, admin: Caller) -> None:
    admin("POST", MAPS, config_map("old"))
    version = admin("GET", MAPS).body["metadata"]["resourceVersion"]
    with cluster.caller() as other:
        stream = other.opened("GET", f"{WATCH}&resourceVersion={version}")
        admin("POST", MAPS, config_map("new"))
        admin("PATCH", f"{MAPS}/new", {"data": {"a": "1"}}, "application/merge-patch+json")
        admin("DELETE", f"{MAPS}/new")
        told = [event(stream) for _ in range(3)]
        assert [type_ for type_, _ in told] == ["ADDED", "MODIFIED", "DELETED"]
        versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in told]
        assert versions == sorted(set(versions)) and versions[0] > int(version)
        assert cluster.server.streams == 1
    cluster.server.wait_for_streams(0)


def test_a_watch_through_a_selector_sees_objects_come_and_go(cluster: Cluster, admin: Caller) -> None:
    with cluster.caller() as other:
        stream = other.opened("GET", f"{WATCH}&labelSelector=on%3Dyes")
        admin("POST", MAPS, config_map("m"))
        for value in ("yes", "no"):
            admin("PATCH", f"{MAPS}/m", {"metadata": {"labels": {"on": value}}}, "application/merge-patch+json")
        assert [event(stream)[0] for _ in range(2)] == ["ADDED", "DELETED"]


def test_a_watch_from_what_is_forgotten_is_gone(cluster: Cluster, admin: Caller) -> None:
    version = admin("GET", MAPS).body["metadata"]["resourceVersion"]
    admin("POST", MAPS, config_map("m"))
    cluster.store.compact()
    with cluster.caller() as other:
        stream = other.opened("GET", f"{WATCH}&resourceVersion={version}")
        type_, status = event(stream)
        assert (type_, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert stream.readline() == b"", "and then it ends"
    cluster.faults.answer(410, verb="watch")
    assert admin("GET", WATCH).code == 410


def test_a_watch_ends_at_its_time_with_a_bookmark(admin: Caller) -> None:
    stream = admin.opened("GET", f"{WATCH}&timeoutSeconds=0&allowWatchBookmarks=true")
    type_, obj = event(stream)
    assert (type_, obj["kind"]) == ("BOOKMARK", "ConfigMap")
    assert stream.readline() == b""


def test_bookmarks_come_where_nothing_happens(cluster: Cluster, admin: Caller) -> None:
    cluster.api.bookmarks_every = 0.01
    version = cluster.store.version
    with cluster.caller() as other:
        stream = other.opened("GET", f"{WATCH}&resourceVersion={version}&allowWatchBookmarks=true")
        told = [event(stream) for _ in range(2)]
    assert {(type_, obj["metadata"]["resourceVersion"]) for type_, obj in told} == {("BOOKMARK", str(version))}


def test_a_watch_may_begin_with_all_there_is(admin: Caller) -> None:
    admin("POST", MAPS, config_map("m"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=0"
    stream = admin.opened("GET", f"{WATCH}&{query}")
    assert event(stream)[0] == "ADDED"
    assert event(stream)[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_is_cut_in_the_middle_of_a_line(cluster: Cluster, admin: Caller) -> None:
    admin("POST", MAPS, config_map("a"))
    admin("POST", MAPS, config_map("b"))
    cluster.faults.cut_watches(after=1)
    with cluster.caller() as other:
        stream = other.opened("GET", WATCH)
        assert event(stream)[0] == "ADDED"
        with pytest.raises((HTTPException, OSError)):
            stream.read()


def test_a_slow_watch_tells_late_and_all(cluster: Cluster, admin: Caller) -> None:
    with cluster.caller() as other:
        with cluster.faults.watches_held():
            stream = other.opened("GET", f"{WATCH}&resourceVersion={cluster.store.version}")
            for name in ("a", "b"):
                admin("POST", MAPS, config_map(name))
        assert [event(stream)[1]["metadata"]["name"] for _ in range(2)] == ["a", "b"]


def test_a_watch_that_is_too_slow_for_what_is_kept_is_told_so(cluster: Cluster, admin: Caller) -> None:
    with cluster.caller() as other:
        with cluster.faults.watches_held():
            stream = other.opened("GET", f"{WATCH}&resourceVersion={cluster.store.version}")
            admin("POST", MAPS, config_map("missed"))
            cluster.store.compact()
        type_, status = event(stream)
        assert (type_, status["code"]) == ("ERROR", 410)
        assert stream.readline() == b""


def test_a_server_that_restarts_ends_watches_and_keeps_what_it_has(cluster: Cluster) -> None:
    with cluster.caller() as before:
        stream = before.opened("GET", WATCH)
        cluster.server.wait_for_streams(1)
        cluster.server.stop()
        with pytest.raises((HTTPException, OSError)):
            assert stream.read()
    with cluster.caller() as between, pytest.raises(OSError):
        between("GET", MAPS)
    cluster.server.start()
    with cluster.caller() as after:
        assert after("GET", MAPS).code == 200
