"""Text that is safe and short enough for a terminal. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sjs.core.job import Job
from sjs.core.lifecycle import FINAL, QUEUED


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


HEADER = f"{'ID':>6} {'STATE':<9} {'EXIT':>4} {'TIME':>8} COMMAND"


def row(job: Job, now: float) -> str:
    """A job as a line of the table."""
    return f"{job.id:>6} {job.state:<9} {exit_text(job):>4} {_time(job, now):>8} {printable(command(job))}"


def command(job: Job) -> str:
    """What the job runs, as one would type it."""
    import shlex

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


def _time(job: Job, now: float) -> str:
    if job.started is None:
        return "-"
    if job.ended is None and job.state in FINAL:
        return "-"
    return duration((now if job.ended is None else job.ended) - job.started)


def exit_code(job: Job) -> int:
    """The exit status that a job leaves to whoever waited for it."""
    if job.state == "succeeded":
        return 0
    if job.end is None or job.state != "failed":
        return 1
    if job.end.signal is not None:
        return 128 + job.end.signal
    return job.end.exit or 1


def ending(job: Job) -> str:
    """In words how a job ended."""
    detail = f": {job.end.detail}" if job.end is not None and job.end.detail else ""
    if job.state not in FINAL:
        return f"job {job.id} is {'waiting' if job.state == QUEUED else 'running'}"
    if job.state != "failed" or job.end is None:
        return f"job {job.id} {'was ' if job.state != 'succeeded' else ''}{job.state}{detail}"
    if job.end.signal is not None:
        return f"job {job.id} failed: ended by signal {signal_name(job.end.signal)}{detail}"
    if job.end.exit is not None:
        return f"job {job.id} failed: exit status {job.end.exit}{detail}"
    return f"job {job.id} failed: {job.end.reason}{detail}"


def tally(counts: Mapping[str, int]) -> str:
    """{"failed": 1, "succeeded": 3} -> 3 succeeded, 1 failed."""
    order = ["succeeded", "failed", "cancelled", "lost"]
    states = [one for one in order if counts.get(one)] + [one for one in counts if one not in order and counts[one]]
    return ", ".join(f"{counts[state]} {state}" for state in states) or "no jobs"


_SEQUENCE = re.compile(
    rb"\x1b\[[0-9;:]*m"  # colours, which may stay
    rb"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])"
    rb"|\xc2[\x80-\x9f]"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_OPEN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$|\xc2$")
MAX_OPEN = 4096


class Tamer:
    """Takes escape sequences other than colours out of a stream of bytes, wherever it is cut into pieces."""

    def __init__(self) -> None:
        self._open = b""

    def feed(self, data: bytes) -> bytes:
        """What may be shown of the stream so far."""
        data = self._open + data
        match = _OPEN.search(data)
        cut = match.start() if match and len(data) - match.start() < MAX_OPEN else len(data)
        self._open = data[cut:]
        return _tamed(data[:cut])

    def rest(self) -> bytes:
        """What is left at the end, harmless."""
        rest, self._open = self._open, b""
        return _tamed(rest)


def _tamed(data: bytes) -> bytes:
    shown = _SEQUENCE.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else b"", data)
    return re.sub(rb"\x1b(?!\[[0-9;:]*m)", b"", shown)
