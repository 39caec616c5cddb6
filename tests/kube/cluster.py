"""
A whole cluster for a test, with what goes wrong in one on demand:

    with Cluster(folder) as cluster:
        kubeconfig = cluster.kubeconfig("alice")
        cluster.faults.answer(429, times=2, verb="create", resource="jobs", retry_after=1)
        ...
        assert cluster.api.counts()["create", "jobs"] == 3
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.kube import creating, kubeconfig, nodes, quotas
from tests.kube.api import Api
from tests.kube.auth import Account, Accounts, Rule
from tests.kube.bell import heard
from tests.kube.caller import Caller
from tests.kube.certificates import Authority
from tests.kube.collector import Collector
from tests.kube.controller import JobController
from tests.kube.events import Events
from tests.kube.faults import Faults
from tests.kube.kinds import CLAIMS, NAMESPACES, NODES, PRIORITIES, QUOTAS, Resource
from tests.kube.kubelet import Kubelet
from tests.kube.logs import Logs
from tests.kube.making import born
from tests.kube.quotas import QuotaController
from tests.kube.scheduler import Scheduler
from tests.kube.server import Server
from tests.kube.status import Obj
from tests.kube.store import Store
from tests.kube.worker import Controller, Worker

EVERYTHING = (Rule(),)
ONE_NODE = ({"cpu": "8", "memory": "32Gi"},)


class Cluster:
    """
    An API server at a port of this machine, with the controllers behind it and nodes that run what pods say. Without
    nodes all pods wait, and a test may say what becomes of them by their status.
    """

    def __init__(
        self,
        folder: Path,
        machines: tuple[dict[str, str], ...] = ONE_NODE,
        namespaces: tuple[str, ...] = ("default",),
    ) -> None:
        self.folder = folder
        self.store = Store()
        self.faults = Faults()
        self.accounts = Accounts()
        self.events = Events(self.store)
        self.authority = Authority(folder / "pki")
        self.kubelet = Kubelet(self.store, self.events, folder)
        self.api = Api(self.store, self.accounts, self.faults, Logs(self.kubelet, self.faults), self.admit)
        self.server = Server(self.api, self.authority.server())
        self.jobs = JobController(self.store, self.events, self.admit)
        scheduler = Scheduler(self.store, self.events)
        followers: list[Controller] = [Collector(self.store), QuotaController(self.store), scheduler, self.kubelet]
        self.worker = Worker(self.store, [self.jobs, *followers])
        for name in namespaces:
            self.add_namespace(name)
        for place, amounts in enumerate(machines, 1):
            self.add_node(f"node-{place}", amounts)
        self.add_user("admin")

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.worker.start()
        self.server.start()

    def stop(self) -> None:
        self.faults.clear()
        self.server.stop()
        self.worker.stop()
        self.kubelet.stop_all()

    def admit(self, resource: Resource, obj: Obj) -> None:
        """Asked before anything is created."""
        quotas.admit(self.store, resource, obj)

    def add_namespace(self, name: str) -> None:
        meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
        made = born({"kind": "Namespace", "apiVersion": "v1", "metadata": meta}, "")
        spec: Obj = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        self.store.create(NAMESPACES, {**made, **spec})

    def add_node(self, name: str, amounts: dict[str, str], labels: dict[str, str] | None = None) -> None:
        self.store.create(NODES, nodes.node(name, amounts, labels))

    def add_quota(self, name: str, hard: dict[str, str], namespace: str = "default") -> None:
        self.create(QUOTAS, {"metadata": {"name": name}, "spec": {"hard": hard}}, namespace)

    def add_claim(self, name: str, namespace: str = "default") -> None:
        """A volume that pods can claim."""
        self.create(CLAIMS, {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Bound"}}, namespace)

    def add_priority(self, name: str, value: int) -> None:
        self.create(PRIORITIES, {"metadata": {"name": name}, "value": value, "globalDefault": False}, "")

    def add_user(self, name: str, rules: tuple[Rule, ...] = EVERYTHING) -> Account:
        """A user with a token, `token-NAME`, who may do what the rules say."""
        return self.accounts.add(Account(name, rules), f"token-{name}")

    def kubeconfig(self, user: str = "admin", namespace: str = "default") -> Path:
        """The file for `kubectl --kubeconfig`, with the user's token."""
        return kubeconfig.by_token(self.folder, self.server.url, self.authority, user, f"token-{user}", namespace)

    def kubeconfig_by_certificate(self, user: str, namespace: str = "default") -> Path:
        """With a client certificate; the user need not exist."""
        return kubeconfig.by_certificate(self.folder, self.server.url, self.authority, user, namespace)

    def kubeconfig_by_plugin(self, user: str, namespace: str = "default") -> Path:
        """With a plugin that prints the user's token of the moment; see `renew_token`."""
        self.add_user(user)
        return kubeconfig.by_plugin(self.folder, self.server.url, self.authority, user, f"token-{user}", namespace)

    def renew_token(self, user: str) -> str:
        """The user's tokens are worth nothing any more; the plugin has a new one."""
        for old in [token for token, name in self.accounts.tokens.items() if name == user]:
            self.accounts.expire(old)
        token = f"token-{user}-{self.store.version}"
        self.accounts.tokens[token] = user
        (self.folder / f"{user}.token").write_text(token)
        return token

    def in_cluster(self, folder: Path, user: str = "admin", namespace: str = "default") -> Path:
        """What a pod has below /var/run/secrets, in a folder of choice."""
        return kubeconfig.in_cluster(folder, self.authority, f"token-{user}", namespace)

    def caller(self, user: str = "admin") -> Caller:
        """Somebody who speaks to the server, for the cluster's own tests."""
        return Caller(self.server.port, self.authority.ca_file, f"token-{user}")

    def create(self, resource: Resource, obj: Obj, namespace: str = "default") -> Obj:
        """As if somebody else had created it."""
        return creating.create(self.store, resource, obj, namespace, self.admit)

    def settle(self) -> None:
        """Until the controllers have nothing left to do; what runs may run on."""
        self.worker.settle()

    def wait_for(self, resource: Resource, name: str, is_so: Callable[[Obj | None], bool], seconds: float = 30) -> Obj:
        """Until an object of the default namespace is so (None: it is gone); what it is then."""
        end = time.monotonic() + seconds
        with self.store.bell.listening() as ear:
            while True:
                heard(ear)
                obj = self.store.get(resource, "default" if resource.namespaced else "", name)
                if is_so(obj):
                    return obj or {}
                if not select.select([ear], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise TimeoutError(f"{resource.kind} {name} is not as it should be after {seconds} s: {obj}")
