"""Text that is safe and short enough for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sjs.core.job import Job, Snapshot
from sjs.core.lifecycle import FINAL, HELD, MOVED, MOVING, RUNNING, TIMEOUT
from sjs.core.needs import WHOLE, Grant
from sjs.core.quantities import share_text, size_text

if TYPE_CHECKING:
    from sjs.answers import Status


def printable(text: str) -> str:
    """The text with everything escaped that could move the cursor, change colours, or pretend to be other text."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def duration(seconds: float) -> str:
    """5 -> 0:05, 3723 -> 1:02:03, 90061 -> 1-01:01:01."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}-{hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def age(seconds: float) -> str:
    """The same where nobody counts seconds: <1m, 59m, 2h05, 3d04h."""
    minutes = max(0, int(seconds)) // 60
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    return f"{hour}h{minute:02}" if hour else f"{minute}m" if minute else "<1m"


def cut(text: str, width: int) -> str:
    """The beginning of a printable text, as much as so many columns of a terminal hold."""
    if text.isascii() or len(text) * 2 <= width:
        return text[: max(0, width)]
    from unicodedata import combining, east_asian_width

    for place, letter in enumerate(text):
        width -= 0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1
        if width < 0:
            return text[:place]
    return text


HEADER = f"{'ID':>6} {'STATE':<9} {'EXIT':>4} {'TIME':>8} COMMAND"


def row(job: Job, now: float) -> str:
    """A job as a line of the table."""
    return f"{job.id:>6} {job.state:<9} {exit_text(job):>4} {run_time(job, now):>8} {printable(command(job))}"


def command(job: Job) -> str:
    """What the job runs, as one would type it."""
    import shlex

    if not job.spec.is_known:
        return "(not readable)"
    return shlex.join(job.spec.argv) if job.spec.argv is not None else job.spec.command or ""


def exit_text(job: Job) -> str:
    """How it ended: an exit status, a signal's name, or "-"."""
    if job.end is None:
        return "-"
    if job.end.signal is not None:
        return signal_name(job.end.signal)
    return "-" if job.end.exit is None else str(job.end.exit)


def signal_name(number: int) -> str:
    """9 -> KILL."""
    import signal

    try:
        return signal.Signals(number).name[3:]
    except ValueError:
        return f"sig{number}"


def run_time(job: Job, now: float) -> str:
    """For how long it ran, or has run so far."""
    if job.started is None:
        return "-"
    if job.ended is None and job.state in FINAL:
        return "-"
    return duration((now if job.ended is None else job.ended) - job.started)


def cpu_time(usage: Mapping[str, float] | None) -> str:
    """User and system time together; nothing where nobody knows."""
    known = [(usage or {})[name] for name in ("user", "system") if name in (usage or {})]
    return duration(sum(known)) if known else ""


def peak_memory(usage: Mapping[str, float] | None) -> str:
    """The most memory that it had: all its processes together, where that was watched, or the largest of them."""
    kib = max((usage or {}).get(name, 0) for name in ("max_rss_kb", "tree_rss_kb"))
    return size_text(int(kib * 1024)) if kib else ""


def snapshot_text(snapshot: Snapshot) -> str:
    """A snapshot, and what it came from."""
    changed = " with changes" if snapshot.diff else ""
    return f"{snapshot.id:.12} (commit {snapshot.commit:.12}{changed})" if snapshot.commit else f"{snapshot.id:.12}"


def gpus_text(grant: Grant) -> str:
    """The GPUs that it had: 0,1, or 0:0.5 for a part of one."""
    return ",".join(name if share == WHOLE else f"{name}:{share_text(share)}" for name, share in grant)


TIMED_OUT = 124


def exit_code(job: Job) -> int:
    """The exit status that a job leaves to whoever waited for it: as a shell and `timeout` have it, and never 0 unless
    it succeeded."""
    if job.state == "succeeded":
        return 0
    if job.state == TIMEOUT:
        return TIMED_OUT
    if job.end is None:
        return 1
    if job.end.signal is not None:
        return 128 + job.end.signal
    return job.end.exit or 1


def ending(job: Job) -> str:
    """In words how a job ended."""
    detail = f": {job.end.detail}" if job.end is not None and job.end.detail else ""
    if job.state not in FINAL:
        return f"job {job.id} is {job.state if job.state in (HELD, MOVING, RUNNING) else 'waiting'}"
    if job.state == TIMEOUT:
        return f"job {job.id} timed out{detail}"
    if job.state == MOVED:
        return f"job {job.id} was moved: it is {job.end.detail if job.end else 'elsewhere'} now"
    if job.state != "failed" or job.end is None:
        return f"job {job.id} {'was ' if job.state != 'succeeded' else ''}{job.state}{detail}"
    if job.end.signal is not None:
        return f"job {job.id} failed: ended by signal {signal_name(job.end.signal)}{detail}"
    if job.end.exit is not None:
        return f"job {job.id} failed: exit status {job.end.exit}{detail}"
    return f"job {job.id} failed: {job.end.reason}{detail}"


SKEW = 2.0
"""Seconds by which a clock may be wrong before it is worth a word."""


def skew(ahead: float) -> str:
    """How wrong it is."""
    return f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's"


def state_of(status: Status) -> str:
    """How a manager is, in a word."""
    return "drained" if status.drained else "paused" if status.paused else "in trouble" if status.trouble else "up"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table, each as a line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def tally(counts: Mapping[str, int]) -> str:
    """{"failed": 1, "succeeded": 3} -> 3 succeeded, 1 failed."""
    order = ["succeeded", "failed", "timeout", "cancelled", "lost", "moved"]
    states = [one for one in order if counts.get(one)] + [one for one in counts if one not in order and counts[one]]
    return ", ".join(f"{counts[state]} {state}" for state in states) or "no jobs"
