"""How fast sjs is, beside others: `scripts/bench [ROW…]`. No test: those count (`tests/counts`)."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import facts, page
from tests.bench.figures import Effort, Lacking, Row
from tests.bench.rows import ROWS
from tests.live.machine import ROOT

RECORD = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    asked = arguments().parse_args()
    known = {row.name: row for row in ROWS}
    unknown = [name for name in asked.rows if name not in known]
    if unknown:
        return refuse(f"no row is called {unknown[0]}; those there are: {', '.join(known)}")
    if asked.list:
        print("\n".join(f"{row.name:10} {row.title}" for row in ROWS))
        return 0
    if asked.draw:
        PAGE.write_text(page.page(json.loads(RECORD.read_text())))
        return 0
    if asked.write and asked.rows:
        return refuse("--write is for the whole table from one run: name no rows with it")
    chosen = [known[name] for name in asked.rows] or list(ROWS)
    record = run(chosen, Effort(asked.quick, [path.resolve() for path in asked.beside]))
    for path in [asked.json, *([RECORD] if asked.write else [])]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    if asked.write:
        PAGE.write_text(page.page(record))
    print(f"written down in {asked.json}")
    return 1 if any(row["failure"] for row in record["rows"]) else 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="How fast sjs is, beside others.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="these only")
    parser.add_argument("--list", action="store_true", help="which rows there are")
    parser.add_argument("--quick", action="store_true", help="fewer rounds of less: in 3 minutes, and less exact")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", help="where it is written down")
    parser.add_argument("--write", action="store_true", help="make docs/benchmarks.md of it, too")
    parser.add_argument("--draw", action="store_true", help="only draw that page anew")
    parser.add_argument(
        "--beside", type=Path, action="append", default=[], metavar="CHECKOUT", help="another tree, for the row rate"
    )
    return parser


def run(rows: list[Row], effort: Effort) -> dict[str, Any]:
    """Measure them, tell each as it comes, and give all that is to be written down."""
    record: dict[str, Any] = {"quick": effort.quick, "facts": facts.facts(), "rows": []}
    for row in rows:
        record["rows"].append(measured(row, effort))
        print("\n".join(page.lines(record["rows"][-1])), flush=True)
    record["facts"]["load after"] = facts.load()
    return record


def measured(row: Row, effort: Effort) -> dict[str, Any]:
    """What a row found, or why it found nothing: the others go on."""
    begin = time.monotonic()
    told: dict[str, Any] = {"name": row.name, "title": row.title, "figures": [], "notes": [], "failure": None}
    try:
        told.update(dataclasses.asdict(row.measure(effort)))
    except Lacking as lacking:
        told["failure"] = str(lacking)
    except (AssertionError, OSError, EOFError, subprocess.SubprocessError) as error:
        told["failure"] = f"{type(error).__name__}: {error}".replace("\n", " ")
    return {**told, "seconds": round(time.monotonic() - begin, 1)}


def refuse(why: str) -> int:
    print(f"scripts/bench: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
