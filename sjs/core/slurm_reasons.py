"""Why a job waits in Slurm, in lines for people: the reasons that `squeue` gives, in words."""

from __future__ import annotations

import re
from typing import List, Mapping, Tuple

REASONS: Mapping[str, str] = {
    "None": "Slurm has not looked at it yet",
    "Priority": "others come before it",
    "Resources": "it is the next, and waits until enough is free",
    "Dependency": "it waits for another job of Slurm's",
    "DependencyNeverSatisfied": "it waits for a job of Slurm's that has ended otherwise; cancel it",
    "BeginTime": "its time to begin has not come",
    "Cleaning": "what is left of its last run is cleaned away",
    "JobArrayTaskLimit": "as many of its array run as may",
    "JobHeldUser": "it is held in Slurm; scontrol release lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "JobLaunchFailure": "it could not be started on its node",
    "BadConstraints": "no node has what it asks for",
    "NodeDown": "a node that it needs is down",
    "ReqNodeNotAvail": "a node that it needs can not be had: down, drained or reserved",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition starts nothing now",
    "PartitionConfig": "its partition can never give it what it asks for",
    "PartitionNodeLimit": "it asks for more nodes, or fewer, than its partition gives",
    "PartitionTimeLimit": "it asks for more time than its partition gives",
    "Reservation": "it waits for its reservation",
    "ReservationDeleted": "its reservation is gone",
    "Licenses": "it waits for a licence",
    "InvalidAccount": "its account is none",
    "InvalidQOS": "its QOS is none",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its QOS may not use this partition",
    "Prolog": "its nodes are being made ready",
    "Reboot": "its nodes are started anew",
    "MaxRequeueExceeded": "it was begun anew too often",
    "NonZeroExitCode": "it ended badly",
    "launch failed requeued held": "it could not be started, and is held",
    "system failure": "something failed in Slurm",
    "DeadLine": "its deadline can not be met",
    "FrontEndDown": "no front end is up",
    "BurstBufferResources": "it waits for room in the burst buffer",
    "BurstBufferStageIn": "its files are on their way into the burst buffer",
}

_LIMIT = re.compile(
    r"^(?P<whose>QOS|Assoc)(?P<most>Grp|Max)(?P<what>\w+?)(?P<per>PerUser|PerJob|PerNode|PerAccount)?Limit$"
)

_WHOSE = {"QOS": "its QOS", "Assoc": "its account"}

_WHAT: Tuple[Tuple[str, str], ...] = (
    ("submit", "jobs handed in"),
    ("job", "jobs at a time"),
    ("cpu", "processors"),
    ("mem", "memory"),
    ("gres", "GPUs and the like"),
    ("node", "nodes"),
    ("wall", "time"),
    ("billing", "billed units"),
    ("energy", "energy"),
    ("bb", "burst buffer"),
    ("lic", "licences"),
)

_PER = {
    "PerUser": " for each user",
    "PerJob": " for each job",
    "PerNode": " on each node",
    "PerAccount": " for each account",
}


def words(reason: str) -> str:
    """One reason, or several joined by commas, in words; Slurm's own word stays beside it, for its documentation."""
    found = []
    for one in re.split(r",(?! )", reason):  # some have more to say, or are sentences
        head = one.partition(",")[0]
        said = REASONS.get(one) or REASONS.get(head) or _limit(head)
        found.append(f"{said} ({one})" if said else one)
    return "; ".join(found)


def _limit(reason: str) -> str:
    """`QOSMaxJobsPerUserLimit`, `AssocGrpCpuLimit`: all that there are of these follow a pattern."""
    match = _LIMIT.match(reason)
    if match is None:
        return ""
    what = match["what"].lower()
    named = next((text for key, text in _WHAT if key in what), match["what"])
    shared = ", all its jobs together" if match["most"] == "Grp" else _PER.get(match["per"] or "", "")
    running = " that run so long" if "runminutes" in what else ""
    return f"{_WHOSE[match['whose']]} allows no more {named}{running}{shared}"


def lines(place: Mapping[str, str], state: str, reason: str, start: str, folder: str, horizon: str) -> List[str]:
    """What there is to be said of a job that was handed to Slurm and has not begun. `start`: when Slurm expects it to;
    `folder`: where its node is to leave a sign; `horizon`: when what it expects is no promise any more."""
    if not state:
        return ["it was handed to Slurm, which has not told of it yet"]
    who = f"job {place.get('id', '?')} of Slurm's"
    where = f", partition {place['partition']}" if place.get("partition") else ""
    if state == "RUNNING":
        node = place.get("node", "its node")
        return [
            f"{who}{where} was started on {node}, and has left no sign in {folder} yet:"
            " that has to be on a file system which Slurm's nodes share"
        ]
    found = [f"waits in Slurm as {who}{where}: {words(reason or 'None')}"]
    if start and start < horizon:
        found.append(f"Slurm expects to start it at {start.replace('T', ' ')}")
    return found
