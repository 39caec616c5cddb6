"""The import contracts in setup.cfg hold, and each of them would notice."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "importlinter:contract:"

PLANTED = {
    "floors": ("sjs/nodes.py", "import sjs.bundle"),
    "core-order": ("sjs/core/job.py", "from sjs.core import lifecycle"),
    "pure-core": ("sjs/core/schedule.py", "def late():\n    from time import monotonic"),
    "daemon-rooms": ("sjs/daemon/ground/journal.py", "import sjs.daemon.keeper.spawn"),
    "asking-order": ("sjs/daemon/asking/replies.py", "import sjs.daemon.asking.tail"),
    "keeper-order": ("sjs/daemon/keeper/tree.py", "import sjs.daemon.keeper.attempt"),
    "manager-order": ("sjs/daemon/manager/handlers.py", "import sjs.daemon.manager.loop"),
    "slurm-order": ("sjs/daemon/slurm/words.py", "import sjs.daemon.slurm.hands"),
    "queue-order": ("sjs/daemon/queue/store.py", "import sjs.daemon.queue.ledger"),
    "ground-order": ("sjs/daemon/ground/notes.py", "import sjs.daemon.ground.places"),
    "database-owner": ("sjs/daemon/keeper/spawn.py", "import sqlite3"),
    "ask-copies": ("sjs/daemon/asking/ask.py", "from sjs.daemon.queue.store import Store"),
    "one-sql": ("sjs/daemon/manager/handlers.py", "import sqlite3"),
    "carriers": ("sjs/daemon/manager/mailbox.py", "from sjs import wire"),
    "api-order": ("sjs/api/watching.py", "import sjs.api.jobs"),
    "reached-by-bytes": ("sjs/config.py", "import sjs.daemon.ground.places"),
    "trees-order": ("sjs/trees/patterns.py", "import sjs.trees.walking"),
    "making-order": ("sjs/making/tables.py", "import sjs.making.grid"),
    "errand-order": ("sjs/errand/facts.py", "import sjs.errand.upgrading"),
    "worker-order": ("sjs/worker/lease.py", "import sjs.worker.stages"),
    "worker-alone": ("sjs/worker/connection.py", "def late():\n    import urllib3"),
    "snapshots-order": ("sjs/snapshots/tree.py", "import sjs.snapshots.store"),
    "transport-order": ("sjs/transport/incoming.py", "import sjs.transport.local"),
    "thin": ("sjs/link/frames.py", "import json"),
    "siblings": ("sjs/targets/daemon_client.py", "import sjs.dialects.pipe"),
    "cluster-words": ("sjs/targets/kubernetes/scripts.py", "import sjs.targets.kubernetes.api"),
    "gateway-rooms": ("sjs/gateway/specs/spec.py", "import sjs.gateway.identity.tokens"),
    "gateway-engine": ("sjs/gateway/engine/plan.py", "import sjs.gateway.engine.lane"),
    "gateway-collecting": ("sjs/gateway/collecting/one.py", "import sjs.gateway.collecting.collector"),
    "gateway-posting": ("sjs/gateway/posting/schedule.py", "import sjs.gateway.posting.sending"),
    "gateway-records": ("sjs/gateway/records/opening.py", "import sjs.gateway.records.writer"),
    "gateway-record-stages": ("sjs/gateway/records/stages/rules.py", "import sjs.gateway.records.stages.ledger"),
    "gateway-stages": ("sjs/gateway/stages/queues.py", "import sjs.gateway.stages.timer"),
    "gateway-web": ("sjs/gateway/web/problems.py", "import sjs.gateway.web.api.jobs"),
    "gateway-api": ("sjs/gateway/web/api/documents.py", "import sjs.gateway.web.api.jobs"),
    "gateway-pages": ("sjs/gateway/web/pages/words.py", "import sjs.gateway.web.pages.frame"),
    "gateway-api-stages": ("sjs/gateway/web/api/stages/parts.py", "import sjs.gateway.web.api.stages.claims"),
    "gateway-serving": ("sjs/gateway/serving/tls.py", "import sjs.gateway.serving.running"),
    "gateway-jobd": ("sjs/gateway/web/jobd/words.py", "import sjs.gateway.web.jobd.uploads"),
    "gateway-job-manager": ("sjs/gateway/web/job_manager/said.py", "import sjs.gateway.web.job_manager.board"),
    "artifacts-order": ("sjs/gateway/artifacts/store.py", "import sjs.gateway.artifacts.settings"),
    "zips-order": ("sjs/gateway/zips/names.py", "import sjs.gateway.zips.directory"),
    "light-values": ("sjs/cli/ids.py", "from dataclasses import dataclass"),
    "stdlib-only": ("sjs/daemon/queue/store.py", "def late():\n    import yaml"),
}


def contracts() -> dict[str, str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return {name[len(PREFIX) :]: config[name]["name"] for name in config.sections() if name.startswith(PREFIX)}


LINT = """
import contextlib, io, sys
from importlinter.cli import lint_imports
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        lint_imports(cache_dir=sys.argv[1])
    print(said.getvalue().replace(chr(10), chr(0)), flush=True)
"""


class Linter:
    """A copy of the tree, and a process that says which contracts do not hold there, as often as it is asked."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        shutil.copytree(ROOT / "sjs", self.tree / "sjs", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", self.tree)
        self._process = subprocess.Popen(
            [sys.executable, "-c", LINT, str(folder / "imports")],
            cwd=self.tree,
            env={**os.environ, "PYTHONPATH": str(self.tree), "COLUMNS": "400", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def broken(self) -> list[str]:
        """The names of the contracts that do not hold."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().split("\0")
        ends = [line.rsplit(" ", 1) for line in said if line.endswith((" KEPT", " BROKEN"))]
        assert sorted(name for name, _ in ends) == sorted(contracts().values()), "\n".join(said)
        return [name for name, end in ends if end == "BROKEN"]

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def linter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linter]:
    found = Linter(tmp_path_factory.mktemp("linter"))
    yield found
    found.close()


def test_they_all_hold(linter: Linter) -> None:
    assert linter.broken() == []


@pytest.mark.parametrize("contract", PLANTED)
def test_a_wrong_import_breaks_its_contract_and_no_other(contract: str, linter: Linter) -> None:
    name, line = PLANTED[contract]
    where = linter.tree / name
    right = where.read_text()
    where.write_text(f"{right}\n\n{line}\n")
    try:
        assert linter.broken() == [contracts()[contract]]
    finally:
        where.write_text(right)


def test_each_contract_has_its_wrong_import() -> None:
    assert sorted(PLANTED) == sorted(contracts())


def test_a_daemon_module_without_a_place_is_noticed(linter: Linter) -> None:
    stray = linter.tree / "sjs/daemon/queue/stray.py"
    stray.touch()
    try:
        assert linter.broken() == [contracts()["queue-order"]]
    finally:
        stray.unlink()


def test_the_package_itself_imports_nothing() -> None:
    script = "import sys; before = set(sys.modules); import sjs; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "['sjs']\n", done.stderr
