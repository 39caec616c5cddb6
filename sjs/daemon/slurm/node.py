"""The program that Slurm starts on a node: `node.py FOLDER`. It finds its job in the folder of its chunk, runs it, and
leaves there when it began and how it ended.

    FOLDER/jobs            a line for what all of the chunk share, then one for each of its jobs (`chunks`)
    FOLDER/marks/N.start   the Nth was begun, by this process of this host; made once, so that no job runs twice
    FOLDER/marks/N.end     how it ended

It is copied to where the nodes see it, and runs alone: it knows nothing else of ours. What Slurm signals is the whole
group, so there is nothing to be passed on: this process only lives through it.
"""

import contextlib
import errno
import json
import os
import signal
import stat
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

EVERY = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
GRACE = 10.0
SUBREAPER = 36
CUT = 63
"""The signal upon which this process kills what it has started: if Slurm is told to, it gives the job half a minute."""
AGAIN = 75
"""The exit status of who finds that another has begun it."""
GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL")
LOOK = 10.0
"""Seconds between looks at a job with a time limit: nobody tells this process that it was made to stand still."""

Job = Dict[str, Any]


def main(arguments: List[str]) -> int:
    """Run the job that is ours, unless it was taken back, or begun before."""
    signal.pthread_sigmask(signal.SIG_BLOCK, EVERY)
    folder, number = arguments[0], int(os.environ["SLURM_ARRAY_TASK_ID"])
    try:
        common, job = _read(folder, number)
        claimed = _claim(folder, number)
    except FileNotFoundError:
        sys.stderr.write(f"{folder} is not here: it was taken back, or this node does not see that folder\n")
        return AGAIN
    if not claimed:
        sys.stderr.write(f"job {number} of {folder} was begun before, or is not wanted any more\n")
        return AGAIN
    end, status = _run(common, job)
    end["at"] = time.time()
    _leave(folder, number, end)
    return status


def _read(folder: str, number: int) -> Tuple[Job, Job]:
    with open(os.path.join(folder, "jobs"), encoding="ascii") as source:
        common = json.loads(source.readline())
        for _ in range(number):
            source.readline()
        return common, json.loads(source.readline())


def _claim(folder: str, number: int) -> bool:
    """Whether nobody has begun it before us: who makes the mark has it."""
    told = {
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "at": time.time(),
        "id": f"{os.environ.get('SLURM_ARRAY_JOB_ID', '')}_{number}",
    }
    mark = os.path.join(folder, "marks", f"{number}.start")
    mine = f"{mark}.{told['host']}.{told['pid']}"
    _write(mine, told)
    try:
        os.link(mine, mark)
    except FileExistsError:
        return False
    finally:
        os.unlink(mine)
    return True


def _leave(folder: str, number: int, end: Job) -> None:
    mark = os.path.join(folder, "marks", f"{number}.end")
    _write(mark + ".new", end)
    os.rename(mark + ".new", mark)


def _write(path: str, value: Job) -> None:
    with open(path, "w", encoding="ascii") as target:
        json.dump(value, target)
        target.flush()
        os.fsync(target.fileno())


def _run(common: Job, job: Job) -> Tuple[Job, int]:
    """Its end, and this process's exit status."""
    os.umask(common["umask"])
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        pid = _start(job, {**os.environ, **common["env"], **job["env"], **_given(), "PWD": job["cwd"]})
    except (OSError, ValueError) as error:
        return {"reason": "spawn-error", "detail": f"{_explain(error, job)} (on {os.uname().nodename})"}, 127
    os.umask(0o077)
    watch = Watch(pid, job, began)
    end = watch.until_nothing_is_left()
    end.setdefault("usage", {})["seconds"] = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    return end, end["exit"] if "exit" in end else 128 + end["signal"]


def _given() -> Dict[str, str]:
    """What Slurm says to the job, whatever whoever handed it in had in his own environment."""
    gpus = GPUS if "SLURM_JOB_GPUS" in os.environ else ()
    return {name: value for name, value in os.environ.items() if name.startswith("SLURM_") or name in gpus}


def _start(job: Job, environment: Dict[str, str]) -> int:
    for folder in (os.path.dirname(job["out"]), job.get("folder"), job.get("artifacts")):
        if folder:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
    os.chdir(job["cwd"])
    stdin = _open_input(job.get("stdin") or os.devnull)
    program = _find(job["argv"][0], environment.get("PATH", os.defpath))
    if job.get("nice"):
        os.nice(job["nice"])
    same = job["err"] == job["out"]
    files: List[Any] = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, job["out"], OUTPUT, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2) if same else (os.POSIX_SPAWN_OPEN, 2, job["err"], OUTPUT, 0o600),
    ]
    _adopt_orphans()
    argv = job["argv"]
    return os.posix_spawn(program, argv, environment, file_actions=files, setsigmask=[], setsigdef=EVERY)


def _adopt_orphans() -> None:
    """Have what the job leaves behind become our child, so that it is found."""
    import ctypes

    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def _open_input(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        os.close(fd)
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.ESPIPE, "it is no file", path)
    os.set_blocking(fd, True)
    return fd


def _find(name: str, path: str) -> str:
    if "/" in name:
        return name
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _explain(error: Exception, job: Job) -> str:
    if not isinstance(error, OSError):
        return f"cannot run {job['argv'][0]}: {error}"
    why = error.strerror or "unknown error"
    if error.filename == job["cwd"]:
        return f"cannot enter {job['cwd']}: {why}"
    if job.get("stdin") is not None and error.filename == job["stdin"]:
        return f"cannot read {job['stdin']}: {why}"
    return f"cannot run {job['argv'][0]}: {why}"


class Watch:
    """A job that runs: until its main process has ended and nothing of it is left."""

    def __init__(self, pid: int, job: Job, began: float) -> None:
        self._pid = pid
        self._job = job
        self._grace = GRACE if job.get("grace") is None else float(job["grace"])
        self._deadline = None if job.get("timeout") is None else began + job["timeout"]
        self._kill_at: Optional[float] = None
        self._is_late = False
        self._was_told = False  # somebody else wanted its end: Slurm knows who, and why
        self._end: Job = {}

    def until_nothing_is_left(self) -> Job:
        left = 0
        while True:
            self._reap()
            found = _descendants()
            if self._end and not found:
                break
            if self._end and not left:
                left = len(found)
                self._ask_to_end(found)
            self._wait()
        details = [str(self._job["over"])] if self._is_late else []
        details += [f"ended {left} process(es) that it left behind"] if left else []
        if self._is_late:
            self._end["reason"] = "timeout"
        elif self._was_told or (not left and signal.SIGTERM in signal.sigpending()):
            self._end["told"] = True
        if details:
            self._end["detail"] = "; ".join(details)
        return self._end

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._end.update(_outcome(status))
                self._end["usage"] = {
                    "user": usage.ru_utime,
                    "system": usage.ru_stime,
                    "max_rss_kb": usage.ru_maxrss,
                }

    def _wait(self) -> None:
        """Until a child has ended, or a time has come. A signal to end went to the whole group: it is noted."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        due = [at for at in (None if self._end else self._deadline, self._kill_at) if at is not None]
        pause = min([LOOK, *[max(0.0, at - now) for at in due]]) if due else None
        got = signal.sigwaitinfo(EVERY) if pause is None else signal.sigtimedwait(EVERY, pause)
        then = time.clock_gettime(time.CLOCK_BOOTTIME)
        if pause is not None and then - now > pause + LOOK and self._deadline is not None:
            self._deadline += then - now - pause  # it stood still, and so does its time
        if got is not None and got.si_signo == signal.SIGTERM and not (self._is_late or self._end):
            self._was_told = True
        if got is not None and got.si_signo == CUT:
            self._kill_at = then
        self._see_to_time(then)

    def _see_to_time(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline and not self._end:
            self._deadline, self._is_late = None, True
            self._ask_to_end(_descendants())
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + 1.0
            for pid in _descendants():
                _send(pid, signal.SIGKILL)

    def _ask_to_end(self, pids: List[int]) -> None:
        self._kill_at = time.clock_gettime(time.CLOCK_BOOTTIME) + self._grace
        for pid in pids:
            _send(pid, signal.SIGTERM)
            _send(pid, signal.SIGCONT)


def _outcome(status: int) -> Job:
    if os.WIFSIGNALED(status):
        return {"reason": "signal", "signal": os.WTERMSIG(status)}
    return {"reason": "exit", "exit": os.WEXITSTATUS(status)}


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants() -> List[int]:
    """All living processes below this one."""
    families: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as source:
                fields = source.read().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    families.setdefault(int(fields[1]), []).append(int(name))
    found: List[int] = []
    todo = [os.getpid()]
    while todo:
        children = families.get(todo.pop(), [])
        found += children
        todo += children
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
