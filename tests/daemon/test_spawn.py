"""What a started process finds, and what is said of one that cannot be started."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.starting import Start, base_environment
from sjs.daemon.keeper.spawn import Refused, Spawner, SpawnError, find_program

LOOK = """
import json, os, signal
with open("/proc/self/status") as status:
    sets = dict(line.split(":\\t") for line in status)
print(json.dumps({
    "fds": [int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)],
    "session": os.getsid(0) == os.getpid() == os.getpgid(0),
    "ignored": int(sets["SigIgn"], 16) & ~INTERNAL, "blocked": int(sets["SigBlk"], 16),
    "limits": open("/proc/self/limits").read(), "nice": os.nice(0),
    "umask": os.umask(0), "env": dict(os.environ), "cwd": os.getcwd(),
}))
"""
INTERNAL = 0b11 << 31  # the C library's own two, which it has ignored
PYTHON_IGNORES = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)


def order(place: Path, *argv: str, **more: Any) -> Start:
    out, err = str(place / "out"), str(place / "err")
    return Start(**{"tag": "0.1", "argv": list(argv), "cwd": str(place), "env": {}, "out": out, "err": err, **more})


def run(wanted: Start, umask: int = 0o022) -> int:
    """Start it, wait for it; its exit status."""
    here = os.getcwd()
    try:
        pid = Spawner({"PATH": os.environ["PATH"], "BASE": "1"}, umask).spawn(wanted)
    finally:
        os.chdir(here)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def look(folder: Path, **more: Any) -> dict[str, Any]:
    script = f"INTERNAL = {INTERNAL}{LOOK}"
    assert run(order(folder, sys.executable, "-I", "-S", "-c", script, **more), 0o027) == 0
    return dict(json.loads((folder / "out").read_text()))


def test_what_it_finds(tmp_path: Path) -> None:
    mine = os.open("/dev/null", os.O_RDONLY)
    open_here = [int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    given = {fd for fd in open_here if os.get_inheritable(fd)}
    found = look(tmp_path, env={"SJS_JOB": "m"})
    os.close(mine)
    assert (set(found["fds"]), found["session"], found["blocked"]) == ({0, 1, 2} | given, True, 0)
    assert found["ignored"] == PYTHON_IGNORES  # by itself, after its start
    assert (found["umask"], found["cwd"]) == (0o027, str(tmp_path))
    assert (found["limits"], found["nice"]) == (Path("/proc/self/limits").read_text(), os.nice(0))
    env = {name: value for name, value in found["env"].items() if name != "LC_CTYPE"}
    assert env == {"PATH": os.environ["PATH"], "BASE": "1", "SJS_JOB": "m", "PWD": str(tmp_path)}


def test_signals_that_the_starter_ignores_or_blocks_are_as_ever(tmp_path: Path) -> None:
    """As under nohup, or behind a shell's `&`: a keeper inherits that from its start, so this needs a start."""
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}; from tests.daemon import test_spawn as t; from pathlib import Path"
    )
    script += f"; f = t.look(Path({str(tmp_path)!r})); print(f['ignored'], f['blocked'])"
    shell = f'trap "" HUP INT QUIT USR1; exec "{sys.executable}" -c "$0"'
    done = subprocess.run(["/bin/sh", "-c", shell, script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(PYTHON_IGNORES), "0"], done.stderr


def test_outputs_are_apart_private_and_appended_to(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(order(tmp_path, "/bin/sh", "-c", "echo o; echo e >&2; exit 5")) == 5
    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("o\no\n", "e\ne\n")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


def test_both_outputs_may_be_one_file(tmp_path: Path) -> None:
    run(order(tmp_path, "/bin/sh", "-c", "echo o; echo e >&2", err=str(tmp_path / "out")))
    assert (tmp_path / "out").read_text() == "o\ne\n"


def test_it_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("a\nb\n")
    script = "cat; grep flags /proc/self/fdinfo/0"
    assert run(order(tmp_path, "/bin/sh", "-c", script, stdin=str(tmp_path / "given"))) == 0
    *lines, flags = (tmp_path / "out").read_text().splitlines()
    assert lines == ["a", "b"]
    assert not int(flags.split()[1], 8) & os.O_NONBLOCK


@pytest.mark.parametrize(
    ("name", "words"), [("none", "No such file or directory"), (".", "it is no file"), ("pipe", "it is no file")]
)
def test_what_it_cannot_read_is_named(tmp_path: Path, name: str, words: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(SpawnError, match=f"cannot read {tmp_path}/{name}: {words}"):
        run(order(tmp_path, "true", stdin=f"{tmp_path}/{name}"))
    assert len(os.listdir("/proc/self/fd")) == len(before) + 2  # the spawner's own


def test_it_gives_way_with_all_of_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first instruction on: it has ended before we do anything more. And we do not give way."""
    spawn, before = os.posix_spawn, os.nice(0)

    def spawn_and_see_its_end(*words: Any, **options: Any) -> int:
        pid = spawn(*words, **options)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    monkeypatch.setattr(os, "posix_spawn", spawn_and_see_its_end)
    assert run(order(tmp_path, "nice", nice=7)) == 0
    assert run(order(tmp_path, "/bin/sh", "-c", "setsid nice; nice | cat", nice=7)) == 0
    assert (tmp_path / "out").read_text() == f"{before + 7}\n" * 3
    assert os.nice(0) == before


def test_what_can_not_be_started_nicely_is_named_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("#!/no/such/program\n")
    (tmp_path / "broken").chmod(0o700)
    with pytest.raises(SpawnError, match=f"cannot run {tmp_path}/broken: No such file or directory"):
        run(order(tmp_path, f"{tmp_path}/broken", nice=7))


def test_where_no_thread_can_be_had_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Refused, match="cannot run true: can't start new thread"):
        run(order(tmp_path, "true", nice=7))


def test_a_niceness_that_it_may_not_have_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "setpriority", refuse)
    assert run(order(tmp_path, "true", nice=-5)) == 0
    assert "0.1 is not given niceness -5: Permission denied" in capfd.readouterr().err


def test_it_is_ended_before_us_when_memory_runs_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = Path("/proc/self/oom_score_adj")
    before = own.read_text()
    try:
        for mine, its in (("0", "500"), ("700", "700")):
            own.write_text(mine)
            (tmp_path / "out").unlink(missing_ok=True)
            assert run(order(tmp_path, "cat", "/proc/self/oom_score_adj")) == 0
            assert (tmp_path / "out").read_text() == f"{its}\n"
            with pytest.raises(SpawnError):
                run(order(tmp_path, "no-such-program"))
            assert own.read_text() == f"{mine}\n"
    finally:
        own.write_text(before)


@pytest.mark.parametrize("refused", [0, 1])
def test_a_score_that_cannot_be_changed_keeps_nothing_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], refused: int
) -> None:
    """Neither before the start nor after it, when the job runs already."""
    write, own = os.write, Path("/proc/self/oom_score_adj")
    before, calls = own.read_text(), []

    def refuse(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("oom_score_adj"):
            calls.append(data)
            if len(calls) == refused + 1:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return write(fd, data)

    own.write_text("0")
    monkeypatch.setattr(os, "write", refuse)
    try:
        assert run(order(tmp_path, "true")) == 0
        assert len(calls) == refused + 1
    finally:
        own.write_text(before)
    assert "jobs are not ended first when memory runs out" in capfd.readouterr().err


def test_a_spare_folder_becomes_its_own(tmp_path: Path) -> None:
    spare, folder = tmp_path / "1.dir", tmp_path / "2.dir"
    spare.mkdir(mode=0o700)
    here = spare.stat().st_ino
    spawn(order(tmp_path, "true", folder=str(folder)), spare)
    assert (folder.stat().st_ino, spare.exists()) == (here, False)


@pytest.mark.parametrize("name", ["2.dir", "other/2.dir"])
def test_where_a_spare_folder_cannot_become_its_own_it_has_another(tmp_path: Path, name: str) -> None:
    """Something is in its place since the machine could not start it; or it is the first of another thousand."""
    spare, folder = tmp_path / "1.dir", tmp_path / name
    spare.mkdir()
    if name == "2.dir":
        folder.mkdir()
        (folder / "left").touch()
    spawn(order(tmp_path, "true", folder=str(folder), out=f"{folder.parent}/out"), spare)
    assert (folder.is_dir(), spare.is_dir()) == (True, True)


def spawn(wanted: Start, spare: Path) -> None:
    here = os.getcwd()
    try:
        pid = Spawner({"PATH": os.environ["PATH"]}, 0o022).spawn(wanted, spare=str(spare))
    finally:
        os.chdir(here)
    assert os.waitpid(pid, 0)[1] == 0


def test_an_output_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "victim")
    with pytest.raises(SpawnError):
        run(order(tmp_path, "true"))
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("argv", "more", "words"),
    [
        (["no-such-program"], {}, "cannot run no-such-program: No such file or directory"),
        (["/etc/passwd"], {}, "cannot run /etc/passwd: Permission denied"),
        (["./text"], {}, "cannot run ./text: Exec format error"),
        (["true"], {"cwd": "/no/such"}, "cannot enter /no/such: No such file or directory"),
        (["true"], {"cwd": "/etc/passwd"}, "cannot enter /etc/passwd: Not a directory"),
        (["true"], {"cwd": "a\0b"}, "cannot run true: embedded null byte"),
        (["true", "a\0b"], {}, "cannot run true: embedded null byte"),
        (["true", "x" * 200_000], {}, "cannot run true: Argument list too long"),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path: Path, argv: list[str], more: dict[str, Any], words: str) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    umask = os.umask(0o077)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(SpawnError, match=words):
        run(order(tmp_path, *argv, **more))
    assert os.umask(umask) == 0o077
    assert len(os.listdir("/proc/self/fd")) == len(before) + 2  # the spawner's own


def test_names_that_are_no_utf8_arrive_as_they_were(tmp_path: Path) -> None:
    run(order(tmp_path, "/bin/echo", "-n", os.fsdecode(b"a\xffb")))
    assert (tmp_path / "out").read_bytes() == b"a\xffb"


def test_base_environment() -> None:
    given = {"HOME": "/h", "SSH_AUTH_SOCK": "s", "SJS_JOB": "m", "PWD": "/p", "OLDPWD": "/o", "SHLVL": "3", "_": "x"}
    assert base_environment(given) == {"HOME": "/h", "PYTHONUNBUFFERED": "1"}
    assert base_environment({"PYTHONUNBUFFERED": ""}) == {"PYTHONUNBUFFERED": ""}


def test_a_program_is_found_as_a_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, mode in (("a/tool", 0o644), ("b/tool", 0o755), ("tool", 0o755)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(mode)
    monkeypatch.chdir(tmp_path)
    assert find_program("tool", "a:b") == "b/tool"
    assert find_program("tool", "a::b") == "./tool"
    assert find_program("./x", "b") == "./x"
    with pytest.raises(FileNotFoundError):
        find_program("tool", "a")
