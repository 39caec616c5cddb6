"""Base64 that comes and goes in pieces: the standard alphabet, padded, with line ends anywhere, as Go reads it."""

from __future__ import annotations

import binascii
import re

from sjs.errors import BadRequest

_LINES = b"\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/\r\n]")


class BadBase64(BadRequest):
    """It is no base64; the message is Go's."""

    code = "bad_base64"

    def __init__(self, at: int) -> None:
        super().__init__(f"illegal base64 data at input byte {at}")


class Decoder:
    """Base64 to bytes. Memory: a few times the piece that is fed."""

    def __init__(self) -> None:
        self._begun = b""
        self._seen = 0
        self._padding = 0
        """How many "=" there were, and how many there must be."""
        self._due = 0

    def feed(self, piece: bytes) -> bytes:
        """What it means, as far as that is sure."""
        if self._due:
            return self._behind(piece, 0)
        others = piece.translate(None, _ALPHABET)
        foreign = others.strip(_LINES) and _FOREIGN.search(piece)
        if not foreign:
            self._seen += len(piece)
            return self._decode(piece.translate(None, _LINES) if others else piece)
        at = foreign.start()
        decoded = self._decode(piece[:at].translate(None, _LINES))
        held = len(self._begun)
        if piece[at] != 0x3D or held < 2:
            raise BadBase64(self._seen + at)
        self._due, self._padding = 4 - held, 1
        decoded += binascii.a2b_base64(self._begun + b"=" * self._due)
        self._begun = b""
        return decoded + self._behind(piece, at + 1)

    def close(self) -> bytes:
        """Nothing more comes."""
        if self._padding < self._due:
            raise BadBase64(self._seen)
        if self._begun:
            raise BadBase64(self._seen - len(self._begun))
        return b""

    def _decode(self, piece: bytes) -> bytes:
        text = self._begun + piece if self._begun else piece
        whole = len(text) & ~3
        self._begun = text[whole:]
        return binascii.a2b_base64(text[:whole])

    def _behind(self, piece: bytes, at: int) -> bytes:
        """Behind the first "=": another where it is due, and ends of lines."""
        for place in range(at, len(piece)):
            if piece[place] in _LINES:
                continue
            if piece[place] != 0x3D or self._padding == self._due:
                raise BadBase64(self._seen + place - (self._padding < self._due))
            self._padding += 1
        self._seen += len(piece)
        return b""


class Encoder:
    """Bytes to base64, in one line."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, piece: bytes) -> bytes:
        """Its base64, but for bytes that need those which follow."""
        data = self._begun + piece
        whole = len(data) - len(data) % 3
        self._begun = data[whole:]
        return binascii.b2a_base64(data[:whole], newline=False)

    def close(self) -> bytes:
        """The rest, padded."""
        rest, self._begun = self._begun, b""
        return binascii.b2a_base64(rest, newline=False)
