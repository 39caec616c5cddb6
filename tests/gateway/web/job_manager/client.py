"""A client as job_manager's own are: urllib, a number in a header, bodies that zlib made and that are called gzip. It
stops at whatever is no success, as they do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from typing import Any

from sjs.values import dataclass
from tests.live.machine import DEADLINE

PACKED = {"Content-Type": "application/json", "content-encoding": "gzip"}
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    """`jobix` is sent as it is, unless it is None."""

    url: str
    jobix: object = 42
    token: str = ""

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        """One request, whatever is answered."""
        said = {} if self.jobix is None else {"jobix": str(self.jobix)}
        if self.token:
            said["Authorization"] = f"Bearer {self.token}"
        asked = urllib.request.Request(self.url + path, body, {**said, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
                return _answer(answer)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)

    def get(self, path: str) -> str:
        """The text of a success."""
        return self._good(self.ask(path))

    def post(self, path: str, document: Any) -> str:
        """The same, of something that is sent as they do."""
        return self._good(self.ask(path, zlib.compress(json.dumps(document).encode("utf-8")), PACKED))

    def _good(self, answer: Answer) -> str:
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == HTML
        return answer.text


def _answer(answer: Any) -> Answer:
    names = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, names, answer.read().decode("utf-8"))
