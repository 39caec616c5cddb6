"""Servers of S3 that run here: two that are real, and one that answers what it is told to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from sjs.gateway.artifacts.settings import Keys, S3Settings, Secret

DEADLINE = 60.0
"""Seconds for a server to start; it takes one."""

LONG = bool(os.environ.get("SJS_S3_LONG"))
S3RVER = "s3rver@3.7.1"


class Server(NamedTuple):
    name: str
    endpoint: str
    access: str
    secret: str

    @property
    def environ(self) -> dict[str, str]:
        return {"S3_SECRET": self.secret}

    def settings(self, **more: Any) -> S3Settings:
        """Those of a store there, which knows little patience."""
        keys = Keys(self.access, Secret(env="S3_SECRET"))
        usual = {"bucket": "artifacts", "prefix": "sjs/", "path_style": True, "retries": 1, "read_timeout": 30}
        return S3Settings(**{**usual, "endpoint": self.endpoint, "keys": keys, **more})


@contextmanager
def moto() -> Iterator[Server]:
    program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _started(program) as endpoint:
        yield Server("moto", endpoint, "some", "secret")


@contextmanager
def s3rver(folder: Path) -> Iterator[Server]:
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), S3RVER]
    subprocess.run(install, check=True, timeout=300)
    (folder / "data").mkdir()
    program = [str(folder / "node_modules/.bin/s3rver"), "-d", str(folder / "data"), "-a", "127.0.0.1", "-p", "0"]
    with _started(program) as endpoint:
        yield Server("s3rver", endpoint, "S3RVER", "S3RVER")


@contextmanager
def _started(program: list[str]) -> Iterator[str]:
    """The address that it says it listens at."""
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        timer = threading.Timer(DEADLINE, process.kill)
        timer.start()
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"(?:Running on http://|listening on )(127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise AssertionError(f"{program} has not started: {said}")
            timer.cancel()
            reader = threading.Thread(target=lambda stream: [None for _ in stream], args=(process.stdout,))
            reader.start()
            yield f"http://{found[1]}"
            process.kill()
            reader.join()
        finally:
            timer.cancel()
            process.kill()


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    """What is said of the body's length, where that is not true."""


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Canned:
    """Gives these answers, one after the other, and keeps what it was asked."""

    def __init__(self, endpoint: str) -> None:
        self.server = Server("canned", endpoint, "some", "secret")
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        self.always: Callable[[str], Answer] | None = None
        """Its answer to each method, if it is always the same."""

    def answer(self, *answers: Answer) -> None:
        self.answers += answers

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.asked]


@contextmanager
def canned() -> Iterator[Canned]:
    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {key.lower(): value for key, value in self.headers.items()}
            found.asked.append(Asked(self.command, self.path, headers, body))
            answer = found.always(self.command) if found.always else found.answers.pop(0)
            self.send_response(answer.status)
            for key, value in answer.headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = reply

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Canned(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def refusal(code: str, status: int, words: str = "so it is") -> Answer:
    """How S3 says no."""
    return Answer(status, f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode())
