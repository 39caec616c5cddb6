from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.daemon.ground import resources

GIB = 1 << 30
NVIDIA = "0, GPU-0b6f7a1e-0000-0000-0000-000000000000, 81559\n1, GPU-1c2d3e4f-0000-0000-0000-000000000000, 81559\n"
NVIDIA_USE = "GPU-1c2d3e4f-0000-0000-0000-000000000000, 4711\nGPU-1c2d3e4f-0000-0000-0000-000000000000, 4712\n"
AMD = json.dumps(
    {
        "card1": {"VRAM Total Memory (B)": "68702699520", "VRAM Total Used Memory (B)": "10960896"},
        "card0": {"VRAM Total Memory (B)": "68702699520", "VRAM Total Used Memory (B)": "51527024640"},
        "system": {"Driver version": "6.14.14"},
    }
)
AMD_USE = """
============================ ROCm System Management Interface ============================
=================================== GPUs Indexed by PID ==================================
PID 9999 is using 0 DRM device(s)
PID 4711 is using 1 DRM device(s):
1
PID 4712 is using 2 DRM device(s):
0 1
==========================================================================================
================================== End of ROCm SMI Log ===================================
"""


def files(root: Path, **contents: str) -> str:
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_processors_of_a_bare_machine(tmp_path: Path) -> None:
    assert resources.cpus(str(tmp_path)) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_control_group_takes_processors_away(tmp_path: Path, quota: str, cpus: int | None) -> None:
    root = files(
        tmp_path, proc__self__cgroup="0::/user.slice/job\n", sys__fs__cgroup__user_DOT_slice__cpu_DOT_max=quota
    )
    assert resources.cpus(root) == (cpus or len(os.sched_getaffinity(0)))


def test_the_older_kind_of_control_group(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        proc__self__cgroup="4:memory:/box\n2:cpu,cpuacct:/box\n",
        proc__meminfo="MemTotal:  8388608 kB\nMemFree: 1 kB\n",
        sys__fs__cgroup__cpu__box__cpu_DOT_cfs_quota_us="100000\n",
        sys__fs__cgroup__cpu__box__cpu_DOT_cfs_period_us="100000\n",
        sys__fs__cgroup__memory__box__memory_DOT_limit_in_bytes=f"{2 * GIB}\n",
    )
    assert resources.cpus(root) == 1
    assert resources.memory(root) == 2 * GIB


@pytest.mark.parametrize(("limit", "memory"), [("1073741824", GIB), ("max", 8 * GIB), ("99999999999999", 8 * GIB)])
def test_memory_is_what_the_smallest_group_around_us_allows(tmp_path: Path, limit: str, memory: int) -> None:
    root = files(
        tmp_path,
        proc__meminfo="MemTotal:  8388608 kB\n",
        proc__self__cgroup="0::/a/b\n",
        sys__fs__cgroup__a__memory_DOT_max=limit + "\n",
    )
    assert resources.memory(root) == memory


def test_memory_that_nothing_tells(tmp_path: Path) -> None:
    assert resources.memory(str(tmp_path)) == 0


def test_nvidia() -> None:
    assert resources.nvidia(NVIDIA, NVIDIA_USE) == [
        {"name": "0", "mem": 81559 << 20, "kind": "nvidia", "pids": []},
        {"name": "1", "mem": 81559 << 20, "kind": "nvidia", "pids": [4711, 4712]},
    ]


@pytest.mark.parametrize("said", [None, "", "No devices were found\n", "\n", "x, y, z\n"])
def test_a_tool_without_gpus(said: str | None) -> None:
    assert resources.nvidia(said, said) == []
    assert resources.amd(said, said) == []


def test_memory_that_a_gpu_does_not_tell() -> None:
    assert resources.nvidia("0, GPU-1, [N/A]\n", None) == [{"name": "0", "mem": 0, "kind": "nvidia", "pids": []}]
    assert resources.amd('{"card0": {}}', None) == [{"name": "0", "mem": 0, "kind": "amd", "pids": []}]


def test_amd() -> None:
    assert resources.amd(AMD, AMD_USE) == [
        {"name": "0", "mem": 68702699520, "kind": "amd", "pids": [4712]},
        {"name": "1", "mem": 68702699520, "kind": "amd", "pids": [4711, 4712]},
    ]


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_tools_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "nvidia-smi", f'case "$1" in *compute*) printf "{NVIDIA_USE}";; *) printf "{NVIDIA}";; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert [gpu["pids"] for gpu in resources.gpus()] == [[], [4711, 4712]]


@pytest.mark.parametrize("script", ["exit 9", "printf '\\377'", "sleep 60"])
def test_a_broken_tool_stops_nobody(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool(tmp_path, "nvidia-smi", f"exec {script}" if script.startswith("sleep") else script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(resources, "PATIENCE", 0.2 if script.startswith("sleep") else 30)
    assert resources.gpus() == []
    assert capsys.readouterr().err.startswith("nvidia-smi says nothing of the GPUs: ")


def test_the_probe_prints_one_line() -> None:
    program = [sys.executable, "-I", "-S", str(Path(resources.__file__).parents[1]), "probe"]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["cpus"] == resources.cpus()
    assert found["mem"] == resources.memory()
    assert found["gpus"] == resources.gpus()
