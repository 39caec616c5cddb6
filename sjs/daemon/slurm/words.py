"""What Slurm's programs say, as values. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

QUEUE = "%F|%K|%T|%r|%P|%N|%S|%k"
"""What `squeue` is to say of each job, the comment last, for a stroke may be in it."""

WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "CONFIGURING")
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
ALIVE = (*WAITING, *RUNNING)


REST = -1
"""Stands for the numbers of those that were cancelled while they waited: Slurm forgets which they were."""

AGAIN = 75
"""The exit status of a job of Slurm's that has found it begun before (`node`): it says nothing of it."""


class Seen(NamedTuple):
    """A job as Slurm tells of it: which one of a chunk."""

    key: str
    number: int
    id: str
    state: str
    reason: str = ""
    partition: str = ""
    node: str = ""
    start: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether its end is still to come."""
        return self.state in ALIVE

    @property
    def place(self) -> Dict[str, str]:
        """What records tell of it."""
        found = {"id": f"{self.id}_{self.number}", "partition": self.partition, "node": self.node}
        return {name: value for name, value in found.items() if value}


def queue(text: str, prefix: str) -> Iterator[Seen]:
    """Every job of `squeue`'s whose comment begins so."""
    for line in text.splitlines():
        fields = line.strip().split("|", 7)
        if len(fields) == 8 and fields[7].startswith(prefix):
            id_, numbers, state, reason, partition, node, start, key = fields
            known = "" if start in ("N/A", "Unknown") else start
            for number in indexes(numbers) or (REST,):
                yield Seen(key, number, id_, state, reason, partition, node, known)


def indexes(text: str) -> List[int]:
    """The numbers of an array: `5`, `0-999`, `1,4-6%2`, `0-8:2`; none of what is no array."""
    plain = text.strip("[]").partition("%")[0]
    found: List[int] = []
    for part in plain.split(","):
        span, _, step = part.partition(":")
        low, _, high = span.partition("-")
        if low.isdigit() and (high or low).isdigit():
            found += range(int(low), int(high or low) + 1, int(step) if step.isdigit() and int(step) else 1)
    return found


def expression(numbers: List[int]) -> str:
    """The other way round, for an option."""
    found: List[List[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def filename(path: str) -> str:
    """One as it stands, where Slurm would put something in for what follows a `%`."""
    return path.replace("%", "%%")


# What sbatch says

_UNSURE = re.compile(
    r"timed? ?out|Zero Bytes|send/recv|Unexpected message|Connection reset|Communication connection failure"
    r"|Incompatible versions",
    re.IGNORECASE,
)
_NEVER = re.compile(
    r"\binvalid\b(?!.*\b(?:credential|authentication|user))|PerJob(?:Limit)?\b"
    r"|limit specification required",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"Unable to contact|connect failure|connection refused|temporarily|try again|Limit|limit|too many|Resource"
    r" temporarily|not responding|backup controller|Unable to resolve|munge|authentication|No partition|Slurmdb"
    r"|in standby|is down|unavailable or inactive|not (?:yet )?ready|space left|error writing script|internal error"
    r"|inactive or drain|not available now|in use|not usable now|usage threshold",
    re.IGNORECASE,
)


def is_limit(said: str) -> bool:
    """Whether fewer jobs at once might be taken."""
    return re.search(r"limit|too many", said, re.IGNORECASE) is not None


def is_its_own(said: str) -> bool:
    """Whether that which keeps a job out need not keep out others."""
    return is_limit(said) or re.search(r"partition|reservation|threshold", said, re.IGNORECASE) is not None


_NOT_HIS = re.compile(
    r"not permitted|unrecognized option|option .* (?:requires|doesn't allow) an argument", re.IGNORECASE
)

NOW, LATER, UNSURE = "now", "later", "unsure"


def refusal(said: str) -> str:
    """What a refusal of `sbatch` means: that it will never do (NOW), that it may LATER, or that nobody knows whether it
    was taken (UNSURE)."""
    if _UNSURE.search(said):
        return UNSURE
    return LATER if _LATER.search(said) and not _NEVER.search(said) else NOW


def is_for_ever(said: str) -> bool:
    """Whether a refusal of `sbatch --test-only` is about what was asked for, and not about how its nodes are now."""
    return _NEVER.search(said) is not None or _NOT_HIS.search(said) is not None


def complaint(said: str) -> str:
    """The last line in which a program of Slurm's says what is wrong, and what the one before says closer."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Try ")]
    telling = [line for line in lines if "error:" in line] or lines
    plain = [
        re.sub(r"^[\w/.-]+: (?:error: )?(?:Batch job submission failed: )?|^allocation failure: ", "", line)
        for line in telling[-2:]
    ]
    return " (".join(reversed(plain)) + ")" * (len(plain) - 1) if plain else "it said nothing"


def settings(text: str) -> Dict[str, str]:
    """`scontrol show config`, by name."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


# Ends

_REASONS: Dict[str, Tuple[str, str]] = {
    "TIMEOUT": ("timeout", "Slurm ended it: its time limit there was over"),
    "DEADLINE": ("timeout", "Slurm ended it: its deadline had come"),
    "OUT_OF_MEMORY": ("oom", "Slurm ended it: it took more memory than it had been given"),
    "CANCELLED": ("cancelled", "cancelled in Slurm"),
    "NODE_FAIL": ("host-lost", "its node failed"),
    "BOOT_FAIL": ("host-lost", "its node could not be started"),
    "PREEMPTED": ("host-lost", "Slurm preempted it"),
    "REVOKED": ("host-lost", "Slurm gave it to another cluster"),
}
"""Which of our reasons a state of Slurm's is, and what there is to be said of it."""

BACK = "Slurm took it back, or had forgotten that it ran, and would have begun it again"

FOREIGN = (9, 15)
"""Signals by which kernels, Slurm and those who run it end jobs. The job may hear of it before the program does."""


def is_telling(own: Dict[str, Any]) -> bool:
    """Whether what the program on the node has left says all: not, where somebody else may have wanted that end."""
    if own["reason"] not in ("exit", "signal"):
        return True
    return not own.get("told") and own.get("signal") not in FOREIGN and (own.get("exit") or 0) - 128 not in FOREIGN


def end(own: Optional[Dict[str, Any]], state: str, status: Optional[str], cancelled: bool) -> Dict[str, Any]:
    """How an attempt has ended, by what was left of it, and what Slurm says: a state and, as in `1:0`, a status.
    `cancelled`: we asked for it."""
    found = {name: value for name, value in (own or {}).items() if name != "told"}
    if cancelled and found.get("reason") != "spawn-error":
        return {**found, "reason": "cancelled"}
    if own is not None and is_telling(own):
        return found
    base, _, _ = state.partition(" ")
    if base in WAITING:
        return {**found, "reason": "host-lost", "detail": BACK}
    if base in _REASONS:
        reason, detail = _REASONS[base]
        return {**found, "reason": reason, "detail": detail}
    if own is not None and (status != f"{AGAIN}:0" or own.get("exit") == AGAIN):
        return found
    return {**found, **_by_status(base, status)}


def _by_status(state: str, status: Optional[str]) -> Dict[str, Any]:
    code, _, number = (status or "").partition(":")
    note = "it left no end; this is what Slurm says"
    if code == str(AGAIN):
        return {"reason": "host-lost", "detail": BACK}
    if state == "COMPLETED":
        return {"reason": "exit", "exit": 0, "detail": note}
    if state == "FAILED" and number.isdigit() and int(number):
        return {"reason": "signal", "signal": int(number), "detail": note}
    if state == "FAILED" and code.isdigit() and int(code) > 128:
        return {"reason": "signal", "signal": int(code) - 128, "detail": note}
    if state == "FAILED" and code.isdigit():
        return {"reason": "exit", "exit": int(code), "detail": note}
    if state == "FAILED":
        return {"reason": "spawn-error", "detail": "it failed in Slurm, and left nothing that says how"}
    return {"reason": "host-lost", "detail": f"Slurm knows no more of it{f' than {state}' if state else ''}"}
