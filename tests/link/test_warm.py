"""Commands that another process carries out are as if they were carried out by the one that was typed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sjs.cli.verbs import PROGRAMS
from sjs.link import frames
from tests.link.probe import Person
from tests.live.machine import DEADLINE, cmdline, until, wait_for_end
from tests.live.users import STRANGER, as_root, busy_as, do_as
from tests.terminal.pane import pane

PARENT = "import os; print(os.getppid())"
SLEEPS = "import time; time.sleep(600)"


def test_commands_are_carried_out_by_one_process_that_is_there_already(person: Person) -> None:
    pid = int(person.does(PARENT).stdout)
    assert int(person.does(PARENT).stdout) == pid == person.link()
    assert b"DOES" not in Path(f"/proc/{pid}/environ").read_bytes(), "it keeps nothing of who came first"
    assert cmdline(pid).split(b"\0")[3].endswith(b"/sjs/warm/process.py")


def test_twenty_at_once_start_one(newcomer: Person) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(lambda _: newcomer.types("local", "link").stdout, range(20)))) == 1


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["nobody", "status"], ["local", "status"], ["local", "job", "--nonsense"], []]
)
def test_what_it_says_and_how_it_ends_are_the_same(person: Person, words: list[str]) -> None:
    through, alone = person.types(*words), person.types("--no-link", *words)
    assert (through.returncode, through.stdout, through.stderr) == (alone.returncode, alone.stdout, alone.stderr)


@pytest.mark.parametrize("before", [[], ["--config", "c.yaml"], ["--config=c.yaml"]])
def test_a_program_is_carried_out_by_itself(newcomer: Person, before: list[str]) -> None:
    """It stays longer than a command. A target of that name is reached as others are."""
    (newcomer.home / "c.yaml").touch(0o600)
    for name in PROGRAMS:
        done = newcomer.types(*before, name, "--help")
        assert (done.returncode, done.stderr) == (0, ""), done
    assert newcomer.link() is None, "nobody needed one"
    assert newcomer.types(*before, "status", "gateway").returncode == 2
    assert newcomer.link() is not None


INHERITED = """
import os, resource, signal, sys, time
umask = os.umask(0)
print(os.getcwd(), umask, sorted(name for name in os.environ if name != "BEGUN"), time.strftime("%Z"))
print(resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0))
print(signal.getsignal(signal.SIGHUP), sys.stdin.isatty(), sys.stdout.encoding, sys.stderr.errors)
print(sorted(map(int, os.listdir("/proc/self/fd")))[:3], signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_it_is_as_whoever_typed_it(person: Person) -> None:
    """The link was started by somebody who was otherwise."""
    person.does(PARENT)
    (person.home / "sub").mkdir()

    def otherwise() -> None:
        os.umask(0o027)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    more = {**person.environ, "DOES": INHERITED, "TZ": "Asia/Tokyo", "ADDED": "1"}
    person.config("managers: {}\n")
    found = [
        subprocess.run(
            person.argv(*words, "all", "hosts"),
            env=more,
            cwd=person.home / "sub",
            preexec_fn=otherwise,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        for words in ([], ["--no-link"])
    ]
    assert found[0].stdout == found[1].stdout
    assert (found[0].stderr, "JST" in found[0].stdout) == ("", True)


def test_who_may_open_fewer_files_has_another_link(person: Person) -> None:
    first = person.does(PARENT)
    fewer = ["prlimit", "--nofile=99:99", *person.argv("all", "hosts")]
    code = "import os, resource; print(os.getppid(), resource.getrlimit(7))"
    other = subprocess.run(
        fewer, env={**person.environ, "DOES": code}, cwd=person.home, capture_output=True, text=True, timeout=DEADLINE
    )
    pid, limit = other.stdout.split(" ", 1)
    assert (limit, pid == first.stdout.strip()) == ("(99, 99)\n", False)
    subprocess.run([*fewer[:2], *person.argv("local", "link", "--stop")], env=person.environ, check=True)
    wait_for_end(int(pid))


def test_streams_carry_what_they_are_given(person: Person) -> None:
    code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    data = os.urandom(10 << 20).hex()
    done = person.does(code, stdin=None, input=data)
    assert (done.returncode, done.stdout == data) == (0, True)


def test_streams_that_are_closed_stay_so(person: Person) -> None:
    code = "import os; os.write(1, os.readlink('/proc/self/fd/0').encode())"
    env = {**person.environ, "DOES": code}
    argv = ["sh", "-c", 'exec "$@" <&-', "sh", *person.argv("all", "hosts")]
    done = subprocess.run(argv, env=env, stdout=-1, text=True, timeout=DEADLINE)
    assert done.stdout == "/dev/null"


def test_a_reader_that_has_seen_enough_ends_it(person: Person) -> None:
    code = "while True: print('y' * 999)"
    process, _ = person.begins(code)
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(DEADLINE) == 141


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)])
def test_signals_reach_it(person: Person, number: signal.Signals, status: int) -> None:
    process, worker = person.begins(SLEEPS)
    with process:
        process.send_signal(number)
        assert process.wait(DEADLINE) == status
    wait_for_end(worker)


def test_ctrl_c_reaches_what_it_has_started(person: Person, tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.run(['sleep', '600']).returncode)"
    with pane(tmp_path / "pane", {**person.environ, "DOES": code}) as screen:
        person.forget()
        screen.types(shlex.join(person.argv("all", "hosts")))
        worker = Path(f"/proc/{person.worker()}")
        until(lambda: b"sleep" in b"".join(path.read_bytes() for path in children(worker)), "what it starts")
        (child,) = children(worker)
        screen.presses("C-c")
        screen.until("interrupted")
        wait_for_end(int(child.parent.name))


def children(process: Path) -> list[Path]:
    """Their command lines."""
    found = (process / "task" / process.name / "children").read_text().split()
    return [Path(f"/proc/{pid}/cmdline") for pid in found]


def test_who_ignores_a_signal_goes_on(person: Person) -> None:
    code = "import sys; sys.stdin.read(); print('well')"
    env = {**person.environ, "DOES": code}
    command = ["env", "--ignore-signal=HUP,INT", *person.argv("all", "hosts")]
    person.forget()
    with subprocess.Popen(command, env=env, stdin=-1, stdout=-1, text=True) as process:
        person.worker()
        for number in (signal.SIGHUP, signal.SIGINT):
            process.send_signal(number)
        assert process.communicate(timeout=DEADLINE)[0] == "well\n"


def test_who_is_killed_takes_the_command_along(person: Person) -> None:
    process, worker = person.begins(SLEEPS)
    process.kill()
    wait_for_end(worker)
    process.communicate()
    assert person.does("print('well')").stdout == "well\n"


def test_a_command_that_is_killed_is_seen_to_be(person: Person) -> None:
    process, worker = person.begins(SLEEPS)
    os.kill(worker, signal.SIGKILL)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGKILL
    assert person.does("print('well')").stdout == "well\n"


def test_when_the_link_is_killed_its_commands_are_and_the_next_one_works(person: Person) -> None:
    process, worker = person.begins(SLEEPS)
    pid = person.link()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_end(worker)
    _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said.count("\n"), "was killed" in said) == (255, 1, True)
    other = int(person.does(PARENT).stdout)
    assert other == person.link() != pid


def test_code_that_was_changed_is_never_run_as_it_was(owner: Person) -> None:
    pid = int(owner.does(PARENT).stdout)
    for path in ("sjs/answers.py", "sjs/transport/auth.py"):
        before, pid = pid, 0
        with (owner.tree / path).open("a") as source:
            source.write("# changed\n")
        pid = int(owner.does(PARENT).stdout)
        wait_for_end(before)
        assert pid != before
    with (owner.tree / "sjs/cli/commands/hosts.py").open("a") as source:
        source.write("    # only its end\n\nprint('new')\n")
    assert owner.does(PARENT).stdout.startswith("new\n")


def test_it_ends_when_nobody_comes_for_as_long_as_is_configured(newcomer: Person) -> None:
    newcomer.config("link_idle: 0.01\n")
    wait_for_end(int(newcomer.does(PARENT).stdout))
    assert list(newcomer.folder.iterdir()) == [newcomer.folder / "lock"]


def test_who_wants_no_link_has_none(newcomer: Person) -> None:
    newcomer.config("link_idle: 0\n")
    wait_for_end(int(newcomer.does(PARENT).stdout))
    alone = "import os, sys; print(os.getpid())"
    process, worker = newcomer.begins(alone)
    assert (process.communicate()[0], worker) == (f"{process.pid}\n", process.pid)
    newcomer.config("link_idle: 10m\n")
    newcomer.does(alone)
    assert int(newcomer.does(PARENT).stdout) == newcomer.link()


@pytest.mark.parametrize("variable", ["SJS_NO_LINK=1", "HOME=", "HOME=/proc", "HOME=/" + "long/" * 20])
def test_without_it_this_process_does_the_work(newcomer: Person, variable: str) -> None:
    name, _, value = variable.partition("=")
    env = {**newcomer.environ, "DOES": "print('well')", name: value}
    process: subprocess.Popen[str] = subprocess.Popen(newcomer.argv("all", "hosts"), env=env, stdout=-1, text=True)
    assert (process.communicate(timeout=DEADLINE)[0], newcomer.worker()) == ("well\n", process.pid)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o755])
def test_a_folder_that_others_can_enter_is_not_used(newcomer: Person, mode: int) -> None:
    newcomer.folder.mkdir(parents=True)
    newcomer.folder.chmod(mode)
    process, worker = newcomer.begins("print('well')")
    assert (process.communicate(timeout=DEADLINE)[0], worker) == ("well\n", process.pid)
    assert list(newcomer.folder.iterdir()) == []


def test_where_no_link_can_be_made_there_is_none(newcomer: Person) -> None:
    (newcomer.folder / "lock").mkdir(mode=0o700, parents=True)
    newcomer.folder.chmod(0o700)
    process, worker = newcomer.begins("print('well')")
    assert (process.communicate(timeout=DEADLINE), worker) == (("well\n", ""), process.pid)


@as_root
def test_nobody_else_is_believed(newcomer: Person) -> None:
    """A stranger listens where the link would."""
    newcomer.does(PARENT)
    (path,) = (one for one in newcomer.folder.iterdir() if one.is_socket())
    pid = newcomer.link()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))

        def listen() -> None:
            listener.listen()
            signal.pause()

        with busy_as(STRANGER, listen):
            until(lambda: connects(path), "the stranger")
            assert newcomer.does("print('well')").stdout == "well\n"


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


@as_root
def test_nobody_else_is_served(person: Person) -> None:
    """Even if he came by."""
    person.does(PARENT)
    path = next(one for one in person.folder.iterdir() if one.is_socket())
    for one in (path, path.parent):
        one.chmod(0o777)
    opened = os.open(path.parent, os.O_PATH)

    def asks() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"/proc/self/fd/{opened}/{path.name}")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # which say the same
                sock.send(frames.request({"prog": "submit", "args": [b"--version"]}))
                assert sock.recv(1) == b""

    assert do_as(STRANGER, asks)
    os.close(opened)
    path.parent.chmod(0o700)


def test_a_command_stops_and_goes_on_with_whoever_typed_it(person: Person, tmp_path: Path) -> None:
    code = "import sys; print('first'); [print('more', line) for line in sys.stdin]; print('last')"
    with pane(tmp_path / "pane", {**person.environ, "DOES": code}) as screen:
        person.forget()
        screen.types(shlex.join(person.argv("all", "hosts")))
        worker = person.worker()
        screen.types("one")
        screen.until("more one")
        screen.presses("C-z")
        screen.until("Stopped")
        assert "State:\tT" in Path(f"/proc/{worker}/status").read_text()
        screen.types("fg")
        screen.types("two")
        screen.until("more two")
        screen.presses("C-d")
        screen.until("last")


def test_a_person_is_asked_at_his_own_terminal(person: Person, tmp_path: Path) -> None:
    code = "from sjs.cli import terminal; print('heard', terminal.ask('what? '))"
    with pane(tmp_path / "pane", {**person.environ, "DOES": code}) as screen:
        screen.types(shlex.join(person.argv("all", "hosts")) + " </dev/null")
        screen.until("what?")
        screen.types("secret")
        screen.until("heard secret")
        assert screen.screen().count("secret") == 1, "it is not seen while it is typed"
