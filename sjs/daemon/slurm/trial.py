"""Whether Slurm would take a job that says this to it: `sbatch --test-only`, which hands in nothing. It is a process
of its own, that nobody waits for in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Dict, List

from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import environment

PATIENCE = 60.0


def main(arguments: List[str]) -> int:
    """`trial OPTION...`: print what Slurm says to these options."""
    argv = ["sbatch", "--test-only", *arguments, "--no-requeue", "--export=ALL", "--wrap=:"]
    try:
        done = subprocess.run(
            argv,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"sbatch: {error}\n")
        return 1
    sys.stdout.write(json.dumps(verdict(done.returncode, done.stderr.decode("utf-8", "replace"))) + "\n")
    return 0


def verdict(status: int, said: str) -> Dict[str, Any]:
    """Whether Slurm has said anything to the options (`known`), and why it would never take them (`refused`). Without
    nodes that are up it would start nothing now, which is none of theirs."""
    meaning = words.NOW if status == 0 else words.refusal(said)
    is_refused = status != 0 and meaning == words.NOW and words.is_for_ever(said)
    return {"known": meaning == words.NOW, "refused": words.complaint(said) if is_refused else ""}
