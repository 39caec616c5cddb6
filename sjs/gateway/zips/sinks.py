"""Where the huge string of a request goes: each is a sink of `ObjectReader`, with its file at the begin of it."""

from __future__ import annotations

from typing import BinaryIO

from sjs.errors import Refused, SjsError
from sjs.gateway.zips.base64_pieces import BadBase64, Decoder
from sjs.gateway.zips.json_object import Sink
from sjs.gateway.zips.json_scan import JsonTooLarge
from sjs.gateway.zips.refusals import BadZip


class TextFile:
    """Puts it into a file as it is, up to `cap` bytes; JsonTooLarge beyond."""

    def __init__(self, file: BinaryIO, cap: int) -> None:
        self.size = 0
        self._file = file
        self._cap = cap

    def begin(self) -> None:
        """It begins, or begins anew."""
        self.size = 0
        self._file.seek(0)
        self._file.truncate()

    def write(self, piece: bytes) -> None:
        """Some of it."""
        self.size += len(piece)
        if self.size > self._cap:
            raise JsonTooLarge(f"the input of the request has more than {self._cap:,} bytes")
        self._file.write(piece)


class Tee:
    """Hands it to several sinks."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def begin(self) -> None:
        """It begins, or begins anew."""
        for sink in self._sinks:
            sink.begin()

    def write(self, piece: bytes) -> None:
        """Some of it."""
        for sink in self._sinks:
            sink.write(piece)


class Base64File:
    """Puts what the base64 means into a file, up to `cap` bytes.

    That it is no base64, or too much, is no error of whoever hands it on: it stands in `trouble`, and the rest is
    not looked at. The file is empty then.
    """

    def __init__(self, file: BinaryIO, cap: int) -> None:
        self.trouble: SjsError | None = None
        self.size = 0
        self._file = file
        self._cap = cap
        self._decoder = Decoder()

    def begin(self) -> None:
        """It begins, or begins anew."""
        self._decoder = Decoder()
        self.trouble = None
        self._empty()

    def write(self, piece: bytes) -> None:
        """Some of the base64."""
        if self.trouble is not None:
            return
        try:
            data = self._decoder.feed(piece)
            self.size += len(data)
            if self.size > self._cap:
                raise BadZip("zip_too_large", f"more than {self._cap:,} bytes")
        except Refused as error:
            self._fail(error)
            return
        self._file.write(data)

    def close(self) -> None:
        """Nothing more comes."""
        if self.trouble is None:
            try:
                self._decoder.close()
            except BadBase64 as error:
                self._fail(error)

    def _fail(self, error: SjsError) -> None:
        self.trouble = error
        self._empty()

    def _empty(self) -> None:
        self.size = 0
        self._file.seek(0)
        self._file.truncate()
