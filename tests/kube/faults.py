"""Faults on demand: what a cluster does on a bad day, for the next requests of a kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.kube.bell import Bell
from tests.kube.status import Refused

TEXTS = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", 'jobs.batch is forbidden: User "admin" cannot list resource "jobs" in API group "batch"'),
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}
PLAIN = {
    429: "Too many requests, please try again later.\n",
    502: "<html><head><title>502 Bad Gateway</title></head></html>\n",
}
"""What does not come from the API itself, but from what stands before it, is no Status."""


class Turned(Exception):
    """Answered by what stands before the API."""

    def __init__(self, code: int, headers: dict[str, str]) -> None:
        super().__init__(PLAIN[code])
        self.code, self.text, self.headers = code, PLAIN[code], headers


class Reset(Exception):
    """The connection is to end without an answer."""


@dataclass
class Fault:
    """One kind of trouble for so many requests of a verb ("" is any) of a resource."""

    code: int
    times: int
    verb: str = ""
    resource: str = ""
    retry_after: int | None = None
    done_first: bool = False
    """The request is carried out, and only its answer is lost."""

    def fits(self, verb: str, resource: str) -> bool:
        return self.times > 0 and self.verb in ("", verb) and self.resource in ("", resource)

    def refusal(self) -> Refused | Turned:
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        if self.code in PLAIN:
            return Turned(self.code, headers)
        reason, message = TEXTS[self.code]
        details = {"retryAfterSeconds": self.retry_after} if self.retry_after is not None else None
        return Refused(self.code, reason, message, details, headers)


@dataclass
class Faults:
    """What is to go wrong; each call of this says so from now on."""

    pending: list[Fault] = field(default_factory=list)
    bell: Bell = field(default_factory=Bell)
    cuts: dict[str, int] = field(default_factory=dict)
    log_ends: list[tuple[int, bytes]] = field(default_factory=list)
    _watches_held: int = 0
    _answers_held: int = 0
    _waiting: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self, code: int, times: int = 1, verb: str = "", resource: str = "", retry_after: int | None = None
    ) -> None:
        """Answer so many requests with this code, and do nothing of what they ask."""
        self.pending.append(Fault(code, times, verb, resource, retry_after))

    def reset(self, times: int = 1, verb: str = "", resource: str = "", done_first: bool = False) -> None:
        """End the connection of so many requests without an answer, before or (`done_first`) after doing them."""
        self.pending.append(Fault(0, times, verb, resource, done_first=done_first))

    def cut_watches(self, after: int = 0) -> None:
        """End the next watch in the middle of a line, after so many whole ones."""
        self.cuts["watch"] = after

    def fail_watches(self, code: int, times: int, resource: str = "jobs") -> None:
        """So many watches are taken, and then tell of this code as their only event."""
        self.pending.append(Fault(code, times, "event", resource))

    def cut_logs(self, after: int = 0) -> None:
        """End the next log that is followed in the middle of a line, after so many whole ones."""
        self.cuts["pods/log"] = after

    def end_logs(self, after: int = 0, times: int = 1, words: bytes = b"") -> None:
        """End so many logs that are followed after so many whole lines, as if all were said, though the container runs:
        as a kubelet does. `words`: what it says of that, which is no output."""
        self.log_ends += [(after, words)] * times

    def take_log_end(self) -> tuple[int, bytes] | None:
        with self._lock:
            return self.log_ends.pop(0) if self.log_ends else None

    def clear(self) -> None:
        self.log_ends.clear()
        self.pending.clear()
        self.cuts.clear()

    @contextmanager
    def watches_held(self) -> Iterator[None]:
        """Watches stay open, and what happens meanwhile comes on them when this is over."""
        self._watches_held += 1
        try:
            yield
        finally:
            self._watches_held -= 1
            self.bell.ring()

    @contextmanager
    def answers_held(self) -> Iterator[None]:
        """No request is answered before this is over."""
        self._answers_held += 1
        try:
            yield
        finally:
            with self._changed:
                self._answers_held -= 1
                self._changed.notify_all()

    def watches_pass(self) -> bool:
        return not self._watches_held

    def wait_for_answers(self) -> None:
        """Before a request is looked at."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._answers_held)
            self._waiting -= 1

    def wait_for_waiting(self, count: int, seconds: float = 20) -> None:
        """Until so many requests have come that are held."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting >= count, seconds):
                raise TimeoutError(f"{self._waiting} requests wait after {seconds} s, not {count}")

    def take(self, verb: str, resource: str) -> Fault | None:
        """The fault of this request, which is then one fewer."""
        with self._lock:
            for fault in self.pending:
                if fault.fits(verb, resource):
                    fault.times -= 1
                    return fault
            return None

    def take_cut(self, what: str) -> int | None:
        with self._lock:
            return self.cuts.pop(what, None)
