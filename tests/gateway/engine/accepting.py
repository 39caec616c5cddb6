"""An office in a process of its own, to be killed: `accepting.py CONFIG DATABASE RAN FIRST COUNT`.

Accepts COUNT jobs, one after the other, each under a key; prints the key once the job is accepted; then "done", and
waits for its end. Each job adds its key to the file RAN.
"""

from __future__ import annotations

import json
import sys

from sjs import spec_json
from sjs.config import from_mapping
from sjs.core.job import Spec
from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.engine.office import Office
from sjs.gateway.records.jobs import New
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import Pooled, owned
from sjs.gateway.records.writer import Writer


def main(config: str, database: str, ran: str, first: int, count: int) -> None:
    engine = engine_of(f"sqlite:///{database}")
    with owned(engine):
        migrate(engine)
        write = Writer(Pooled(engine))
        store = FolderStore(f"{database}-artifacts")
        office = Office(from_mapping(json.loads(config), {}), engine, write, store)
        for number in range(first, first + count):
            word = ("a", "b", "any", "any:@both")[number % 4]
            body = json.dumps(spec_json.to_wire(Spec(command=f"echo {number} >> {ran}")))
            office.accept([New(word, body)], "me", "api", f"k{number}").result()
            print(number, flush=True)
        print("done", flush=True)
        sys.stdin.read()
        office.close()
        write.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
