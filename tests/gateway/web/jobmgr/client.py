"""A client as jobmgr's own were: requests as bytes, answers as bytes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from sjs.values import dataclass
from tests.live.machine import DEADLINE, until

HOST = "127.0.0.1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    port: int
    root: str = ""
    token: str = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; no redirect is followed."""
        link = http.client.HTTPConnection(HOST, self.port, timeout=DEADLINE)
        said = {**(headers or {}), **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            link.request(method, f"{self.root}{path}", body, said)
            answer = link.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            link.close()

    def post(self, **fields: str) -> Answer:
        return self.ask("POST", "/jobs/start", urlencode(fields).encode(), FORM)

    def start(self, name: str, **parameters: str) -> int:
        """The id of a new job."""
        answer = self.post(name=name, parameters=json.dumps(parameters))
        assert answer.json["status"] == "ok", answer
        created = answer.json["created"]
        assert isinstance(created, int)
        return created

    def get(self, number: int) -> Any:
        return self.ask("GET", f"/jobs/get?id={number}").json

    def ended(self, number: int, seconds: float = DEADLINE) -> Any:
        """What is said of a job once it is over."""
        found: list[Any] = []

        def is_over() -> bool:
            found.append(self.get(number))
            return found[-1]["job"]["status"] in ("completed", "failed")

        until(is_over, f"the end of job {number}", seconds)
        return found[-1]

    def run(self, name: str, **parameters: str) -> Any:
        return self.ended(self.start(name, **parameters))

    def first_line(self, name: str, **parameters: str) -> str:
        """What is said first of why a job has failed."""
        found = self.run(name, **parameters)
        assert (found["job"]["status"], found["artifacts"]) == ("failed", None), found
        first, blank, rest = found["result"].rsplit("\n", 2)
        assert blank == "" and rest.startswith("Job directory: "), found
        return str(first)

    def fetch(self, artifact: int) -> Answer:
        """What a client gets that follows the redirect, with no token."""
        answer = self.ask("GET", f"/artifacts/download?id={artifact}")
        assert answer.status == 307, answer
        return Client(self.port).ask("GET", answer.headers["location"])


def query(**fields: str) -> str:
    return urlencode(fields, quote_via=quote)
