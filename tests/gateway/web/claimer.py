"""Somebody who pulls items until all are done, to be killed: `claimer.py FOLDER NAME THREADS COUNT`.

FOLDER/place says where the gateway is, and with which token it is asked; each line of FOLDER/acknowledged is something
that it has said.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

LEASE = 2.0
PAUSE = 0.02
"""Seconds before a gateway that was killed is asked again."""


class Claimer:
    def __init__(self, folder: Path, name: str, count: int) -> None:
        self.folder, self.name, self.count = folder, name, count
        self.out = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.line: http.client.HTTPConnection | None = None

    def work(self) -> None:
        while self.step(0) + self.step(1) or self.ask("GET", "")[1]["stages"][2]["total"] < self.count:
            pass

    def step(self, stage: int) -> int:
        said = {"stage": stage, "worker": self.name, "seconds": LEASE, "wait": 0.2}
        status, found = self.ask("POST", "/claims", said)
        if status == 204:
            return 0
        assert status == 200, found
        for item in found["items"]:
            number, word = item["number"], item["claim"]
            self.tell("claimed", number, stage, word)
            status, said = self.ask("POST", f"/claims/{word}/finish", {"result": [stage, number]})
            assert status in (200, 409), said
            if status == 200:
                self.tell("finished", number, stage, word)
        return 1

    def tell(self, *what: Any) -> None:
        """In one write, so that a death leaves a line or none."""
        os.write(self.out, json.dumps(what).encode() + b"\n")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Again and again, until it is answered."""
        while True:
            try:
                return self.asked(method, path, body)
            except (OSError, http.client.HTTPException):
                self.line = None
                threading.Event().wait(PAUSE)

    def asked(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        port, token = json.loads((self.folder / "place").read_text())
        if self.line is None:
            self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        text = None if body is None else json.dumps(body)
        self.line.request(method, f"/api/v1/stages/p{path}", text, headers)
        answer = self.line.getresponse()
        found = answer.read()
        if answer.status >= 500 or answer.status == 429:
            raise OSError(found)
        return answer.status, json.loads(found) if found else None


def main(folder: str, name: str, threads: str, count: str) -> None:
    made = [Claimer(Path(folder), f"{name}/{at}", int(count)) for at in range(int(threads))]
    working = [threading.Thread(target=one.work) for one in made]
    for one in working:
        one.start()
    for one in working:
        one.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
