"""What the gateway is told by its config and its command line, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.startup import Listener
from sjs.gateway.records.retention import Keep
from sjs.values import dataclass, field

PORT = 8765
"""Of the native API, where nothing else is said."""

DIALECTS: Mapping[str, int] = {"jobmgr": 9845, "jobd": 8080, "stages": 5000}
"""The replaced programs that can be spoken for, and the ports that their clients know."""


@dataclass(frozen=True)
class Jobd:
    """What is said of jobd's requests alone. `target`: for whom their jobs are; `slurml_target`: for whom those are
    that say `slurml`, or nobody; `most_unpacked`: bytes of all files of an upload; `most_output`: of all that a job
    leaves."""

    target: str = "any"
    slurml_target: str = ""
    most_unpacked: int = 4 << 30
    most_output: int = 8 << 30


@dataclass(frozen=True)
class Settings:
    """`folder`: where it keeps what it needs, if nothing else is said: database, artifacts, keys, specs; `listeners`:
    where it is asked; `hosts`: by which names, besides those; `origins`: of other pages that may ask it; `links`: for
    how many seconds a link to an artifact is good; `keep`: what of all that is kept goes in time, in config.yaml
    `gateway.keep: {days, jobs, output_days, output_bytes, artifact_days, artifacts, artifact_bytes, event_days, events,
    step_days, steps, key_days, keys, dry}`."""

    folder: str
    database: str = field(repr=False)
    specs: str
    listeners: Sequence[Listener]
    artifacts: Mapping[str, Any] | None = None
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    most_body: int = 8 << 20
    most_upload: int = 1 << 30
    most_requests: int = 256
    """Open at a time, of all callers."""
    links: int = 7_200
    keep: Keep = field(default_factory=Keep)
    link_keys: str = ""
    """The file with the keys that links are signed with; if none is said, in the folder."""
    limits: Limits = field(default_factory=Limits)
    """Of new tokens, if nothing else is said of them."""
    patience: float = 20.0
    """Seconds that the head of a request may take, or a handshake."""
    farewell: float = 10.0
    """Seconds that requests have to end, when it is to end."""
    hooks_allow: Sequence[str] = ()
    """Networks to which webhooks may lead besides the open internet, as 10.1.0.0/16; to these by http, too."""
    heartbeat: float = 15.0
    """Seconds after which a stream of events says that it is alive, and its token is looked at again."""
    jobd: Jobd = field(default_factory=Jobd)
    path: str = ""
    """Below which a proxy serves it, as /sjs: what pages refer to begins so. The proxy takes it off again."""

    @property
    def link_key_file(self) -> str:
        return self.link_keys or f"{self.folder}/link.keys"


def usual(folder: str) -> Settings:
    """What it is without a word in any config."""
    return Settings(folder, f"sqlite:///{folder}/gateway.db", f"{folder}/jobspecs", [Listener("127.0.0.1", PORT)])
