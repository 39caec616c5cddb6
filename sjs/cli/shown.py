"""What is printed on machines while somebody looks on."""

from __future__ import annotations

import json
import sys

from sjs.answers import Piece
from sjs.cli.output import Output, flush
from sjs.cli.tamer import Tamer


class Shown:
    """One of a command's outputs: as it comes, or where several machines speak, whole lines with their names."""

    def __init__(self, out: Output, name: str, stream: str) -> None:
        self._out = out
        self._name = name
        self._stream = stream
        self._to = sys.stdout if stream == "out" or out.json else sys.stderr
        self._tamer = Tamer() if self._to.isatty() else None
        self._rest = b""

    def take(self, piece: Piece) -> None:
        """Show what has come."""
        data = self._tamer.feed(piece.data) if self._tamer else piece.data
        if self._out.named or self._out.json:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._write(b"".join(self._line(line) for line in lines))
        else:
            self._write(data)

    def end(self) -> None:
        """Show what is left."""
        if self._rest:
            self._write(self._line(self._rest))

    def _line(self, line: bytes) -> bytes:
        if self._out.json:
            body = {"target": self._name, "stream": self._stream, "line": line.decode("utf-8", "replace")}
            return json.dumps(body).encode() + b"\n"
        return f"[{self._name}] ".encode() + line + b"\n"

    def _write(self, data: bytes) -> None:
        if data:
            flush()
            self._to.buffer.write(data)
            self._to.buffer.flush()


class Screen:
    """Both outputs of one machine."""

    def __init__(self, out: Output, name: str) -> None:
        self._streams = {stream: Shown(out, name, stream) for stream in ("out", "err")}

    def take(self, piece: Piece) -> None:
        """Show what has come."""
        self._streams[piece.stream].take(piece)

    def end(self) -> None:
        """Show what is left."""
        for one in self._streams.values():
            one.end()
