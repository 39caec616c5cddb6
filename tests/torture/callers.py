"""Clients of a gateway that ask again until they are answered, whatever becomes of it; so many requests a second of all
of them together."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

REPEATED = 0.2
"""The part of what was acknowledged that is handed in once more."""

ABANDONED = 0.05
"""The part of what is handed in for whose answer nobody waits."""

HOST = "127.0.0.1"
AGAIN = 0.25
"""Seconds until somebody asks again who was turned away, or found nobody: what he is told is for those who are many."""

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Pace:
    """When who is to ask next: turns at equal distances, none of which is left out."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._begin = time.monotonic()
        self.turns = 0

    async def turn(self) -> None:
        self.turns += 1
        await asyncio.sleep(self._begin + self.turns / self._rate - time.monotonic())


class Caller:
    """One connection at a time, and nothing else that is kept between requests."""

    def __init__(self, port: int, token: str, refused: Callable[[], None]) -> None:
        self._port = port
        self._token = token
        self._refused = refused
        self._pipes: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.again = 0

    async def ask(self, method: str, path: str, said: Any = None, key: str = "") -> tuple[int, Any]:
        """The answer, however often that is asked for."""
        while True:
            try:
                status, head, body = await self._once(method, path, said, key)
                if status != 503:
                    return status, json.loads(body)
                assert b"\r\nretry-after:" in head.lower(), head
                self._refused()
            except (OSError, EOFError):
                self.close()
            self.again += 1
            await asyncio.sleep(AGAIN)

    async def post(self, path: str, said: Any, key: str) -> None:
        """Ask, and go away."""
        try:
            await self._send("POST", path, said, key)
        except OSError:
            self.again += 1
        self.close()

    def close(self) -> None:
        if self._pipes is not None:
            self._pipes[1].close()
            self._pipes = None

    async def _once(self, method: str, path: str, said: Any, key: str) -> tuple[int, bytes, bytes]:
        reader = await self._send(method, path, said, key)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        return int(head[9:12]), head, await reader.readexactly(int(length[1]) if length else 0)

    async def _send(self, method: str, path: str, said: Any, key: str) -> asyncio.StreamReader:
        if self._pipes is None:
            self._pipes = await asyncio.open_connection(HOST, self._port)
        body = b"" if said is None else json.dumps(said).encode()
        lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}", f"authorization: Bearer {self._token}"]
        lines += [f"idempotency-key: {key}"] if key else []
        lines += ["content-type: application/json", f"content-length: {len(body)}"] if body else []
        reader, writer = self._pipes
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return reader


class Crowd:
    """Callers who hand in jobs, and look at them. `job`: what is handed in of a number."""

    def __init__(self, port: int, token: str, seed: int, job: Callable[[int], Any], rate: float, size: int) -> None:
        self.acknowledged: dict[int, int] = {}
        self._numbers: list[int] = []  # of these
        self.abandoned: set[int] = set()
        self.wrong: list[str] = []
        self.answers = self.refused = 0
        self._callers = [Caller(port, token, self._refuse) for _ in range(size)]
        self._job = job
        self._chance = random.Random(seed)
        self._pace = Pace(rate)
        self._next = 0
        self._enough = False
        self._waits: list[tuple[Callable[[], bool], asyncio.Event]] = []

    async def run(self) -> None:
        """Until it is enough, and all that was asked is answered."""
        await asyncio.gather(*map(self._call, self._callers))

    def stop(self) -> None:
        self._enough = True

    @property
    def again(self) -> int:
        """How often something was asked again."""
        return sum(one.again for one in self._callers)

    async def answered(self, count: int) -> None:
        """So many more times."""
        all_of_them = self.answers + count
        await self._until(lambda: self.answers >= all_of_them)

    async def turned_away(self, count: int) -> None:
        """So many more times it was said that later is better."""
        all_of_them = self.refused + count
        await self._until(lambda: self.refused >= all_of_them)

    async def _until(self, condition: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self._waits.append((condition, event))
        self._tell()
        await event.wait()

    def _tell(self) -> None:
        for condition, event in self._waits:
            if condition():
                event.set()
        self._waits = [one for one in self._waits if not one[1].is_set()]

    def _count(self) -> None:
        self.answers += 1
        self._tell()

    def _refuse(self) -> None:
        self.refused += 1
        self._tell()

    async def _call(self, caller: Caller) -> None:
        while not self._enough:
            await self._pace.turn()
            number, self._next = self._next, self._next + 1
            if self._chance.random() < ABANDONED:
                self.abandoned.add(number)
                await caller.post("/api/v1/jobs", self._job(number), f"k{number}")
                continue
            await self._hand_in(caller, number)
            if self._chance.random() < REPEATED:
                await self._pace.turn()
                await self._hand_in(caller, number)
            await self._pace.turn()
            await self._look(caller, self._chance.choice(self._numbers))
        caller.close()

    async def _hand_in(self, caller: Caller, number: int) -> None:
        status, said = await caller.ask("POST", "/api/v1/jobs", self._job(number), f"k{number}")
        self._count()
        if status not in (200, 201):
            self.wrong.append(f"k{number} was answered with {status}: {said}")
        elif number not in self.acknowledged:
            self.acknowledged[number] = said["id"]
            self._numbers.append(number)
        elif self.acknowledged[number] != said["id"]:
            self.wrong.append(f"k{number} is {said['id']}, and was {self.acknowledged[number]}")

    async def _look(self, caller: Caller, number: int) -> None:
        job = self.acknowledged[number]
        status, said = await caller.ask("GET", f"/api/v1/jobs/{job}")
        self._count()
        if status != 200 or said["name"] != f"n{number}":
            self.wrong.append(f"job {job}, which is k{number}, was answered with {status}: {said}")
