"""A sweep is never held as a whole: `--dry-run` as a process of its own.

SJS_SWEEP_JOBS=300000 scripts/test cli -- -s -k sweep_does_not_fill
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, ROOT

JOBS = int(os.environ.get("SJS_SWEEP_JOBS", "10000"))
MANY = [sys.executable, "-m", "sjs.cli", "any", "sweep", "--dry-run"]


def environ(home: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(home)}


PEAK = """
import sys
from sjs.cli.main import run
status = run("submit", sys.argv[1:])
sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
sys.exit(status)
"""
"""Not by `wait4`: its figure holds what the parent had when it forked."""


def peak(words: list[str], home: Path) -> tuple[int, int]:
    """How many lines come out, and how much memory that took at most, in KiB."""
    command = [sys.executable, "-c", PEAK, "any", "sweep", "--dry-run", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ(home), cwd=home
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = sum(1 for _ in process.stdout)
        return lines, int(process.stderr.read())


@pytest.mark.parametrize("kind", ["values", "chance", "table"])
def test_a_large_sweep_does_not_fill_the_memory(tmp_path: Path, kind: str) -> None:
    taken: list[int] = []
    for count in (1_000, JOBS):
        (tmp_path / "t.jsonl").write_text("".join(f'{{"a": {row}, "b": "x y"}}\n' for row in range(count // 10)))
        words = {
            "values": ["-p", "a", f"int:1..{count // 10}", "-p", "b", "int:1..10", "--", "x", "{a}", "{b}"],
            "chance": ["-p", "a", f"int:1..{count}", "--samples", str(count), "x {a}"],
            "table": ["--from", "t.jsonl", "-p", "c", "int:1..10", "--", "x", "{a}", "{b}", "{c}"],
        }[kind]
        lines, memory = peak(words, tmp_path)
        assert lines == count
        taken.append(memory)
    print(f"{kind}: {taken[0]} KiB for 1000 jobs, {taken[1]} KiB for {JOBS}")
    assert taken[1] < taken[0] + 1_000, taken


def test_who_reads_only_the_first_commands_hears_no_complaint(tmp_path: Path) -> None:
    words = [*MANY, "-p", "a", "int:1..1000000000", "--", "x", "{a}"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ(tmp_path), cwd=tmp_path
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"x 1\n"
        process.stdout.close()
        assert (process.wait(DEADLINE), process.stderr.read()) == (141, b"")


def test_bytes_that_are_no_text_come_out_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(b"\xff'\n\xc3\xa9\n")
    words = [*MANY, "printf '%s\\0' {} \"{}\"", "::::", "names"]
    made = subprocess.run(
        words, capture_output=True, env={**environ(tmp_path), "LC_ALL": "C"}, cwd=tmp_path, timeout=DEADLINE, check=True
    )
    ran = subprocess.run(["sh"], input=made.stdout, capture_output=True, timeout=DEADLINE, check=True)
    assert ran.stdout == b"\xff'\0\xff'\0\xc3\xa9\0\xc3\xa9\0"


def test_what_can_be_read_only_once_is_read_once(tmp_path: Path) -> None:
    script = " ".join(MANY) + " 'x {}' :::: <(seq 2) ::: a b; printf 'a,b\\n1,2\\n' | " + " ".join(MANY)
    made = subprocess.run(
        ["bash", "-c", script + " --from <(cat) -- y {b}"],
        capture_output=True,
        text=True,
        env=environ(tmp_path),
        cwd=tmp_path,
        timeout=DEADLINE,
        check=True,
    )
    assert made.stdout.splitlines() == ["x 1 a", "x 1 b", "x 2 a", "x 2 b", "y 2"]
