"""What is read of an object in S3, across connections that break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sjs.errors import Refused
from sjs.gateway.artifacts import s3_words
from sjs.gateway.artifacts.store import PIECE

if TYPE_CHECKING:
    from sjs.gateway.artifacts.s3 import S3Store


class S3Reading:
    """Asks at once. Where the answer breaks off, it is asked for the rest of the same object, as often in a row as
    other requests are made again."""

    def __init__(self, store: S3Store, key: str, how: dict[str, str], start: int, length: int | None) -> None:
        self._store = store
        self._key = key
        reply = store.client.get_object(**how)
        self._body: Any = reply["Body"]
        if "Range" in how and "ContentRange" not in reply:
            self.close()
            raise Refused(f"s3://{store.settings.bucket}: this server sends all where a range was asked for")
        self._at = start
        self._end = start + int(reply["ContentLength"])
        total = reply.get("ContentRange", "").rpartition("/")[2]
        if total.isdigit():
            self._end = min(self._end, int(total))  # of what is empty, some promise a byte that does not come
        if length is not None:
            self._end = min(self._end, start + length)  # of the first byte alone, some send all
        self._same = {"IfMatch": reply["ETag"]}
        self._left = store.settings.retries

    def __iter__(self) -> S3Reading:
        return self

    def __next__(self) -> bytes:
        while self._at < self._end:
            try:
                data: bytes = self._body.read(min(PIECE, self._end - self._at))
            except self._store.errors as error:
                self._go_on(error)
                continue
            self._at += len(data)
            self._left = self._store.settings.retries
            return data
        self.close()
        raise StopIteration

    def close(self) -> None:
        self._body.close()

    def _go_on(self, error: Exception) -> None:
        self.close()
        if not self._left:
            raise s3_words.told(error, self._store.settings, self._key) from None
        self._left -= 1
        how = {**self._store.at(self._key), **ranged(self._at, self._end - self._at), **self._same}
        with self._store.told(self._key):
            self._body = self._store.client.get_object(**how)["Body"]


def ranged(start: int, length: int | None) -> dict[str, str]:
    """What says to the library that only some bytes are wanted."""
    if length is None:
        return {"Range": f"bytes={start}-"} if start else {}
    return {"Range": f"bytes={start}-{start + length - 1}"}
