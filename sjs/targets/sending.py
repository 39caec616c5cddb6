"""A tree of this machine, sent to another: what it says that it lacks, and no more."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from sjs.errors import UsageError
from sjs.targets.pipeline import PATIENCE, Pipeline
from sjs.targets.replies import understood
from sjs.targets.session import Message, Session
from sjs.trees.entries import BLOCK, FILE, Entry, Piece, batches, entry_from, piece_to, pieces
from sjs.trees.folder import Folder
from sjs.trees.patterns import literal, patterns
from sjs.trees.tally import Tally, Watch
from sjs.trees.walking import walk
from sjs.values import dataclass

AHEAD = 2
"""Lists of entries of which the machine is asked before it has answered the first."""

MANY, SOME = 10_000, 100
"""Things that are removed in one round, and by one request."""


@dataclass
class Wish:
    """How a tree is to be sent. `dry`: not at all, but say what would be; `delete`: then remove what is there and not
    here."""

    to: str
    dry: bool = False
    delete: bool = False


class Source:
    """A file or a folder here, with the name that it has there: its own, also where that is a link to it."""

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(os.path.abspath(path))
        real = os.path.realpath(path)
        self._own = os.path.basename(real)
        if not self.name or not self._own:
            raise UsageError(f"{path}: has no name that it could have there", "name a folder in it")
        if not os.path.exists(real):
            raise UsageError(f"{path}: no such file or folder")
        self.folder = Folder(os.path.dirname(real))

    def entries(self, tally: Tally) -> Iterator[Entry]:
        """All that there is, as it is to be called there."""

        def trouble(path: str, why: str) -> None:
            tally.leave_out(f"{self.folder.path}/{path}", why)

        with self.folder.told():
            for entry in walk(self.folder, patterns([literal(self._own)]), trouble):
                yield entry._replace(path=self.name + entry.path[len(self._own) :])

    def close(self) -> None:
        """Let it go."""
        self.folder.close()

    def here(self, path: str) -> str:
        """What is called so there."""
        return self._own + path[len(self.name) :]


class Sending:
    """One tree on its way to one machine."""

    def __init__(self, session: Session, source: Source, wish: Wish, watch: Watch) -> None:
        self.tally = Tally()
        self._session = session
        self._source = source
        self._wish = wish
        self._watch = watch
        self._pipeline = Pipeline(session)
        self._left_out: set[str] = set()
        self._is_new = False

    def run(self) -> Tally:
        """Send it."""
        asked: deque[tuple[int, list[Entry]]] = deque()
        for entries in batches(self._source.entries(self.tally)):
            asked.append((self._lay(entries), entries))
            if len(asked) > AHEAD:
                self._send(*asked.popleft())
        while asked:
            self._send(*asked.popleft())
        self._pipeline.drain()
        if self._wish.delete and not self._is_new:
            self._remove()
        return self.tally

    def _lay(self, entries: Sequence[Entry]) -> int:
        return self._session.post("lay", b"", PATIENCE, at=self._wish.to, entries=entries, dry=self._wish.dry)

    def _send(self, number: int, entries: Sequence[Entry]) -> None:
        """What the machine lacks of these."""
        reply = self._session.reply(number, PATIENCE)
        self._is_new = reply.get("new") is True
        lacking = understood(lambda reply: [(entries[number], int(come)) for number, come in reply["lacking"]], reply)
        files = [(entry, come) for entry, come in lacking if entry.kind == FILE]
        self.tally.same += sum(entry.kind == FILE for entry in entries) - len(files)
        self.tally.made += len(lacking) - len(files)
        if self._wish.dry:
            self.tally.files += len(files)
            self.tally.bytes += sum(entry.size - come for entry, come in files)
            return
        rest = [(entry, self._right(entry, come)) for entry, come in files]
        self._watch(0, sum(entry.size - done for entry, done in rest))
        for batch in batches(pieces(rest)):
            self._put(batch)

    def _right(self, entry: Entry, come: int) -> int:
        """How much of what has come of a file is what it begins with, as far as it can be gone on with."""
        done = 0
        while done < come:
            count = min(BLOCK, come - done)
            number = self._session.post("head", b"", PATIENCE, at=self._wish.to, file=entry, offset=done, count=count)
            ours = self._digest(entry.path, done, count)
            if self._session.reply(number, PATIENCE).get("digest") != ours:
                break
            done += count
        self.tally.resumed += done
        return done

    def _digest(self, path: str, offset: int, count: int) -> str:
        """What names some bytes of a file; nothing, if it cannot be read, which will be said when it is to be sent."""
        try:
            return self._source.folder.digest(self._source.here(path), offset, count)
        except OSError:
            return ""

    def _put(self, batch: Iterable[Piece]) -> None:
        """Send pieces of files, without those that are not what they were when they were listed."""
        data, sent = [], []
        for piece in batch:
            found = self._read(piece)
            if found is not None:
                data.append(found)
                sent.append(piece)
        if sent:
            travelling = [piece_to(piece) for piece in sent]
            then = partial(self._arrived, sent)
            self._pipeline.post("put", then, b"".join(data), at=self._wish.to, pieces=travelling)

    def _read(self, piece: Piece) -> bytes | None:
        path = piece.file.path
        if path in self._left_out:
            return None
        try:
            data, now = self._source.folder.read(self._source.here(path), piece.offset, piece.length)
        except OSError as error:
            self._leave_out(path, error.strerror or str(error))
            return None
        if now is None or (now.size, now.mtime) != (piece.file.size, piece.file.mtime) or len(data) != piece.length:
            self._leave_out(path, "was changed while it was sent")
            return None
        return data

    def _leave_out(self, path: str, why: str) -> None:
        self._left_out.add(path)
        self.tally.leave_out(f"{self._source.folder.path}/{self._source.here(path)}", why)

    def _arrived(self, sent: Sequence[Piece], message: Message) -> None:
        count = sum(piece.length for piece in sent)
        self.tally.bytes += count
        self.tally.files += sum(piece.is_last for piece in sent)
        self._watch(count, 0)

    def _remove(self) -> None:
        """Remove what is there and not here, in rounds: while the tree there is being listed, it stays."""
        if self._wish.dry:
            self.tally.removed = sum(1 for _ in self._extra())
            return
        while some := list(islice(self._extra(), MANY)):
            for start in range(0, len(some), SOME):
                self._pipeline.post("remove", _nothing, at=self._wish.to, paths=some[start : start + SOME])
            self._pipeline.drain()
            self.tally.removed += len(some)

    def _extra(self) -> Iterator[str]:
        """What is there and not here: of a folder only itself."""
        last = after = ""
        while True:
            asked = {"at": self._wish.to, "globs": [literal(self._source.name)], "after": after}
            reply = self._session.call("tree", PATIENCE, **asked)
            for entry in understood(lambda reply: [entry_from(one) for one in reply["entries"]], reply):
                is_below = bool(last) and entry.path.startswith(f"{last}/")
                if not is_below and not self._is_here(entry.path):
                    last = entry.path
                    yield last
            after = str(reply.get("next") or "")
            if not after:
                return

    def _is_here(self, path: str) -> bool:
        """Whether there is something; also where nobody can say."""
        try:
            above, name = self._source.folder.find(self._source.here(path))
            os.stat(name, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True


def _nothing(message: Message) -> None:
    """Who removes has no more to say than that it is done."""
