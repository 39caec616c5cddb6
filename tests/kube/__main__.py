"""
A test cluster as a process of its own: `python -m tests.kube FOLDER` writes kubeconfigs there, says so in a line of
JSON, and serves until its input ends. Each line of its input is a call, `["faults.answer", {"code": 429}]`, answered by
a line: `{"ok": true}`, or `{"error": ...}`.
"""

from __future__ import annotations

import json
import signal
import sys
from operator import attrgetter
from pathlib import Path

from tests.kube.cluster import Cluster

CALLS = (
    "faults.answer",
    "faults.reset",
    "faults.cut_watches",
    "faults.cut_logs",
    "faults.clear",
    "server.start",
    "server.stop",
    "store.compact",
    "accounts.expire",
    "accounts.forbid",
    "accounts.allow_again",
    "add_user",
    "add_quota",
    "add_namespace",
    "add_node",
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # its pods end with it
    with Cluster(folder) as cluster:
        _say({"url": cluster.server.url, "kubeconfig": str(cluster.kubeconfig()), "ca": str(cluster.authority.ca_file)})
        for line in sys.stdin:
            _say(_called(cluster, line))


def _called(cluster: Cluster, line: str) -> dict[str, object]:
    try:
        name, options = json.loads(line)
        if name == "counts":
            return {"counts": {" ".join(key): count for key, count in cluster.api.counts().items()}}
        if name not in CALLS:
            return {"error": f"no such call: {name}; there are counts, {', '.join(CALLS)}"}
        attrgetter(name)(cluster)(**options)
    except (TypeError, ValueError, KeyError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": True}


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
