"""A proxy as those of firewalls are: `python3 tunnel.py HOST PORT USER:PASSWORD` carries what CONNECT asks for.

Prints "ready" once it listens, then, in a line each, what it is asked, until its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sys
from collections.abc import Awaitable, Callable


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):  # either end may go whenever it likes
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    target.close()


def serving(secret: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    wanted = b"basic " + base64.b64encode(secret.encode()).lower()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = head.decode("latin-1")
        print(" ".join(asked.splitlines()), flush=True)
        if wanted not in head.lower() or not asked.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = asked.split()[1].rpartition(":")
        there, onwards = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(carry(reader, onwards), carry(there, writer))

    return serve


async def main(host: str, port: str, secret: str) -> None:
    await asyncio.start_server(serving(secret), host, int(port))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
